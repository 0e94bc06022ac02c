"""Solder paste inspection: the paste on every pad, as far as the machine tells it (IPC-CFX SolderPasteMeasurement)."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.inspection import UNITS_INSPECTED, Inspection, requirement
from gateway.classes.inspection_parts import Structure, designator, numeric
from gateway.classes.inspection_words import COMPONENT, NAME, PIN, POSITION, SIGNALS, number, records, result
from gateway.classes.machine_class import MachineClass
from gateway.classes.records import said_number, said_text
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.core.observation import Record
from gateway.profile.vocabulary import Kind, RecordSpec, SignalSpec

_MEASURED = {
    "volume": ("Vol", "EVol", "ml", "Volume"),
    "height": ("Z", "EZ", "mm", "Height"),
    "area": ("A", "EA", "mm2", "Area"),
    "length": ("X", "EX", "mm", "Length"),
    "width": ("Y", "EY", "mm", "Width"),
}
"""Word: measured and expected in a SolderPasteMeasurement, the unit they have there, and what it is called."""
_PLACES = {
    "offset.x": ("DX", "mm", "How far it lies off the pad's centre, along."),
    "offset.y": ("DY", "mm", "How far it lies off the pad's centre, across."),
    "x": ("PX", "mm", "Position of the pad on the board, along."),
    "y": ("PY", "mm", "Position of the pad on the board, across."),
    "rotation": ("RXY", "deg", "Rotation of the pad."),
    "ratio": ("AR", "1", "Area ratio of the stencil's aperture."),
}
_MEANS = {
    "paste.volume": ("Mean volume", "%", "Mean volume of the paste on the last one, in percent of the expected."),
    "paste.height": ("Mean height", "mm", "Mean height of the paste on the last one."),
    "paste.area": ("Mean area", "%", "Mean area of the paste on the last one, in percent of the expected."),
    "paste.offset.x": ("Mean offset X", "mm", "Mean offset of the paste on the last one, along."),
    "paste.offset.y": ("Mean offset Y", "mm", "Mean offset of the paste on the last one, across."),
}

PASTE = RecordSpec(
    name="paste",
    fields=(
        COMPONENT,
        PIN,
        POSITION,
        NAME,
        result("Whether it is as it should be."),
        *(number(word, f"{called} of the paste.", unit) for word, (_, _, unit, called) in _MEASURED.items()),
        *(
            number(f"{word}.expected", f"{called} that it should have.", unit)
            for word, (_, _, unit, called) in _MEASURED.items()
        ),
        *(
            number(f"{word}.percent", f"{called} in percent of the expected, where the machine says only that.", "%")
            for word, (_, _, _, called) in _MEASURED.items()
        ),
        *(number(word, meaning, unit) for word, (_, unit, meaning) in _PLACES.items()),
        number("sequence", "Its number in the order of measurements."),
    ),
    meaning="The paste on one pad was measured.",
)


def _paste(record: Record) -> list[Structure]:
    """A percentage of something expected is a quantity; one of something unknown is told as a percentage."""
    fields: Structure = {
        "MeasurementName": said_text(record, "name"),
        "Result": said_text(record, "result"),
        "Sequence": said_number(record, "sequence"),
        "CRDs": designator(record),
        **{field: said_number(record, word) for word, (field, _, _) in _PLACES.items()},
    }
    percentages = []
    for word, (field, expectation, _, called) in _MEASURED.items():
        value, expected = said_number(record, word), said_number(record, f"{word}.expected")
        percent = said_number(record, f"{word}.percent")
        if value is None and percent is not None and expected is not None:
            value = percent / 100 * expected
        fields |= {field: value, expectation: expected}
        if percent is not None and value is None:
            percentages.append(numeric(called, percent, "%", component=designator(record)))
    quantities = [field for measured in _MEASURED.values() for field in measured[:2]]
    if percentages and all(fields[name] is None for name in (*quantities, "DX", "DY")):
        return percentages
    return [structure("SolderPasteInspection.SolderPasteMeasurement", fields), *percentages]


def _readings(turn: Turn) -> list[Structure]:
    found = [
        (called, turn.number(word, lane=turn.lane), unit) for word, (called, unit, _) in _MEANS.items()
    ]  # fmt: skip
    return [numeric(called, value, unit) for called, value, unit in found if value is not None]


_SPI = Inspection(method="SPI", measures={"paste": _paste}, readings=_readings)

CLASS = MachineClass(
    name="spi",
    title="Solder paste inspection",
    vocabulary=common.vocabulary(
        "spi",
        (
            *SIGNALS,
            *(
                SignalSpec(name=word, kind=Kind.NUMBER, unit=unit, lane=True, meaning=meaning)
                for word, (_, unit, meaning) in _MEANS.items()
            ),
        ),
        records((PASTE,)),
    ),
    messages=(*common.WORKING, UNITS_INSPECTED),
    requirements=(
        *common.REQUIREMENTS,
        requirement("SPI", note="the paste of each pad (SolderPasteMeasurement) only from records `paste`"),
    ),
    completed=_SPI.completed,
    records={"inspection": _SPI.inspected, "verdict": _SPI.judged},
)
