"""Solder paste inspection: the paste on every pad."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, names, one, record

PASTE = "CFX.Structures.SolderPasteInspection.SolderPasteMeasurement, CFX"


def measured(**fields: Value) -> list[dict[str, Any]]:
    machine = Machine("spi", told=("inspection",))
    said = {name.replace("_", "."): value for name, value in fields.items()}
    made = one(machine.say(record("inspection", {"unit": "P1"}, record("paste", said))), "UnitsInspected")
    assert made.body["InspectionMethod"] == "SPI"
    found = made.body["InspectedUnits"][0]["Inspections"][0]["Measurements"]
    assert isinstance(found, list)
    return found


def test_the_paste_of_a_pad() -> None:
    (paste,) = measured(
        component="U1", pin="3", result="Failed", volume=0.00018, volume_expected=0.0002, height=0.12, height_expected=0.13,
        area=1.5, area_expected=1.6, length=1.2, width=1.25, offset_x=0.01, offset_y=-0.02, x=10.0, y=20.0, ratio=0.8,
        sequence=17,
    )  # fmt: skip
    assert (paste["$type"], paste["CRDs"], paste["Result"], paste["Sequence"]) == (PASTE, "U1.3", "Failed", 17)
    assert (paste["Vol"], paste["EVol"], paste["Z"], paste["EZ"], paste["A"], paste["EA"]) == (0.00018, 0.0002, 0.12, 0.13, 1.5, 1.6)  # fmt: skip
    assert (paste["X"], paste["Y"], paste["DX"], paste["DY"], paste["PX"], paste["PY"]) == (1.2, 1.25, 0.01, -0.02, 10.0, 20.0)  # fmt: skip
    assert ("EX" in paste, paste["RXY"], paste["AR"]) == (False, None, 0.8)


def test_what_was_not_measured_is_no_zero() -> None:
    (paste,) = measured(component="U1", volume=0.0002)
    assert {name for name in ("X", "Y", "Z", "A", "DX", "EVol", "Result", "Sequence") if name in paste} == set()


def test_a_percentage_of_what_is_expected_is_a_quantity() -> None:
    (paste,) = measured(component="U1", volume_percent=90.0, volume_expected=0.0002)
    assert paste["Vol"] == pytest.approx(0.00018)


def test_a_percentage_of_what_nobody_said_stays_one() -> None:
    (percentage,) = measured(component="U1", volume_percent=90.0)
    assert percentage["$type"] == "CFX.Structures.NumericMeasurement, CFX"
    assert (percentage["MeasurementName"], percentage["CRDs"]) == ("Volume", "U1")
    assert (percentage["MeasuredValue"]["Value"], percentage["MeasuredValue"]["ValueUnits"]) == (90.0, "%")
    paste, percentage = measured(component="U1", volume_percent=90.0, height=0.12)
    assert (paste["Z"], "Vol" in paste, percentage["MeasuredValue"]["Value"]) == (0.12, False, 90.0)


def test_pads_of_several_boards_in_one_list() -> None:
    machine = Machine("spi", told=("inspection",))
    pads = [record("paste", {"component": "R1", "position": n, "result": "Passed"}) for n in (1, 2, 2)]
    body = one(machine.say(record("inspection", {"unit": "P1", "units": 2}, *pads)), "UnitsInspected").body
    assert [(each["UnitPositionNumber"], each["OverallResult"], len(each["Inspections"][0]["Measurements"])) for each in body["InspectedUnits"]] == [(1, "Passed", 1), (2, "Passed", 2)]  # fmt: skip


def test_means_that_stand_in_registers() -> None:
    machine = Machine("spi", "units.in@1", "units.out@1", "inspection.result@1", "paste.volume@1", "paste.height@1")
    machine.see({"units.in@1": 0, "units.out@1": 0})
    machine.see({"units.in@1": 1})
    made = machine.see({"inspection.result@1": "Passed", "paste.volume@1": 98.5, "paste.height@1": None, "units.out@1": 1})  # fmt: skip
    assert names(made) == ["UnitsInspected", "WorkCompleted", "UnitsDeparted"]
    (measurement,) = made[0].body["InspectedUnits"][0]["Inspections"][0]["Measurements"]
    assert (measurement["MeasurementName"], measurement["MeasuredValue"]["Value"]) == ("Mean volume", 98.5)
