"""Optical and X-ray inspection of what was placed and soldered, in line and off line. Both do the same, each with its
own eyes."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.inspection import UNITS_INSPECTED, Inspection, requirement
from gateway.classes.inspection_parts import Structure, designator
from gateway.classes.inspection_words import COMPONENT, NAME, PIN, POSITION, SIGNALS, number, records, result
from gateway.classes.machine_class import MachineClass
from gateway.classes.records import said_number, said_text
from gateway.classes.structures import structure
from gateway.core.observation import Record
from gateway.profile.vocabulary import RecordSpec

_OFFSETS = {
    "x": ("DX", "mm", "Along."),
    "y": ("DY", "mm", "Across."),
    "z": ("DZ", "mm", "In height."),
    "rotation": ("RXY", "deg", "Turned on the board."),
    "rotation.zx": ("RZX", "deg", "Turned out of the board, along."),
    "rotation.zy": ("RZY", "deg", "Turned out of the board, across."),
}

OFFSET = RecordSpec(
    name="offset",
    fields=(
        COMPONENT,
        PIN,
        POSITION,
        NAME,
        result("Whether it is as it should be."),
        *(number(word, meaning, unit) for word, (_, unit, meaning) in _OFFSETS.items()),
        number("sequence", "Its number in the order of measurements."),
    ),
    meaning="It was measured how far a component is off its place.",
)


def _offset(record: Record) -> list[Structure]:
    return [
        structure(
            "PCBInspection.OffsetMeasurement",
            {
                "MeasurementName": said_text(record, "name"),
                "Result": said_text(record, "result"),
                "Sequence": said_number(record, "sequence"),
                "CRDs": designator(record),
                **{field: said_number(record, word) for word, (field, _, _) in _OFFSETS.items()},
            },
        )
    ]


def _class(name: str, title: str, method: str) -> MachineClass:
    inspection = Inspection(method=method, measures={"offset": _offset})
    return MachineClass(
        name=name,
        title=title,
        vocabulary=common.vocabulary(name, SIGNALS, records((OFFSET,))),
        messages=(*common.WORKING, UNITS_INSPECTED),
        requirements=(
            *common.REQUIREMENTS,
            requirement(method, note="defects with reference designator and part number only from records `defect`"),
        ),
        completed=inspection.completed,
        records={"inspection": inspection.inspected, "verdict": inspection.judged},
    )


AOI = _class("aoi", "Automatic optical inspection", "AOI")
AXI = _class("axi", "Automatic X-ray inspection", "AXI")
