"""The profile is another one than the state was made with: words are gone from it that the state still knows."""

from __future__ import annotations

from gateway.core.observation import Readings
from tests.unit.classes.machines import STATION, Machine, alarm, bound, counter, names, record


def changed(machine: Machine, later: Machine) -> Machine:
    """The same machine, after a restart with the later one's profile."""
    machine.restart()
    later.state, later.now = machine.state, machine.now
    return later


def test_a_counter_that_is_no_longer_told_stops_nothing() -> None:
    machine = Machine("conveyor", "units.in", counter("units.out", reset=["power"]))
    machine.see({"units.in": 10, "units.out": 3_000})
    later = changed(machine, Machine("conveyor", counter("units.out", reset=["power"])))
    later.see({"units.out": 50})
    assert [(each.signal, each.units) for each in later.adjusted] == [("units.out", None)]
    assert names(later.see({"units.out": 51})) == ["UnitsDeparted"]


def test_a_counter_that_is_no_longer_told_puts_no_board_inside() -> None:
    machine = Machine("conveyor", "units.in", counter("units.out", reset=["power"]))
    machine.see({"units.in": 60, "units.out": 60})
    later = changed(machine, Machine("conveyor", counter("units.out", reset=["power"])))
    later.see({"units.out": 0})
    assert later.state.lanes.get("", ()) == ()


def test_a_fault_that_nobody_can_clear_any_more_is_over() -> None:
    machine = Machine("conveyor", "state", alarms=[alarm("E1"), alarm("E2")])
    machine.see({"alarm.E1": True, "alarm.E2": True})
    later = changed(machine, Machine("conveyor", "state", alarms=[alarm("E2")]))
    cleared = later.see({"state": "SBY_NoProduct", "alarm.E2": True})
    assert names(cleared) == ["FaultCleared", "StationStateChanged"]
    assert list(later.state.faults) == ["alarm.E2"]
    assert later.see({"alarm.E2": False})[0].name == "FaultCleared"


def test_what_records_said_is_not_taken_back() -> None:
    machine = Machine("conveyor", "state", told=["fault.raised", "fault.cleared"])
    machine.say(record("fault.raised", {"code": "F7"}))
    machine.restart()
    assert names(machine.see({"state": "SBY_NoProduct"})) == ["StationStateChanged"]
    assert names(machine.say(record("fault.cleared", {"code": "F7"}))) == ["FaultCleared"]


def test_readings_of_a_poll_that_is_gone_are_nothing() -> None:
    machine = Machine("conveyor", profile=bound("conveyor", ["state"]))
    assert machine.follow(Readings(station=STATION, keys=("units.in",), values=(1,))) == []
