"""What machines and wires get wrong, through adapter, class and journal: nothing is ever made up, nothing stops.

Two units on one bus. Each shows a marked number in two areas of its registers, so that a value that belongs to another
unit, another request or another moment is told from a true one; beside them a float, an identifier, a state, a counter.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from adapters.modbus import ModbusAdapter
from adapters.modbus_settings import ModbusRtuTcpConnection, ModbusTcpConnection
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.sample import Quality
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.database import driver
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine, Table
from gateway.profile.load import load
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_bank import Bank
from simulators.faces.modbus_faults import Fault, Trouble
from tests.build import Bench, bench, until
from tests.contract.host import of_machines

_PROFILE = """
class = "generic"
protocol = "modbus"
models = ["Bad"]
evidence = { level = "example" }
[poll.one]
every = "10ms"
table = "holding"
start = 0
count = 20
[poll.other]
every = "10ms"
table = "holding"
start = 100
count = 20
[signal."x.one"]
at = 0
type = "u16"
example = 1
[signal."x.other"]
at = 100
type = "u16"
example = 1
[signal."x.filler"]
at = 119
type = "u16"
example = 1
[signal."x.temperature"]
at = 1
type = "f32"
unit = "Cel"
example = 21.5
[signal.state]
at = 3
type = "u16"
map = { 0 = "SBY", 1 = "PRD" }
example = "SBY"
[signal."units.in"]
at = 4
type = "u16"
modulus = 65536
example = 7
[signal."unit.in.id"]
at = 5
type = "string"
length = 8
empty = [""]
example = "PNL-0"
"""
_QUICK = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.05, settled_s=0.0, tick_s=0.05, mark_s=0.05)
_UNITS = (1, 2)


class Seen(NamedTuple):
    value: float | str | None
    good: bool


class Line:
    """The bus, its two units, and what the journal has of them."""

    def __init__(self, face: ModbusFace, banks: dict[int, Bank], behind: Bench) -> None:
        self.face = face
        self.bench = behind
        self._banks = banks
        self._turn = 0

    def set(self, at: int, *words: int, unit: int = 1) -> None:
        self._banks[unit].set({Table.HOLDING: {at + place: word for place, word in enumerate(words)}})

    def mark(self) -> None:
        """A number that nobody has shown before: the unit, the area, the turn."""
        self._turn += 1
        for unit in _UNITS:
            self.set(0, unit * 20_000 + self._turn, unit=unit)
            self.set(100, unit * 20_000 + 10_000 + self._turn, unit=unit)

    def true(self, unit: int, area: int, value: float | str | None) -> bool:
        start = unit * 20_000 + area * 10_000
        return isinstance(value, int) and start <= value <= start + self._turn

    def samples(self, signal: str, unit: int = 1) -> list[Seen]:
        """All of them, in order."""
        with driver().connect(f"file:{self.bench.path}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT value, quality FROM sample JOIN series ON series.id = series WHERE station = ? AND signal = ? ORDER BY n",
                (f"L1.m{unit}", signal),
            ).fetchall()
        return [Seen(value, quality == 0) for value, quality in rows]

    async def shows(self, signal: str, wanted: float | str | None, unit: int = 1) -> None:
        """Until this is the newest that is known of it."""
        await until(lambda: self.newest(signal, unit)[0] == wanted)

    def newest(self, signal: str, unit: int = 1) -> tuple[float | str | None, Quality | None]:
        found = [each for each in self.bench.ingest.stepper.signals(f"L1.m{unit}") if each.signal == signal]
        return (found[0].value, found[0].quality) if found else ("nothing yet", None)

    async def asked(self, count: int) -> None:
        """Until the bus was asked so many times more."""
        before = sum(self.face.asked.values())
        await until(lambda: sum(self.face.asked.values()) >= before + count, timeout_s=20)

    async def goes_on(self) -> None:
        """What is shown now is soon known, of every unit and area."""
        self.mark()
        for unit in _UNITS:
            await self.shows("x.one", unit * 20_000 + self._turn, unit)
            await self.shows("x.other", unit * 20_000 + 10_000 + self._turn, unit)


def _profile(folder: Path) -> Bound:
    path = folder / "bad.toml"
    path.write_text(_PROFILE, encoding="utf-8")
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES["generic"].vocabulary, loaded.name, written=loaded.written)


@asynccontextmanager
async def running(folder: Path, framing: Literal["tcp", "rtu"] = "tcp") -> AsyncIterator[Line]:
    bound = _profile(folder)
    setups = {unit: set_up(f"L1.m{unit}", CLASSES["generic"], bound) for unit in _UNITS}
    made = {
        unit: Station(id=f"L1.m{unit}", line="L1", name=f"m{unit}", machine_class="generic", setup=setups[unit])
        for unit in _UNITS
    }
    routes = [Route(connection="bus", station=station, unit=unit) for unit, station in made.items()]
    banks = {unit: Bank() for unit in _UNITS}
    assert bound.registers is not None
    for bank in banks.values():
        bank.define(Table.HOLDING, 0, 120)
        bank.set(bound.registers.encode(bound.examples))
    machines = [Machine(station=f"L1.m{unit}", unit=unit, bound=bound) for unit in _UNITS]
    stations = Stations(made.values(), routes, zone=ZoneInfo("UTC"))
    async with (
        serve(Listen(framing=framing), banks, seed=7) as face,
        bench(folder, stations=stations) as behind,
    ):
        assert face.address is not None
        model, protocol = (
            (ModbusTcpConnection, "modbus-tcp") if framing == "tcp" else (ModbusRtuTcpConnection, "modbus-rtu-tcp")
        )
        settings = model.model_validate(
            {
                "protocol": protocol,
                "name": "bus",
                "host": "127.0.0.1",
                "port": face.address[1],
                "answer_timeout_s": 0.05,
            }
        )
        adapter = ModbusAdapter(settings, machines)
        supervisor = Supervisor([adapter], behind.ingest, behind.telemetry, _QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            line = Line(face, banks, behind)
            await line.goes_on()
            yield line
            assert not task.done()
            assert behind.counter("quarantined") == 0
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


WIRE = [
    Fault(trouble=Trouble.TRUNCATE, share=0.3),
    Fault(trouble=Trouble.WRONG_UNIT, share=0.3),
    Fault(trouble=Trouble.GARBAGE, share=0.3),
    Fault(trouble=Trouble.NOISE, share=0.3),
    Fault(trouble=Trouble.DUPLICATE, share=0.3),
    Fault(trouble=Trouble.REORDER, share=0.3),
    Fault(trouble=Trouble.DROP, share=0.3),
    Fault(trouble=Trouble.SILENT, share=0.3),
    Fault(trouble=Trouble.LATE, share=0.3, seconds=0.07),
    Fault(trouble=Trouble.WRONG_TRANSACTION, share=0.3),
]
_WAYS = [(framing, fault) for framing in ("tcp", "rtu") for fault in WIRE]


@pytest.mark.parametrize(
    ("framing", "fault"),
    [way for way in _WAYS if way != ("rtu", WIRE[-1])],
    ids=lambda each: each if isinstance(each, str) else str(each.trouble),
)
async def test_answers_that_do_not_fit(tmp_path: Path, framing: Literal["tcp", "rtu"], fault: Fault) -> None:
    """A third of them, of whatever unit, while all values change: what is stored was shown, there and in that area."""
    async with running(tmp_path, framing) as line:
        async with line.face.fault(fault):
            for _ in range(5):
                line.mark()
                await line.asked(6)
        await line.goes_on()
        for unit in _UNITS:
            for area, signal in enumerate(("x.one", "x.other")):
                found = line.samples(signal, unit)[1:]  # but for the example that was there first
                assert all(line.true(unit, area, each.value) if each.good else each.value is None for each in found)
                known = [each.value for each in found if each.good]
                assert known == sorted(known, key=float)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11])
async def test_exceptions_make_values_unknown(tmp_path: Path, code: int) -> None:
    """Of one area of one unit; the others go on, and the area too once it is answered again."""
    async with running(tmp_path) as line:
        fault = Fault(trouble=Trouble.REJECT, unit=2, start=100, count=20, code=code)
        async with line.face.fault(fault):
            line.mark()
            if code < 10:  # else it is silence of that poll, which the unit's other poll contradicts
                await line.shows("x.other", None, 2)
                assert line.newest("x.other", 2)[1] is Quality.UNAVAILABLE
            await line.shows("x.one", 40_000 + line._turn, 2)
            await line.shows("x.other", 30_000 + line._turn, 1)
        if code in (2, 3):  # remembered: all of the poll was refused, so one value of it goes on being asked for
            await line.shows("x.other", 50_000 + line._turn, 2)
        if code < 10:
            await line.goes_on()


@pytest.mark.parametrize(
    "bits", [0x7FC00000, 0xFFC00000, 0x7F800001, 0x7F800000, 0xFF800000], ids=["nan", "-nan", "snan", "inf", "-inf"]
)
async def test_floats_that_are_no_numbers(tmp_path: Path, bits: int) -> None:
    async with running(tmp_path) as line:
        await line.shows("x.temperature", 21.5)
        line.set(1, bits >> 16, bits & 0xFFFF)
        await line.shows("x.temperature", None)
        line.set(1, *struct.unpack(">2H", struct.pack(">f", 22.5)))
        await line.shows("x.temperature", 22.5)
        assert line.samples("x.temperature") == [Seen(21.5, True), Seen(None, False), Seen(22.5, True)]
        await line.goes_on()


@pytest.mark.parametrize(
    "words",
    [
        (0x01FF,) * 8,
        (0xFFFF,) * 8,
        (0x504E, 0x4C00, 0x0041) + (0,) * 5,
        (0x5020, 0x0AFF) + (0x2020,) * 6,
        (0x2020,) * 8,
        (0x0000,) * 8,
    ],
    ids=["control", "erased", "a zero within", "mixed", "blanks", "zeros"],
)
async def test_an_identifier_of_garbage_is_no_identifier(tmp_path: Path, words: tuple[int, ...]) -> None:
    """A board came, and nobody knows which: never a text made of what was there."""
    async with running(tmp_path) as line:
        line.set(5, *words)
        await line.asked(4)
        line.set(4, 8)
        await line.shows("units.in", 8)
        line.set(5, *struct.unpack(">8H", b"PNL-1".ljust(16, b"\0")))
        line.set(4, 9)
        await line.shows("units.in", 9)
        await line.goes_on()
        events = await of_machines(line.bench)
        units = [event.units for event in events if event.message == "CFX.Production.UnitsArrived"]
        assert units == [[], ["PNL-1"]]
        assert {unit for event in events for unit in event.units} == {"PNL-1"}
        assert {each.value for each in line.samples("unit.in.id")} <= {"PNL-0", "PNL-1", "", None}


async def test_a_code_that_has_no_meaning(tmp_path: Path) -> None:
    async with running(tmp_path) as line:
        await line.shows("state", "SBY")
        line.set(3, 77)
        await line.shows("state", None)
        line.set(3, 1)
        await line.shows("state", "PRD")
        assert [each.value for each in line.samples("state")] == ["SBY", None, "PRD"]
