"""Faults come in pairs, and only when they last."""

from __future__ import annotations

import pytest

from gateway.core.event import TimeQuality
from tests.unit.classes.machines import START, Machine, alarm, names, one, record, special


def pairs(machine: Machine) -> list[tuple[str, str]]:
    """Code and occurrence of each message, in order."""
    codes: dict[str, str] = {}
    found = []
    for made in machine.made:
        if made.name == "FaultOccurred":
            fault = made.body["Fault"]
            codes[fault["FaultOccurrenceId"]] = fault["FaultCode"]
            found.append((f"+{fault['FaultCode']}", fault["FaultOccurrenceId"]))
        elif made.name == "FaultCleared":
            occurrence = made.body["FaultOccurrenceId"]
            found.append((f"-{codes[occurrence]}", occurrence))
    return found


def test_a_fault_and_its_end_have_one_occurrence_and_the_next_has_another() -> None:
    machine = Machine("generic", alarms=[alarm("E1")])
    for value in (False, True, True, False, True, False):
        machine.see({"alarm.E1": value})
    found = pairs(machine)
    assert [what for what, _ in found] == ["+E1", "-E1", "+E1", "-E1"]
    assert found[0][1] == found[1][1] != found[2][1] == found[3][1]


def test_what_a_fault_says() -> None:
    machine = Machine("generic", "units.in@2", alarms=[alarm("E1", lane=2, stage="3", severity="Warning", text="hot")])
    machine.see({"units.in@2": 0, "alarm.E1@2:3": False})
    started = one(machine.see({"units.in@2": 1}), "WorkStarted")
    fault = one(machine.see({"alarm.E1@2:3": True}, time=START + 5), "FaultOccurred").body["Fault"]
    assert (fault["FaultCode"], fault["Severity"], fault["Description"]) == ("E1", "Warning", "hot")
    assert (fault["Lane"], fault["Stage"]["StageSequence"]) == (2, 3)
    assert fault["TransactionID"] == started.transaction
    assert fault["OccurredAt"].startswith("2026-11-20T12:00:00.000005")
    assert "Cause" not in fault, "unknown: the first of the enumeration would pass for a fact"


def test_a_fault_that_is_active_at_first_sight_is_told() -> None:
    machine = Machine("generic", alarms=[alarm("E1")])
    assert names(machine.see({"alarm.E1": True})) == ["FaultOccurred"]


def test_a_fault_that_lasts_through_a_restart_stays_the_same() -> None:
    machine = Machine("generic", alarms=[alarm("E1"), alarm("E2")])
    machine.see({"alarm.E1": True, "alarm.E2": True})
    machine.restart()
    assert names(machine.see({"alarm.E1": True, "alarm.E2": False})) == ["FaultCleared"]
    machine.see({"alarm.E1": False})
    assert [what for what, _ in pairs(machine)] == ["+E1", "+E2", "-E2", "-E1"]
    assert len({occurrence for _, occurrence in pairs(machine)}) == 2


def test_while_it_is_not_known_a_fault_stays_as_it_was() -> None:
    machine = Machine("generic", alarms=[alarm("E1")])
    machine.see({"alarm.E1": True})
    assert machine.see({"alarm.E1": None}) == []
    assert machine.see({"alarm.E1": True}) == []


def test_a_fault_has_to_last_both_to_come_and_to_go() -> None:
    machine = Machine("generic", alarms=[alarm("E1", debounce=3_000_000)])
    machine.see({"alarm.E1": False})
    assert machine.see({"alarm.E1": True}) == []
    came = machine.now
    assert machine.outcome.wake == came + 3_000_000
    assert machine.tick(wait=2.9) == []
    made = one(machine.tick(wait=0.1), "FaultOccurred")
    assert (made.time, made.quality) == (came, TimeQuality.GATEWAY)
    assert machine.see({"alarm.E1": False}) == []
    assert machine.see({"alarm.E1": True}) == []
    assert machine.tick(wait=9.0) == []
    assert machine.see({"alarm.E1": False}) == []
    assert names(machine.tick(wait=3.0)) == ["FaultCleared"]


def test_a_fault_that_had_to_last_came_when_the_machine_said_so() -> None:
    machine = Machine("generic", alarms=[alarm("E1", debounce=3_000_000)])
    machine.see({"alarm.E1": True}, time=START - 9)
    made = one(machine.see({"alarm.E1": True}, time=START + 3_000_000, wait=3.0), "FaultOccurred")
    assert made.time == START - 9


