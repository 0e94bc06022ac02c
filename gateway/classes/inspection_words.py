"""The words of everything that inspects: paste, placement and solder, by camera, by X-ray, by eye."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.classes import common
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

VERIFICATIONS = common.choices("VerificationResult")

SIGNALS = (
    SignalSpec(
        name="inspection.result",
        kind=Kind.TEXT,
        lane=True,
        choices=common.TEST_RESULTS,
        meaning="Result of the one that went out last.",
    ),
    SignalSpec(
        name="board.result",
        kind=Kind.TEXT,
        lane=True,
        array=True,
        choices=common.TEST_RESULTS,
        meaning="The same of each board on the panel, by its position.",
    ),
    SignalSpec(name="inspection.defects", kind=Kind.NUMBER, unit="1", lane=True, meaning="Defects found on it."),
    SignalSpec(name="inspection.count", kind=Kind.NUMBER, unit="1", lane=True, meaning="Things inspected on it."),
    SignalSpec(
        name="inspection.verification",
        kind=Kind.TEXT,
        lane=True,
        choices=VERIFICATIONS,
        meaning="What a person says to its result.",
    ),
)


def text(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TEXT, meaning=meaning)


def number(name: str, meaning: str, unit: str = "1") -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.NUMBER, unit=unit, meaning=meaning)


def time(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TIME, meaning=meaning)


def result(meaning: str) -> FieldSpec:
    return FieldSpec(name="result", kind=Kind.TEXT, choices=common.TEST_RESULTS, meaning=meaning)


STARTED = time("started", "When it began.")
ENDED = time("ended", "When it ended.")
COMMENTS = text("comments", "Anything else.")
NAME = text("name", "Its name.")
POSITION = number("position", "Position of its board on the panel, where no inspection.unit around it says so.")
COMPONENT = text("component", "Reference designator: `R1`, `R2.3` for a pin.")
PIN = text("pin", "Pin or pad of it, where it stands apart.")
PART = text("part", "Part number of the component.")
VERIFICATION = FieldSpec(
    name="verification", kind=Kind.TEXT, choices=VERIFICATIONS, meaning="What a person says to the machine's verdict."
)
_COUNT = number("count", "How many things were inspected (CFX TotalInspectionCount).")
_PARTS = ("inspection.item", "defect", "measurement")

_INSPECTION = (
    common.UNIT,
    common.UNITS,
    result("Result of all of it. Left out: what follows from its parts."),
    _COUNT,
    VERIFICATION,
    STARTED,
    ENDED,
    common.RECIPE,
    common.REVISION,
    common.OPERATOR,
    COMMENTS,
)


def records(measures: Iterable[RecordSpec] = ()) -> tuple[RecordSpec, ...]:
    """measures: records of what else is measured here; they stand wherever `measurement` may."""
    own = tuple(measures)
    parts = (*_PARTS, *(spec.name for spec in own))
    nested = parts[1:]
    return (
        RecordSpec(
            name="inspection",
            lane=True,
            fields=(
                *_INSPECTION,
                FieldSpec(
                    name="again",
                    kind=Kind.FLAG,
                    meaning="It revises what was said of this unit before, as `verdict` does.",
                ),
            ),
            children=("inspection.unit", *parts),
            meaning="A unit, or a panel of them, has been inspected.",
        ),
        RecordSpec(
            name="verdict",
            lane=True,
            fields=_INSPECTION,
            children=("inspection.unit", *parts),
            meaning="A later verdict on a unit that was inspected: the message is made again and revises the first.",
        ),
        RecordSpec(
            name="inspection.unit",
            fields=(
                common.UNIT,
                number("position", "Its position on the panel."),
                result("Its result."),
                _COUNT,
                VERIFICATION,
            ),
            children=parts,
            meaning="One board on the panel.",
        ),
        RecordSpec(
            name="inspection.item",
            fields=(
                NAME,
                text("id", "Its identifier."),
                POSITION,
                result("Its result. Left out: what follows from its parts."),
                VERIFICATION,
                text("verification.text", "More about that."),
                STARTED,
                ENDED,
                text("procedure", "By which instruction."),
                text("error", "What went wrong with the inspection itself."),
                COMMENTS,
                number("reference", "Its number in the program."),
            ),
            children=nested,
            meaning="A part of the inspection: a component, a step.",
        ),
        RecordSpec(
            name="defect",
            fields=(
                text("id", "Its identifier. Left out: one is made from what and where it is."),
                text("code", "Its code."),
                text("category", "Which kind of codes that is."),
                text("text", "What it says."),
                COMMENTS,
                POSITION,
                COMPONENT,
                PIN,
                PART,
                number("x", "Where on the board, along.", "mm"),
                number("y", "Where on the board, across.", "mm"),
                number("priority", "How much it matters; 1 matters most."),
                number("confidence", "How sure the machine is.", "%"),
                text("image", "Where its picture is."),
                VERIFICATION,
                text("verification.text", "More about that."),
            ),
            children=nested[1:],
            meaning="A defect that was found.",
        ),
        RecordSpec(
            name="measurement",
            fields=(
                NAME,
                POSITION,
                COMPONENT,
                PIN,
                number("value", "The value, in `value.unit`."),
                text("value.unit", "Unit of the value and of its limits."),
                number("expected", "What it should be."),
                number("low", "Lowest value allowed."),
                number("high", "Highest value allowed."),
                result("Whether it is as it should be."),
            ),
            meaning="Something was measured.",
        ),
        *own,
    )
