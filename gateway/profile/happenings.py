"""Events of an OPC UA server, to records and to flags of alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.observation import Readings, Record, Unreadable
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros, parse_rfc3339, rfc3339
from gateway.profile.bound_nodes import Happening
from gateway.profile.meaning import Read, Write

_DATE_TIME = 13
_FLOATS = (10, 11)

CONDITION_FIELDS = ("Time", "EventType", "SourceName", "ConditionName", "ActiveState/Id")
"""Of an alarm (OPC 10000-9, 5.5.2 and 5.8.2): what tells which it is, and whether it is active."""
REFRESH_START, REFRESH_END = "i=2787", "i=2788"
"""Types of the events around those that tell of all present alarms."""

_encode = msgspec.json.Encoder().encode


class EventReader(Protocol):
    def read(
        self, station: str, happenings: Sequence[Happening]
    ) -> Iterator[tuple[Micros | None, Readings | Record | Unreadable]]:
        """What those that came by one Event say, each with its time."""


class FieldRead(msgspec.Struct, frozen=True):
    """A field of a record. place: among those of the event. read, write: None for a time."""

    name: str
    place: int
    read: Read | None
    write: Write | None = None

    def value(self, type_: int, raw: Any) -> Value:
        """None when it says nothing, or nothing that makes sense here."""
        return None if raw is None else _time(type_, raw) if self.read is None else self.read(raw)


class NestedReader(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a record of each place of an event's arrays. count: place of the field that says how many there are."""

    name: str
    fields: tuple[FieldRead, ...]
    constants: Mapping[str, Value]
    required: frozenset[str]
    count: int | None = None

    def read(self, station: str, happening: Happening) -> tuple[list[Record], list[str]]:
        """Those of one event, and what is wrong with the others."""
        parts = [(field, *_part(happening, field.place)) for field in self.fields]
        length = max((len(raw) for _, _, raw in parts if isinstance(raw, list)), default=0)
        if self.count is not None:
            length = min(length, _number(_part(happening, self.count)[1]) or 0)
        found: list[Record] = []
        wrong: list[str] = []
        for place in range(length):
            fields: dict[str, Value] = {}
            said = False
            for field, type_, raw in parts:
                value = field.value(type_, _at(raw, place, type_))
                if value is not None:
                    fields[field.name] = value
                    said = said or isinstance(raw, list)
            if not said:
                continue
            lacking = sorted(self.required - {*fields, *self.constants})
            if lacking:
                wrong.append(f"{self.name} {place + 1} lacks {', '.join(lacking)}")
            else:
                found.append(Record(station=station, name=self.name, fields={**self.constants, **fields}))
        return found, wrong

    def write(self, children: Sequence[Mapping[str, Any]]) -> dict[int, Any]:
        """The inverse, for simulators: arrays with a place for each of these."""
        found: dict[int, Any] = {
            field.place: [field.write(each.get(field.name)) for each in children]
            for field in self.fields
            if field.write is not None
        }
        return found if self.count is None else {**found, self.count: len(children)}


