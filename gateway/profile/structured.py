"""Records of XML, JSON and CSV: by path and by column, where text has patterns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.observation import Record, Unreadable
from gateway.profile.grammar import Pattern, RecordShape
from gateway.profile.trees import Node, Steps, find, steps, text

Found = Record | Unreadable


class RecordPath(RecordShape, frozen=True, kw_only=True):
    """path: below what it is nested in, or from the beginning. key: columns that are the same in all rows of it."""

    path: Steps = ()
    key: tuple[str, ...] = ()


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """A profile of structured files. encoding: None for what XML declares. columns: None when the file begins with them.

    document: a frame is a whole file, otherwise rows of one.
    """

    format: Literal["csv", "xml", "json"]
    records: tuple[RecordPath, ...]
    document: bool
    encoding: str | None
    delimiter: str = "\n"
    separator: str = ","
    columns: tuple[str, ...] | None = None
    ignored: tuple[Pattern, ...] = ()

    def within(self, parent: str | None) -> Sequence[RecordPath]:
        return [each for each in self.records if each.parent == parent]


def said(spec: RecordPath, groups: Mapping[str, str | None]) -> bool:
    """Whether any of its fields has a text: a nested one without is not there."""
    return any(field.text(groups) for field in (*spec.fields, *((spec.time,) if spec.time is not None else ())))


def made(
    spec: RecordPath,
    groups: Mapping[str, str | None],
    children: Sequence[Record],
    station: str,
    zone: ZoneInfo,
    found: list[Found],
) -> Record | None:
    """The record, or into `found` what keeps it from being one, or is missing in it."""
    fields, garbled = spec.values(groups, zone)
    lacks = sorted(spec.required - fields.keys())
    if lacks:
        raw = msgspec.json.encode({name: value for name, value in groups.items() if value})
        found.append(Unreadable(raw=raw, reason="incomplete-record", detail=f"{spec.name} has no {', '.join(lacks)}"))
        return None
    for name, value in garbled.items():
        detail = f"{name} of {spec.name} cannot be read"
        found.append(Unreadable(raw=value.encode("utf-8", "surrogatepass"), reason="bad-field", detail=detail))
    lane = (groups.get(spec.lane_group or "") or "").strip()
    stage = (groups.get(spec.stage_group or "") or "").strip()
    return Record(
        station=station,
        name=spec.name,
        fields=fields,
        children=tuple(children),
        time=spec.at(groups, zone),
        lane=int(lane) if lane.isascii() and lane.isdigit() and len(lane) <= 3 else spec.lane,
        stage=stage or spec.stage,
    )


class TreeReading:
    """Of one document of XML or JSON. found: what it says, and what in it cannot be read."""

    def __init__(self, structure: Structure, station: str, zone: ZoneInfo) -> None:
        self.found: list[Found] = []
        self._station = station
        self._zone = zone
        self._inside = {name: structure.within(name) for name in (None, *(each.name for each in structure.records))}

    def read(self, root: Node) -> list[Found]:
        """From the outermost records down."""
        for spec in self._inside[None]:
            self.found += self.below(root, spec)
        return self.found

    def below(self, node: Node, spec: RecordPath) -> list[Record]:
        """The records of this kind below a node."""
        records: list[Record] = []
        for each in find(node, spec.path):
            groups = {name: _first(each, name) for name in _paths(spec)}
            children = [record for inner in self._inside[spec.name] for record in self.below(each, inner)]
            if not children and spec.parent is not None and not said(spec, groups):
                continue
            record = made(spec, groups, children, self._station, self._zone, self.found)
            records += [] if record is None else [record]
        return records


def _paths(spec: RecordPath) -> list[str]:
    own = [field.group for field in spec.fields]
    own += [spec.time.group] if spec.time is not None else []
    return own + [each for each in (spec.lane_group, spec.stage_group) if each is not None]


def _first(node: Node, path: str) -> str | None:
    for each in find(node, steps(path)):
        return text(each)
    return None
