"""What a record says about a unit belongs to its work, in line and off line."""

from __future__ import annotations

import pytest

from gateway.classes import works
from gateway.classes.state import Look, State, Work
from gateway.classes.turn import Turn
from gateway.core.times import rfc3339
from tests.unit.classes.machines import START, Machine, names, one, record, transactions


def aoi(*signals: str) -> Machine:
    machine = Machine("aoi", *signals, told=("inspection", "verdict"))
    machine.see({key: "" if key.endswith(".id") else 0 for key in signals})
    return machine


def inline() -> Machine:
    return aoi("units.in", "units.out", "unit.in.id", "unit.out.id")


def test_off_line_the_record_is_the_work() -> None:
    machine = aoi()
    started = "2026-11-20T11:59:30Z"
    made = machine.say(record("inspection", {"unit": "B1", "started": started}, time=START, lane=2))
    assert names(made) == ["WorkStarted", "UnitsInspected", "WorkCompleted"]
    assert len(transactions(made)) == 1
    assert [rfc3339(each.time)[:19] for each in made] == ["2026-11-20T11:59:30", "2026-11-20T12:00:00", "2026-11-20T12:00:00"]  # fmt: skip
    assert made[0].body["Lane"] == 2
    assert machine.state.lanes == {}


@pytest.mark.parametrize("started", [{}, {"started": ""}, {"started": "yesterday"}, {"started": "2026-11-20T11:59:30"}])
def test_without_a_time_nobody_knows_when_work_began(started: dict[str, str]) -> None:
    assert names(aoi().say(record("inspection", {"unit": "B1", **started}))) == ["UnitsInspected", "WorkCompleted"]


def test_off_line_every_record_is_another_attempt() -> None:
    machine = aoi()
    for _ in range(2):
        machine.say(record("inspection", {"unit": "B1"}))
    assert len(transactions(machine.made)) == 2


def test_in_line_the_record_belongs_to_the_board_inside() -> None:
    machine = inline()
    machine.see({"units.in": 1, "unit.in.id": "B1"})
    machine.see({"units.in": 2, "unit.in.id": "B2"})
    second = [each.transaction for each in machine.made if each.name == "WorkStarted"][1]
    made = machine.say(record("inspection", {"unit": "B2", "started": "2026-11-20T11:59:30Z"}))
    assert (names(made), transactions(made)) == (["UnitsInspected"], {second})


def test_a_record_that_names_no_unit_is_of_the_oldest_inside() -> None:
    machine = inline()
    machine.see({"units.in": 1, "unit.in.id": "B1"})
    machine.see({"units.in": 2, "unit.in.id": "B2"})
    inspected = one(machine.say(record("inspection", {"result": "Passed"})), "UnitsInspected")
    assert inspected.body["InspectedUnits"][0]["UnitIdentifier"] == "B1"


def test_a_board_that_was_not_read_gets_its_name_from_the_record() -> None:
    machine = inline()
    machine.see({"units.in": 1, "unit.in.id": "NOREAD"})
    machine.say(record("inspection", {"unit": "B1"}))
    made = machine.see({"units.out": 1})
    assert [each.body["PrimaryIdentifier"] for each in made] == ["B1", "B1"]
    assert len(transactions(machine.made)) == 1


def test_a_record_without_lane_finds_the_board_on_any() -> None:
    machine = aoi("units.in@1", "units.in@2", "unit.in.id@1", "unit.in.id@2")
    machine.see({"units.in@1": 1, "unit.in.id@1": "A"})
    machine.see({"units.in@2": 1, "unit.in.id@2": "B"})
    transaction = [each.transaction for each in machine.made if each.name == "WorkStarted"][1]
    assert transactions(machine.say(record("inspection", {"unit": "B"}))) == {transaction}
    assert transactions(machine.say(record("inspection", {"unit": "B"}, lane=1))).isdisjoint({transaction})


def test_a_file_that_is_written_after_the_board_has_left_still_belongs_to_its_work() -> None:
    machine = inline()
    machine.see({"units.in": 1, "unit.in.id": "B1"})
    machine.see({"units.out": 1})
    made = machine.say(record("inspection", {"unit": "B1"}))
    assert names(made) == ["UnitsInspected"]
    assert len(transactions(machine.made)) == 1
    again = machine.say(record("inspection", {"unit": "B1"}))
    assert names(again) == ["UnitsInspected", "WorkCompleted"], "a second one is of another attempt"


def test_only_so_many_that_have_left_are_remembered() -> None:
    machine = inline()
    for count in range(1, 40):
        machine.see({"units.in": count, "unit.in.id": f"B{count}"})
        machine.see({"units.out": count})
    assert len(machine.state.left) == 20
    assert "B39" in machine.state.left


def test_a_board_that_came_unseen_has_one_transaction_too() -> None:
    machine = Machine("aoi", "units.in", "units.out", told=("inspection",))
    machine.see({"units.in": 1, "units.out": 0})
    made = machine.say(record("inspection", {"unit": "B1"})) + machine.see({"units.out": 1})
    assert names(made) == ["UnitsInspected", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(made)) == 1


def test_work_that_is_announced_later_keeps_the_transaction_of_its_record() -> None:
    machine = Machine("aoi", "units.in", told=("inspection", "work.started", "work.completed"))
    machine.see({"units.in": 0})
    machine.see({"units.in": 1})
    machine.say(record("inspection", {"unit": "B1"}))
    machine.say(record("work.started", {"unit": "B1"}))
    machine.say(record("work.completed", {"unit": "B1"}))
    assert names(machine.made) == ["UnitsArrived", "UnitsInspected", "WorkStarted", "WorkCompleted"]
    assert len(transactions(machine.made)) == 1


def test_a_record_of_a_board_whose_work_is_over_and_that_has_not_left_yet() -> None:
    machine = Machine("aoi", "units.in", "units.out", "unit.in.id", told=("inspection", "work.completed"))
    machine.see({"units.in": 0, "units.out": 0, "unit.in.id": ""})
    machine.see({"units.in": 1, "unit.in.id": "B1"})
    machine.say(record("work.completed", {"unit": "B1"}))
    machine.say(record("inspection", {"unit": "B1"}))
    machine.see({"units.out": 1})
    assert names(machine.made) == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsInspected", "UnitsDeparted"]
    assert len(transactions(machine.made)) == 1


def test_how_many_boards_a_record_off_line_stands_for() -> None:
    made = aoi().say(record("inspection", {"unit": "P1", "units": 4, "result": "Passed"}))
    assert one(made, "WorkCompleted").body["UnitCount"] == 4


def test_taking_leaves_those_whose_work_is_over() -> None:
    machine = Machine("aoi")
    turn = Turn(machine.setup, State(), Look(), START)
    over = Work(transaction=None, unit="A", count=1, started=True, since=START)
    open_ = Work(transaction="t", unit="B", count=1, started=True, since=START)
    turn.put(None, [over, open_])
    assert works.take(turn, None, None, over=False) == (open_, 1)
    assert works.take(turn, None, None) == (over, 0)
