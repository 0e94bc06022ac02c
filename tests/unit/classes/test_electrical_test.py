"""Electrical test: from what a tester reports, or just shows, to UnitsTested."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.classes.registry import CLASSES
from gateway.core.event import TimeQuality
from gateway.core.observation import Record
from gateway.core.times import parse_rfc3339
from gateway.profile.bind import bind
from gateway.profile.load import load
from tests.conftest import ROOT
from tests.unit.classes.machines import START, Machine, Made, counter, names, one, record, transactions

PROFILE = ROOT / "config/profiles/electrical_test/example-flying-probe.toml"
REPORT = """\
*START PROG=PSU-CTRL-2UP REV=C PANEL=PNL0012345 OP=4711 20.11.2026 11:59:20
BOARD 1 SN=SN00045601
STEP 100 RESISTORS
R21 28,31 kOhm NOM 28,20 MIN 28,00 MAX 28,40 PASS
ENDSTEP PASS
ENDBOARD PASS
------
BOARD 2 SN=SN00045602
STEP 100 RESISTORS
R21 28,52 kOhm NOM 28,20 MIN 28,00 MAX 28,40 FAIL
C5 OVL nF NOM 100 MIN 80 MAX 120 FAIL
OPEN NET12 R22.1 R22.2
ENDSTEP FAIL
ENDBOARD FAIL
*END FAIL 20.11.2026 11:59:58
"""


def off_line() -> Machine:
    return Machine("electrical_test", told=["test"])


def units(made: Made) -> list[tuple[str | None, int | None, str | None]]:
    return [
        (unit["UnitIdentifier"], unit["UnitPositionNumber"], unit.get("OverallResult"))
        for unit in made.body["TestedUnits"]
    ]


def step(name: str, *parts: Record, **fields: str) -> Record:
    return record("test.step", {"name": name, **fields}, *parts)


def measured(**fields: float | str | bool) -> Record:
    return record("measurement", {key.replace("_", "."): value for key, value in fields.items()})


def results(*parts: Record, **fields: str) -> str | None:
    """What the test of one unit makes of its parts."""
    made = one(off_line().say(record("test", {"unit": "A", **fields}, *parts)), "UnitsTested")
    ((_, _, result),) = units(made)
    return result


def test_a_report_becomes_work_with_all_boards_and_measurements() -> None:
    loaded = load(str(PROFILE), [])
    profile = bind(loaded.profile, CLASSES["electrical_test"].vocabulary, loaded.name)
    assert profile.records is not None
    reader = profile.records.reader("L1.station", ZoneInfo("UTC"))
    said = [each for line in REPORT.splitlines() for each in reader.feed(line)]
    machine = Machine("electrical_test", told=profile.told, constants=profile.constants)
    made = [each for found in said if isinstance(found, Record) for each in machine.say(found)]

    assert names(made) == ["WorkStarted", "UnitsTested", "WorkCompleted"]
    assert len(transactions(made)) == 1
    started, tested, completed = made
    assert started.time == parse_rfc3339("2026-11-20T11:59:20Z")
    assert {tested.time, completed.time} == {parse_rfc3339("2026-11-20T11:59:58Z")}
    assert {each.quality for each in made} == {TimeQuality.GOOD}
    assert started.body["PrimaryIdentifier"] == completed.body["PrimaryIdentifier"] == "PNL0012345"
    assert started.body["UnitCount"] == completed.body["UnitCount"] == 2
    assert completed.body["Result"] == "Failed"
    body = tested.body
    assert (body["TestMethod"], body["RecipeName"], body["RecipeRevision"]) == ("FPT", "PSU-CTRL-2UP", "C")
    assert body["Tester"]["OperatorIdentifier"] == "4711"
    assert units(tested) == [("SN00045601", 1, "Passed"), ("SN00045602", 2, "Failed")]
    (good,), (bad,) = (unit["Tests"] for unit in body["TestedUnits"])
    assert (good["TestName"], good["Result"], bad["Result"]) == ("RESISTORS", "Passed", "Failed")
    resistor, capacitor = bad["Measurements"]
    assert resistor["$type"] == "CFX.Structures.NumericMeasurement, CFX"
    assert (resistor["CRDs"], resistor["Result"]) == ("R21", "Failed")
    assert resistor["MeasuredValue"] == {
        "Value": 28.52,
        "ValueUnits": "kOhm",
        "ExpectedValue": 28.2,
        "ExpectedValueUnits": "kOhm",
        "MinimumAcceptableValue": 28.0,
        "MinimumAcceptableValueUnits": "kOhm",
        "MaximumAcceptableValue": 28.4,
        "MaximumAcceptableValueUnits": "kOhm",
    }
    assert capacitor["MeasuredValue"] is None, "a value out of range is not zero"
    (symptom,) = bad["SymptomsFound"]
    assert (symptom["SymptomCode"], symptom["Description"]) == ("OPEN", "NET12")
    assert [each["ReferenceDesignator"] for each in symptom["ComponentsOfInterest"]] == ["R22.1", "R22.2"]
    assert "Priority" not in symptom


def test_without_a_beginning_nothing_says_that_work_started() -> None:
    made = off_line().say(record("test", {"unit": "A", "result": "Passed"}))
    assert names(made) == ["UnitsTested", "WorkCompleted"]
    assert len(transactions(made)) == 1
    assert {each.time for each in made} == {START + 1_000_000}
    assert made[0].body["TestMethod"] == "Automated"
    assert made[0].body["Tester"] is None


def test_in_line_the_report_belongs_to_the_work_that_is_open() -> None:
    machine = Machine("electrical_test", "units.in", "units.out", "unit.in.id", told=["test"])
    machine.see({"units.in": 5, "units.out": 5, "unit.in.id": ""})
    flow = machine.see({"units.in": 6, "unit.in.id": "A"})
    flow += machine.say(record("test", {"unit": "A", "result": "Failed", "started": "2026-11-20T11:00:00Z"}))
    flow += machine.see({"units.out": 6})
    assert names(flow) == ["UnitsArrived", "WorkStarted", "UnitsTested", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(flow)) == 1


def test_a_second_test_of_a_unit_is_another_work() -> None:
    machine = off_line()
    machine.say(record("test", {"unit": "A", "result": "Failed"}))
    machine.say(record("test", {"unit": "A", "result": "Passed"}))
    first, second = (made for made in machine.made if made.name == "UnitsTested")
    assert first.transaction != second.transaction
    assert second.revises is None


@pytest.mark.parametrize(
    ("result", "work"),
    [
        ("Passed", "Completed"),
        ("Failed", "Failed"),
        ("Error", "Aborted"),
        ("Aborted", "Aborted"),
        ("Skipped", "Skipped"),
    ],
)
def test_how_the_work_ended(result: str, work: str) -> None:
    made = off_line().say(record("test", {"unit": "A", "result": result}))
    assert one(made, "WorkCompleted").body["Result"] == work


def test_a_result_that_is_not_said_follows_from_the_parts() -> None:
    good, bad = measured(value=1.0, low=0.0, high=2.0), measured(value=3.0, low=0.0, high=2.0)
    assert results(step("a", good), step("b", good)) == "Passed"
    assert results(step("a", good), step("b", good, bad)) == "Failed"
    assert results(step("a", good), step("b", record("symptom", {"code": "OPEN"}))) == "Failed"
    assert results(step("a", good), step("b", result="Error")) == "Error"
    assert results(step("a", good), step("b", result="Skipped")) == "Passed"
    assert results(step("a", result="Skipped")) == "Skipped"
    assert results(step("a", bad), result="Passed") == "Passed", "what the tester says, counts"


def test_a_result_that_nothing_tells_is_left_out() -> None:
    assert results(step("a", measured(value=1.0)), step("b", result="Passed")) is None
    assert results() is None


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"value": 2.0, "high": 2.0}, "Passed"),
        ({"value": 2.1, "high": 2.0}, "Failed"),
        ({"value": 1.0, "low": 1.0}, "Passed"),
        ({"value": 0.9, "low": 1.0}, "Failed"),
        ({"value": 0.9, "low": 1.0, "result": "Passed"}, "Passed"),
        ({"value": 0.9, "expected": 1.0}, None),
        ({"low": 1.0, "high": 2.0}, None),
    ],
)
def test_limits_decide_where_the_tester_does_not(fields: dict[str, float | str], result: str | None) -> None:
    made = one(off_line().say(record("test", {"unit": "A"}, step("a", measured(**fields)))), "UnitsTested")
    ((test,),) = (unit["Tests"] for unit in made.body["TestedUnits"])
    assert test["Measurements"][0].get("Result") == result


def test_kinds_of_measurements() -> None:
    parts = (
        measured(name="n", value=5, value_unit="V"),
        measured(name="t", text="V1.2", text_expected="V1.3"),
        measured(name="f", flag=True),
        measured(name="c", component="R1,R2; C3"),
    )
    made = one(off_line().say(record("test", {"unit": "A"}, step("a", *parts))), "UnitsTested")
    number, text, flag, bare = made.body["TestedUnits"][0]["Tests"][0]["Measurements"]
    assert number["MeasuredValue"]["Value"] == 5.0
    assert number["MeasuredValue"]["ExpectedValueUnits"] is None, "there is no expected value"
    assert (text["Value"], text["ExpectedValue"]) == ("V1.2", "V1.3")
    assert flag["Value"] is True
    assert "ExpectedValue" not in flag
    assert bare["CRDs"] == "R1, R2, C3"


def test_what_stands_outside_of_any_step_is_kept() -> None:
    parts = (
        measured(name="R1", value=1.0, result="Passed"),
        record("symptom", {"code": "S", "text": "hum"}),
        record("defect", {"code": "D", "component": "R2", "part": "4711", "priority": 2}),
    )
    made = one(off_line().say(record("test", {"unit": "A"}, *parts)), "UnitsTested")
    alone, found = made.body["TestedUnits"][0]["Tests"]
    assert (alone["TestName"], alone["Result"], len(alone["Measurements"])) == ("R1", "Passed", 1)
    assert found["Result"] == "Failed"
    assert found["SymptomsFound"][0]["SymptomCode"] == "S"
    (defect,) = found["DefectsFound"]
    assert defect["ComponentOfInterest"]["ReferenceDesignator"] == "R2"
    assert defect["Priority"] == 2


def test_boards_without_a_result_of_their_own() -> None:
    boards = (record("test.unit"), record("test.unit", {"unit": "B", "position": 4}))
    made = one(off_line().say(record("test", {"result": "Passed"}, *boards)), "UnitsTested")
    assert units(made) == [(None, 1, "Passed"), ("B", 4, "Passed")]
    made = one(off_line().say(record("test", {"result": "Failed"}, *boards)), "UnitsTested")
    assert units(made) == [(None, 1, None), ("B", 4, None)], "which of them failed, nobody said"


def test_a_panel_with_one_result_is_one_unit() -> None:
    machine = off_line()
    made = machine.say(record("test", {"unit": "P", "units": 4, "result": "Failed"}))
    assert units(one(made, "UnitsTested")) == [("P", None, "Failed")]
    assert one(made, "WorkCompleted").body["UnitCount"] == 4


def test_an_identifier_that_could_not_be_read_is_none() -> None:
    made = one(off_line().say(record("test", {"unit": "NOREAD", "result": "Passed"})), "UnitsTested")
    assert units(made) == [(None, None, "Passed")]


def in_line(*signals: str) -> Machine:
    machine = Machine("electrical_test", counter("units.in"), counter("units.out"), *signals)
    machine.see({"units.in": 7, "units.out": 7})
    return machine


def test_from_registers_the_result_of_the_unit_that_goes_out() -> None:
    machine = in_line("test.result", "unit.in.id", "test.method")
    machine.see({"unit.in.id": ""})
    flow = machine.see({"units.in": 8, "unit.in.id": "A"})
    flow += machine.see({"units.out": 8, "test.result": "Failed", "test.method": "FCT"})
    assert names(flow) == ["UnitsArrived", "WorkStarted", "UnitsTested", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(flow)) == 1
    tested = one(flow, "UnitsTested")
    assert units(tested) == [("A", None, "Failed")]
    assert tested.body["TestMethod"] == "FCT"


def test_from_registers_the_result_of_each_board() -> None:
    machine = in_line("panel.units", "test.result", "board.result[1]", "board.result[2]", "board.result[3]")
    machine.see({"panel.units": 2, "test.result": "Failed"})
    machine.see({"units.in": 8})
    shown = {"board.result[1]": "Passed", "board.result[2]": "Failed", "board.result[3]": "Passed"}
    tested = one(machine.see({"units.out": 8, **shown}), "UnitsTested")
    assert units(tested) == [(None, 1, "Passed"), (None, 2, "Failed")]
    machine.see({"units.in": 9})
    tested = one(machine.see({"units.out": 9, "board.result[2]": None}), "UnitsTested")
    assert units(tested) == [(None, None, "Failed")], "that of the panel, when one board's is not known"


def test_from_registers_without_a_result_nothing_is_said_of_the_test() -> None:
    machine = in_line("test.result")
    machine.see({"units.in": 8})
    assert names(machine.see({"units.out": 8, "test.result": None})) == ["WorkCompleted", "UnitsDeparted"]
