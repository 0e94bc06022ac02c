"""Makes the captures of this folder anew: simulated machines, heard by a gateway that captures.

    python -m tests.captures.make [CLASS/MODEL...]

Each becomes CLASS/MODEL/simulated.mcap, with what it leads to in simulated.expected.ndjson; where no machine is simulated for a
profile, its examples are said. Look at what changed before you
keep it: the captures are there to show what a change of Lineside changes for machines.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from gateway.capture.file import CaptureFile
from gateway.capture.form import Asked, Captured, ChannelKind, Entry, Stored, Wire
from gateway.capture.reading import Capture
from gateway.cli import stepping
from gateway.config import profiles
from gateway.core.times import parse_rfc3339
from gateway.profile.load import load, names
from gateway.profile.models import TextProfile
from gateway.replay.verifying import Choice, verify
from simulators.broker import private_broker
from tests.captured import configured, polled, record
from tests.conftest import ROOT

HERE = Path(__file__).parent
PROFILES = ROOT / "config" / "profiles"
NATIVE = ("pick_and_place/cfx-mqtt", "solder_paste_printer/cfx-amqp", "magazine_loader/hermes")
UNSIMULATED = (
    "aoi/example-report",
    "axi/example-report",
    "pick_and_place/example-trace",
    "repair_station/example-terminal",
    "spi/example-csv",
)
_CLEAR = {"x.photocell.in": False, "x.photocell.out": False, "alarm.red lamp": False, "alarm.emergency stop": False}
_YELLOW = {"x.lamp.green": False, "x.lamp.yellow": True, "x.lamp.red": False}
DRIVEN: dict[str, Sequence[tuple[float, dict[str, bool]]]] = {
    "generic/example-dry-contacts": (
        *((second, _CLEAR | _YELLOW) for second in (0.0, 2.0)),
        (3.0, {"x.photocell.in": True}),
        (3.4, {"x.photocell.in": False}),
        *((second, {"x.lamp.green": True, "x.lamp.yellow": False}) for second in (4.0, 7.0)),
        *((second, {"alarm.red lamp": True, "x.lamp.red": True, "x.lamp.green": False}) for second in (9.0, 12.0)),
        *((second, _CLEAR | {"x.lamp.red": False, "x.lamp.green": True}) for second in (14.0, 17.0)),
        (20.0, {"x.photocell.out": True}),
        (20.4, {"x.photocell.out": False}),
    )
}
"""Nothing is simulated for these either: what they show, from second to second."""
SECONDS, SPEED = 20.0, 40
FRAMES, EVENTS = 250, 60
HANDLE = "Example.Machine.SN1"
ENV = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def running(*arguments: str, lines: int) -> AsyncIterator[str]:
    """A command of Lineside; yields its first lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", *arguments),
        cwd=ROOT,
        env=ENV,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        for _ in range(lines):
            said += await process.stdout.readline()
        yield said.decode()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.communicate()


async def heard(folder: Path, station: str, source: str, machine: Machine) -> Path:
    """The capture of a gateway with this station, while the machine is there. source: with {port}, where the machine's is not
    known before; else the machine comes when the gateway is there."""
    config = folder / "lineside.toml"

    def write(port: int) -> None:
        config.write_text(
            '[gateway]\nname = "bench"\nsite = "example"\n[http]\nlisten = "127.0.0.1:0"\n[capture]\nflush = "0.2s"\n'
            f'[capture.ring]\nkeep = "1h"\n[[line]]\nname = "L1"\n[[line.station]]\nname = "m1"\n{station}\n'
            f"source = {{ {source.format(port=port)} }}\n"
        )

    if "{port}" in source:
        async with machine as port:
            write(port)
            async with running("run", "-c", str(config), lines=1):
                await asyncio.sleep(SECONDS)
    else:
        write(0)
        async with running("run", "-c", str(config), lines=1), machine:
            await asyncio.sleep(SECONDS)
    (made,) = folder.rglob("*.mcap")
    return made


Machine = AbstractAsyncContextManager[int]
"""Gives the port that it serves at; 0 where it serves none."""


@asynccontextmanager
async def simulated(name: str, *more: str) -> AsyncIterator[int]:
    async with running("simulate", name, *more, "--speed", str(SPEED), "--seed", "7", lines=2) as said:
        found = re.search(r"(?:127\.0\.0\.1:|port |:)(\d+)", said.splitlines()[-1])
        yield int(found[1]) if found else 0


@asynccontextmanager
async def speaking(texts: Sequence[str]) -> AsyncIterator[int]:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for text in texts:
            writer.write(text.encode() + b"\n")
            await asyncio.sleep(0.5)
        await asyncio.sleep(SECONDS)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        yield port


@asynccontextmanager
async def writing(folder: Path, texts: Sequence[str]) -> AsyncIterator[int]:
    for number, text in enumerate(texts, 1):
        (folder / f"report{number}.txt").write_text(text + "\n")
        await asyncio.sleep(0.5)
    yield 0


def examples(name: str) -> list[str]:
    """Of all that stands by itself; then once more of other boards."""
    profile = load(name, [PROFILES]).profile
    assert isinstance(profile, TextProfile)
    texts = [each.example.text.strip("\n") for each in profile.record if each.parent is None]
    return [*texts, *(re.sub(r"((?:PNL|SN)\d+)\d", r"\g<1>9", text) for text in texts)]


