"""What a test's record says, as CFX TestedUnits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gateway.classes.records import said_number, said_text, said_time, said_unit
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.core.observation import Record

_BAD = ("Failed", "Error", "Aborted")
"""In the order in which they decide the result of the whole."""
_SEPARATOR = re.compile(r"[,;\s]+")

Structure = dict[str, object]


def overall(record: Record) -> str | None:
    """The result that a record says, or that follows from its parts; None when neither is known."""
    told = said_text(record, "result")
    if told is not None:
        return told
    if record.name == "measurement":
        return _by_limits(record)
    if record.name in ("symptom", "defect"):
        return "Failed"
    return _worst(overall(child) for child in record.children)


def tested_units(turn: Turn, record: Record) -> list[Structure]:
    """One for each board that it tells of, or else one for what was tested.

    A panel of which only the result of the whole is known is one unit: which of its boards failed, nobody said.
    """
    boards = [child for child in record.children if child.name == "test.unit"]
    rest = [child for child in record.children if child.name != "test.unit"]
    told = said_text(record, "result")
    made = []
    if rest or not boards:
        made.append(_unit(said_unit(turn, record), None, told or overall(record), rest))
    for index, board in enumerate(boards, 1):
        position = said_number(board, "position")
        # On a panel that passed, every board did; which one failed on a panel that did not, only the boards can say.
        result = overall(board) or (told if told == "Passed" or len(boards) == 1 else None)
        made.append(_unit(said_unit(turn, board), index if position is None else position, result, board.children))
    return made


def _unit(unit: str | None, position: float | None, result: str | None, parts: Sequence[Record]) -> Structure:
    return structure(
        "TestedUnit",
        {"UnitIdentifier": unit, "UnitPositionNumber": position, "OverallResult": result, "Tests": _tests(parts)},
    )


def _tests(parts: Sequence[Record]) -> list[Structure]:
    """Steps; a measurement outside of any is a step of its own, and symptoms and defects outside of any share one."""
    made = [_step(part, part.children) for part in parts if part.name == "test.step"]
    made += [_step(part, (part,)) for part in parts if part.name == "measurement"]
    found = [part for part in parts if part.name in ("symptom", "defect")]
    if found:
        made.append(_step(Record(station=found[0].station, name="test.step", children=tuple(found)), found))
    return made


def _step(record: Record, parts: Sequence[Record]) -> Structure:
    plain = record.name == "test.step"
    return structure(
        "Test",
        {
            "UniqueIdentifier": said_text(record, "id") if plain else None,
            "TestName": said_text(record, "name"),
            "TestStartTime": said_time(record, "started"),
            "TestEndTime": said_time(record, "ended"),
            "TestProcedure": said_text(record, "procedure"),
            "Comments": said_text(record, "comments"),
            "Result": overall(record),
            "Error": said_text(record, "error"),
            "SymptomsFound": [_symptom(part) for part in parts if part.name == "symptom"],
            "DefectsFound": [_defect(part) for part in parts if part.name == "defect"],
            "Measurements": [_measurement(part) for part in parts if part.name == "measurement"],
        },
    )


def _measurement(record: Record) -> Structure:
    """Numeric, text or true/false, by what was said. A number that could not be measured is one without a value."""
    kind, value = _value(record)
    return structure(
        kind,
        {
            "UniqueIdentifier": said_text(record, "id"),
            "MeasurementName": said_text(record, "name"),
            "TimeRecorded": record.time,
            "Sequence": said_number(record, "sequence"),
            "Result": overall(record),
            "CRDs": ", ".join(_designators(record)) or None,
            **value,
        },
    )


def _value(record: Record) -> tuple[str, Structure]:
    number, unit = said_number(record, "value"), said_text(record, "value.unit")
    if number is not None:
        limits = {
            "ExpectedValue": said_number(record, "expected"),
            "MinimumAcceptableValue": said_number(record, "low"),
            "MaximumAcceptableValue": said_number(record, "high"),
        }
        units = {f"{name}Units": unit for name, limit in limits.items() if limit is not None}
        return "NumericMeasurement", {
            "MeasuredValue": structure("NumericValue", {"Value": number, "ValueUnits": unit, **limits, **units})
        }
    if said_text(record, "text") is not None:
        return "TextMeasurement", {
            "Value": said_text(record, "text"),
            "ExpectedValue": said_text(record, "text.expected"),
        }
    if "flag" in record.fields:
        return "BooleanMeasurement", {
            "Value": record.fields["flag"],
            "ExpectedValue": record.fields.get("flag.expected"),
        }
    return "NumericMeasurement", {"MeasuredValue": None}


def _symptom(record: Record) -> Structure:
    return structure(
        "Symptom",
        {
            "SymptomCode": said_text(record, "code"),
            "SymptomCategory": said_text(record, "category"),
            "Description": said_text(record, "text"),
            "Comments": said_text(record, "comments"),
            "Priority": said_number(record, "priority"),
            "ComponentsOfInterest": [
                {"ReferenceDesignator": name, "PartNumber": said_text(record, "part")} for name in _designators(record)
            ],
        },
    )


def _defect(record: Record) -> Structure:
    component, part = said_text(record, "component"), said_text(record, "part")
    return structure(
        "Defect",
        {
            "DefectCode": said_text(record, "code"),
            "DefectCategory": said_text(record, "category"),
            "Description": said_text(record, "text"),
            "Comments": said_text(record, "comments"),
            "Priority": said_number(record, "priority"),
            "ComponentOfInterest": None
            if component is None and part is None
            else {"ReferenceDesignator": component, "PartNumber": part},
        },
    )


def _designators(record: Record) -> list[str]:
    text = said_text(record, "component")
    return [] if text is None else [name for name in _SEPARATOR.split(text) if name]


def _by_limits(record: Record) -> str | None:
    value, low, high = (said_number(record, field) for field in ("value", "low", "high"))
    if value is None or (low is None and high is None):
        return None
    return "Passed" if (low is None or low <= value) and (high is None or value <= high) else "Failed"


def _worst(results: Iterable[str | None]) -> str | None:
    """One that is bad decides, else one that is not known; what was skipped, decides only when all was."""
    found = set(results)
    for bad in _BAD:
        if bad in found:
            return bad
    if None in found or not found:
        return None
    return "Passed" if "Passed" in found else "Skipped"
