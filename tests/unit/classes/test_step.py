"""What every machine class makes of states, units and identifiers, and of being away."""

from __future__ import annotations

import pytest

from gateway.classes.registry import CLASSES
from gateway.classes.step import out_of_sight
from gateway.core.errors import ConfigError
from gateway.core.event import TimeQuality
from gateway.core.sample import Quality, Value
from tests.unit.classes.machines import START, Machine, Made, alarm, counter, names, one, record, special, transactions

ONE_WORK = ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]


def station() -> Machine:
    return Machine(
        "generic", "state", "units.in", "units.out", "unit.in.id", "unit.out.id", "panel.units", "recipe.name"
    )


def in_sight(**values: Value) -> Machine:
    machine = station()
    seen: dict[str, Value] = {
        "state": "PRD_RegularWork",
        "units.in": 10,
        "units.out": 10,
        "unit.in.id": "",
        "unit.out.id": "",
    }
    machine.see({**seen, **values})
    machine.made.clear()
    return machine


def positions(made: Made) -> list[tuple[str | None, int]]:
    return [(unit["UnitIdentifier"], unit["PositionNumber"]) for unit in made.body["Units"]]


def test_the_first_sight_of_a_state_knows_no_state_before() -> None:
    made = one(station().see({"state": "PRD_RegularWork"}), "StationStateChanged")
    assert (made.body["OldState"], made.body["OldStateDuration"], made.body["NewState"]) == ("1100", None, "1100")


def test_a_change_of_state_has_how_long_the_old_one_lasted() -> None:
    machine = in_sight()
    made = one(machine.see({"state": "SBY_NoProductStarved"}, wait=90.5), "StationStateChanged")
    assert (made.body["OldState"], made.body["NewState"]) == ("1100", "2202")
    assert made.body["OldStateDuration"] == "00:01:30.5000000"
    assert machine.see({"state": "2202"}) == []


@pytest.mark.parametrize("value", [None, "", "no state", 0, True, 1, 999, 7000])
def test_a_state_that_is_not_known_is_no_state(value: str | int | None) -> None:
    machine = in_sight()
    assert machine.see({"state": value}) == []
    made = one(machine.see({"state": "USD"}, wait=9.0), "StationStateChanged")
    assert made.body["OldState"] == "1100"


def test_a_vendors_own_state_goes_through_as_it_is() -> None:
    assert one(in_sight().see({"state": 1142}), "StationStateChanged").body["NewState"] == 1142


def test_a_stage_has_a_state_of_its_own() -> None:
    machine = Machine("generic", "state", "state:2", "state:top")
    made = machine.see({"state": "PRD", "state:2": "SBY", "state:top": "ENG"})
    assert names(made) == ["StationStateChanged", "StageStateChanged", "StageStateChanged"]
    assert [each.body["Stage"] for each in made[1:]] == [
        {"StageSequence": 2, "StageName": "2", "StageType": "Work"},
        {"StageName": "top", "StageType": "Work"},
    ]
    assert one(machine.see({"state:top": "USD"}), "StageStateChanged").body["OldState"] == "3000"


def test_a_stop_names_the_fault_that_came_with_it() -> None:
    machine = Machine("generic", "state", alarms=[alarm("E1"), alarm("E2")])
    machine.see({"state": "PRD", "alarm.E1": False, "alarm.E2": False})
    fault, state = machine.see({"state": "USD", "alarm.E1": True})
    assert state.body["RelatedFault"] == fault.body["Fault"]
    assert one(machine.see({"state": "SBY", "alarm.E2": True}), "StationStateChanged").body["RelatedFault"] is None


def test_a_state_has_to_last_as_long_as_the_profile_says() -> None:
    machine = Machine("generic", special("state", debounce=2_000_000))
    assert machine.see({"state": "PRD"}) == []
    assert machine.outcome.wake == machine.now + 2_000_000
    began = machine.now
    made = one(machine.tick(wait=2.0), "StationStateChanged")
    assert (made.time, made.quality) == (began, TimeQuality.GATEWAY)
    assert machine.outcome.wake is None
    machine.see({"state": "SBY"})
    assert machine.see({"state": "PRD"}) == []
    assert machine.tick(wait=5.0) == []


def test_a_board_is_told_from_its_arrival_to_its_departure() -> None:
    machine = in_sight()
    machine.see({"recipe.name": "R7"})
    made = machine.see({"units.in": 11, "unit.in.id": "B1"}) + machine.see({"units.out": 11}, wait=30.0)
    assert names(made) == ONE_WORK
    assert len(transactions(made)) == 1
    assert {each.body["PrimaryIdentifier"] for each in made} == {"B1"}
    assert {tuple(positions(each)) for each in made} == {(("B1", 1),)}
    assert (made[1].body["RecipeName"], made[1].body["Lane"]) == ("R7", None)
    assert made[2].body["Result"] == "Completed"


