"""A small line on loopback, heard by a gateway that captures, while tcpdump records the same: what both have can be compared.

python -m tests.integration.pcap.line FOLDER [SECONDS]
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from adapters.opcua_settings import OpcUaConnection
from gateway.capture.form import Captured, ChannelKind, Place, Stored
from gateway.capture.reading import Capture
from gateway.cli import stepping
from gateway.core.event import encode
from gateway.core.times import Micros
from gateway.replay.difference import Comparing
from gateway.replay.equal import KEYS, ByTime, Equal, compared
from gateway.replay.told import Told, told
from simulators.broker import private_broker
from simulators.replay.address import free_port
from tests.captures.make import running

QUICK = ("--speed", "40", "--seed", "7")
LATE_US = 5_000_000
HANDLES = ("Example.Placer.SN1", "Example.Printer.SN1")


class Recorded(NamedTuple):
    """config: of the gateway. recording: pcapng. capture: what the gateway captured."""

    config: Path
    recording: Path
    capture: Path


def _station(name: str, what: str, source: str) -> str:
    return f'[[line.station]]\nname = "{name}"\n{what}\nsource = {{ {source} }}\n'


async def record(folder: Path, seconds: float) -> Recorded:
    """Needs the right to record on loopback."""
    recording = folder / "line.pcap"
    async with contextlib.AsyncExitStack() as stack:
        (folder / "broker").mkdir()
        broker = await stack.enter_async_context(private_broker(folder / "broker"))
        amqp = free_port()
        oven = await _serve(stack, "reflow_oven/example-10-zone")
        aoi = await _serve(stack, "aoi/example-opcua")
        scan = await _serve(stack, "barcode_reader/example-stx-etx")
        loader = await _serve(stack, "magazine_loader", "--hermes")
        ports = (broker.port, amqp, oven, aoi, scan, loader)
        config = folder / "lineside.toml"
        local = 'host = "127.0.0.1"'
        config.write_text(
            '[gateway]\nname = "bench"\nsite = "example"\n[http]\nlisten = "127.0.0.1:0"\n[capture]\nflush = "0.2s"\n'
            '[capture.ring]\nkeep = "1h"\n[[line]]\nname = "L1"\n'
            + _station(
                "placer",
                'class = "pick_and_place"',
                f'protocol = "cfx-mqtt", {local}, port = {broker.port}, topics = ["#"], handle = "{HANDLES[0]}"',
            )
            + _station(
                "printer",
                'class = "solder_paste_printer"',
                f'protocol = "cfx-amqp", listen = "127.0.0.1:{amqp}", handle = "{HANDLES[1]}"',
            )
            + _station(
                "oven", 'profile = "reflow_oven/example-10-zone"', f'protocol = "modbus-tcp", {local}, port = {oven}'
            )
            + _station("aoi", 'profile = "aoi/example-opcua"', f'protocol = "opcua", url = "opc.tcp://127.0.0.1:{aoi}"')
            + _station(
                "scan",
                'profile = "barcode_reader/example-stx-etx"',
                f'protocol = "tcp-text", {local}, port = {scan}',
            )
            + _station("loader", 'class = "magazine_loader"', f'protocol = "hermes-vertical", {local}, port = {loader}')
        )
        stack.enter_context(tcpdump(recording, ports))
        await stack.enter_async_context(running("run", "-c", str(config), lines=1))
        mqtt = ("--mqtt", f"127.0.0.1:{broker.port}", "--handle", HANDLES[0])
        await stack.enter_async_context(running("simulate", "pick_and_place", *mqtt, *QUICK, lines=2))
        p2p = ("--amqp", f"127.0.0.1:{amqp}", "--handle", HANDLES[1])
        await stack.enter_async_context(running("simulate", "solder_paste_printer", *p2p, *QUICK, lines=2))
        await asyncio.sleep(seconds)
    (made,) = folder.rglob("*.mcap")
    return Recorded(config, recording, made)


async def _serve(stack: contextlib.AsyncExitStack, *simulated: str) -> int:
    said = await stack.enter_async_context(running("simulate", *simulated, *QUICK, lines=2))
    found = re.search(r"(?:127\.0\.0\.1:|port |:)(\d+)", said.splitlines()[-1])
    assert found is not None, said
    return int(found[1])


@contextmanager
def tcpdump(file: Path, ports: Iterable[int]) -> Iterator[None]:
    """Records these on loopback, which takes the right to. What it lost, it says: then nothing can be compared."""
    program = shutil.which("tcpdump")
    assert program is not None
    what = " or ".join(f"tcp port {port}" for port in ports)
    # Every packet has a place of the largest size in the buffer: all of a test fit, however long tcpdump has to wait.
    room = ("--immediate-mode", "-s", "66000", "-B", "131072")
    command = (program, "-i", "lo", "-Z", "root", "-U", *room, "-w", str(file), what)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = b""
        while b"listening on" not in said:
            line = process.stderr.readline()
            assert line, f"tcpdump does not record: {said.decode()}"
            said += line
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
    assert b"\n0 packets dropped by kernel" in said, said.decode()


def assert_same(captured: Path, imported: Path, connections: Sequence[str], *, again: bool = False) -> None:
    """Every frame of these is in both, and says the same; it was received when its last packet was, within so much that a busy
    computer reads it later. The recording alone has what came while the gateway ended. The events that follow are equal as
    those of a replay are (`lineside reconcile --as replay`). again: those that follow by this version, of a capture that an
    older one may have made."""
    settings = Capture([captured]).first.site.connections
    was, now = _frames(captured), _frames(imported)
    ended = max(entry.frame.received for entries in was.values() for entry in entries)
    for connection in connections:
        # Machines of one connection are read side by side: the order is each one's.
        ours, theirs = (_by_machine(each[connection]) for each in (was, now))
        assert ours, connection
        assert ours.keys() == theirs.keys()
        for machine, read in ours.items():
            assert len(theirs[machine]) >= len(read), machine
            beyond = [entry.frame.received for entry in theirs[machine][len(read) :]]
            assert unread(beyond, ended, settings[connection]), machine
            for one, other in zip(read, theirs[machine], strict=False):
                assert _said(one) == _said(other)
                assert abs(one.frame.received - other.frame.received) < LATE_US
    stations = {plan.id for plan in Capture([imported]).first.site.stations if _only(plan, connections)}
    comparing = Comparing(KEYS, Equal(poll_s=1.0), keep=5)
    for each in _events(captured, stations) if not again else _stepped(captured):
        comparing.first(each)
    for each in _events(imported, stations):
        comparing.second(each)
    comparing.finish()
    assert comparing.total.differing == 0, comparing.differences
    assert comparing.total.same > 50


def unread(beyond: Sequence[Micros], ended: Micros, settings: Mapping[str, Any]) -> bool:
    """Whether a gateway whose last frame of any machine is of `ended` may have left unread what was recorded at these times.

    The last answer may have been on its way. Of OPC UA there may be more: each subscription publishes by a clock of its own,
    and does so until the session is closed. The gateway closes it only when what it took is stored, and takes nothing more
    meanwhile: so after `ended` as much comes as that lasts. What had come before is no more than the requests that were with
    the server, for it is reading the answers that makes others. A machine that is polled without a pause tells when the
    gateway ended: of that one no more than one answer may be left.
    """
    if any(abs(at - ended) >= LATE_US for at in beyond):
        return False
    if settings["protocol"] == "opcua":
        owed: int = settings.get("publishes", OpcUaConnection.model_fields["publishes"].default)
        return sum(at <= ended for at in beyond) <= owed
    return len(beyond) <= 1


def _only(plan: Place, connections: Sequence[str]) -> bool:
    return all(route["connection"] in connections for route in plan.routes)


def _frames(capture: Path) -> dict[str, list[Captured]]:
    found = defaultdict(list)
    for entry in Capture([capture]).entries():
        # What the gateway tells itself is on no network.
        if isinstance(entry, Captured) and not entry.frame.channel.startswith("lineside:"):
            found[entry.frame.connection].append(entry)
    return found


def _by_machine(entries: Iterable[Captured]) -> dict[str, list[Captured]]:
    found = defaultdict(list)
    for entry in entries:
        found[_machine(entry)].append(entry)
    return dict(found)


def _machine(entry: Captured) -> str:
    """Over MQTT the topic begins with it."""
    return entry.peer or "/".join(entry.frame.channel.split("/")[:3])


def _said(entry: Captured) -> Captured:
    """Without times and its place in the capture; and without what the gateway did not find the time to read."""
    meta = {key: value for key, value in entry.frame.meta.items() if key != "missed"}
    frame = msgspec.structs.replace(entry.frame, received=0, meta=meta)
    return msgspec.structs.replace(entry, number=0, at=0, frame=frame)


def _events(capture: Path, stations: Set[str]) -> Iterator[Told]:
    ordered: dict[str, ByTime] = defaultdict(ByTime)
    for entry in Capture([capture]).entries():
        if isinstance(entry, Stored) and entry.kind is ChannelKind.EVENT:
            event = told(entry.document)
            if compared(event) and event.station in stations:
                yield from ordered[event.station].add(event)
    for each in ordered.values():
        yield from each.rest()


def _stepped(capture: Path) -> Iterator[Told]:
    run = stepping.offline(Capture([capture]))
    ordered: dict[str, ByTime] = defaultdict(ByTime)
    for each in run.stepped():
        for event in each.events:
            yield from ordered[event.station or ""].add(told(encode(event, run.place)))
    for one in ordered.values():
        yield from one.rest()


if __name__ == "__main__":
    there = Path(sys.argv[1])
    there.mkdir(parents=True)
    print(asyncio.run(record(there, float(sys.argv[2]) if len(sys.argv) > 2 else 8.0)))
