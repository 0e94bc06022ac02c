"""Events of an OPC UA server, to records and to flags of alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.core.observation import Readings, Record, Unreadable
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros, parse_rfc3339, rfc3339
from gateway.profile.bound_nodes import Happening
from gateway.profile.meaning import Read

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
    """A field of a record. place: among those of the event. read: None for a time."""

    name: str
    place: int
    read: Read | None


class RecordReader(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a record of each event. required: fields without which it is nothing."""

    name: str
    fields: tuple[FieldRead, ...]
    constants: Mapping[str, Value]
    required: frozenset[str]
    lane: int | None = None
    lane_place: int | None = None
    stage: str | None = None
    stage_place: int | None = None

    def read(
        self, station: str, happenings: Sequence[Happening]
    ) -> Iterator[tuple[Micros | None, Readings | Record | Unreadable]]:
        for happening in happenings:
            yield happening.t, self._record(station, happening)

    def _record(self, station: str, happening: Happening) -> Record | Unreadable:
        fields: dict[str, Value] = dict(self.constants)
        garbled = []
        for field in self.fields:
            type_, raw = _part(happening, field.place)
            value = None if raw is None else _time(type_, raw) if field.read is None else field.read(raw)
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
            time=happening.t,
            lane=self.lane if self.lane_place is None else _number(_part(happening, self.lane_place)[1]),
            stage=self.stage if self.stage_place is None else _text(_part(happening, self.stage_place)[1]),
        )


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
                    yield happening.t, _flags(station, gone, active=False, at=happening.t)
            else:
                keys = self._keys(happening)
                if present is not None:
                    present.update(keys)
                _, active = _part(happening, 4)
                if keys and isinstance(active, bool):
                    yield happening.t, _flags(station, keys, active=active, at=happening.t)

    def _keys(self, happening: Happening) -> list[str]:
        source, name = _part(happening, 2)[1], _part(happening, 3)[1]
        return [each.key for each in self.conditions if each.name == name and each.source in (None, source)]


def _flags(station: str, keys: Sequence[str], *, active: bool, at: Micros | None) -> Readings:
    return Readings(
        station=station,
        keys=tuple(keys),
        values=(active,) * len(keys),
        time=at,
        qualities=(Quality.GOOD,) * len(keys),
    )


def _part(happening: Happening, place: int) -> tuple[int, Any]:
    if place >= len(happening.v):
        return 0, None
    type_, raw = happening.v[place]
    return type_, float(raw) if type_ in _FLOATS and isinstance(raw, str) else raw


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
