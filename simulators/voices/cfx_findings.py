"""What inspections find, as CFX structures."""

from __future__ import annotations

from collections.abc import Iterable

from simulators.marks import Body
from simulators.model.facts import BoardResult, Defect, Measure

UNITS_INSPECTED = "CFX.Production.TestAndInspection.UnitsInspected"
_PASTE = "CFX.Structures.SolderPasteInspection.SolderPasteMeasurement, CFX"
_NUMERIC = "CFX.Structures.NumericMeasurement, CFX"

_SIZES = {"volume": ("Vol", "EVol"), "height": ("Z", "EZ"), "area": ("A", "EA")}
_OFFSETS = {"offset.x": "DX", "offset.y": "DY"}
_NOMINAL = {"volume": 3.6e-5, "height": 0.12, "area": 0.3}
"""ml, mm, mm2: of a pad for an 0603 (0.5 by 0.6 mm) under a stencil of 0.12 mm; where only percentages are known."""
_TO_CFX = {"mm3": 1e-3, "uL": 1e-3, "nL": 1e-6, "ml": 1.0, "mL": 1.0, "mm": 1.0, "um": 1e-3, "mm2": 1.0}
"""From UCUM to what CFX has: ml, mm, mm2."""


def verdict(passed: bool, *, skipped: bool = False) -> str:
    """CFX TestResult."""
    return "Skipped" if skipped else "Passed" if passed else "Failed"


def defect(found: Defect, verification: str = "NotVerifiedYet") -> Body:
    return {
        "UniqueIdentifier": found.id,
        "DefectCode": found.code,
        "DefectCategory": None,
        "Description": f"{found.code} at {found.component}",
        "Comments": None,
        "ComponentOfInterest": {
            "ReferenceDesignator": found.component,
            "UnitPosition": None,
            "PartNumber": None,
        },
        "RegionOfInterest": None,
        "DefectImages": [],
        "Priority": 1,
        "ConfidenceLevel": None,
        "RelatedMeasurements": [],
        "RelatedSymptoms": [],
        "Verification": verification,
        "VerificationDetail": None,
    }


def inspection(name: str, guid: str, result: str, defects: list[Body], measurements: list[Body]) -> Body:
    return {
        "UniqueIdentifier": guid,
        "InspectionName": name,
        "InspectionStartTime": None,
        "InspectionEndTime": None,
        "TestProcedure": None,
        "Comments": None,
        "Result": result,
        "Verification": "NotVerifiedYet",
        "VerificationDetail": None,
        "Error": None,
        "DefectsFound": defects,
        "Symptoms": [],
        "Measurements": measurements,
        "RefNo": None,
    }


def paste(board: BoardResult) -> list[Body]:
    """The paste on each pad that was measured; what is no measure of paste as a number."""
    pads: dict[str, list[Measure]] = {}
    others = []
    for measure in board.measures:
        if _word(measure.name) is None:
            others.append(measure)
        else:
            pads.setdefault(measure.component, []).append(measure)
    found = [_pad(number, pad, measures) for number, (pad, measures) in enumerate(pads.items(), 1)]
    return [*found, *(_numeric(number, each) for number, each in enumerate(others, len(found) + 1))]


def _word(name: str) -> str | None:
    """What a measure's name means of the paste: `volume`, `paste.height`, `area.percent`."""
    plain = name.lower().removesuffix(".percent")
    return next((word for word in (*_SIZES, *_OFFSETS) if plain.endswith(word)), None)


def _pad(number: int, pad: str, measures: Iterable[Measure]) -> Body:
    body: Body = {"$type": _PASTE}
    passed = True
    for measure in measures:
        word = _word(measure.name)
        passed = passed and measure.passed
        if word in _SIZES:
            value, expected = _size(word, measure)
            body |= dict(zip(_SIZES[word], (value, expected), strict=True))
        elif word in _OFFSETS:
            body[_OFFSETS[word]] = measure.value * _TO_CFX.get(measure.unit, 1.0)
    return {
        **body,
        "UniqueIdentifier": None,
        "MeasurementName": pad,
        "TimeRecorded": None,
        "Sequence": number,
        "Result": verdict(passed),
        "CRDs": pad,
    }


def _size(word: str, measure: Measure) -> tuple[float, float]:
    """Measured and expected, in CFX's unit."""
    if measure.unit == "%":
        nominal = _NOMINAL[word]
        return measure.value / 100.0 * nominal, nominal
    factor = _TO_CFX.get(measure.unit, 1.0)
    return measure.value * factor, 0.0 if measure.expected is None else measure.expected * factor


def _numeric(number: int, measure: Measure) -> Body:
    return {
        "$type": _NUMERIC,
        "MeasuredValue": {
            "Value": measure.value,
            "ValueUnits": measure.unit,
            "ExpectedValue": measure.expected,
            "ExpectedValueUnits": None if measure.expected is None else measure.unit,
            "MinimumAcceptableValue": measure.low,
            "MinimumAcceptableValueUnits": None if measure.low is None else measure.unit,
            "MaximumAcceptableValue": measure.high,
            "MaximumAcceptableValueUnits": None if measure.high is None else measure.unit,
        },
        "UniqueIdentifier": None,
        "MeasurementName": measure.name,
        "TimeRecorded": None,
        "Sequence": number,
        "Result": verdict(measure.passed),
        "CRDs": measure.component,
    }


def inspected(
    transaction: str,
    method: str,
    inspector: Body | None,
    recipe: tuple[str | None, str | None],
    units: list[Body],
) -> Body:
    """Body of UnitsInspected. method: CFX InspectionMethod. recipe: name and revision."""
    return {
        "TransactionId": transaction,
        "InspectionMethod": method,
        "SamplingInformation": {"SamplingMethod": "NoSampling", "LotSize": None, "SampleSize": None},
        "Inspector": inspector,
        "RecipeName": recipe[0],
        "RecipeRevision": recipe[1],
        "InspectedUnits": units,
        "InspectedPanel": None,
    }
