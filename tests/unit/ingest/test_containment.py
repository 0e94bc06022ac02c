"""What a station's class cannot follow stops neither that station nor the others; and what waits ends with the ingest."""

from __future__ import annotations

from collections.abc import Mapping
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
from gateway.core.event import Event
from gateway.core.observation import Readings
from gateway.core.sample import Quality, Value
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Filter
from tests.build import Bench, bench, until
from tests.unit.classes.machines import alarm, bound, counter

LATE = alarm("E9", debounce=20_000)
FOR_EVER = alarm("E9", debounce=3_600_000_000)
SIGNALS = ("state", "units.in", counter("units.out"), "unit.in.id", "zone.temperature[1]")
IDLE: Mapping[str, Value] = {
    "state": "SBY_NoProduct", "units.in": 10, "units.out": 10, "unit.in.id": None, "zone.temperature[1]": 150.0,
    "alarm.E9": False,
}  # fmt: skip


def stations(machine_class: MachineClass = CLASSES["reflow_oven"], waits: Any = LATE) -> Stations:
    """An oven on a bus, and beside it one that nothing is wrong with."""
    made = [
        Station(id=id_, line="L1", name=id_, setup=set_up(id_, its, bound("reflow_oven", SIGNALS, alarms=[waits])))
        for id_, its in (("oven", machine_class), ("other", CLASSES["reflow_oven"]))
    ]
    routes = [Route(connection="broker", station=station, unit=unit) for unit, station in enumerate(made, 1)]
    return Stations(made, routes, zone=ZoneInfo("UTC"))


def seen(station: str = "oven", **changes: Value) -> Readings:
    values = {**IDLE, **{key.replace("__", "."): value for key, value in changes.items()}}
    return Readings(station=station, keys=tuple(values), values=tuple(values.values()))


async def events(made: Bench, station: str = "oven") -> list[Event]:
    await made.settled()
    page = await made.reader.events(0, 1000, Filter())
    return [placed.event for placed in page.events if placed.event.station == station]


def names(found: list[Event]) -> list[str]:
    return [event.message.rpartition(".")[2] for event in found]


def refusing(unit: str | None = None) -> MachineClass:
    """A class with a defect: it cannot follow the departure of this unit (None: of any)."""

    def completed(turn: Turn, work: Work) -> None:
        if unit is None or work.unit == unit:
            raise KeyError("a defect")

    return msgspec.structs.replace(CLASSES["reflow_oven"], completed=completed)


async def test_a_unit_that_a_class_cannot_follow_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path, stations=stations(refusing("B-1"))) as made:
        await made.give(1, seen(), acknowledged=False)
        await made.give(2, seen(units__in=11, unit__in__id="B-1"), acknowledged=False)
        before = await events(made)
        for number in (3, 4, 5):
            await made.give(number, seen(units__in=11, units__out=11, unit__in__id="B-1"), acknowledged=False)
        during = (await events(made))[len(before) :]
        held = await made.reader.quarantined()
        await made.give(6, seen(units__in=12, units__out=11, unit__in__id="B-2"), acknowledged=False)
        await made.give(7, seen(units__in=12, units__out=12, unit__in__id="B-2"), acknowledged=False)
        after = (await events(made))[len(before) + len(during) :]
    assert names(during) == ["CountAdjusted"], "nobody saw it go, and it went"
    assert msgspec.json.decode(during[0].body)["AbandonedTransactions"] == [before[2].transaction]
    assert [(each.reason, each.station, each.count) for each in held] == [("step-failed", "oven", 1)]
    assert names(after) == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    assert "cannot follow" in caplog.text


async def test_what_is_shown_meanwhile_is_not_known(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=stations(refusing())) as made:
        await made.give(1, seen(), acknowledged=False)
        await made.give(2, seen(units__in=11), acknowledged=False)
        await made.give(3, seen(units__in=11, units__out=11), acknowledged=False)
        await made.settled()
        assert {sample.quality for sample in made.ingest.stepper.signals("oven")} == {Quality.UNAVAILABLE}
        await made.give(4, seen(units__in=11, units__out=11), acknowledged=False)
        await made.settled()
        found = {sample.signal: sample.value for sample in made.ingest.stepper.signals("oven")}
    assert found["units.out"] == 11


async def test_the_other_machines_of_the_same_commit_are_followed(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=stations(refusing())) as made:
        await made.give(1, seen(), acknowledged=False)
        await made.give(2, seen("other"), acknowledged=False)
        await made.settled()
        async with made.stuck():
            await made.give(3, seen(units__in=11), acknowledged=False)
            await made.give(4, seen(units__in=11, units__out=11), acknowledged=False)
            await made.give(5, seen("other", units__in=11), acknowledged=False)
        assert names(await events(made, "other"))[-2:] == ["UnitsArrived", "WorkStarted"]
        assert names(await events(made, "oven"))[-2:] == ["UnitsArrived", "WorkStarted"]


async def test_what_a_tick_brings_counts_for_its_connection(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=stations()) as made:
        await made.give(1, seen(), acknowledged=False)
        await made.give(2, seen(alarm__E9=True), acknowledged=False)
        await until(lambda: made.counter("events_stored") == 2)
        labels = {
            sample.labels["protocol"]
            for metric in made.telemetry.registry.collect()
            for sample in metric.samples
            if metric.name == "lineside_events_stored"
        }
        assert names(await events(made))[-1] == "FaultOccurred"
    assert labels == {"cfx-mqtt"}


async def test_nothing_waits_when_the_ingest_has_stopped(tmp_path: Path) -> None:
    """The last commit of all asks for a tick, in an hour."""
    async with bench(tmp_path, stations=stations(waits=FOR_EVER)) as made:
        await made.give(1, seen(), acknowledged=False)
        await made.settled()
        async with made.stuck():
            await made.give(2, seen(alarm__E9=True), acknowledged=False)
            made.writer.stop()
        await made.ingest.stop()
        assert made.ingest.stepper.known("oven").machine is not None
        assert all(each.cancelled() for each in made.ingest._wakes.values())