class RecordReader(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a record of each event. required: fields without which it is nothing. nested: of what is in it."""

    name: str
    fields: tuple[FieldRead, ...]
    constants: Mapping[str, Value]
    required: frozenset[str]
    nested: tuple[NestedReader, ...] = ()
    lane: int | None = None
    lane_place: int | None = None
    stage: str | None = None
    stage_place: int | None = None

    def read(
        self, station: str, happenings: Sequence[Happening]
    ) -> Iterator[tuple[Micros | None, Readings | Record | Unreadable]]:
        for happening in happenings:
            children: list[Record] = []
            for each in self.nested:
                found, wrong = each.read(station, happening)
                children += found
                if wrong:
                    yield happening.t, Unreadable(raw=_encode(happening), reason="bad-event", detail="; ".join(wrong))
            yield happening.t, self._record(station, happening, tuple(children))

    def _record(self, station: str, happening: Happening, children: tuple[Record, ...]) -> Record | Unreadable:
        fields: dict[str, Value] = dict(self.constants)
        garbled = []
        for field in self.fields:
            type_, raw = _part(happening, field.place)
            value = field.value(type_, raw)
            if value is not None:
                fields[field.name] = value
            elif raw not in (None, "") and field.name in self.required:
                garbled.append(f"{field.name} is {raw!r}")
        lacking = sorted(self.required - fields.keys())
        if lacking:
            detail = f"{self.name} lacks {', '.join(lacking)}" + (f": {', '.join(garbled)}" if garbled else "")
            return Unreadable(raw=_encode(happening), reason="bad-event", detail=detail)
        return Record(
            station=station,
            name=self.name,
            fields=fields,
            children=children,
            time=happening.t,
            lane=self.lane if self.lane_place is None else _number(_part(happening, self.lane_place)[1]),
            stage=self.stage if self.stage_place is None else _text(_part(happening, self.stage_place)[1]),
        )

    def write(
        self,
        fields: Mapping[str, Any],
        children: Sequence[tuple[str, Mapping[str, Any]]] = (),
        *,
        lane: int | None = None,
        stage: str | None = None,
    ) -> dict[int, Any]:
        """The inverse, for simulators: what the event says, by place; times are taken as they are. children: nested records
        by their names. What is None, and what it has no field for, is not there. Raises ValueError for a value that the
        machine has no way to say."""
        said = {
            field.place: value if field.write is None else field.write(value)
            for field in self.fields
            if (value := fields.get(field.name)) is not None
        }
        for each in self.nested:
            said |= each.write([inner for name, inner in children if name == each.name])
        places = {self.lane_place: lane, self.stage_place: stage}
        return said | {place: value for place, value in places.items() if place is not None and value is not None}


class Condition(msgspec.Struct, frozen=True):
    """An alarm of the server's. source: None where its name is enough."""

    key: str
    name: str
    source: str | None


class ConditionReader(msgspec.Struct, frozen=True):
    """Flags of alarms. What the server does not name between RefreshStart and RefreshEnd is not active; these come in one
    frame."""

    conditions: tuple[Condition, ...]

    def read(
        self, station: str, happenings: Sequence[Happening]
    ) -> Iterator[tuple[Micros | None, Readings | Record | Unreadable]]:
        present: set[str] | None = None
        for happening in happenings:
            _, type_ = _part(happening, 1)
            if type_ == REFRESH_START:
                present = set()
            elif type_ == REFRESH_END and present is not None:
                gone = [each.key for each in self.conditions if each.key not in present]
                present = None
                if gone:
                    yield happening.t, _flags(station, gone, active=False, at=happening.t, live=False)
            else:
                keys = self._keys(happening)
                if present is not None:
                    present.update(keys)
                _, active = _part(happening, 4)
                if keys and isinstance(active, bool):
                    yield happening.t, _flags(station, keys, active=active, at=happening.t, live=present is None)

    def _keys(self, happening: Happening) -> list[str]:
        source, name = _part(happening, 2)[1], _part(happening, 3)[1]
        return [each.key for each in self.conditions if each.name == name and each.source in (None, source)]


def _flags(station: str, keys: Sequence[str], *, active: bool, at: Micros | None, live: bool) -> Readings:
    return Readings(
        station=station,
        keys=tuple(keys),
        values=(active,) * len(keys),
        time=at,
        qualities=(Quality.GOOD,) * len(keys),
        live=live,
    )


def _part(happening: Happening, place: int) -> tuple[int, Any]:
    if place >= len(happening.v):
        return 0, None
    type_, raw = happening.v[place]
    return type_, float(raw) if type_ in _FLOATS and isinstance(raw, str) else raw


def _at(raw: Any, place: int, type_: int) -> Any:
    """Of an array: what is at this place, if anything."""
    if not isinstance(raw, list):
        return raw
    part = raw[place] if place < len(raw) else None
    return float(part) if type_ in _FLOATS and isinstance(part, str) else part


def _time(type_: int, raw: Any) -> Value:
    if not isinstance(raw, str):
        return None
    try:
        return rfc3339(parse_rfc3339(raw))
    except ValueError:
        return None


def _number(raw: Any) -> int | None:
    return raw if type(raw) is int else int(raw) if isinstance(raw, str) and raw.isdecimal() else None


def _text(raw: Any) -> str | None:
    return raw if isinstance(raw, str) and raw else None
