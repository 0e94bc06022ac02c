"""Captures for tests: what an ingest over a real journal makes of frames, as a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from adapters.registry import protocols
from gateway.capture.file import CaptureFile
from gateway.capture.form import About, Known, KnownId, KnownPosition, Remembered
from gateway.classes import native
from gateway.config.captured import describe
from gateway.config.load import load
from gateway.config.plan import Resolved, resolve
from gateway.core.event import Event
from gateway.core.frame import Delivery, Frame
from gateway.core.observation import Lost, Tick
from gateway.core.sample import Value
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros, parse_rfc3339
from gateway.ingest.apply import Stepper
from gateway.ingest.ingest import Ingest
from gateway.ingest.queues import Item, Queue
from gateway.ingest.settings import IngestSettings
from gateway.journal.transaction import Recalled
from gateway.journal.writer import Writer
from gateway.profile.register_frame import encode
from gateway.profile.registers import answer
from gateway.wiring import cast
from tests.build import FAST, until
from tests.conftest import ROOT

START = parse_rfc3339("2026-11-20T12:00:00Z")
GATEWAY = '[gateway]\nname = "line1-pc"\nsite = "fab1"\n'


def configured(folder: Path, text: str, *, profiles: Sequence[Path] = (ROOT / "config/profiles",)) -> Resolved:
    path = folder / "lineside.toml"
    path.write_text(GATEWAY + text)
    return resolve(load(path, protocols(), profile_folders=profiles))


class Recorder:
    """Of every commit, as `gateway.ingest.recording.Recording`."""

    def __init__(self, file: CaptureFile) -> None:
        self.file = file

    def committed(
        self, items: Sequence[tuple[Queue, Item]], events: Sequence[Event], recalled: Recalled, stepper: Stepper
    ) -> None:
        own = {event.id for _, item in items for event in item.events}
        at = max((item.received for _, item in items), default=START)
        known = Known(
            tuple(KnownId(id_, s.owner, s.digest, s.repeats, s.reused) for id_, s in recalled.ids.items()),
            tuple(KnownPosition(*key, position) for key, position in recalled.positions.items()),
        )
        if known != Known():
            self.file.known(known, at=at)
        for _, item in items:
            if item.delivery is not None:
                self.file.delivery(item.protocol, item.delivery, at)
        for event in events:
            self.file.events([event], at=at, own=event.id in own)


class Line:
    """An ingest with the adapters of a configuration, none of which connects."""

    def __init__(self, resolved: Resolved, folder: Path) -> None:
        self.resolved = resolved
        self.writer = Writer(folder / "journal.db", site="fab1", gateway="line1-pc", settings=FAST)
        self.writer.open()
        made = cast(resolved)
        self.adapters = made.adapters
        self.ingest = Ingest(
            self.writer, made.stations, Telemetry(), IngestSettings(), states=self.writer.states(), payload_cap=1 << 20
        )
        # Frames come with times of their own, so that the time at which a class wants to be woken is never now.
        self.ingest._wake = lambda station, wake: None  # type: ignore[method-assign]
        self._lines = {name: self.ingest.line(name) for name in self.adapters}

    async def hear(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            name = delivery.frame.connection
            await self.ingest.offer(self.adapters[name], self._lines[name], delivery)
        await self.settled()

    async def own(self, connection: str, protocol: str, observation: Lost | Tick, second: float) -> None:
        """A frame of the gateway's own, behind all that was heard."""
        self.ingest._tell(connection, protocol, observation, at(second))
        await self.settled()

    async def settled(self) -> None:
        await self.ingest.store("test", "test", [])
        await until(lambda: all(frames == 0 for frames, _ in self.ingest.depth().values()))

    @asynccontextmanager
    async def captured(self, path: Path) -> AsyncIterator[None]:
        """What is heard meanwhile."""
        site, profiles = describe(self.resolved)
        states, looks = self.ingest.stepper.remembered()
        about = About(
            capture="0" * 31 + "1", part=1, began=START, journal=self.writer.journal, site="fab1", gateway="line1-pc", made_by="0"
        )  # fmt: skip
        file = CaptureFile(
            path, about, site, profiles, {each: _remembered(states[each], looks.get(each)) for each in states}
        )
        self.ingest.recording = Recorder(file)
        try:
            yield
            await self.settled()
        finally:
            self.ingest.recording = None
            file.close()


def _remembered(state: native.State, look: object) -> Remembered:
    packed = b"" if look is None else msgspec.msgpack.encode(look)
    return Remembered(version=native.VERSION, state=native.save(state), look=packed)


@asynccontextmanager
async def line(resolved: Resolved, folder: Path) -> AsyncIterator[Line]:
    made = Line(resolved, folder)
    made.ingest.start()
    try:
        yield made
    finally:
        await made.ingest.stop()
        made.writer.close()


def record(resolved: Resolved, folder: Path, deliveries: Iterable[Delivery]) -> Path:
    """A capture of these, from the gateway's start on."""

    async def run() -> Path:
        async with line(resolved, folder) as made, made.captured(folder / "made.mcap"):
            await made.hear(deliveries)
        return folder / "made.mcap"

    return asyncio.run(run())


def polled(resolved: Resolved, station: str, shown: Iterable[tuple[float, Mapping[str, Value]]]) -> list[Delivery]:
    """Every poll of a Modbus machine at these seconds, which shows each value until it shows another."""

    plan = next(each for each in resolved.stations if each.id == station)
    assert plan.bound is not None
    registers = plan.bound.registers
    assert registers is not None
    values: dict[str, Value] = {}
    found = []
    for second, changed in shown:
        values.update(changed)
        contents = registers.encode(values)
        for poll in registers.polls:
            frame = Frame(
                connection=plan.routes[0].connection,
                received=at(second),
                channel=f"{station}/{poll.name}",
                payload=encode([answer(poll, contents)]),
            )
            found.append(Delivery(frame, acknowledged=False, peer=station))
    return found


def at(second: float) -> Micros:
    return START + round(second * 1_000_000)
