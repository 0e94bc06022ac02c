"""The text side of a profile: from its `[[record]]` tables to a grammar, with everything that is wrong noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.document import KeyPath
from gateway.core.observation import Record
from gateway.core.problems import allowed, unknown
from gateway.core.sample import Value
from gateway.core.times import rfc3339
from gateway.profile import bind_frame, bind_rules
from gateway.profile.bind_kinds import Complaint, said, word
from gateway.profile.bind_words import Add
from gateway.profile.fields import Read, reading
from gateway.profile.grammar import FieldText, Grammar, Pattern, RecordLines, RecordShape, compiled
from gateway.profile.models import TextProfile
from gateway.profile.numbers import affine
from gateway.profile.records import whole
from gateway.profile.tables_records import RecordField, TextRecord
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, Vocabulary

_UTC = ZoneInfo("UTC")
_KEYS: Mapping[str, tuple[Kind, ...]] = {
    "scale": (Kind.NUMBER,),
    "offset": (Kind.NUMBER,),
    "unit": (Kind.NUMBER,),
    "format": (Kind.TIME,),
    "map": (Kind.TEXT, Kind.STATE, Kind.FLAG),
}
"""Which kinds each key is for."""
_MULTILINE = ("end", "lines")
_NODES = ("path", "key")
Groups = set[str] | None
"""Named groups of a record's patterns; None while one of these is wrong."""


