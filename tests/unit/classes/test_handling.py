"""Loader, unloader and conveyor: units pass, in and out of magazines."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, Made, names, one, record


def places(made: Made) -> list[tuple[str | None, int]]:
    return [(unit["UnitIdentifier"], unit["PositionNumber"]) for unit in made.body["Units"]]


def loader() -> Machine:
    machine = Machine("magazine_loader", "units.loaded", "unit.out.id", "magazine.id", "magazine.slot")
    machine.see({"units.loaded": 10, "magazine.id": "M1", "unit.out.id": ""})
    assert machine.made == []
    return machine


def unloader() -> Machine:
    machine = Machine(
        "magazine_unloader", "units.in", "units.unloaded", "unit.in.id", "magazine.id", "magazine.slot"
    )  # fmt: skip
    machine.see({"units.in": 10, "units.unloaded": 10, "unit.in.id": "", "magazine.id": "M7"})
    return machine


def test_a_board_goes_out_of_a_magazine_into_the_line() -> None:
    made = loader().see({"units.loaded": 11, "magazine.slot": 17, "unit.out.id": "A"})
    assert names(made) == ["UnitsLoaded", "UnitsDeparted"]
    loaded, departed = made
    assert loaded.body["UniqueIdentifier"] == "M1"
    assert places(loaded) == [("A", 17)]
    assert loaded.body["Units"][0]["PositionName"] == "Slot 17"
    assert places(departed) == [("A", 1)]


def test_of_several_boards_since_the_last_look_only_the_last_is_known() -> None:
    made = loader().see({"units.loaded": 13, "magazine.slot": 5, "unit.out.id": "C"})
    assert names(made) == ["UnitsLoaded", "UnitsDeparted"] * 3
    assert [places(each) for each in made if each.name == "UnitsLoaded"] == [[(None, 1)], [(None, 1)], [("C", 5)]]


def test_an_exchange_of_magazines() -> None:
    machine = loader()
    assert names(machine.see({"magazine.id": None})) == [], "not known is not gone"
    gone = one(machine.see({"magazine.id": ""}), "MagazineDeparted")
    assert gone.body["MagazineData"] == {"MagazineId": "M1", "HermesUnits": None}
    assert machine.see({"magazine.id": ""}) == []
    assert one(machine.see({"magazine.id": "M2"}), "MagazineArrived").body["MagazineData"]["MagazineId"] == "M2"
    assert names(machine.see({"magazine.id": "M3", "units.loaded": 11})) == [
        "MagazineDeparted",
        "MagazineArrived",
        "UnitsLoaded",
        "UnitsDeparted",
    ]


def test_a_magazine_that_was_exchanged_while_lineside_was_away() -> None:
    machine = loader()
    machine.restart()
    assert machine.see({"magazine.id": "M1"}) == []
    machine.restart()
    assert names(machine.see({"magazine.id": "M2"})) == ["MagazineDeparted", "MagazineArrived"]


def test_a_board_comes_and_goes_into_a_magazine() -> None:
    machine = unloader()
    assert names(machine.see({"units.in": 11, "unit.in.id": "A"})) == ["UnitsArrived"]
    assert names(machine.see({"units.in": 12, "unit.in.id": "B"})) == ["UnitsArrived"]
    made = machine.see({"units.unloaded": 11, "magazine.slot": 1})
    assert names(made) == ["UnitsUnloaded"]
    assert (made[0].body["UniqueIdentifier"], places(made[0])) == ("M7", [("A", 1)])
    assert places(machine.see({"units.unloaded": 12, "magazine.slot": 2})[0]) == [("B", 2)]
    assert places(machine.see({"units.unloaded": 13, "magazine.slot": 3})[0]) == [(None, 3)], "nobody saw it come"


def test_without_a_photocell_a_board_comes_when_it_goes_into_the_magazine() -> None:
    machine = Machine("magazine_unloader", "units.unloaded", "unit.in.id")
    machine.see({"units.unloaded": 10, "unit.in.id": ""})
    made = machine.see({"units.unloaded": 11, "unit.in.id": "A"})
    assert names(made) == ["UnitsArrived", "UnitsUnloaded"]
    assert [each.body["Units"][0]["UnitIdentifier"] for each in made] == ["A", "A"]
    assert made[1].body["UniqueIdentifier"] is None


def test_boards_that_were_unloaded_unseen_are_not_remembered_as_inside() -> None:
    machine = unloader()
    machine.see({"units.in": 11, "unit.in.id": "A"})
    machine.lose()
    machine.see({"units.in": 11, "units.unloaded": 11, "unit.in.id": "A"})
    assert [each.signal for each in machine.adjusted] == ["units.unloaded"]
    machine.see({"units.in": 12, "unit.in.id": "B"})
    assert places(machine.see({"units.unloaded": 12})[0]) == [("B", 1)]


def test_records_of_handling() -> None:
    machine = Machine("magazine_loader", "magazine.id", told=["unit.loaded", "magazine.arrived"])
    machine.see({"magazine.id": "M1"})
    slot = record("magazine.slot", {"slot": 3, "barcode.top": "A", "length": 160.0})
    arrived = machine.say(record("magazine.arrived", {"magazine": "M2"}, slot))
    (unit,) = one(arrived, "MagazineArrived").body["MagazineData"]["HermesUnits"]
    assert (unit["SlotId"], unit["TopBarcode"], unit["Lenght"], unit["Width"]) == (3, "A", 160.0, None)
    assert "FailedBoard" not in unit
    made = machine.say(record("unit.loaded", {"unit": "A", "slot": 3, "magazine": "M2"}))
    assert names(made) == ["UnitsLoaded", "UnitsDeparted"]
    assert made[0].body["UniqueIdentifier"] == "M2"
    assert machine.say(record("unit.loaded", {"unit": "B"}))[0].body["UniqueIdentifier"] == "M1"
    assert names(machine.say(record("magazine.departed"))) == ["MagazineDeparted"]


def test_panels_of_several_boards_have_no_slot_each() -> None:
    machine = Machine("magazine_loader", "units.loaded", "panel.units", "magazine.slot")
    machine.see({"units.loaded": 1, "panel.units": 2})
    made = machine.see({"units.loaded": 2, "magazine.slot": 9})
    assert places(made[0]) == [(None, 1), (None, 2)]


def test_on_a_conveyor_units_only_pass() -> None:
    machine = Machine("conveyor", "units.in@1", "units.out@1", "units.in@2", "units.out@2", "conveyor.speed@1")
    first: dict[str, Value] = {"units.in@1": 5, "units.out@1": 5, "units.in@2": 5, "units.out@2": 5}
    machine.see(first)
    flow = machine.see({"units.in@2": 6}) + machine.see({"units.in@1": 6}) + machine.see({"units.out@2": 6})
    assert [(each.name, each.body["Lane"]) for each in flow] == [
        ("UnitsArrived", 2),
        ("UnitsArrived", 1),
        ("UnitsDeparted", 2),
    ]
