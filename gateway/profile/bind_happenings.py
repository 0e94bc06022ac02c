"""Records that an OPC UA server tells with events: from their tables to readers, with everything that is wrong noted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from gateway.core.document import KeyPath
from gateway.core.observation import Record, Unreadable
from gateway.core.problems import unknown
from gateway.core.sample import Value
from gateway.profile import bind_rules
from gateway.profile.bind_kinds import Complaint, said
from gateway.profile.bind_nodes import mapped
from gateway.profile.bind_words import Add
from gateway.profile.bound_nodes import Event, Happening
from gateway.profile.happenings import (
    CONDITION_FIELDS,
    Condition,
    ConditionReader,
    EventReader,
    FieldRead,
    RecordReader,
)
from gateway.profile.models import NodeProfile
from gateway.profile.numbers import affine
from gateway.profile.tables import Scalar
from gateway.profile.tables_opcua import EventField, EventRecord
from gateway.profile.typed import Typed
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, Vocabulary

_CONDITION_TYPE = "i=2915"
"""AlarmConditionType (OPC 10000-9, 5.8.2)."""
_NUMBERS = (Kind.NUMBER, Kind.COUNTER)
_KINDS: Mapping[str, tuple[Kind, ...]] = {
    "scale": _NUMBERS,
    "offset": (Kind.NUMBER,),
    "unit": (Kind.NUMBER,),
    "map": (Kind.TEXT, Kind.STATE, Kind.FLAG),
}


class Told(msgspec.Struct, frozen=True):
    """An event that is subscribed to, and what reads it."""

    subscription: str | None
    event: Event
    reader: EventReader


def conditions(notifier: str, subscription: str, found: tuple[Condition, ...]) -> Told:
    """All alarms that one object tells of."""
    key = f"conditions {notifier}"
    event = Event(key=key, notifier=notifier, type=_CONDITION_TYPE, fields=CONDITION_FIELDS, conditions=True)
    return Told(subscription, event, ConditionReader(found))


class EventRecords:
    """Binds one profile's records."""

    def __init__(self, profile: NodeProfile, vocabulary: Vocabulary, add: Add) -> None:
        self._profile = profile
        self._vocabulary = vocabulary
        self._add = add
        self._failed = False

    def told(self) -> Iterator[Told]:
        for index, table in enumerate(self._profile.record):
            path: KeyPath = ("record", index)
            self._failed = False
            found = self._record(index, table, path)
            if found is not None and not self._failed:
                for key, message in _example(table, found, self._vocabulary.records[table.name]):
                    self._add((*path, "example", *key.split(".", 1)), message)
                yield found

    def _bad(self, path: KeyPath, message: str) -> None:
        self._failed = True
        self._add(path, message)

    def _record(self, index: int, table: EventRecord, path: KeyPath) -> Told | None:
        spec = self._vocabulary.records.get(table.name)
        if spec is None:
            what = f"record of a {self._vocabulary.machine_class}"
            self._bad((*path, "name"), unknown(table.name, what, self._vocabulary.records))
            return None
        for key, message in (
            *_places(table, spec),
            *bind_rules.constants(table.constants, spec, set(table.fields)),
            *bind_rules.required(spec, {*table.fields, *table.constants}),
        ):
            self._bad((*path, *key.split(".", 1)), message)
        wanted = [*(field.field for field in table.fields.values()), table.lane_field, table.stage_field]
        fields = tuple(dict.fromkeys(("Time", *(each for each in wanted if each is not None))))
        reader = RecordReader(
            name=table.name,
            fields=tuple(self._fields(table, spec, fields, path)),
            constants=bind_rules.said_constants(table.constants, spec),
            required=frozenset(field.name for field in spec.fields if field.required),
            lane=table.lane,
            lane_place=None if table.lane_field is None else fields.index(table.lane_field),
            stage=table.stage,
            stage_place=None if table.stage_field is None else fields.index(table.stage_field),
        )
        event = Event(key=f"{table.name} {index}", notifier=table.notifier, type=table.event, fields=fields)
        return Told(table.subscribe, event, reader)

    def _fields(
        self, table: EventRecord, record: RecordSpec, fields: tuple[str, ...], path: KeyPath
    ) -> Iterator[FieldRead]:
        for name, field in table.fields.items():
            where = (*path, "fields", name)
            spec = bind_rules.field(record, name)
            if isinstance(spec, str):
                self._bad(where, spec)
                continue
            spec = spec or _own(name, field)
            for key, message in _complaints(field, spec):
                self._bad((*where, *key.split(".", 1)), message)
            try:
                read = None if spec.kind is Kind.TIME else _typed(field, spec).read()
            except ValueError as error:
                self._bad((*where, "unit"), str(error))
                continue
            yield FieldRead(name, fields.index(field.field), read)


