"""The words of pick-and-place machines."""

from __future__ import annotations

from gateway.classes import common
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

FAULTS = common.choices("SMTPlacement.SMTPlacementFaultType")

SIGNALS = (
    SignalSpec(name="components.placed", kind=Kind.COUNTER, lane=True, meaning="Counts components placed."),
    SignalSpec(
        name="components.missed",
        kind=Kind.COUNTER,
        lane=True,
        meaning="Counts components picked but not placed, for whatever reason.",
    ),
    SignalSpec(
        name="feeder.fault",
        kind=Kind.TEXT,
        array=True,
        stage=True,
        meaning="What is wrong with each feeder, an empty text for nothing. Names of CFX SMTPlacementFaultType "
        "(`PartsExhaust`, `PickupError`) become the fault's type.",
    ),
    SignalSpec(
        name="feeder.slot",
        kind=Kind.TEXT,
        array=True,
        stage=True,
        meaning="Name of each feeder's place. Left out: its number in the array.",
    ),
    SignalSpec(
        name="feeder.material",
        kind=Kind.TEXT,
        array=True,
        stage=True,
        meaning="Identifier of the reel or tray in each feeder, an empty text for none.",
    ),
    SignalSpec(
        name="feeder.remaining",
        kind=Kind.NUMBER,
        unit="1",
        array=True,
        stage=True,
        meaning="Components left in each feeder.",
    ),
)


def _text(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TEXT, meaning=meaning)


def _number(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.NUMBER, unit="1", meaning=meaning)


def _time(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, kind=Kind.TIME, meaning=meaning)


_MATERIAL = (
    _text("package", "Identifier of the reel, tray or stick."),
    _text("part", "Its part number."),
    _text("batch", "Its batch."),
    _text("slot", "Name of the feeder's place."),
    _text("slot.id", "Its identifier."),
    _text("feeder", "Identifier of the feeder."),
    _text("feeder.name", "Its name."),
    _number("remaining", "Components left on it."),
)
_COMPONENT = _text("component", "Reference designator.")
_POSITION = _number("position", "Position of its board on the panel.")
_HEAD = (
    _text("head", "Head that placed it."),
    _number("nozzle", "Number of the nozzle on the head."),
    _text("nozzle.type", "Type of the nozzle."),
)

RECORDS = (
    RecordSpec(
        name="placement",
        lane=True,
        fields=(
            common.UNIT,
            common.UNITS,
            _time("started", "When placing began."),
            _time("ended", "When it ended."),
            _number("placed", "Components placed."),
            _number("missed", "Components picked but not placed."),
        ),
        children=("material", "component", "component.rejected"),
        meaning="A unit has been populated.",
    ),
    RecordSpec(
        name="material",
        fields=(
            *_MATERIAL,
            _POSITION,
            _number("installed", "Components of it that were placed. Left out: those that are named."),
            _number("missed", "Components of it that were not placed."),
            _text("components", "Reference designators of those placed, separated by commas or blanks."),
        ),
        children=("component", "component.rejected"),
        meaning="Material that was used for the unit, or for one board of it.",
    ),
    RecordSpec(
        name="component",
        fields=(
            _COMPONENT,
            _POSITION,
            *_MATERIAL,
            _time("time", "When it was placed."),
            *_HEAD,
            _number("sequence", "Its number in the order of placing."),
        ),
        meaning="A component was placed. What is said of the material around it need not be said again.",
    ),
    RecordSpec(
        name="component.rejected",
        fields=(
            _COMPONENT,
            _POSITION,
            *_MATERIAL,
            _time("time", "When."),
            FieldSpec(name="reason", kind=Kind.TEXT, choices=common.choices("RejectionReason"), meaning="Why."),
            FieldSpec(
                name="where",
                kind=Kind.TEXT,
                choices=common.choices("NonInstalledComponentLocation"),
                meaning="Where it went.",
            ),
            _text("comments", "Anything else."),
        ),
        meaning="A component was picked but not placed.",
    ),
    RecordSpec(
        name="feeder.fault",
        lane=True,
        stage=True,
        fields=(
            FieldSpec(name="code", kind=Kind.TEXT, required=True, meaning="Code of the fault."),
            _text("text", "What it says."),
            FieldSpec(name="severity", kind=Kind.TEXT, choices=common.SEVERITIES, meaning="How bad it is."),
            FieldSpec(name="kind", kind=Kind.TEXT, choices=FAULTS, meaning="What kind of fault."),
            *_MATERIAL,
            _COMPONENT,
            *_HEAD,
            _number("step", "Step of the program."),
        ),
        meaning="A fault of a feeder, or of picking from it, has come up. `fault.cleared` ends it.",
    ),
    RecordSpec(name="material.loaded", fields=_MATERIAL, meaning="Material was set up."),
    RecordSpec(name="material.unloaded", fields=_MATERIAL[:1], meaning="Material was taken away."),
)