async def of_profile(name: str, folder: Path) -> Path:
    station = f'profile = "{name}"'
    if name in DRIVEN:
        line = f'[[station]]\nname = "m1"\n{station}\nsource = {{ protocol = "modbus-tcp", host = "127.0.0.1" }}\n'
        resolved = configured(folder, line)
        return await asyncio.to_thread(record, resolved, folder, polled(resolved, "m1", DRIVEN[name]))
    protocol = profiles.read(name, [PROFILES], folder).protocol
    by_hand = name in UNSIMULATED
    results, port = folder / "results", folder / "port"
    results.mkdir()
    if protocol == "files":
        pattern = "*/*.log" if name.endswith("-folder") else "*"
        source = f'protocol = "files", path = "{results}", pattern = "{pattern}"'
        wrote = writing(results, examples(name)) if by_hand else simulated(name, "--folder", str(results))
        return await heard(folder, station, source, wrote)
    if protocol == "serial-text":
        source = f'protocol = "serial-text", port = "{port}"'
        return await heard(folder, station, source, simulated(name, "--serial", str(port)))
    source = {
        "modbus": 'protocol = "modbus-tcp", host = "127.0.0.1", port = {port}',
        "opcua": 'protocol = "opcua", url = "opc.tcp://127.0.0.1:{port}"',
        "tcp-text": 'protocol = "tcp-text", host = "127.0.0.1", port = {port}',
    }[protocol]
    return await heard(folder, station, source, speaking(examples(name)) if by_hand else simulated(name))


async def native(name: str, folder: Path) -> Path:
    machine_class, _, way = name.partition("/")
    station = f'class = "{machine_class}"'
    if way == "hermes":
        source = 'protocol = "hermes-vertical", host = "127.0.0.1", port = {port}'
        return await heard(folder, station, source, simulated(machine_class, "--hermes"))
    if way == "cfx-amqp":
        port = _free_port()
        source = f'protocol = "cfx-amqp", listen = "127.0.0.1:{port}", handle = "{HANDLE}"'
        machine = simulated(machine_class, "--amqp", f"127.0.0.1:{port}", "--handle", HANDLE)
        return await heard(folder, station, source, machine)
    async with private_broker(folder) as broker:
        source = f'protocol = "cfx-mqtt", host = "127.0.0.1", port = {broker.port}, topics = ["#"], handle = "{HANDLE}"'
        machine = simulated(machine_class, "--mqtt", f"127.0.0.1:{broker.port}", "--handle", HANDLE)
        return await heard(folder, station, source, machine)


def _free_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def keep(made: Path, target: Path) -> None:
    """So much of it that it stays small, and nothing of the machine that it was made on."""
    capture = Capture([made])
    part = capture.first
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    site = msgspec.structs.replace(
        part.site, connections={name: _elsewhere(table) for name, table in part.site.connections.items()}
    )
    texts = {name: text.encode() for name, text in part.profiles.items()}
    about = msgspec.structs.replace(part.about, name=target.parent.name)
    file = CaptureFile(target, about, site, texts, part.states)
    for entry in _beginning(capture.entries()):
        if isinstance(entry, Captured):
            wire = Wire(
                entry.frame.channel,
                entry.frame.payload,
                entry.frame.redelivered,
                entry.frame.meta,
                entry.peer,
                entry.principal,
                entry.handles,
                entry.acknowledged,
            )
            out = entry.kind is ChannelKind.OUT
            file.frame(
                entry.frame.connection, entry.protocol, wire, received=entry.frame.received, at=entry.at, out=out
            )
        elif isinstance(entry, Asked):
            file.known(entry.known, at=about.began)
        elif isinstance(entry, Stored):
            own = entry.kind is ChannelKind.OWN
            received = parse_rfc3339(msgspec.json.decode(entry.document)["received"])
            file.event(entry.document, received=received, at=entry.at, own=own)
    file.close()


def _elsewhere(table: Mapping[str, Any]) -> dict[str, Any]:
    places = {"path": "/srv/results", "port": "/dev/ttyS0"}
    return {key: places[key] if key in places and isinstance(value, str) else value for key, value in table.items()}


def _beginning(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Up to the end of a commit."""
    frames = events = 0
    told = False
    for entry in entries:
        if (frames >= FRAMES or events >= EVENTS) and told and not isinstance(entry, Stored):
            return
        told = isinstance(entry, Stored)
        frames += isinstance(entry, Captured)
        events += told
        yield entry


async def make(name: str) -> str:
    target = HERE / name / "simulated.mcap"
    folder = Path(tempfile.mkdtemp(prefix="lineside-corpus-"))
    try:
        made = await (native(name, folder) if name in NATIVE else of_profile(name, folder))
        keep(made, target)
    except Exception as error:  # noqa: BLE001  the others are made all the same
        return f"{name}: {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(folder)
    return f"{name}: {expect(target)}"


def expect(target: Path) -> str:
    """Writes what it leads to now, and says whether that is what came of it then."""
    with target.with_name("simulated.expected.ndjson").open("wb") as expected:
        verdict = verify(stepping.offline(Capture([target])), Choice(), write=expected)
    same = "as it was heard" if verdict.passed() else "NOT as it was heard"
    return f"{verdict.frames} frames, {verdict.events} events, {same}; {target.stat().st_size} bytes"


async def main(wanted: Sequence[str]) -> None:
    known = [*(name for name, _ in names([PROFILES])), *NATIVE]
    room = asyncio.Semaphore(2)

    async def one(name: str) -> None:
        async with room:
            print(await make(name), flush=True)

    await asyncio.gather(*map(one, wanted or known))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