def test_a_panel_is_as_many_unnamed_boards() -> None:
    machine = in_sight(**{"panel.units": 3.0})
    arrived, started = machine.see({"units.in": 11, "unit.in.id": "P1"})
    assert positions(arrived) == positions(started) == [(None, 1), (None, 2), (None, 3)]
    assert (arrived.body["UnitCount"], arrived.body["PrimaryIdentifier"]) == (3, "P1")


def test_boards_that_were_inside_at_first_sight_go_out_first_and_unknown() -> None:
    machine = station()
    assert names(machine.see({"units.in": 12, "units.out": 10, "unit.in.id": "", "unit.out.id": ""})) == []
    machine.see({"units.in": 13, "unit.in.id": "B1"})
    gone = [machine.see({"units.out": count}) for count in (11, 12, 13)]
    assert [names(made) for made in gone] == [["WorkCompleted", "UnitsDeparted"]] * 3
    assert [made[1].body["PrimaryIdentifier"] for made in gone] == [None, None, "B1"]
    assert len(transactions(machine.made)) == 3


def test_the_board_that_leaves_is_the_one_that_was_read_on_the_way_out() -> None:
    machine = in_sight()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    started = one(machine.see({"units.in": 12, "unit.in.id": "B2"}), "WorkStarted")
    made = machine.see({"units.out": 11, "unit.out.id": "B2"})
    assert (transactions(made), made[1].body["PrimaryIdentifier"]) == ({started.transaction}, "B2")


def test_a_board_that_was_only_read_on_the_way_out_is_known_from_then_on() -> None:
    machine = in_sight()
    machine.see({"units.in": 11})
    assert machine.made[1].body["PrimaryIdentifier"] is None
    made = machine.see({"units.out": 11, "unit.out.id": "B1"})
    assert [each.body["PrimaryIdentifier"] for each in made] == ["B1", "B1"]
    assert len(transactions(machine.made)) == 1


def test_a_board_that_nobody_saw_come_in_does_not_take_the_place_of_another() -> None:
    machine = in_sight()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    made = machine.see({"units.out": 11, "unit.out.id": "B9"})
    assert transactions(made).isdisjoint(transactions(machine.made[:2]))
    assert [work.unit for work in machine.state.lanes[""]] == ["B1"]


def test_a_code_that_still_stands_in_the_register_is_not_the_next_boards() -> None:
    machine = in_sight()
    arrivals = [
        machine.see({"units.in": 11, "unit.in.id": "B1"}),
        machine.see({"units.in": 12}),
        machine.see({"units.in": 13, "unit.in.id": "B3"}),
    ]
    assert [made[0].body["PrimaryIdentifier"] for made in arrivals] == ["B1", None, "B3"]


def test_the_same_code_twice_is_two_boards_when_the_reader_was_empty_between() -> None:
    machine = in_sight()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    machine.see({"unit.in.id": ""})
    assert machine.see({"units.in": 12, "unit.in.id": "B1"})[0].body["PrimaryIdentifier"] == "B1"


def test_a_code_that_stands_there_when_we_come_is_of_no_board_that_we_see() -> None:
    machine = in_sight(**{"unit.in.id": "OLD"})
    assert machine.see({"units.in": 11})[0].body["PrimaryIdentifier"] is None
    machine.lose()
    machine.see({"units.in": 11, "units.out": 10, "unit.in.id": "MISSED"})
    assert machine.see({"units.in": 12})[0].body["PrimaryIdentifier"] is None


@pytest.mark.parametrize("said", ["NOREAD", " NOREAD ", "   ", None])
def test_what_a_reader_says_when_it_could_not_read_is_no_identifier(said: str | None) -> None:
    machine = in_sight()
    made = machine.see({"units.in": 11, "unit.in.id": said})
    assert positions(made[0]) == [(None, 1)]


def test_of_several_boards_between_two_looks_only_the_last_can_be_the_one_that_was_read() -> None:
    made = in_sight().see({"units.in": 13, "unit.in.id": "B3"})
    arrived = [each.body["PrimaryIdentifier"] for each in made if each.name == "UnitsArrived"]
    assert arrived == [None, None, "B3"]