class Records:
    """Binds one profile's records."""

    def __init__(self, profile: TextProfile, vocabulary: Vocabulary, add: Add) -> None:
        self._profile = profile
        self._vocabulary = vocabulary
        self._add = add
        self._failed = False

    def grammar(self) -> Grammar | None:
        """None when something is wrong."""
        frame = self._profile.frame
        ignored = [self._compiled(text, ("frame", "ignore", index)) for index, text in enumerate(frame.ignore)]
        specs = [self._record(table, ("record", index)) for index, table in enumerate(self._profile.record)]
        for key, message in bind_frame.complaints(frame, self._profile.protocol):
            self._bad(("frame", key), message)
        if self._failed:
            return None
        grammar = Grammar(
            records=tuple(filter(None, specs)),
            document=frame.kind == "document",
            encoding=frame.encoding,
            delimiter=frame.delimiter,
            framing=bind_frame.framing(frame),
            ask=bind_frame.ask(frame),
            ignored=tuple(filter(None, ignored)),
        )
        for index, (table, spec) in enumerate(zip(self._profile.record, grammar.records, strict=True)):
            for key, message in _example(table, spec, grammar, self._vocabulary.records[table.name]):
                self._add(("record", index, "example", *key.split(".", 1)), message)
        return grammar

    def _bad(self, path: KeyPath, message: str) -> None:
        self._failed = True
        self._add(path, message)

    def _group(self, group: str | None, groups: Groups, path: KeyPath) -> None:
        if group is not None and groups is not None and group not in groups:
            self._bad(path, unknown(group, "named group of its patterns", groups))

    def _compiled(self, text: str | None, path: KeyPath) -> Pattern | None:
        try:
            return None if text is None else compiled(text)
        except ValueError as error:
            self._bad(path, str(error))
            return None

    def _record(self, table: TextRecord, path: KeyPath) -> RecordLines | None:
        spec = self._vocabulary.records.get(table.name)
        if spec is None:
            what = f"record of a {self._vocabulary.machine_class}"
            self._bad((*path, "name"), unknown(table.name, what, self._vocabulary.records))
            return None
        for key, message in (*_shape(table), *self._parent(table), *wrong_places(table, spec)):
            self._bad((*path, *key.split(".", 1)), message)
        begin = self._compiled(table.pattern or table.begin, (*path, "pattern" if table.pattern else "begin"))
        end = self._compiled(table.end, (*path, "end"))
        lines = [self._compiled(text, (*path, "lines", index)) for index, text in enumerate(table.lines)]
        groups: Groups = {name for each in (begin, end, *lines) if each is not None for name in each.groupindex}
        if begin is None or (end is None and table.end is not None) or None in lines:
            groups = None
        fields = tuple(self._fields(table, spec, groups, path))
        for key, message in (
            *bind_rules.constants(table.constants, spec, set(table.fields)),
            *bind_rules.required(spec, {*table.fields, *table.constants}),
        ):
            self._bad((*path, *key.split(".", 1)), message)
        self._group(table.lane_group, groups, (*path, "lane_group"))
        self._group(table.stage_group, groups, (*path, "stage_group"))
        time = self._time(table, groups, path)
        if begin is None:
            return None
        return RecordLines(
            name=table.name,
            parent=table.parent,
            begin=begin,
            single=table.pattern is not None,
            end=end,
            lines=tuple(filter(None, lines)),
            fields=fields,
            time=time,
            constants=bind_rules.said_constants(table.constants, spec),
            required=frozenset(field.name for field in spec.fields if field.required),
            lane=table.lane,
            lane_group=table.lane_group,
            stage=table.stage,
            stage_group=table.stage_group,
        )

    def _parent(self, table: TextRecord) -> Iterator[Complaint]:
        if table.parent is None:
            return
        around = [each for each in self._profile.record if each.name == table.parent]
        spec = self._vocabulary.records.get(table.parent)
        if not around:
            yield (
                "parent",
                unknown(table.parent, "record of this profile", [each.name for each in self._profile.record]),
            )
        elif all(each.begin is None for each in around):
            yield "parent", f"{table.parent!r} is a single line, in which nothing can be nested"
        elif spec is not None and table.name not in spec.children:
            yield "parent", f"a {table.parent} has no {table.name} in it{allowed(spec.children)}"
        elif self._endless(table):
            yield "parent", "is nested in itself, and so never begins"

    def _endless(self, table: TextRecord) -> bool:
        parents = {each.name: each.parent for each in self._profile.record}
        seen: set[str] = set()
        name: str | None = table.name
        while name is not None and name not in seen:
            seen.add(name)
            name = parents.get(name)
        return name is not None

    def _time(self, table: TextRecord, groups: Groups, path: KeyPath) -> FieldText | None:
        if table.time is None:
            return None
        group = table.time.group or "time"
        for key, message in wrong_keys(table.time, Kind.TIME):
            self._bad((*path, "time", key), message)
        self._group(group, groups, (*path, "time", "group"))
        return FieldText(name="time", group=group, missing=frozenset(table.time.missing), format=table.time.format)

    def _fields(self, table: TextRecord, record: RecordSpec, groups: Groups, path: KeyPath) -> Iterator[FieldText]:
        for name, field in table.fields.items():
            where = (*path, "fields", name)
            spec = bind_rules.field(record, name)
            if isinstance(spec, str):
                self._bad(where, spec)
                continue
            spec = spec or own_field(name, field)
            group = field.group or name.replace(".", "_")
            self._group(group, groups, (*where, "group") if field.group else where)
            found = [*wrong_keys(field, spec.kind), *wrong_values(field, spec)]
            for key, message in found:
                self._bad((*where, *key.split(".", 1)), message)
            try:
                yield FieldText(
                    name=name,
                    group=group,
                    missing=frozenset(field.missing),
                    read=None if spec.kind is Kind.TIME else field_read(field, spec),
                    format=field.format,
                )
            except ValueError as error:
                self._bad((*where, "unit"), str(error))


def own_field(name: str, field: RecordField) -> FieldSpec:
    """The specification that a vendor's own field gives itself."""
    if field.unit is not None:
        return FieldSpec(name=name, kind=Kind.NUMBER, unit=field.unit, meaning="")
    if field.format is not None:
        return FieldSpec(name=name, kind=Kind.TIME, meaning="")
    flags = bool(field.map) and all(isinstance(value, bool) for value in field.map.values())
    return FieldSpec(name=name, kind=Kind.FLAG if flags else Kind.TEXT, meaning="")


def _shape(table: TextRecord) -> Iterator[Complaint]:
    if (table.pattern is None) is (table.begin is None):
        yield "pattern", "is missing; allowed: pattern, or begin" if table.begin is None else "stands beside begin"
    for key in _NODES:
        if getattr(table, key):
            yield key, "does not belong to text, which has patterns; allowed with the formats csv, xml, json"
    for key in _MULTILINE:
        if table.pattern is not None and getattr(table, key):
            yield key, "belongs to a record that begins with one line and ends with another"
    for part in ("lane", "stage"):
        if getattr(table, part) is not None and getattr(table, f"{part}_group") is not None:
            yield f"{part}_group", f"stands beside {part}; allowed: one of them"


