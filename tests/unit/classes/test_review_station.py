"""A person's verdict, and what was repaired."""

from __future__ import annotations

from gateway.profile.bound import Rule, When
from tests.unit.classes.machines import START, Machine, names, one, record, transactions


def test_a_persons_verdict_on_each_defect() -> None:
    review = Machine("review_station", "operator.id", told=("inspection",))
    review.see({"operator.id": "77"})
    said = record(
        "inspection",
        {"unit": "B1", "result": "Failed", "started": "2026-11-20T11:59:00Z"},
        record("defect", {"component": "R1", "code": "TOMB", "verification": "DefectConfirmed"}),
        record(
            "defect", {"component": "R2", "code": "SHIFT", "verification": "DefectRejected", "verification.text": "ok"}
        ),
    )
    made = review.say(said)
    assert names(made) == ["WorkStarted", "UnitsInspected", "WorkCompleted"]
    body = one(made, "UnitsInspected").body
    assert (body["InspectionMethod"], body["Inspector"]["OperatorIdentifier"]) == ("Human", "77")
    found = body["InspectedUnits"][0]["Inspections"][0]["DefectsFound"]
    assert [(each["Verification"], each["VerificationDetail"]) for each in found] == [("DefectConfirmed", None), ("DefectRejected", "ok")]  # fmt: skip


def test_the_buttons_of_a_review_table() -> None:
    rule = Rule(
        key="x.done",
        when=When.RISING,
        record="verdict",
        fields={"unit": "unit.in.id", "result": "inspection.result", "verification": "inspection.verification"},
    )
    review = Machine("review_station", "units.in", "units.out", "unit.in.id", "x.done", "inspection.result", "inspection.verification", rules=[rule])  # fmt: skip
    review.see({"units.in": 0, "units.out": 0, "unit.in.id": "", "x.done": False})
    review.see({"units.in": 1, "unit.in.id": "B1"})
    first = one(review.see({"x.done": True, "inspection.result": "Failed", "inspection.verification": "DefectConfirmed"}), "UnitsInspected")  # fmt: skip
    assert first.revises is None
    review.see({"x.done": False})
    second = one(review.see({"x.done": True, "inspection.result": "Passed", "inspection.verification": "DefectRejected"}), "UnitsInspected")  # fmt: skip
    assert (second.revises, second.body["InspectedUnits"][0]["Verification"]) == (first.id, "DefectRejected")
    assert names(review.see({"units.out": 1})) == ["WorkCompleted", "UnitsDeparted"]
    assert len(transactions(review.made)) == 1
    review.see({"units.in": 2, "unit.in.id": ""})
    assert names(review.see({"units.out": 2})) == ["UnitsInspected", "WorkCompleted", "UnitsDeparted"]


def test_a_unit_that_is_given_up() -> None:
    review = Machine("review_station")
    made = review.say(
        record("unit.scrapped", {"unit": "B1", "reason": "DefectiveRepairNotFeasible", "comments": "burnt"})
    )
    body = one(made, "UnitsDisqualified").body
    assert (body["Reason"], body["Comments"], body["Units"][0]["UnitIdentifier"]) == ("DefectiveRepairNotFeasible", "burnt", "B1")  # fmt: skip
    assert "Reason" not in one(review.say(record("unit.scrapped", {"unit": "B2"})), "UnitsDisqualified").body


def test_what_was_mended() -> None:
    repair = Machine("repair_station", told=("repair",))
    said = record(
        "repair",
        {"unit": "B1", "operator": "77", "started": "2026-11-20T11:50:00Z"},
        record("repair.action", {"name": "joint", "component": "U34", "pin": "5", "part": "SN74", "defect": "d-1", "result": "RepairSuccessful", "comments": "cold joint"}),
        record("repair.action", {"name": "bridge", "component": "U24.4", "result": "RepairSuccessful", "ended": "2026-11-20T11:58:00Z"}),
        time=START,
    )  # fmt: skip
    made = repair.say(said)
    assert names(made) == ["WorkStarted", "UnitsRepaired", "WorkCompleted"]
    assert len(transactions(made)) == 1
    body = made[1].body
    assert body["RepairOperator"]["OperatorIdentifier"] == "77"
    (unit,) = body["RepairedUnits"]
    assert (unit["UnitIdentifier"], unit["UnitPositionNumber"], unit["OverallResult"]) == ("B1", 1, "RepairSuccessful")
    first, second = unit["Repairs"]
    assert first["ComponentOfInterest"] == {"ReferenceDesignator": "U34.5", "UnitPosition": None, "PartNumber": "SN74"}
    assert (first["RelatedDefectIdentifiers"], first["RepairStartTime"], first["Comments"]) == (["d-1"], None, "cold joint")  # fmt: skip
    assert (second["RelatedDefectIdentifiers"], second["RepairEndTime"][:19]) == ([], "2026-11-20T11:58:00")


def test_a_repair_that_did_not_help_is_not_called_one_that_did() -> None:
    repair = Machine("repair_station", told=("repair",))
    actions = [record("repair.action", {"result": result}) for result in ("RepairSuccessful", "UnableToRepair")]
    assert one(repair.say(record("repair", {"unit": "B1"}, *actions)), "UnitsRepaired").body["RepairedUnits"][0]["OverallResult"] == "UnableToRepair"  # fmt: skip
    unknown = one(repair.say(record("repair", {"unit": "B1"})), "UnitsRepaired").body["RepairedUnits"][0]
    assert ("OverallResult" in unknown, unknown["Repairs"]) == (False, [])


def test_repairs_on_a_panel_are_sorted_by_board() -> None:
    repair = Machine("repair_station", told=("repair",))
    actions = [record("repair.action", {"component": "R1", "position": n, "result": "RepairSuccessful"}) for n in (3, 1, 3)]  # fmt: skip
    units = one(repair.say(record("repair", {"unit": "P1", "units": 4}, *actions)), "UnitsRepaired").body["RepairedUnits"]  # fmt: skip
    assert {(each["UnitIdentifier"], each["UnitPositionNumber"]): len(each["Repairs"]) for each in units} == {(None, 3): 2, (None, 1): 1}  # fmt: skip
    (unknown,) = one(repair.say(record("repair", {"unit": "P1", "units": 4})), "UnitsRepaired").body["RepairedUnits"]
    assert unknown["UnitPositionNumber"] is None


def test_the_result_of_a_repair_in_a_register() -> None:
    repair = Machine("repair_station", "units.in", "units.out", "repair.result")
    repair.see({"units.in": 0, "units.out": 0})
    repair.see({"units.in": 1})
    made = repair.see({"units.out": 1, "repair.result": "Scrap"})
    assert names(made) == ["UnitsRepaired", "WorkCompleted", "UnitsDeparted"]
    assert made[0].body["RepairedUnits"][0]["OverallResult"] == "Scrap"