def test_lanes_do_not_know_of_each_other() -> None:
    machine = Machine(
        "generic", "units.in@1", "units.in@2", "units.out@1", "units.out@2", "unit.in.id@1", "unit.in.id@2"
    )
    machine.see({"units.in@1": 0, "units.in@2": 7, "units.out@1": 0, "units.out@2": 7})
    machine.see({"unit.in.id@1": "", "unit.in.id@2": ""})
    first = machine.see({"units.in@1": 1, "unit.in.id@1": "A"})
    second = machine.see({"units.in@2": 8, "unit.in.id@2": "B"})
    out = machine.see({"units.out@2": 8}) + machine.see({"units.out@1": 1})
    assert [each.transaction for each in out if each.name == "WorkCompleted"] == [
        one(second, "WorkStarted").transaction,
        one(first, "WorkStarted").transaction,
    ]
    assert [each.body["Lane"] for each in machine.made if each.name == "UnitsDeparted"] == [2, 1]


def test_the_machines_own_time_is_the_events() -> None:
    machine = in_sight()
    made = machine.see({"state": "SBY"}, time=START - 5)
    assert (made[0].time, made[0].quality) == (START - 5, TimeQuality.GOOD)
    made = machine.see({"state": "PRD"})
    assert (made[0].time, made[0].quality) == (machine.now, TimeQuality.GATEWAY)


def test_after_a_restart_only_differences_are_told() -> None:
    machine = in_sight(**{"recipe.name": "R7"})
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    before = transactions(machine.made)
    machine.restart()
    same: dict[str, Value] = {
        "state": "PRD_RegularWork",
        "units.in": 11,
        "units.out": 10,
        "unit.in.id": "B1",
        "unit.out.id": "",
    }
    assert machine.see({**same, "recipe.name": "R7"}, wait=3600.0) == []
    assert machine.adjusted == []
    assert transactions(machine.see({"units.out": 11})) == before


def test_of_a_state_that_changed_while_we_were_away_nobody_knows_how_long_the_old_one_lasted() -> None:
    machine = in_sight()
    machine.lose()
    made = one(machine.see({"state": "USD"}), "StationStateChanged")
    assert (made.body["OldState"], made.body["OldStateDuration"], made.body["NewState"]) == ("1100", None, "5000")
    assert one(machine.see({"state": "PRD"}, wait=2.0), "StationStateChanged").body["OldStateDuration"] == "00:00:02"


def test_what_is_waited_for_is_forgotten_when_the_machine_is_lost() -> None:
    machine = Machine("generic", special("state", debounce=1_000_000))
    machine.see({"state": "PRD"})
    machine.lose()
    assert machine.outcome.wake is None
    assert machine.tick(wait=5.0) == []


def test_out_of_sight_leaves_what_was_counted() -> None:
    machine = in_sight()
    away = out_of_sight(machine.state)
    assert away.counters == {"units.in": 10, "units.out": 10}
    assert away.unseen == {"units.in", "units.out", "state"}


def test_every_signal_is_unavailable_once_when_the_machine_is_lost() -> None:
    machine = Machine("reflow_oven", "zone.temperature[1]", "state")
    machine.see({"zone.temperature[1]": 150.0, "state": "PRD"})
    machine.lose()
    assert {(each.signal, each.value, each.quality) for each in machine.samples} == {
        ("zone.temperature[1]", None, Quality.UNAVAILABLE),
        ("state", None, Quality.UNAVAILABLE),
    }
    machine.lose()
    assert machine.samples == []
    machine.see({"zone.temperature[1]": 150.0})
    assert [(each.value, each.quality) for each in machine.samples] == [(150.0, Quality.GOOD)]


def test_a_change_within_the_deadband_of_what_was_told_last_is_no_sample() -> None:
    machine = Machine("reflow_oven", special("zone.temperature[1]", deadband=1.0))
    told = []
    for value in (150.0, 150.9, 151.0, 151.1, 150.2, 150.0):
        machine.see({"zone.temperature[1]": value})
        told += [sample.value for sample in machine.samples]
    assert told == [150.0, 151.1, 150.0]


def test_a_value_that_is_not_known_is_told_whatever_the_deadband() -> None:
    machine = Machine("reflow_oven", special("zone.temperature[1]", deadband=50.0))
    machine.see({"zone.temperature[1]": 150.0})
    machine.see({"zone.temperature[1]": None})
    assert [(each.value, each.quality) for each in machine.samples] == [(None, Quality.UNAVAILABLE)]
    machine.see({"zone.temperature[1]": None})
    assert machine.samples == []


def test_a_sample_has_the_classes_unit_and_an_alarm_is_none() -> None:
    machine = Machine("reflow_oven", "conveyor.speed", alarms=[alarm("E1")])
    machine.see({"conveyor.speed": 85.0, "alarm.E1": False})
    assert [(each.signal, each.unit) for each in machine.samples] == [("conveyor.speed", "cm/min")]


