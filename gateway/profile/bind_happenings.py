"""Records that an OPC UA server tells with events: from their tables to readers, with everything that is wrong noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from gateway.core.document import KeyPath
from gateway.core.problems import allowed, unknown
from gateway.profile import bind_rules, event_examples
from gateway.profile.bind_kinds import Complaint, said
from gateway.profile.bind_nodes import mapped
from gateway.profile.bind_words import Add
from gateway.profile.bound_nodes import Event
from gateway.profile.happenings import (
    CONDITION_FIELDS,
    Condition,
    ConditionReader,
    EventReader,
    FieldRead,
    NestedReader,
    RecordReader,
)
from gateway.profile.models import NodeProfile
from gateway.profile.numbers import affine
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
        nested: dict[str, list[tuple[int, EventRecord]]] = {}
        for index, table in enumerate(self._profile.record):
            complaints = list(self._parent(table))
            for key, message in complaints:
                self._add(("record", index, key), message)
            if table.parent is not None and not complaints:
                nested.setdefault(table.parent, []).append((index, table))
        for index, table in enumerate(self._profile.record):
            if table.parent is None and table.event is not None:
                found = self._tried(index, table, table.event, nested.get(table.name, ()))
                if found is not None:
                    yield found

    def _tried(
        self, index: int, table: EventRecord, event: str, nested: Sequence[tuple[int, EventRecord]]
    ) -> Told | None:
        """None when it cannot be read."""
        self._failed = False
        made = self._record(index, table, nested)
        if made is None or self._failed:
            return None
        reader, fields = made
        readers: list[RecordReader | NestedReader] = [reader, *reader.nested]
        for (number, own), each in zip(((index, table), *nested), readers, strict=True):
            for key, message in event_examples.wrong(own, each, fields, self._vocabulary.records[own.name]):
                self._add(("record", number, "example", *key.split(".", 1)), message)
        told = Event(key=f"{table.name} {index}", notifier=table.notifier, type=event, fields=fields)
        return Told(table.subscribe, told, reader)

    def _parent(self, table: EventRecord) -> Iterator[Complaint]:
        names = [each.name for each in self._profile.record if each.parent is None]
        spec = self._vocabulary.records.get(table.parent or "")
        if table.parent is None:
            if table.event is None:
                yield "event", "is missing: the type of the event; or parent, of what is nested in another record"
            if table.count_field is not None:
                yield "count_field", "goes with parent"
        elif table.event is not None:
            yield "event", "stands beside parent; allowed: one of them"
        elif table.parent not in names:
            yield "parent", unknown(table.parent, "record of this profile that has an event", names)
        elif names.count(table.parent) > 1:
            yield "parent", f"is not clear: there are several records {table.parent!r}"
        elif spec is not None and table.name not in spec.children:
            yield "parent", f"a {table.parent} has no {table.name} in it{allowed(spec.children)}"

    def _bad(self, path: KeyPath, message: str) -> None:
        self._failed = True
        self._add(path, message)

    def _record(
        self, index: int, table: EventRecord, nested: Sequence[tuple[int, EventRecord]]
    ) -> tuple[RecordReader, tuple[str, ...]] | None:
        """What reads it, and from which fields of the event."""
        fields = tuple(
            dict.fromkeys(("Time", *(path for _, each in ((index, table), *nested) for path in _paths(each))))
        )
        specs = [self._spec(number, each) for number, each in ((index, table), *nested)]
        known = [each for each in specs if each is not None]
        if len(known) < len(specs):
            return None
        spec, *below = known
        reader = RecordReader(
            name=table.name,
            fields=tuple(self._fields(table, spec, fields, ("record", index))),
            constants=bind_rules.said_constants(table.constants, spec),
            required=_required(spec),
            nested=tuple(
                NestedReader(
                    name=each.name,
                    fields=tuple(self._fields(each, own, fields, ("record", number))),
                    constants=bind_rules.said_constants(each.constants, own),
                    required=_required(own),
                    count=_place(fields, each.count_field),
                )
                for (number, each), own in zip(nested, below, strict=True)
            ),
            lane=table.lane,
            lane_place=_place(fields, table.lane_field),
            stage=table.stage,
            stage_place=_place(fields, table.stage_field),
        )
        return reader, fields

    def _spec(self, index: int, table: EventRecord) -> RecordSpec | None:
        path: KeyPath = ("record", index)
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
        return spec

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
                typed = None if spec.kind is Kind.TIME else _typed(field, spec)
            except ValueError as error:
                self._bad((*where, "unit"), str(error))
                continue
            place = fields.index(field.field)
            yield (
                FieldRead(name, place, None, None)
                if typed is None
                else FieldRead(name, place, typed.read(), typed.write())
            )


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


def _paths(table: EventRecord) -> Iterator[str]:
    """Of all fields of the event that it is about."""
    for each in (
        *(field.field for field in table.fields.values()),
        table.lane_field,
        table.stage_field,
        table.count_field,
    ):
        if each is not None:
            yield each


def _place(fields: Sequence[str], path: str | None) -> int | None:
    return None if path is None else fields.index(path)


def _required(spec: RecordSpec) -> frozenset[str]:
    return frozenset(field.name for field in spec.fields if field.required)
