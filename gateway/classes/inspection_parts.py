"""What an inspection's record says, as CFX structures: inspections, defects, measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.classes.records import said_number, said_text, said_time
from gateway.classes.structures import structure
from gateway.classes.turn import Turn, known
from gateway.core.observation import Record

Structure = dict[str, object]
Measures = Mapping[str, Callable[[Record], Sequence[Structure]]]
"""How each kind of measurement is told, by the name of its record."""

_BAD = ("Failed", "Error", "Aborted")
"""In the order in which they decide the result of the whole."""
_FALSE = "DefectRejected"


def outcome(record: Record) -> str | None:
    """The TestResult that a record says, or that follows from its parts; None when neither is known."""
    said = said_text(record, "result")
    if said is not None:
        return said
    if record.name == "defect":
        return None if said_text(record, "verification") == _FALSE else "Failed"
    return worst(outcome(child) for child in record.children)


def worst(results: Iterable[str | None]) -> str | None:
    """One that failed fails the whole; the whole has passed when all have."""
    found = list(results)
    for bad in _BAD:
        if bad in found:
            return bad
    return "Passed" if found and all(result == "Passed" for result in found) else None


class Parts:
    """Tells the parts of one record about one transaction."""

    def __init__(self, turn: Turn, transaction: str | None, measures: Measures) -> None:
        self._turn = turn
        self._transaction = transaction
        self._measures = measures
        self._told: dict[tuple[str, ...], int] = {}

    def inspections(self, parts: Sequence[Record], position: int | None, unnamed: Structure) -> list[Structure]:
        """Of one board (its position), or the whole panel (None). Parts that stand in no `inspection.item` share one
        without a name; unnamed: what is known of it, where it is all there is."""
        made = [self._item(part, part.children, position, {}) for part in parts if part.name == "inspection.item"]
        loose = [part for part in parts if part.name != "inspection.item"]
        said = {} if made else {name: value for name, value in unnamed.items() if value is not None}
        if loose or said:
            record = Record(station="", name="inspection.item", fields={}, children=tuple(loose))
            made.append(self._item(record, loose, position, said))
        return made

    def _item(self, record: Record, parts: Sequence[Record], position: int | None, fields: Structure) -> Structure:
        return structure(
            "Inspection",
            {
                "UniqueIdentifier": said_text(record, "id"),
                "InspectionName": said_text(record, "name"),
                "InspectionStartTime": said_time(record, "started"),
                "InspectionEndTime": said_time(record, "ended"),
                "TestProcedure": said_text(record, "procedure"),
                "Comments": said_text(record, "comments"),
                "Result": outcome(record),
                "Verification": said_text(record, "verification"),
                "VerificationDetail": said_text(record, "verification.text"),
                "Error": said_text(record, "error"),
                "DefectsFound": [self._defect(part, position) for part in parts if part.name == "defect"],
                "Measurements": self._measured(parts),
                "RefNo": said_number(record, "reference"),
                **fields,
            },
        )

    def _defect(self, record: Record, position: int | None) -> Structure:
        component, part, image = designator(record), said_text(record, "part"), said_text(record, "image")
        x, y = said_number(record, "x"), said_number(record, "y")
        return structure(
            "Defect",
            {
                "UniqueIdentifier": said_text(record, "id") or self._id(record, position),
                "DefectCode": said_text(record, "code"),
                "DefectCategory": said_text(record, "category"),
                "Description": said_text(record, "text"),
                "Comments": said_text(record, "comments"),
                "ComponentOfInterest": None
                if component is None and part is None
                else {"ReferenceDesignator": component, "PartNumber": part},
                "RegionOfInterest": None
                if x is None and y is None
                else {"StartPointX": known(x), "StartPointY": known(y)},
                "DefectImages": [] if image is None else [{"TransferMode": "OutOfBand", "ImageURL": image}],
                "Priority": said_number(record, "priority"),
                "ConfidenceLevel": said_number(record, "confidence"),
                "RelatedMeasurements": self._measured(record.children),
                "Verification": said_text(record, "verification"),
                "VerificationDetail": said_text(record, "verification.text"),
            },
        )

    def _id(self, record: Record, position: int | None) -> str:
        """The same when a later verdict speaks of the same defect: what is alike is told apart by its order."""
        what = (str(position or ""), designator(record) or "", said_text(record, "code") or "")
        self._told[what] = self._told.get(what, 0) + 1
        return self._turn.same_id(self._transaction or "", "defect", *what, str(self._told[what]))

    def _measured(self, parts: Iterable[Record]) -> list[Structure]:
        return [made for part in parts if part.name in self._measures for made in self._measures[part.name](part)]


def designator(record: Record) -> str | None:
    """`R2.3` of component R2 and pin 3."""
    component, pin = said_text(record, "component"), said_text(record, "pin")
    return component if component is None or pin is None else f"{component}.{pin}"


def numeric(
    name: str | None,
    value: float | None,
    unit: str | None,
    *,
    limits: Mapping[str, float | None] | None = None,
    result: str | None = None,
    component: str | None = None,
) -> Structure:
    """CFX NumericMeasurement. limits: ExpectedValue, MinimumAcceptableValue, MaximumAcceptableValue, in the same unit."""
    said = {key: limit for key, limit in (limits or {}).items() if limit is not None}
    numbers = {"Value": value, "ValueUnits": unit, **said, **{f"{key}Units": unit for key in said}}
    return structure(
        "NumericMeasurement",
        {
            "MeasurementName": name,
            "Result": result,
            "CRDs": component,
            "MeasuredValue": None if value is None else structure("NumericValue", numbers),
        },
    )


def measurement(record: Record) -> list[Structure]:
    limits = {
        "ExpectedValue": said_number(record, "expected"),
        "MinimumAcceptableValue": said_number(record, "low"),
        "MaximumAcceptableValue": said_number(record, "high"),
    }
    return [
        numeric(
            said_text(record, "name"),
            said_number(record, "value"),
            said_text(record, "value.unit"),
            limits=limits,
            result=said_text(record, "result"),
            component=designator(record),
        )
    ]