def wrong_places(table: TextRecord, spec: RecordSpec) -> Iterator[Complaint]:
    given = {part: getattr(table, part) is not None or getattr(table, f"{part}_group") is not None for part in ("lane", "stage")}  # fmt: skip
    yield from bind_rules.place(spec, lane=given["lane"], stage=given["stage"])


def wrong_keys(field: RecordField, kind: Kind) -> Iterator[Complaint]:
    if field.group is not None and field.path is not None:
        yield "path", "stands beside group; allowed: group of text, path of the other formats"
    for key, kinds in _KEYS.items():
        if getattr(field, key) not in (None, {}) and kind not in kinds:
            yield key, f"does not belong to a {kind.value}; allowed with: {', '.join(each.value for each in kinds)}"


def wrong_values(field: RecordField, spec: FieldSpec) -> Iterator[Complaint]:
    if spec.kind is Kind.NUMBER and field.unit is None and spec.unit not in (None, "1"):
        yield "unit", f"is missing: what the machine measures in; the class wants {spec.unit!r}"
    if spec.kind is Kind.FLAG and not field.map:
        yield "map", "is missing: which text means true, which false?"
    if field.scale == 0:
        yield "scale", "must not be 0"
    for text, value in field.map.items():
        if spec.kind is Kind.FLAG and not isinstance(value, bool):
            yield f"map.{text}", "must be true or false"
        elif spec.kind in (Kind.TEXT, Kind.STATE) and (reason := word(value, spec.kind, spec.choices)):
            yield f"map.{text}", reason


def field_read(field: RecordField, spec: FieldSpec) -> Read:
    return reading(
        spec.kind,
        map_={text: said(value, spec.kind) for text, value in field.map.items()},
        decimal=field.decimal,
        affine=affine(field.scale, field.offset, field.unit, spec.unit),
        choices=spec.choices,
    )


def _example(table: TextRecord, spec: RecordLines, grammar: Grammar, record: RecordSpec) -> Iterator[Complaint]:
    """One that is nested is read as if it stood alone."""
    if spec.parent is not None:
        nested = (each for each in grammar.records if each.parent is not None and each is not spec)
        grammar = msgspec.structs.replace(grammar, records=(msgspec.structs.replace(spec, parent=None), *nested))
    found = whole(grammar, table.example.text.split(grammar.delimiter), "example", _UTC)
    for each in found:
        if not isinstance(each, Record):
            text = each.raw.decode(grammar.encoding, "replace")
            yield "text", f"cannot be read whole: {text!r}: {each.detail}"
            return
    if len(found) != 1 or not isinstance(found[0], Record):
        yield "text", f"makes {len(found)} records; allowed: one"
        return
    yield from unlike(table, spec, found[0], record)


def unlike(table: TextRecord, spec: RecordShape, made: Record, record: RecordSpec) -> Iterator[Complaint]:
    """Where what an example makes is not what it says."""
    wanted = {name: _in_class(value, table, record, name) for name, value in table.example.fields.items()}
    said = {name: value for name, value in made.fields.items() if name not in table.constants}
    for name in sorted(wanted.keys() | said.keys()):
        if wanted.get(name) != said.get(name):
            yield "fields", f"{name} is {_shown(said.get(name))}, and the example says {_shown(wanted.get(name))}"
    if spec.time is not None and (made.time is None or rfc3339(made.time) != table.example.time):
        yield "time", f"is {_shown(None if made.time is None else rfc3339(made.time))}, and the example says {_shown(table.example.time)}"  # fmt: skip
    counts = dict(Counter(child.name for child in made.children))
    if counts != table.example.children:
        yield "children", f"are {counts or 'none'}, and the example says {table.example.children or 'none'}"


def _in_class(value: Value, table: TextRecord, record: RecordSpec, name: str) -> Value:
    """A number of the example is in the machine's unit."""
    field, spec = table.fields.get(name), bind_rules.field(record, name)
    if (
        field is None
        or not isinstance(spec, FieldSpec)
        or isinstance(value, bool)
        or not isinstance(value, int | float)
    ):
        return value
    return affine(None, None, field.unit, spec.unit)(value)


def _shown(value: Value) -> str:
    return "not there" if value is None else repr(value)
