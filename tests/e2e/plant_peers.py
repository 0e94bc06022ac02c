"""Machines in whose way of speaking none of our code has a part: node-opcua, libmodbus written to by mbpoll, ports made by
socat, files copied by a shell, mosquitto_pub, rhea."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.integration.amqp.peers import Rhea
from tests.integration.hermes.peers import LIBRARY
from tests.integration.opcua.node_peer import NodePeer
from tests.servers import free_port, require
from tests.servers.mosquitto import Mosquitto

_HERE = Path(__file__).parent


def words(text: str, count: int) -> list[int]:
    """As registers, two characters each."""
    data = text.encode("ascii").ljust(2 * count, b"\0")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, 2 * count, 2)]


def until(condition: Callable[[], object], *, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {timeout_s} s"
        time.sleep(0.02)


def shell(script: str, *arguments: object) -> None:
    """Raises CalledProcessError. The arguments are `$1` and so on."""
    subprocess.run(["sh", "-ec", script, "sh", *map(str, arguments)], check=True, timeout=20)


@contextmanager
def background(*command: object) -> Iterator[None]:
    """A process with its children, until the block ends."""
    process = subprocess.Popen([str(part) for part in command], process_group=0)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


class Peers:
    """One machine of every protocol. folder: where the files of those are that write files, and the serial devices."""

    def __init__(self, folder: Path, node: NodePeer, broker: Mosquitto, rhea: Rhea, modbus_port: int) -> None:
        self.folder = folder
        self.node = node
        self.broker = broker
        self.topic = broker.name("plant")
        self.serial = folder / "usb-FTDI_FT1234-if00-port0"
        self.modbus_port = modbus_port
        self.ports = {name: free_port() for name in ("hermes", "scan", "aoi", "amqp")}
        self._rhea = rhea
        self._stack = ExitStack()
        self._plug = ExitStack()
        for name in ("axi", "spi", "log"):
            (folder / name).mkdir()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Those that need a process of their own."""
        for program in ("bash", "socat"):
            require(program, program)
        (self.folder / "description.xml").write_bytes(LIBRARY)
        hermes = [self.ports["hermes"], self.at("loader"), self.folder / "description.xml", self.folder / "heard"]
        self.registers(0, 0, 0, 0, 100, 0, 100, *[0] * 10, *words("PROGRAM-17", 12), 0)
        with self._stack:
            self._stack.enter_context(background(_HERE / "terminal_server.sh", self.ports["aoi"], self.at("aoi")))
            self._stack.enter_context(background(_HERE / "hermes_machine.sh", *hermes))
            self.plug_in()
            yield

    def at(self, name: str) -> Path:
        """The device behind which a machine is: what is written there it says."""
        return self.folder / f"{name}.device"

    def plug_in(self) -> None:
        """The cable of the machine with a serial port."""
        self._plug = self._stack.enter_context(ExitStack())
        ends = [f"pty,raw,echo=0,link={end}" for end in (self.serial, self.at("probe"))]
        self._plug.enter_context(background("socat", *ends))
        until(lambda: self.at("probe").exists() and self.serial.exists())

    def unplug(self) -> None:
        """And both ports are gone."""
        self._plug.close()

    # -- what the peers say

    def write(self, station: str, text: str | bytes) -> None:
        """To a machine's device, by another process."""
        assert self.at(station).is_symlink(), "nobody is behind it"
        data = text.encode("ascii") if isinstance(text, str) else text
        subprocess.run(["tee", str(self.at(station))], input=data, stdout=subprocess.DEVNULL, check=True, timeout=20)

    def registers(self, at: int, *values: int) -> None:
        """Written into libmodbus's server by mbpoll."""
        require("mbpoll", "mbpoll")
        script = 'mbpoll -m tcp -0 -t 4 -q -p "$1" -r "$2" 127.0.0.1 $3 >/dev/null'
        shell(script, self.modbus_port, at, " ".join(map(str, values)))

    def scan(self, text: str) -> None:
        """What a reader sends on a connection of its own; escapes as printf has them."""
        shell('printf "$2" | socat -u - "tcp:127.0.0.1:$1"', self.ports["scan"], text)

    def publish(self, payload: bytes) -> None:
        self.broker.publish(self.topic, payload)

    def send(self, *payloads: bytes) -> list[str]:
        """By rhea; the outcomes."""

        async def sent() -> list[str]:
            process = await self._rhea.start(self.ports["amqp"], [self._rhea.message(each) for each in payloads])
            return [each["event"] for each in await self._rhea.told(process)]

        return asyncio.run(sent())

    def drop(self, path: str, content: str | bytes, *, moved: bool = False) -> None:
        """A file that a shell copies into a folder of ours; or moves there, when it is whole."""
        source = self.folder / "to-copy"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        shell('mv "$1" "$2"' if moved else 'cp "$1" "$2"', source, self.folder / path)

    def append(self, path: str, text: str) -> None:
        """To a file there, which need not be there before."""
        (self.folder / "to-append").write_text(text, "utf-8")
        shell('cat "$1" >>"$2"', self.folder / "to-append", self.folder / path)
