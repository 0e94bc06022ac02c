"""Stations whose machines speak no CFX, from readings to committed events, samples and state."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.classes.machine_class import MachineClass
from gateway.classes.registry import CLASSES
from gateway.classes.state import Work
from gateway.classes.step import set_up
from gateway.classes.turn import Turn
from gateway.core.event import Event, Origin, TimeQuality
from gateway.core.observation import Readings
from gateway.core.sample import Quality
from gateway.core.times import from_datetime, now
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Filter
from gateway.profile.bound import Alarm, Bound, Signal
from gateway.profile.vocabulary import Kind
from tests.build import Bench, bench, until

_SIGNALS = {
    "state": Signal(key="state", kind=Kind.STATE),
    "recipe.name": Signal(key="recipe.name", kind=Kind.TEXT),
    "units.in": Signal(key="units.in", kind=Kind.COUNTER),
    "units.out": Signal(key="units.out", kind=Kind.COUNTER),
    "unit.in.id": Signal(key="unit.in.id", kind=Kind.TEXT),
    "zone.temperature[1]": Signal(key="zone.temperature[1]", kind=Kind.NUMBER, unit="Cel", deadband=0.5),
}
_ALARM = Alarm(key="alarm.E103", code="E103", text="zone 4 over temperature", severity="Alarm", debounce=20_000)
_IDLE: dict[str, Any] = {
    "state": "SBY_NoProduct",
    "recipe.name": "A-17",
    "units.in": 10,
    "units.out": 10,
    "unit.in.id": None,
    "zone.temperature[1]": 150.0,
    "alarm.E103": False,
}


def _bound(alarm: Alarm = _ALARM) -> Bound:
    return Bound(
        name="reflow_oven/test",
        machine_class="reflow_oven",
        protocol="modbus",
        models=("Test",),
        evidence="example",
        evidence_source=None,
        signals=_SIGNALS,
        alarms={alarm.key: alarm},
    )


def _stations(alarm: Alarm = _ALARM, machine_class: MachineClass = CLASSES["reflow_oven"]) -> Stations:
    setup = set_up("L1.oven", machine_class, _bound(alarm))
    station = Station(id="L1.oven", line="L1", name="oven", machine_class="reflow_oven", setup=setup)
    return Stations([station], [Route(connection="broker", station=station, unit=1)], zone=ZoneInfo("UTC"))


def _seen(**changes: Any) -> Readings:
    values = _IDLE | {key.replace("__", "."): value for key, value in changes.items()}
    return Readings(station="L1.oven", keys=tuple(values), values=tuple(values.values()))


async def _events(made: Bench) -> list[Event]:
    await made.settled()
    page = await made.reader.events(0, 1000, Filter())
    return [placed.event for placed in page.events]


def _names(events: list[Event]) -> list[str]:
    return [event.message.rpartition(".")[2] for event in events]


async def test_a_board_through_the_machine(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.give(2, _seen(units__in=11, unit__in__id="B-1"), acknowledged=False)
        await made.give(3, _seen(units__in=11, units__out=11, unit__in__id="B-1"), acknowledged=False)
        events = await _events(made)
    assert _names(events) == [
        "RecipeActivated", "StationStateChanged",
        "UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted",
    ]  # fmt: skip
    assert {event.origin for event in events} == {Origin.DERIVED}
    work = events[3:6]
    assert len({event.transaction for event in work}) == 1
    assert work[0].transaction is not None
    assert all(event.units == ["B-1"] for event in events[2:])
    assert events[2].handle is None
    assert events[2].cfx is None


async def test_samples_are_reported_by_exception(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        for number, value in enumerate((150.0, 150.4, 150.6, 150.6)):
            await made.give(number, _seen(**{"zone.temperature[1]": value}), acknowledged=False)
        await made.settled()
        found = [s.value for s in made.ingest.stepper.signals("L1.oven") if s.signal == "zone.temperature[1]"]
        stored = made.reader.call(lambda c: c.exec_driver_sql(
            "SELECT s.value FROM sample s JOIN series r ON r.id = s.series WHERE r.signal = 'zone.temperature[1]'"
        ).scalars().all())  # fmt: skip
    assert stored == [150.0, 150.6]
    assert found == [150.6]
    assert made.counter("samples_stored") == 7


async def test_polls_that_change_nothing_cost_no_commit(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.settled()
        before = made.writer.commits
        for number in range(2, 50):
            await made.give(number, _seen(), acknowledged=False)
        await until(lambda: all(frames == 0 for frames, _ in made.ingest.depth().values()))
        assert made.writer.commits == before


async def test_a_board_inside_survives_the_process(tmp_path: Path) -> None:
    at_once = msgspec.structs.replace(_ALARM, debounce=0)
    async with bench(tmp_path, stations=_stations(at_once)) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.give(2, _seen(units__in=11, unit__in__id="B-1", alarm__E103=True), acknowledged=False)
        before = await _events(made)
    async with bench(tmp_path, stations=_stations(at_once)) as made:
        await made.give(3, _seen(units__in=11, unit__in__id="B-1", alarm__E103=True), acknowledged=False)
        assert await _events(made) == before, "nothing is said twice"
        await made.give(4, _seen(units__in=11, units__out=11, unit__in__id="B-1"), acknowledged=False)
        after = (await _events(made))[len(before) :]
    assert _names(after) == ["FaultCleared", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    work = next(event for event in before if event.message.endswith("WorkStarted"))
    assert after[2].transaction == work.transaction
    assert after[2].units == ["B-1"]
    raised = next(event for event in before if event.message.endswith("FaultOccurred"))
    assert (
        msgspec.json.decode(after[0].body)["FaultOccurrenceId"]
        == msgspec.json.decode(raised.body)["Fault"]["FaultOccurrenceId"]
    )


async def test_what_happened_out_of_sight_is_one_adjustment(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.give(2, _seen(units__in=11, unit__in__id="B-1"), acknowledged=False)
        before = await _events(made)
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(3, _seen(units__in=13, units__out=12, unit__in__id="B-3"), acknowledged=False)
        await made.give(4, _seen(units__in=13, units__out=13, unit__in__id="B-3"), acknowledged=False)
        after = (await _events(made))[len(before) :]
    assert _names(after) == ["CountAdjusted", "CountAdjusted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    bodies = [msgspec.json.decode(event.body) for event in after[:2]]
    assert [(b["Signal"], b["Units"], b["Cause"]) for b in bodies] == [("units.in", 2, "gap"), ("units.out", 2, "gap")]
    assert bodies[1]["AbandonedTransactions"] == [before[3].transaction]
    assert after[3].units == []  # which board it is nobody saw
    assert after[3].transaction != before[3].transaction


async def test_out_of_sight_no_signal_is_known(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.settled()
        made.ingest.lost("broker", "modbus-tcp", "L1.oven", 1_800_000_000_000_000)
        await made.settled()
        assert {sample.quality for sample in made.ingest.stepper.signals("L1.oven")} == {Quality.UNAVAILABLE}
        assert {sample.value for sample in made.ingest.stepper.signals("L1.oven")} == {None}
        await made.give(2, _seen(), acknowledged=False)
        events = await _events(made)
        assert _names(events) == ["RecipeActivated", "StationStateChanged"]
        assert {sample.quality for sample in made.ingest.stepper.signals("L1.oven") if sample.value is not None} == {
            Quality.GOOD
        }


async def test_a_fault_that_lasts_counts_without_another_reading(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.give(2, _seen(alarm__E103=True), acknowledged=False)
        assert "FaultOccurred" not in _names(await _events(made))
        await until(lambda: made.counter("events_stored") == 3)
        events = await _events(made)
        assert _names(events)[-1] == "FaultOccurred"
        state = made.ingest.stepper.known("L1.oven")
        assert [fault.fault.code for fault in state.faults.values()] == ["E103"]


async def test_a_message_that_fits_no_catalogue_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def wrong(turn: Turn, work: Work) -> None:
        turn.emit("CFX.Production.Processing.UnitsProcessed", {"NoSuchField": work.unit})

    broken = msgspec.structs.replace(CLASSES["reflow_oven"], completed=wrong)
    async with bench(tmp_path, stations=_stations(machine_class=broken)) as made:
        await made.give(1, _seen(), acknowledged=False)
        await made.give(2, _seen(units__in=11), acknowledged=False)
        await made.give(3, _seen(units__in=11, units__out=11), acknowledged=False)
        names = _names(await _events(made))
        held = await made.reader.quarantined()
    assert names[-4:] == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    assert [(each.reason, each.station) for each in held] == [("unfit-message", "L1.oven")]
    assert "does not fit CFX" in caplog.text


@pytest.mark.parametrize("year", [2000, 2106])
async def test_a_clock_that_lost_its_time_is_kept_and_not_trusted(tmp_path: Path, year: int) -> None:
    wrong = from_datetime(datetime(year, 1, 1, 12, tzinfo=UTC))
    async with bench(tmp_path, stations=_stations()) as made:
        await made.give(1, _seen(), acknowledged=False)
        told = msgspec.structs.replace(_seen(units__in=11, **{"zone.temperature[1]": 170.0}), time=wrong)
        await made.give(2, told, acknowledged=False)
        await made.give(3, _seen(units__in=11, units__out=11), acknowledged=False)
        events = await _events(made)
        temperatures = [s for s in made.ingest.stepper.signals("L1.oven") if s.signal == "zone.temperature[1]"]
    arrived = next(event for event in events if event.message.endswith("UnitsArrived"))
    assert (arrived.time, arrived.time_quality) == (wrong, TimeQuality.SUSPECT)
    assert abs(arrived.received - now()) < 60_000_000
    assert _names(events)[-2:] == ["WorkCompleted", "UnitsDeparted"], "the station goes on"
    assert [sample.value for sample in temperatures] == [150.0]


@pytest.mark.parametrize(("live", "offset"), [(True, 3_600_000), (False, None)])
async def test_what_was_so_before_says_nothing_of_the_clock(tmp_path: Path, live: bool, offset: int | None) -> None:
    """Values that have not changed for an hour, told again with every connection."""
    async with bench(tmp_path, stations=_stations()) as made:
        for number in range(4):
            told = msgspec.structs.replace(_seen(units__in=10 + number), time=now() - 3_600_000_000, live=live)
            await made.give(number, told, acknowledged=False)
        events = await _events(made)
    told_ms = [event.clock_offset_ms for event in events if event.message.endswith("UnitsArrived")]
    assert told_ms[-1] == (offset if offset is None else pytest.approx(offset, abs=1000))