def test_a_quality_of_the_machines_own_is_kept() -> None:
    machine = Machine("reflow_oven", "oxygen")
    machine.see({"oxygen": 500.0}, qualities=[Quality.UNCERTAIN])
    assert [each.quality for each in machine.samples] == [Quality.UNCERTAIN]
    machine.see({"oxygen": 500.0}, qualities=[Quality.GOOD])
    assert [each.quality for each in machine.samples] == [Quality.GOOD]


def test_work_that_is_told_itself_is_not_taken_from_arrivals() -> None:
    machine = Machine("generic", "units.in", "units.out", told=("work.started", "work.completed"))
    machine.see({"units.in": 0, "units.out": 0})
    assert names(machine.see({"units.in": 2})) == ["UnitsArrived", "UnitsArrived"]
    machine.say(record("work.started", {"unit": "A"}))
    machine.say(record("work.completed", {"unit": "A"}))
    machine.say(record("work.started", {"unit": "B"}))
    second = one(machine.say(record("work.completed", {"result": "Failed"})), "WorkCompleted")
    assert (second.body["PrimaryIdentifier"], second.body["Result"]) == ("B", "Failed")
    out = machine.see({"units.out": 2})
    assert [(each.name, each.body["PrimaryIdentifier"]) for each in out] == [("UnitsDeparted", "A"), ("UnitsDeparted", "B")]  # fmt: skip
    works = [each for each in machine.made if each.name.startswith("Work")]
    assert names(works) == ["WorkStarted", "WorkCompleted"] * 2
    assert works[0].transaction == works[1].transaction != works[2].transaction == works[3].transaction


def test_where_only_the_end_of_work_is_told_it_begins_with_the_arrival() -> None:
    machine = Machine("generic", "units.in", "units.out", told=("work.completed",))
    machine.see({"units.in": 0, "units.out": 0})
    made = machine.see({"units.in": 1}) + machine.say(record("work.completed")) + machine.see({"units.out": 1})
    assert names(made) == ONE_WORK
    assert len(transactions(made)) == 1


def test_a_recipe_is_told_when_another_becomes_active() -> None:
    machine = Machine("generic", "recipe.name@1", "recipe.revision@1")
    made = one(machine.see({"recipe.name@1": "R1", "recipe.revision@1": "B"}), "RecipeActivated")
    assert (made.body["RecipeName"], made.body["Revision"], made.body["Lane"]) == ("R1", "B", 1)
    assert machine.see({"recipe.name@1": None}) == []
    assert machine.see({"recipe.name@1": "R1"}) == []
    assert names(machine.see({"recipe.name@1": "R2"})) == ["RecipeActivated"]


def test_somebody_signs_in() -> None:
    machine = Machine("generic", "operator.id")
    assert one(machine.see({"operator.id": "77"}), "OperatorActivated").body["Operator"]["OperatorIdentifier"] == "77"
    assert machine.see({"operator.id": ""}) == []
    assert names(machine.see({"operator.id": "77"})) == ["OperatorActivated"]


def test_the_time_that_a_record_names_is_the_time_of_what_comes_of_it() -> None:
    machine = Machine("generic")
    made = machine.say(record("state.changed", {"state": "SBY"}, time=START - 7))
    assert (made[0].time, made[0].quality) == (START - 7, TimeQuality.GOOD)


def test_an_alarm_with_a_field_that_its_fault_does_not_have_is_a_mistake_in_the_profile() -> None:
    with pytest.raises(ConfigError, match=r"E1.*NoSuchField"):
        Machine("reflow_oven", "zone.temperature[1]", alarms=[alarm("E1", extra={"NoSuchField": "x"})])


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_follows_a_board_a_stop_and_a_restart(name: str) -> None:
    """Whatever else it makes: what it makes is declared and passes the catalogue (Machine checks both)."""
    words = CLASSES[name].vocabulary.signals
    counters = [each for each in ("units.in", "units.out") if each in words]
    machine = Machine(name, "state", *(counter(each, modulus=65536) for each in counters), alarms=[alarm("E1")])
    machine.see({"state": "PRD", **dict.fromkeys(counters, 65535), "alarm.E1": False})
    made = [each for key in counters for each in machine.see({key: 0})]
    assert ("UnitsArrived" in names(made)) is ("units.in" in words)
    assert ("UnitsDeparted" in names(made)) is ("units.out" in words)
    assert len(transactions(made)) == (1 if machine.machine_class.works else 0)
    machine.see({"state": "USD", "alarm.E1": True})
    machine.restart()
    assert machine.see({"state": "USD", "alarm.E1": True, **dict.fromkeys(counters, 0)}) == []
    assert names(machine.see({"state": "PRD", "alarm.E1": False})) == ["FaultCleared", "StationStateChanged"]