def _own(name: str, field: EventField) -> FieldSpec:
    """The specification that a vendor's own field gives itself."""
    if field.unit is not None:
        return FieldSpec(name=name, kind=Kind.NUMBER, unit=field.unit, meaning="")
    flags = bool(field.map) and all(isinstance(value, bool) for value in field.map.values())
    return FieldSpec(name=name, kind=Kind.FLAG if flags else Kind.TEXT, meaning="")


def _complaints(field: EventField, spec: FieldSpec) -> Iterator[Complaint]:
    for key, kinds in _KINDS.items():
        if getattr(field, key) not in (None, {}) and spec.kind not in kinds:
            yield (
                key,
                f"does not belong to a {spec.kind.value}; allowed with: {', '.join(kind.value for kind in kinds)}",
            )
    if spec.kind is Kind.NUMBER and field.unit is None and spec.unit not in (None, "1"):
        yield "unit", f"is missing: what the machine measures in; the class wants {spec.unit!r}"
    if field.scale == 0:
        yield "scale", "must not be 0"
    yield from mapped(field.map, spec.kind, spec.choices)


def _typed(field: EventField, spec: FieldSpec) -> Typed:
    return Typed(
        kind=spec.kind,
        missing=field.missing,
        map={text: said(value, spec.kind) for text, value in field.map.items()},
        affine=affine(field.scale, field.offset, field.unit, spec.unit),
        choices=spec.choices,
    )


def _places(table: EventRecord, spec: RecordSpec) -> Iterator[Complaint]:
    for part in ("lane", "stage"):
        if getattr(table, part) is not None and getattr(table, f"{part}_field") is not None:
            yield f"{part}_field", f"stands beside {part}; allowed: one of them"
    yield from bind_rules.place(
        spec,
        lane=table.lane is not None or table.lane_field is not None,
        stage=table.stage is not None or table.stage_field is not None,
    )


def _example(table: EventRecord, told: Told, record: RecordSpec) -> Iterator[Complaint]:
    strange = sorted(table.example.values.keys() - set(told.event.fields))
    for path in strange:
        yield f"values.{path}", unknown(path, "field of this record", told.event.fields)
    if strange:
        return
    parts = tuple((_type(table.example.values.get(path)), table.example.values.get(path)) for path in told.event.fields)
    ((_, made),) = told.reader.read("example", [Happening(k=told.event.key, v=parts)])
    if isinstance(made, Unreadable):
        yield "values", made.detail
        return
    assert isinstance(made, Record)
    wanted = {name: _in_class(value, table, record, name) for name, value in table.example.fields.items()}
    got = {name: value for name, value in made.fields.items() if name not in table.constants}
    for name in sorted(wanted.keys() | got.keys()):
        if not _same(got.get(name), wanted.get(name)):
            yield "fields", f"{name} is {_shown(got.get(name))}, and the example says {_shown(wanted.get(name))}"


def _type(value: Scalar | None) -> int:
    """The built-in type that such a value would have."""
    if value is None:
        return 0
    return 1 if isinstance(value, bool) else 12 if isinstance(value, str) else 11 if isinstance(value, float) else 6


def _in_class(value: Scalar, table: EventRecord, record: RecordSpec, name: str) -> Value:
    """A number of the example is in the machine's unit."""
    field, spec = table.fields.get(name), bind_rules.field(record, name)
    if field is None or not isinstance(spec, FieldSpec) or isinstance(value, bool | str):
        return value
    return affine(None, None, field.unit, spec.unit)(value)


def _same(got: Value, wanted: Value) -> bool:
    """Up to the rounding of a conversion."""
    if isinstance(got, bool | str) or isinstance(wanted, bool | str) or got is None or wanted is None:
        return got == wanted
    return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-9)


def _shown(value: Value) -> str:
    return "not there" if value is None else repr(value)
