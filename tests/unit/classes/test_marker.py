"""Marker and labeller: identifiers given, and what else was written."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, Made, names, one, record, transactions

FLOW = ["UnitsArrived", "WorkStarted", "UnitsInitialized", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]


def laser(**shown: Value) -> Machine:
    machine = Machine(
        "marker", "units.in", "units.out", "panel.units", "mark.id", "board.id[1]", "board.id[2]", "mark.time",
        "order.id", "unit.out.id",
    )  # fmt: skip
    first: dict[str, Value] = {"units.in": 1, "units.out": 1, "panel.units": 2}
    empty = dict.fromkeys(("mark.id", "board.id[1]", "board.id[2]", "unit.out.id"), "")
    machine.see({**first, **empty, **shown})
    machine.made.clear()
    return machine


def positions(made: Made) -> list[tuple[str | None, int]]:
    return [(unit["UnitIdentifier"], unit["PositionNumber"]) for unit in made.body["Units"]]


def test_a_panel_gets_its_identifiers() -> None:
    machine = laser(**{"order.id": "WO1"})
    machine.see({"units.in": 2})
    machine.see({"mark.id": "P1", "board.id[1]": "A", "board.id[2]": "B"})
    machine.see({"units.out": 2, "mark.time": 6.42, "unit.out.id": "P1"})
    assert names(machine.made) == FLOW
    assert len(transactions(machine.made)) == 1
    initialized = one(machine.made, "UnitsInitialized")
    assert initialized.body["PrimaryIdentifier"] == "P1"
    assert initialized.body["WorkOrderIdentifier"] == {"WorkOrderId": "WO1", "Batch": None}
    assert positions(initialized) == [("A", 1), ("B", 2)]
    data = one(machine.made, "UnitsProcessed").body["CommonProcessData"]
    assert data["LaserProcessingTime"] == "00:00:06.4200000"
    assert one(machine.made, "WorkStarted").body["PrimaryIdentifier"] is None
    assert one(machine.made, "WorkCompleted").body["PrimaryIdentifier"] == "P1"


def test_an_identifier_is_given_once() -> None:
    machine = laser()
    machine.see({"units.in": 2, "mark.id": "P1", "board.id[1]": "A", "board.id[2]": "B"})
    machine.see({"units.out": 2})
    machine.see({"units.in": 3})
    assert names(machine.see({"units.out": 3})) == ["WorkCompleted", "UnitsDeparted"], "it was not marked"
    machine.see({"units.in": 4, "mark.id": "P3", "board.id[2]": "F"})
    initialized = one(machine.see({"units.out": 4}), "UnitsInitialized")
    assert initialized.body["PrimaryIdentifier"] == "P3"
    assert positions(initialized) == [(None, 1), ("F", 2)]


def test_what_a_register_holds_at_first_sight_is_of_nobody_knows_whom() -> None:
    machine = laser(**{"mark.id": "OLD", "board.id[1]": "X"})
    machine.see({"units.in": 2})
    assert names(machine.see({"units.out": 2})) == ["WorkCompleted", "UnitsDeparted"]


def test_what_was_marked_while_lineside_was_away_is_told_with_its_unit() -> None:
    machine = laser(**{"mark.id": "P1"})
    machine.see({"units.in": 2})
    machine.restart()
    machine.see({"units.in": 2, "units.out": 1, "mark.id": "P2"})
    made = machine.see({"units.out": 2})
    initialized = one(made, "UnitsInitialized")
    assert initialized.body["PrimaryIdentifier"] == "P2"
    assert positions(initialized) == [(None, 1), (None, 2)]


def test_a_panel_whose_boards_are_not_told_has_as_many_as_it_has() -> None:
    machine = Machine("marker", "units.out", "mark.id", "panel.units")
    machine.see({"units.out": 1, "mark.id": "", "panel.units": 3})
    made = one(machine.see({"units.out": 2, "mark.id": "P"}), "UnitsInitialized")
    assert positions(made) == [(None, 1), (None, 2), (None, 3)]
    machine.see({"panel.units": 1})
    assert positions(one(machine.see({"units.out": 3, "mark.id": "Q"}), "UnitsInitialized")) == [("Q", 1)]


def test_a_failed_reading_is_no_identifier() -> None:
    machine = laser()
    machine.see({"units.in": 2, "mark.id": "NOREAD"})
    assert names(machine.see({"units.out": 2})) == ["WorkCompleted", "UnitsDeparted"]


def test_off_line_a_labeller_tells_what_it_gave() -> None:
    machine = Machine("marker", told=["unit.initialized"])
    boards = (record("board", {"unit": "A"}), record("board", {"unit": "B", "position": 3}))
    made = machine.say(record("unit.initialized", {"unit": "P1", "started": "2026-11-20T11:59:00Z"}, *boards))
    assert names(made) == ["WorkStarted", "UnitsInitialized", "WorkCompleted"]
    assert len(transactions(made)) == 1
    assert positions(one(made, "UnitsInitialized")) == [("A", 1), ("B", 3)]
    assert one(made, "WorkCompleted").body["UnitCount"] == 2


def test_in_line_the_unit_gets_the_identifier_that_it_was_given() -> None:
    machine = Machine("marker", "units.in", "units.out", told=["unit.initialized"])
    machine.see({"units.in": 1, "units.out": 1})
    flow = machine.see({"units.in": 2})
    flow += machine.say(record("unit.initialized", {"unit": "A"}))
    flow += machine.see({"units.out": 2})
    assert names(flow) == ["UnitsArrived", "WorkStarted", "UnitsInitialized", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(flow)) == 1
    assert one(flow, "UnitsDeparted").body["PrimaryIdentifier"] == "A"


def test_what_is_written_into_a_unit() -> None:
    machine = Machine("marker", told=["unit.personalized"])
    address = record("characteristic", {"name": "MAC address", "value": "C0-15-B9-2D-0F-3B"})
    made = machine.say(record("unit.personalized", {"unit": "A"}, address))
    assert names(made) == ["UnitsPersonalized", "WorkCompleted"]
    assert len(transactions(made)) == 1
    assert made[0].body["PersonalizedUnits"] == [
        {
            "UnitIdentifier": "A",
            "UnitPositionNumber": 1,
            "Characteristics": [{"Name": "MAC address", "Value": "C0-15-B9-2D-0F-3B"}],
        }
    ]


def test_identifiers_and_characteristics_of_the_boards_together() -> None:
    machine = Machine("marker", told=["unit.initialized"])
    boards = (
        record("board", {"unit": "A"}, record("characteristic", {"value": "1"})),
        record("board", {"unit": "B"}),
    )
    made = machine.say(record("unit.initialized", {"unit": "P"}, *boards))
    assert names(made) == ["UnitsInitialized", "UnitsPersonalized", "WorkCompleted"]
    assert len(transactions(made)) == 1
    (unit,) = one(made, "UnitsPersonalized").body["PersonalizedUnits"]
    assert (unit["UnitIdentifier"], unit["Characteristics"]) == ("A", [{"Name": None, "Value": "1"}])
