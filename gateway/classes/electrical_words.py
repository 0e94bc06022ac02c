"""The words of electrical test."""

from __future__ import annotations

from gateway.classes import common
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

_METHODS = common.choices("TestMethod")

SIGNALS = (
    SignalSpec(
        name="test.method",
        kind=Kind.TEXT,
        lane=True,
        choices=_METHODS,
        meaning="How it tests; left out: `Automated`.",
    ),
    SignalSpec(
        name="test.result",
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
)


def _text(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TEXT, meaning=meaning)


def _number(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.NUMBER, unit="1", meaning=meaning)


def _time(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TIME, meaning=meaning)


def _result(meaning: str) -> FieldSpec:
    return FieldSpec(name="result", kind=Kind.TEXT, choices=common.TEST_RESULTS, meaning=meaning)


_STARTED = _time("started", "When it began.")
_ENDED = _time("ended", "When it ended.")
_CODE = _text("code", "Its code.")
_CATEGORY = _text("category", "Which kind of codes that is.")
_SAYS = _text("text", "What it says.")
_COMMENTS = _text("comments", "Anything else.")
_PART = _text("part", "Part number.")
_PRIORITY = _number("priority", "How much it matters; 1 matters most.")
_COMPONENT = _text("component", "Reference designator: `R1`, `R2.3` for a pin.")
_COMPONENTS = _text("component", "Reference designators, separated by commas or blanks: `R1 R2`, `R2.3` for a pin.")

_FOUND = ("measurement", "symptom", "defect")

RECORDS = (
    RecordSpec(
        name="test",
        lane=True,
        fields=(
            common.UNIT,
            common.UNITS,
            _result("Result of all of it. Left out: what follows from its parts."),
            FieldSpec(
                name="method",
                kind=Kind.TEXT,
                choices=_METHODS,
                meaning="How it was tested. Left out: as `test.method` says.",
            ),
            _STARTED,
            _ENDED,
            common.RECIPE,
            common.REVISION,
            common.OPERATOR,
        ),
        children=("test.unit", "test.step", *_FOUND),
        meaning="A unit, or a panel of them, has been tested.",
    ),
    RecordSpec(
        name="test.unit",
        fields=(common.UNIT, _number("position", "Its position on the panel."), _result("Its result.")),
        children=("test.step", *_FOUND),
        meaning="One board on the panel.",
    ),
    RecordSpec(
        name="test.step",
        fields=(
            _text("name", "Its name."),
            _text("id", "Its identifier."),
            _result("Its result. Left out: what follows from its measurements."),
            _STARTED,
            _ENDED,
            _text("procedure", "By which instruction."),
            _text("error", "What went wrong with the test itself."),
            _COMMENTS,
        ),
        children=_FOUND,
        meaning="A part of the test.",
    ),
    RecordSpec(
        name="measurement",
        fields=(
            _text("name", "What was measured."),
            _text("id", "Its identifier."),
            _number("value", "The value, in `value.unit`."),
            _text("value.unit", "Unit of the value and of its limits."),
            _number("expected", "What it should be."),
            _number("low", "Lowest value allowed."),
            _number("high", "Highest value allowed."),
            _text("text", "The value, where it is no number."),
            _text("text.expected", "What that should be."),
            FieldSpec(name="flag", kind=Kind.FLAG, meaning="The value, where it is true or false."),
            FieldSpec(name="flag.expected", kind=Kind.FLAG, meaning="What that should be."),
            _result("Whether it is as it should be. Left out: what follows from the limits."),
            _COMPONENTS,
            _number("sequence", "Its number in the order of measurements."),
        ),
        meaning="Something was measured.",
    ),
    RecordSpec(
        name="symptom",
        fields=(_CODE, _CATEGORY, _SAYS, _COMMENTS, _COMPONENTS, _PART, _PRIORITY),
        meaning="Something is not as it should be; why, is not known.",
    ),
    RecordSpec(
        name="defect",
        fields=(_CODE, _CATEGORY, _SAYS, _COMMENTS, _COMPONENT, _PART, _PRIORITY),
        meaning="A defect that was found.",
    ),
)
