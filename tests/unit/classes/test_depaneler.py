"""Depaneler: one panel in, its boards out."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, names, one, record, transactions


def router(*signals: str) -> Machine:
    machine = Machine(
        "depaneler", "units.in", "boards.out", "unit.in.id", "board.out.id", "panel.units", "work.result", *signals
    )
    first: dict[str, Value] = {"units.in": 1, "boards.out": 3, "panel.units": 3, "unit.in.id": "", "board.out.id": ""}
    machine.see(first)
    machine.made.clear()
    return machine


def test_boards_go_out_one_by_one_and_the_last_ends_the_work() -> None:
    machine = router("spindle.setpoint")
    flow = machine.see({"units.in": 2, "unit.in.id": "P", "spindle.setpoint": 40_000.0})
    assert names(flow) == ["UnitsArrived", "WorkStarted"]
    assert flow[0].body["UnitCount"] == 3
    first = machine.see({"boards.out": 4, "board.out.id": "A"})
    assert names(first) == ["UnitsDeparted"]
    last = machine.see({"boards.out": 6, "board.out.id": "C"})
    assert names(last) == ["UnitsDeparted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    assert transactions(flow) == transactions(last)
    assert one(last, "WorkCompleted").body["PrimaryIdentifier"] == "P"
    assert one(last, "WorkCompleted").body["UnitCount"] == 3
    assert one(last, "UnitsProcessed").body["CommonProcessData"] == {
        "$type": "CFX.Structures.Depaneling.RouterToolProcessData, CFX",
        "SpindleSpeed_SetPoint": 40_000.0,
        "AxisDetails": [],
    }
    departed = [each.body["PrimaryIdentifier"] for each in (*first, *last) if each.name == "UnitsDeparted"]
    assert departed == ["A", None, "C"], "of two since the last look, only the last was read"


def test_panels_follow_each_other() -> None:
    machine = router()
    machine.see({"units.in": 3, "unit.in.id": "Q"})
    made = machine.see({"boards.out": 7})
    completed = one(made, "WorkCompleted")
    assert names(made) == ["UnitsDeparted", "UnitsDeparted", "WorkCompleted", "UnitsDeparted", "UnitsDeparted"]
    assert completed.body["PrimaryIdentifier"] is None
    made = machine.see({"boards.out": 9, "work.result": "Failed"})
    assert names(made) == ["UnitsDeparted", "WorkCompleted", "UnitsDeparted"]
    assert one(made, "WorkCompleted").body["PrimaryIdentifier"] == "Q"
    assert one(made, "WorkCompleted").body["Result"] == "Failed"


def test_boards_of_a_panel_that_nobody_saw() -> None:
    machine = router()
    assert names(machine.see({"boards.out": 5})) == ["UnitsDeparted", "UnitsDeparted"]
    machine.see({"units.in": 2, "unit.in.id": "P"})
    assert names(machine.see({"boards.out": 7})) == ["UnitsDeparted", "UnitsDeparted"], "they do not count for the next"


def test_boards_that_went_out_unseen_leave_nothing_known_inside() -> None:
    machine = router()
    machine.see({"units.in": 2, "unit.in.id": "P"})
    machine.see({"boards.out": 4})
    machine.lose()
    assert machine.see({"units.in": 2, "boards.out": 6, "panel.units": 3, "unit.in.id": "P"}) == []
    assert [(each.signal, each.units, each.cause) for each in machine.adjusted] == [("boards.out", 2, "gap")]
    machine.see({"units.in": 3, "unit.in.id": "Q"})
    made = machine.see({"boards.out": 9})
    assert one(made, "WorkCompleted").body["PrimaryIdentifier"] == "Q"


def test_where_panels_are_counted_boards_are_not() -> None:
    machine = Machine("depaneler", "units.in", "units.out", "boards.out", "panel.units")
    machine.see({"units.in": 1, "units.out": 1, "boards.out": 3, "panel.units": 3})
    flow = machine.see({"units.in": 2}) + machine.see({"units.out": 2, "boards.out": 6})
    assert names(flow) == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    assert one(flow, "UnitsDeparted").body["UnitCount"] == 3


def test_a_report_of_the_boards() -> None:
    machine = Machine("depaneler", "units.in", "unit.in.id", told=["unit.separated"])
    machine.see({"units.in": 1, "unit.in.id": ""})
    flow = machine.see({"units.in": 2, "unit.in.id": "P"})
    boards = (
        record("board", {"unit": "A", "status": "Pass"}),
        record("board", {"unit": "B", "status": "Scrap", "position": 4}),
        record("board"),
    )
    flow += machine.say(record("unit.separated", {"unit": "P", "result": "Completed"}, *boards))
    assert names(flow) == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(flow)) == 1
    for name in ("WorkCompleted", "UnitsDeparted"):
        body = one(flow, name).body
        found = [(unit["UnitIdentifier"], unit["PositionNumber"], unit.get("Status")) for unit in body["Units"]]
        assert found == [("A", 1, "Pass"), ("B", 4, "Scrap"), (None, 3, None)]
        assert body["PrimaryIdentifier"] == "P"


def test_a_report_without_boards() -> None:
    machine = Machine("depaneler", told=["unit.separated"])
    made = machine.say(record("unit.separated", {"unit": "P", "units": 2}))
    assert names(made) == ["WorkCompleted", "UnitsDeparted"]
    assert [unit["UnitIdentifier"] for unit in made[0].body["Units"]] == [None, None]