def test_faults_that_come_together_come_in_the_order_of_their_names() -> None:
    codes = [f"E{n}" for n in range(10, 30)]
    machine = Machine("generic", alarms=[alarm(code) for code in reversed(codes)])
    machine.see({f"alarm.{code}": False for code in codes})
    made = machine.see({f"alarm.{code}": True for code in reversed(codes)})
    assert [each.body["Fault"]["FaultCode"] for each in made] == codes


def test_a_short_blip_is_no_fault() -> None:
    machine = Machine("generic", alarms=[alarm("E1", debounce=3_000_000)])
    for value in (False, True, False, True, False):
        assert machine.see({"alarm.E1": value}) == []
    assert (machine.outcome.wake, machine.tick(wait=9.0)) == (None, [])


def test_readings_that_come_in_time_do_what_a_tick_would() -> None:
    machine = Machine("generic", "operator.id", alarms=[alarm("E1", debounce=1_000_000)])
    machine.see({"alarm.E1": True})
    assert names(machine.see({"operator.id": "7"}, wait=2.0)) == ["FaultOccurred", "OperatorActivated"]


def test_what_is_not_known_when_its_time_comes_is_waited_for_no_longer() -> None:
    machine = Machine("generic", alarms=[alarm("E1", debounce=1_000_000)])
    machine.see({"alarm.E1": True})
    machine.look = type(machine.look)()
    machine.tick(wait=5.0)
    assert machine.outcome.wake is None, "or it would be asked for again and again"


def test_a_register_with_a_code_ends_one_fault_and_begins_the_next() -> None:
    machine = Machine("generic", "fault.code", alarms=[alarm("17", text="door", severity="Information")])
    for code in ("", "17", "17", "18", ""):
        machine.see({"fault.code": code})
    assert [what for what, _ in pairs(machine)] == ["+17", "-17", "+18", "-18"]
    first, second = (made.body["Fault"] for made in machine.made if made.name == "FaultOccurred")
    assert (first["Description"], first["Severity"]) == ("door", "Information")
    assert second["Description"] is None
    assert "Severity" not in second


def test_a_code_has_to_last() -> None:
    machine = Machine("generic", special("fault.code", debounce=2_000_000))
    machine.see({"fault.code": ""})
    machine.see({"fault.code": "17"})
    machine.see({"fault.code": "18"})
    machine.tick(wait=2.0)
    assert [what for what, _ in pairs(machine)] == ["+18"]


def test_faults_that_a_machine_tells_of_itself() -> None:
    machine = Machine("generic")
    raised = {"code": "E1", "text": "jam", "severity": "Alarm"}
    made = one(machine.say(record("fault.raised", raised, lane=1, time=START)), "FaultOccurred")
    assert (made.time, made.body["Fault"]["Description"], made.body["Fault"]["Lane"]) == (START, "jam", 1)
    assert machine.say(record("fault.raised", raised, lane=1)) == []
    assert machine.say(record("fault.cleared", {"code": "E1"}, lane=2)) == []
    machine.say(record("fault.raised", {"code": "E2"}))
    assert names(machine.say(record("fault.cleared"))) == ["FaultCleared", "FaultCleared"]


@pytest.mark.parametrize(
    ("machine_class", "extra", "kind"),
    [
        (
            "solder_paste_printer",
            {"PrintingFaultType": "PasteError"},
            "SolderPastePrinting.SMTSolderPastePrintingFault",
        ),
        ("pick_and_place", {"PlacementFaultType": "PartsExhaust"}, "SMTPlacement.SMTPlacementFault"),
    ],
)
def test_a_fault_of_the_classs_own_kind(machine_class: str, extra: dict[str, str], kind: str) -> None:
    machine = Machine(machine_class, alarms=[alarm("E1", extra=extra), alarm("E2", extra={"Cause": "Refill"})])
    own, general = (made.body["Fault"] for made in machine.see({"alarm.E1": True, "alarm.E2": True}))
    assert own["$type"] == f"CFX.Structures.{kind}, CFX"
    assert extra.items() <= own.items()
    assert "ProgramStep" not in own
    assert ("$type" in general, general["Cause"]) == (False, "Refill")


def test_a_dot_leads_into_a_structure_of_the_fault() -> None:
    machine = Machine("pick_and_place", alarms=[alarm("E1", extra={"MaterialLocation.LocationName": "R-12"})])
    fault = one(machine.see({"alarm.E1": True}), "FaultOccurred").body["Fault"]
    assert fault["MaterialLocation"]["LocationName"] == "R-12"
    assert "PlacementFaultType" not in fault
