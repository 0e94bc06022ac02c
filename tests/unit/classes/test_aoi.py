"""Optical and X-ray inspection: defects, boards on panels, and verdicts that come later."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.observation import Record
from gateway.core.sample import Value
from tests.unit.classes.machines import START, Machine, Made, names, one, record, transactions


def machine(name: str = "aoi") -> Machine:
    return Machine(name, told=("inspection", "verdict"))


def defect(component: str, code: str = "TOMB", **more: Value) -> Record:
    return record("defect", {"component": component, "code": code, **more})


def inspected(made: list[Made]) -> dict[str, Any]:
    return one(made, "UnitsInspected").body


@pytest.mark.parametrize(("name", "method"), [("aoi", "AOI"), ("axi", "AXI")])
def test_each_sees_with_its_own_eyes(name: str, method: str) -> None:
    body = inspected(machine(name).say(record("inspection", {"unit": "B1", "result": "Passed", "count": 412})))
    assert body["InspectionMethod"] == method
    (unit,) = body["InspectedUnits"]
    assert (unit["UnitIdentifier"], unit["UnitPositionNumber"], unit["OverallResult"]) == ("B1", 1, "Passed")
    assert unit["TotalInspectionCount"] == 412
    assert body["InspectedPanel"] is None


def test_a_defect_says_what_and_where() -> None:
    said = defect(
        "R22",
        "ISF112",
        pin="1",
        part="11123-8897",
        category="Solder",
        text="insufficient solder",
        x=12.5,
        y=3.25,
        priority=1,
        confidence=87.5,
        image="file://aoi/B1/R22.png",
    )
    body = inspected(machine().say(record("inspection", {"unit": "B1"}, said, time=START)))
    (unit,) = body["InspectedUnits"]
    (inspection,) = unit["Inspections"]
    (found,) = inspection["DefectsFound"]
    assert (unit["OverallResult"], inspection["Result"]) == ("Failed", "Failed")
    assert (found["DefectCode"], found["DefectCategory"], found["Description"]) == ("ISF112", "Solder", "insufficient solder")  # fmt: skip
    assert found["ComponentOfInterest"] == {"ReferenceDesignator": "R22.1", "UnitPosition": None, "PartNumber": "11123-8897"}  # fmt: skip
    assert (found["RegionOfInterest"]["StartPointX"], found["RegionOfInterest"]["StartPointY"]) == (12.5, 3.25)
    assert (found["Priority"], found["ConfidenceLevel"]) == (1, 87.5)
    assert found["DefectImages"][0]["ImageURL"] == "file://aoi/B1/R22.png"
    assert "Verification" not in found


def test_what_is_not_said_is_not_made_up() -> None:
    body = inspected(machine().say(record("inspection", {}, record("defect"))))
    (unit,) = body["InspectedUnits"]
    (found,) = unit["Inspections"][0]["DefectsFound"]
    assert unit["UnitIdentifier"] is None
    assert [found[name] for name in ("DefectCode", "ComponentOfInterest", "RegionOfInterest", "Priority")] == [None] * 4
    assert found["DefectImages"] == []
    assert (body["Inspector"], body["RecipeName"], body["SamplingInformation"]) == (None, None, None)


def test_a_result_that_nobody_told_is_left_out() -> None:
    (unit,) = inspected(machine().say(record("inspection", {"unit": "B1"})))["InspectedUnits"]
    assert ("OverallResult" in unit, unit["Inspections"]) == (False, [])


def test_items_decide_the_result_of_the_whole() -> None:
    def overall(*results: str | None) -> str | None:
        items = [record("inspection.item", {"name": f"R{n}", "result": result}) for n, result in enumerate(results)]
        (unit,) = inspected(machine().say(record("inspection", {"unit": "B1"}, *items)))["InspectedUnits"]
        found = unit.get("OverallResult")
        assert found is None or isinstance(found, str)
        return found

    assert overall("Passed", "Passed") == "Passed"
    assert overall("Passed", "Failed", "Error") == "Failed"
    assert overall("Passed", "Error") == "Error"
    assert overall("Passed", None) is None


def test_items_are_inspections_and_loose_defects_share_one() -> None:
    item = record(
        "inspection.item",
        {"name": "U1", "id": "i-1", "reference": 7, "started": "2026-11-20T11:59:00Z", "ended": "2026-11-20T11:59:01Z"},
        defect("U1.3"),
        record("offset", {"component": "U1", "x": 0.05, "y": -0.02, "rotation": 1.5}),
        record("measurement", {"name": "height", "value": 0.2, "value.unit": "mm", "low": 0.1, "high": 0.3}),
    )
    body = inspected(machine().say(record("inspection", {"unit": "B1", "result": "Failed"}, item, defect("R1"))))
    first, second = body["InspectedUnits"][0]["Inspections"]
    assert (first["InspectionName"], first["UniqueIdentifier"], first["RefNo"]) == ("U1", "i-1", 7)
    assert first["InspectionStartTime"].startswith("2026-11-20T11:59:00")
    offset, height = first["Measurements"]
    assert offset["$type"] == "CFX.Structures.PCBInspection.OffsetMeasurement, CFX"
    assert (offset["DX"], offset["DY"], offset["RXY"], offset["CRDs"], "DZ" in offset) == (0.05, -0.02, 1.5, "U1", False)  # fmt: skip
    value = height["MeasuredValue"]
    assert (value["Value"], value["ValueUnits"]) == (0.2, "mm")
    assert (value["MinimumAcceptableValue"], value["MaximumAcceptableValue"]) == (0.1, 0.3)
    assert (value["MaximumAcceptableValueUnits"], value["ExpectedValue"], value["ExpectedValueUnits"]) == ("mm", None, None)  # fmt: skip
    assert (second["InspectionName"], len(second["DefectsFound"]), second["Result"]) == (None, 1, "Failed")


def test_a_panel_with_a_record_for_each_board() -> None:
    boards = [
        record("inspection.unit", {"unit": "A", "position": 1, "result": "Passed", "count": 10}),
        record("inspection.unit", {"position": 2}, defect("R1")),
        record("inspection.unit", {"position": 3}),
    ]
    body = inspected(machine().say(record("inspection", {"unit": "P1"}, *boards, record("measurement", {"name": "warp", "value": 0.3, "value.unit": "mm"}))))  # fmt: skip
    units = body["InspectedUnits"]
    assert [(each["UnitIdentifier"], each["UnitPositionNumber"], each.get("OverallResult")) for each in units] == [
        ("A", 1, "Passed"),
        (None, 2, "Failed"),
        (None, 3, None),
    ]
    panel = body["InspectedPanel"]
    assert (panel["UnitIdentifier"], panel["OverallResult"]) == ("P1", "Failed")
    assert panel["Inspections"][0]["Measurements"][0]["MeasurementName"] == "warp"


def test_on_a_panel_that_passed_every_board_did() -> None:
    boards = [record("inspection.unit", {"position": n}) for n in (1, 2)]
    body = inspected(machine().say(record("inspection", {"unit": "P1", "result": "Passed"}, *boards)))
    assert [each["OverallResult"] for each in body["InspectedUnits"]] == ["Passed", "Passed"]
    body = inspected(machine().say(record("inspection", {"unit": "P2", "result": "Passed", "units": 3})))
    assert [(each["UnitPositionNumber"], each["OverallResult"]) for each in body["InspectedUnits"]] == [(1, "Passed"), (2, "Passed"), (3, "Passed")]  # fmt: skip


def test_a_flat_list_of_defects_is_sorted_by_board() -> None:
    said: dict[str, Value] = {"unit": "P1", "units": 6, "result": "Failed"}
    body = inspected(machine().say(record("inspection", said, defect("R1", position=4), defect("R2", position=4), defect("R9", position=2))))  # fmt: skip
    found = {
        each["UnitPositionNumber"]: [
            part["ComponentOfInterest"]["ReferenceDesignator"] for part in each["Inspections"][0]["DefectsFound"]
        ]
        for each in body["InspectedUnits"]
    }
    assert found == {2: ["R9"], 4: ["R1", "R2"]}, "of the other boards nothing was said"
    assert {each["OverallResult"] for each in body["InspectedUnits"]} == {"Failed"}
    assert body["InspectedPanel"]["OverallResult"] == "Failed"


def test_a_single_board_may_be_nested_too() -> None:
    said = record("inspection", {"unit": "B1"}, record("inspection.unit", {"result": "Passed"}))
    body = inspected(machine().say(said))
    assert (body["InspectedUnits"][0]["UnitIdentifier"], body["InspectedPanel"]) == ("B1", None)


def test_who_and_by_which_program() -> None:
    aoi = machine()
    aoi.say(record("recipe.activated", {"name": "R7", "revision": "C"}))
    body = inspected(aoi.say(record("inspection", {"unit": "B1"})))
    assert (body["RecipeName"], body["RecipeRevision"]) == ("R7", "C")
    body = inspected(aoi.say(record("inspection", {"unit": "B1", "recipe": "R8", "operator": "77"})))
    assert (body["RecipeName"], body["RecipeRevision"]) == ("R8", None)
    assert body["Inspector"]["OperatorIdentifier"] == "77"


def test_a_later_verdict_revises_what_was_told() -> None:
    aoi = machine()
    first = one(aoi.say(record("inspection", {"unit": "B1"}, defect("R1"), defect("R2"))), "UnitsInspected")
    verdict = record("verdict", {"unit": "B1", "result": "Passed", "verification": "DefectRejected", "operator": "77"}, defect("R1", verification="DefectRejected"), defect("R2", verification="DefectRejected"))  # fmt: skip
    (made,) = aoi.say(verdict, wait=60.0)
    assert (made.name, made.revises, made.transaction) == ("UnitsInspected", first.id, first.transaction)
    assert made.id != first.id
    (unit,) = made.body["InspectedUnits"]
    assert (unit["OverallResult"], unit["Verification"]) == ("Passed", "DefectRejected")
    before, after = (
        [part["UniqueIdentifier"] for part in each.body["InspectedUnits"][0]["Inspections"][0]["DefectsFound"]]
        for each in (first, made)
    )
    assert before == after, "the same defects"
    assert len(set(after)) == 2
    (last,) = aoi.say(record("inspection", {"unit": "B1", "result": "Failed", "again": True}))
    assert last.revises == made.id


def test_two_defects_that_look_alike_are_two() -> None:
    body = inspected(machine().say(record("inspection", {"unit": "B1"}, defect("R1"), defect("R1"))))
    ids = [each["UniqueIdentifier"] for each in body["InspectedUnits"][0]["Inspections"][0]["DefectsFound"]]
    assert len(set(ids)) == 2
    own = inspected(machine().say(record("inspection", {"unit": "B1"}, defect("R1", id="d-1"))))
    assert own["InspectedUnits"][0]["Inspections"][0]["DefectsFound"][0]["UniqueIdentifier"] == "d-1"


def test_a_verdict_on_one_board_of_a_panel() -> None:
    aoi = machine()
    first = one(aoi.say(record("inspection", {"unit": "P1"}, record("inspection.unit", {"unit": "A", "position": 1}, defect("R1")), record("inspection.unit", {"unit": "B", "position": 2}))), "UnitsInspected")  # fmt: skip
    (made,) = aoi.say(record("verdict", {"unit": "A", "result": "Passed"}))
    assert (made.revises, made.body["InspectedUnits"][0]["UnitIdentifier"]) == (first.id, "A")


def test_a_verdict_on_a_unit_that_nobody_told_of_is_the_first() -> None:
    aoi = machine()
    made = aoi.say(record("verdict", {"unit": "B1", "result": "Passed"}))
    assert names(made) == ["UnitsInspected", "WorkCompleted"]
    assert made[0].revises is None
    assert aoi.say(record("verdict", {"result": "Passed"}))[0].revises is None


def test_a_second_inspection_is_another_attempt_and_no_revision() -> None:
    aoi = machine()
    aoi.say(record("inspection", {"unit": "B1", "result": "Failed"}))
    second = one(aoi.say(record("inspection", {"unit": "B1", "result": "Passed"})), "UnitsInspected")
    assert second.revises is None
    assert len(transactions(aoi.made)) == 2


def test_a_verdict_survives_a_restart() -> None:
    aoi = machine()
    first = one(aoi.say(record("inspection", {"unit": "B1", "result": "Failed"})), "UnitsInspected")
    aoi.restart()
    assert aoi.say(record("verdict", {"unit": "B1", "result": "Passed"}))[0].revises == first.id


def inline(*signals: str) -> Machine:
    aoi = Machine("aoi", "units.in", "units.out", "unit.in.id", *signals)
    aoi.see({"units.in": 0, "units.out": 0, "unit.in.id": ""})
    aoi.see({"units.in": 1, "unit.in.id": "B1"})
    return aoi


def test_in_line_the_result_may_stand_in_registers() -> None:
    aoi = inline("inspection.result", "inspection.defects", "inspection.count")
    made = aoi.see({"inspection.result": "Failed", "inspection.defects": 3, "inspection.count": 412, "units.out": 1})
    assert names(made) == ["UnitsInspected", "WorkCompleted", "UnitsDeparted"]
    (unit,) = inspected(made)["InspectedUnits"]
    assert (unit["UnitIdentifier"], unit["OverallResult"], unit["TotalInspectionCount"]) == ("B1", "Failed", 412)
    (measured,) = unit["Inspections"][0]["Measurements"]
    assert (measured["MeasurementName"], measured["MeasuredValue"]["Value"]) == ("Defects", 3.0)
    assert len(transactions(aoi.made)) == 1


def test_results_of_each_board_in_registers() -> None:
    aoi = inline("board.result[1]", "board.result[2]", "board.result[3]")
    made = aoi.see({"board.result[1]": "Passed", "board.result[2]": "Failed", "board.result[3]": None, "units.out": 1})
    body = inspected(made)
    assert [(each["UnitPositionNumber"], each["OverallResult"]) for each in body["InspectedUnits"]] == [(1, "Passed"), (2, "Failed")]  # fmt: skip
    assert (body["InspectedPanel"]["UnitIdentifier"], body["InspectedPanel"]["OverallResult"]) == ("B1", "Failed")


def test_without_any_result_nothing_was_inspected() -> None:
    assert "UnitsInspected" not in names(inline().see({"units.out": 1}))


def test_where_records_tell_registers_are_not_asked() -> None:
    aoi = Machine("aoi", "units.in", "units.out", "inspection.result", told=("inspection",))
    aoi.see({"units.in": 0, "units.out": 0, "inspection.result": "Passed"})
    aoi.see({"units.in": 1})
    aoi.say(record("inspection", {"unit": "B1", "result": "Failed"}))
    aoi.see({"units.out": 1})
    assert names(aoi.made).count("UnitsInspected") == 1


@pytest.mark.parametrize("position", [0, -3, 1e6, 1e300])
def test_a_place_on_the_panel_that_cannot_be_is_none(position: float) -> None:
    said = record("inspection", {"unit": "P1", "units": 2, "result": "Passed"}, defect("R1", position=position))
    body = inspected(machine().say(said))
    assert [each["UnitPositionNumber"] for each in body["InspectedUnits"]] == [1, 2]
    assert len(body["InspectedPanel"]["Inspections"][0]["DefectsFound"]) == 1


def test_a_count_that_nobody_can_have_inspected_is_not_sent() -> None:
    (unit,) = inspected(machine().say(record("inspection", {"unit": "B1", "count": 1e15})))["InspectedUnits"]
    assert unit["TotalInspectionCount"] is None


def test_defects_that_lie_beside_the_boards_are_on_the_board_that_they_name() -> None:
    boards = [record("inspection.unit", {"unit": f"B{place}", "position": place}) for place in (2, 1)]
    parts = [defect("R1", position=1), defect("C7", "ISF", position=2), defect("U3", "WARP")]
    body = inspected(machine().say(record("inspection", {"unit": "P", "units": 2}, *boards, *parts)))
    found = {
        unit["UnitIdentifier"]: [each["DefectCode"] for part in unit["Inspections"] for each in part["DefectsFound"]]
        for unit in body["InspectedUnits"]
    }
    assert found == {"B2": ["ISF"], "B1": ["TOMB"]}
    assert [each["DefectCode"] for each in body["InspectedPanel"]["Inspections"][0]["DefectsFound"]] == ["WARP"]
