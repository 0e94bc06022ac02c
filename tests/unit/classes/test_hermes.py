"""Boards that Hermes tells of: as the only source, and as the one that says who they are beside a profile that counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.observation import Record
from gateway.core.sample import Value
from gateway.profile.bound import Rule, When
from gateway.profile.hermes import bound
from tests.unit.classes.machines import START, Machine, Made, names, one, record, transactions

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


def arrived(
    hermes: str | None, unit: str | None = None, *children: Record, lane: int | None = 1, **more: Any
) -> Record:
    return told("unit.arrived", hermes, unit, *children, lane=lane, **more)


def departed(
    hermes: str | None, unit: str | None = None, *children: Record, lane: int | None = 1, **more: Any
) -> Record:
    return told("unit.departed", hermes, unit, *children, lane=lane, **more)


def told(name: str, hermes: str | None, unit: str | None, *children: Record, lane: int | None, **more: Any) -> Record:
    time = more.pop("time", None)
    fields: dict[str, Value] = {"hermes": hermes, "unit": unit, "bottom": None, "way": "machine", **more}
    return record(name, fields, *children, lane=lane, time=time)


def alone(machine_class: str = "generic") -> Machine:
    return Machine(machine_class, profile=bound(machine_class))


def ids(made: list[Made]) -> list[tuple[str, str | None, str | None]]:
    return [
        (each.name, each.body.get("PrimaryIdentifier"), each.body["HermesIdentifier"])
        for each in made
        if "HermesIdentifier" in each.body
    ]


# -- alone


def test_a_board_through_a_machine_that_works_on_it() -> None:
    machine = alone()
    time = START - 250_000
    came = machine.say(arrived(A, "SN1", lane=2, time=time))
    assert ids(came) == [("UnitsArrived", "SN1", A), ("WorkStarted", "SN1", A)]
    assert [each.time for each in came] == [time, time]
    assert came[0].body["Lane"] == 2
    went = machine.say(departed(A, lane=2))
    assert ids(went) == [("WorkCompleted", "SN1", A), ("UnitsDeparted", "SN1", A)]
    assert len(transactions(machine.made)) == 1
    assert machine.state.lanes == {"2": ()}


def test_without_barcode_the_board_has_only_its_board_id() -> None:
    machine = alone("conveyor")
    machine.say(arrived(A))
    machine.say(arrived(None, "SN2"))
    machine.say(departed(None, "SN2"))
    machine.say(departed(A))
    assert ids(machine.made) == [
        ("UnitsArrived", None, A),
        ("UnitsArrived", "SN2", None),
        ("UnitsDeparted", "SN2", None),
        ("UnitsDeparted", None, A),
    ]
    assert machine.made[0].body["Units"][0]["UnitIdentifier"] is None


def test_the_barcode_below_counts_where_the_one_above_was_not_read() -> None:
    machine = alone("conveyor")
    machine.say(arrived(A, "NOREAD", bottom="SN1"))
    machine.say(arrived(B, "NOREAD", bottom="NOREAD"))
    assert ids(machine.made) == [("UnitsArrived", "SN1", A), ("UnitsArrived", None, B)]


def test_boards_that_overtake_each_other_and_change_lanes() -> None:
    machine = alone()
    for hermes, unit, lane in ((A, "a", 1), (B, "b", 1), (C, "c", 2)):
        machine.say(arrived(hermes, unit, lane=lane))
    started = {each.body["HermesIdentifier"]: each.transaction for each in machine.made if each.name == "WorkStarted"}
    for hermes, lane in ((C, 1), (B, 1), (A, 2)):
        done = machine.say(departed(hermes, lane=lane))
        assert one(done, "WorkCompleted").transaction == started[hermes]
        assert one(done, "UnitsDeparted").body["Lane"] == lane
    assert not any(machine.state.lanes.values())


def test_a_board_that_was_not_seen_coming() -> None:
    machine = alone()
    machine.say(arrived(A))
    assert ids(machine.say(departed(B))) == [("WorkCompleted", None, B), ("UnitsDeparted", None, B)]
    assert ids(machine.say(departed(B, "b"))) == [("WorkCompleted", "b", B), ("UnitsDeparted", "b", B)]
    (inside,) = machine.state.lanes["1"]
    assert inside.hermes == A


def test_a_board_that_was_not_seen_leaving_comes_again() -> None:
    machine = alone()
    machine.say(arrived(A, "a"))
    machine.restart()
    again = one(machine.say(arrived(A, "a", lane=2)), "WorkStarted")
    assert one(machine.say(departed(A, lane=2)), "WorkCompleted").transaction == again.transaction
    assert not any(machine.state.lanes.values())


def test_a_panel_whose_boards_have_barcodes() -> None:
    boards = [
        record("unit.position", {"position": 2, "unit": "P-2", "status": "Fail"}),
        record("unit.position", {"position": 1, "unit": "P-1", "status": None}),
        record("unit.position", {"position": None, "unit": "NOREAD", "status": "Skip"}),
    ]
    machine = alone("conveyor")
    for made in (machine.say(arrived(A, "P", *boards)), machine.say(departed(A, "P", *boards))):
        units = made[0].body["Units"]
        assert [(unit["UnitIdentifier"], unit["PositionNumber"], unit.get("Status")) for unit in units] == [
            ("P-2", 2, "Fail"), ("P-1", 1, None), (None, 3, "Skip"),
        ]  # fmt: skip
        assert made[0].body["UnitCount"] == 3


def test_a_loader_takes_boards_out_of_its_magazine() -> None:
    machine = alone("magazine_loader")
    made = machine.say(arrived(A, "SN1", way="magazine", magazine="MAG7", slot=4))
    assert names(made) == ["UnitsLoaded", "UnitsArrived"]
    assert made[0].body["UniqueIdentifier"] == "MAG7"
    (unit,) = made[0].body["Units"]
    assert (unit["UnitIdentifier"], unit["PositionNumber"], unit["PositionName"]) == ("SN1", 4, "Slot 4")
    assert ids(machine.say(departed(A, "SN1"))) == [("UnitsDeparted", "SN1", A)]
    assert names(machine.say(arrived(B, way="hand"))) == ["UnitsArrived"]


def test_an_unloader_puts_them_into_one() -> None:
    machine = alone("magazine_unloader")
    assert names(machine.say(arrived(A, "SN1"))) == ["UnitsArrived"]
    made = machine.say(departed(A, "SN1", way="magazine", magazine="MAG8", slot=None))
    assert names(made) == ["UnitsDeparted", "UnitsUnloaded"]
    assert made[1].body["UniqueIdentifier"] == "MAG8"


def test_other_machines_say_nothing_of_magazines() -> None:
    assert names(alone("conveyor").say(arrived(A, way="magazine", magazine="M"))) == ["UnitsArrived"]


# -- beside a profile


def beside(machine_class: str, *signals: Any, **more: Any) -> Machine:
    machine = Machine(machine_class, *signals, **more)
    machine.setup = msgspec.structs.replace(machine.setup, hermes=True)
    keys = [each if isinstance(each, str) else each.key for each in signals]
    machine.see({key: "" if key.endswith(".id") else 0 for key in keys})
    return machine


def counting() -> Machine:
    return beside("generic", "units.in", "units.out")


def test_what_hermes_says_first_names_the_board_that_is_counted_next() -> None:
    machine = counting()
    assert machine.say(arrived(A, "SN1")) == []
    assert ids(machine.see({"units.in": 1})) == [("UnitsArrived", "SN1", A), ("WorkStarted", "SN1", A)]
    assert machine.say(departed(A)) == []
    assert ids(machine.see({"units.out": 1})) == [("WorkCompleted", "SN1", A), ("UnitsDeparted", "SN1", A)]


def test_what_hermes_says_later_names_the_board_that_was_counted_last() -> None:
    machine = counting()
    assert ids(machine.see({"units.in": 1})) == [("UnitsArrived", None, None), ("WorkStarted", None, None)]
    assert machine.say(arrived(A, "SN1")) == []
    assert ids(machine.see({"units.out": 1}, wait=60)) == [("WorkCompleted", "SN1", A), ("UnitsDeparted", "SN1", A)]
    assert machine.say(departed(A)) == []
    assert ids(machine.see({"units.in": 2}))[0] == ("UnitsArrived", None, None)
    assert ids(machine.see({"units.out": 2}))[1] == ("UnitsDeparted", None, None), "it was of the one before"


def test_each_board_is_told_once_whoever_is_first() -> None:
    machine = counting()
    machine.say(arrived(A, "a"))
    machine.see({"units.in": 1})
    machine.see({"units.in": 2}, wait=20)
    machine.say(arrived(B, "b"))
    machine.say(departed(A), wait=20)
    machine.see({"units.out": 1})
    machine.see({"units.out": 2}, wait=20)
    machine.say(departed(B))
    found = [each for each in ids(machine.made) if each[0] in ("UnitsArrived", "UnitsDeparted")]
    assert found == [
        ("UnitsArrived", "a", A), ("UnitsArrived", None, None), ("UnitsDeparted", "a", A), ("UnitsDeparted", "b", B),
    ]  # fmt: skip
    assert len(transactions(machine.made)) == 2


@pytest.mark.parametrize("first", ["hermes", "counter"])
def test_what_is_said_too_late_names_nobody(first: str) -> None:
    machine = counting()
    if first == "hermes":
        machine.say(arrived(A, "a"))
        machine.see({"units.in": 1}, wait=5.1)
    else:
        machine.see({"units.in": 1})
        machine.say(arrived(A, "a"), wait=5.1)
    (inside,) = machine.state.lanes[""]
    assert (inside.unit, inside.hermes) == (None, None)
    assert names(machine.made) == ["UnitsArrived", "WorkStarted"]


def test_boards_go_out_by_what_hermes_says_not_by_their_order() -> None:
    machine = counting()
    for index, hermes in enumerate((A, B), 1):
        machine.say(arrived(hermes, hermes[0]))
        machine.see({"units.in": index})
    machine.say(departed(B))
    assert ids(machine.see({"units.out": 1}))[-1] == ("UnitsDeparted", "b", B)
    assert ids(machine.see({"units.out": 2}, wait=30))[-1] == ("UnitsDeparted", "a", A)


def test_what_hermes_says_of_one_that_goes_is_not_said_of_another() -> None:
    machine = counting()
    for index, (hermes, unit) in enumerate(((A, "a"), (B, "b"), (C, None)), 1):
        machine.say(arrived(hermes, unit))
        machine.see({"units.in": index})
    machine.see({"units.out": 1}, wait=30)
    machine.say(departed(C))
    assert ids(machine.see({"units.out": 2}))[-1] == ("UnitsDeparted", None, C), "the one that went before was not this"
    machine.say(departed(A))
    assert ids(machine.see({"units.out": 3}))[-1] == ("UnitsDeparted", "b", B), "and that was it"


def test_what_is_certain_comes_before_what_is_older() -> None:
    machine = beside("generic", "units.in", "units.out", "unit.in.id")
    machine.see({"units.in": 1, "unit.in.id": "NOREAD"})
    machine.see({"units.in": 2, "unit.in.id": "b"})
    machine.say(arrived(B, "b"))
    machine.say(arrived(A))
    assert [(work.unit, work.hermes) for work in machine.state.lanes[""]] == [(None, A), ("b", B)]


def test_several_between_two_looks_are_named_in_their_order() -> None:
    machine = counting()
    machine.say(arrived(A, "a"))
    machine.say(arrived(B, "b"))
    made = machine.see({"units.in": 3})
    assert [each for each in ids(made) if each[0] == "UnitsArrived"] == [
        ("UnitsArrived", "a", A), ("UnitsArrived", "b", B), ("UnitsArrived", None, None),
    ]  # fmt: skip


def test_a_reader_and_hermes_must_agree() -> None:
    machine = beside("generic", "units.in", "units.out", "unit.in.id")
    machine.say(arrived(A, "a"))
    assert ids(machine.see({"units.in": 1, "unit.in.id": "x"}))[0] == ("UnitsArrived", "x", None)
    machine.say(arrived(B), wait=10)
    assert ids(machine.see({"units.in": 2, "unit.in.id": "y"}))[0] == ("UnitsArrived", "y", B)
    machine.say(arrived(A), wait=10)
    machine.say(arrived(C, "c"))
    assert ids(machine.see({"units.in": 3, "unit.in.id": "c"}))[0] == ("UnitsArrived", "c", C)
    assert ids(machine.see({"units.in": 4, "unit.in.id": "d"}))[0] == ("UnitsArrived", "d", A)


def test_lanes_are_those_of_the_profile() -> None:
    machine = beside("generic", "units.in@1", "units.in@2")
    machine.say(arrived(A, "a", lane=2))
    assert ids(machine.see({"units.in@1": 1}))[0] == ("UnitsArrived", None, None)
    made = machine.see({"units.in@2": 1})
    assert (ids(made)[0], made[0].body["Lane"]) == (("UnitsArrived", "a", A), 2)


def test_where_the_profile_counts_no_departures_hermes_tells_them() -> None:
    machine = beside("generic", "units.in")
    machine.say(arrived(A, "a"))
    machine.see({"units.in": 1})
    made = machine.say(departed(A))
    assert ids(made) == [("WorkCompleted", "a", A), ("UnitsDeparted", "a", A)]
    assert len(transactions(machine.made)) == 1


def test_where_the_profile_tells_nothing_of_boards_hermes_does() -> None:
    machine = beside("reflow_oven", "state")
    machine.say(arrived(A, "a"))
    machine.say(departed(A))
    assert [each[0] for each in ids(machine.made)] == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]


def test_work_that_the_profile_tells_of_is_on_the_board_that_hermes_names() -> None:
    machine = beside("aoi", "units.in", told=("work.started", "work.completed"))
    machine.say(arrived(A, "a"))
    machine.see({"units.in": 1})
    machine.say(record("work.started", {}))
    machine.say(record("work.completed", {}))
    machine.say(departed(A))
    assert ids(machine.made) == [(name, "a", A) for name in ("UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted")]  # fmt: skip


def test_rules_of_the_profile_count_too() -> None:
    rules = [
        Rule(key="x.in", when=When.RISING, record="unit.arrived"),
        Rule(key="x.out", when=When.RISING, record="unit.departed"),
    ]
    machine = beside("conveyor", "x.in", "x.out", rules=rules)
    machine.see({"x.in": False, "x.out": False})
    assert machine.say(arrived(A, "a")) == []
    assert ids(machine.see({"x.in": True})) == [("UnitsArrived", "a", A)]
    assert machine.say(departed(A)) == []
    assert ids(machine.see({"x.out": True})) == [("UnitsDeparted", "a", A)]


def test_a_loader_that_counts() -> None:
    machine = beside("magazine_loader", "units.loaded", "magazine.id")
    assert machine.say(arrived(A, "a", way="magazine", magazine="M")) == []
    assert machine.say(departed(A, "a")) == []
    made = machine.see({"units.loaded": 1})
    assert names(made) == ["UnitsLoaded", "UnitsDeparted"]
    assert ids(made) == [("UnitsDeparted", "a", A)]
    assert machine.state.lanes == {}


def test_what_waits_survives_a_restart_and_is_bounded() -> None:
    machine = counting()
    machine.see({"units.in": 1})
    for index in range(200):
        machine.say(arrived(A, f"a{index}"), wait=0.001)
    assert sum(map(len, machine.state.announced.values())) <= 20
    machine.restart()
    machine.see({"units.in": 1, "units.out": 0})
    assert ids(machine.see({"units.in": 2}))[0][2] == A
