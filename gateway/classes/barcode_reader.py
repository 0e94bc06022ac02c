"""Barcode reader: what it read, and that it could not (IPC-CFX IdentifiersRead, IdentifiersNotRead)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.classes import common, counters
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.records import said_unit
from gateway.classes.structures import whole
from gateway.classes.turn import Turn
from gateway.core.observation import Record
from gateway.core.sample import Value, signal_key
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

IDENTIFIERS_READ = "CFX.Sensor.Identification.IdentifiersRead"
IDENTIFIERS_NOT_READ = "CFX.Sensor.Identification.IdentifiersNotRead"

SIGNALS = (
    SignalSpec(
        name="read.id",
        kind=Kind.TEXT,
        lane=True,
        meaning="What was read last; an empty text when the reader has emptied it. What stands for a failed reading is "
        "named in `ignore_ids` of the configuration.",
    ),
    SignalSpec(
        name="read.count",
        kind=Kind.COUNTER,
        lane=True,
        meaning="Counts readings, also of the same code again. Without it, a reading is one that differs from the last.",
    ),
)

_POSITION = FieldSpec(name="position", kind=Kind.NUMBER, unit="1", meaning="Position on the panel or carrier.")

RECORDS = (
    RecordSpec(
        name="read",
        lane=True,
        fields=(common.UNIT,),
        children=("read.position",),
        meaning="Something was read, or could not be: then it has no unit, or one that is named in `ignore_ids`.",
    ),
    RecordSpec(
        name="read.position",
        fields=(common.UNIT, _POSITION),
        meaning="One of several codes that were read together; without a unit: one that could not be read.",
    ),
)


def _read(turn: Turn, record: Record) -> None:
    places = [
        (index if (position := whole(child.fields.get("position"))) is None else position, said_unit(turn, child))
        for index, child in enumerate(record.children, 1)
    ]
    _tell(turn, said_unit(turn, record), places)


def _tell(turn: Turn, unit: str | None, places: Sequence[tuple[int, str | None]]) -> None:
    """Both messages where only some of the positions could be read."""
    found = [(position, each) for position, each in places if each is not None]
    missed = [position for position, each in places if each is None]
    if unit is not None or found:
        turn.emit(
            IDENTIFIERS_READ,
            {
                "PrimaryIdentifier": unit,
                "Units": [
                    {**turn.units(each, 1)[0], "PositionNumber": position} for position, each in found or ((1, unit),)
                ],
            },
        )
    if missed or (unit is None and not found):
        turn.emit(IDENTIFIERS_NOT_READ, {"PositionsNotRead": missed})


def _looked(turn: Turn, before: Mapping[str, object]) -> None:
    counted = {signal_key(key).lane for key in turn.setup.bound.signals if signal_key(key).name == "read.count"}
    for key in sorted(before):
        parts = signal_key(key)
        value = turn.values.get(key)
        if parts.name == "read.count" and isinstance(value, int):
            count = counters.moved(turn, key, value)
            # Of several readings since the last look, only what the last one said is known.
            if count:
                _tell(turn, turn.identifier(turn.value("read.id", lane=parts.lane)), ())
        elif parts.name == "read.id" and parts.lane not in counted and None not in counted:
            _held(turn, key, value)


def _held(turn: Turn, key: str, value: Value) -> None:
    """A register holds the last code until the next one comes, or until it is emptied. What it held when it was seen for
    the first time may be old; anything else that differs was read, even if it was while nobody looked."""
    if value is None:
        return
    held = str(value)
    new = key in turn.ids and turn.ids[key] != held
    turn.ids[key] = held
    if new and held:
        _tell(turn, turn.identifier(held), ())


CLASS = MachineClass(
    name="barcode_reader",
    title="Barcode reader",
    vocabulary=common.vocabulary("barcode_reader", SIGNALS, RECORDS, works=False),
    messages=(*common.PASSING, IDENTIFIERS_READ, IDENTIFIERS_NOT_READ),
    requirements=(
        *(each for each in common.REQUIREMENTS if not each.capability.startswith("WIP")),
        Requirement(
            capability="Identification: what was read",
            messages=(IDENTIFIERS_READ, IDENTIFIERS_NOT_READ),
            needs=("read", "read.id"),
            note="IdentifyUnits, which asks the reader to read, cannot be had from signals",
        ),
    ),
    works=False,
    records={"read": _read},
    looked=_looked,
    watched=frozenset(("read.id", "read.count")),
)
