"""The `[[record]]` tables of a profile of XML, JSON or CSV: joined with the class's words, with everything wrong noted."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.document import KeyPath
from gateway.core.errors import DecodeError
from gateway.core.observation import Record
from gateway.core.problems import allowed, unknown
from gateway.profile import bind_frame, bind_rules
from gateway.profile.bind_kinds import Complaint
from gateway.profile.bind_records import field_read, own_field, unlike, wrong_keys, wrong_places, wrong_values
from gateway.profile.bind_words import Add
from gateway.profile.grammar import FieldText, compiled
from gateway.profile.models import TextProfile
from gateway.profile.structured import RecordPath, Structure
from gateway.profile.structured_texts import StructuredTexts
from gateway.profile.tables_records import RecordField, TextRecord
from gateway.profile.trees import steps
from gateway.profile.vocabulary import Kind, RecordSpec, Vocabulary
from gateway.transport.framing import Framing

_UTC = ZoneInfo("UTC")
_ANY = Framing(kind="lines")
_PATTERNS = ("pattern", "begin", "end", "lines")


class StructuredRecords:
    """Binds one profile's records."""

    def __init__(self, profile: TextProfile, vocabulary: Vocabulary, add: Add) -> None:
        self._profile = profile
        self._vocabulary = vocabulary
        self._add = add
        self._failed = False
        self._csv = profile.frame.format == "csv"

    def texts(self) -> StructuredTexts | None:
        """None when something is wrong."""
        frame = self._profile.frame
        for key, message in bind_frame.complaints(frame, self._profile.protocol):
            self._bad(("frame", key), message)
        ignored = []
        for index, text in enumerate(frame.ignore):
            try:
                ignored.append(compiled(text))
            except ValueError as error:
                self._bad(("frame", "ignore", index), str(error))
        records = [self._record(table, ("record", index)) for index, table in enumerate(self._profile.record)]
        if self._csv and sum(bool(each.key) and each.parent is None for each in self._profile.record) > 1:
            self._bad(("record",), "has several records with a key that are nested in none; allowed: one")
        if self._failed or frame.format == "text":
            return None
        structure = Structure(
            format=frame.format,
            records=tuple(filter(None, records)),
            document=frame.kind == "document",
            encoding=None if frame.format == "xml" and "encoding" not in frame.model_fields_set else frame.encoding,
            delimiter=frame.delimiter,
            separator=frame.separator or ",",
            columns=frame.columns or None,
            ignored=tuple(ignored),
        )
        framing = bind_frame.framing(frame)
        for index, (table, spec) in enumerate(zip(self._profile.record, structure.records, strict=True)):
            for key, message in _example(table, spec, structure, self._vocabulary.records[table.name]):
                self._add(("record", index, "example", *key.split(".", 1)), message)
        return StructuredTexts(structure, framing)

    def _bad(self, path: KeyPath, message: str) -> None:
        self._failed = True
        self._add(path, message)

    def _record(self, table: TextRecord, path: KeyPath) -> RecordPath | None:
        spec = self._vocabulary.records.get(table.name)
        if spec is None:
            what = f"record of a {self._vocabulary.machine_class}"
            self._bad((*path, "name"), unknown(table.name, what, self._vocabulary.records))
            return None
        for key, message in (
            *self._shape(table),
            *self._parent(table),
            *wrong_places(table, spec),
            *bind_rules.constants(table.constants, spec, set(table.fields)),
            *bind_rules.required(spec, {*table.fields, *table.constants}),
        ):
            self._bad((*path, *key.split(".", 1)), message)
        time = None
        if table.time is not None:
            for key, message in wrong_keys(table.time, Kind.TIME):
                self._bad((*path, "time", key), message)
            time = self._text("time", table.time, (*path, "time"))
        return RecordPath(
            name=table.name,
            parent=table.parent,
            fields=tuple(self._fields(table, spec, path)),
            time=time,
            constants=bind_rules.said_constants(table.constants, spec),
            required=frozenset(field.name for field in spec.fields if field.required),
            lane=table.lane,
            lane_group=table.lane_group,
            stage=table.stage,
            stage_group=table.stage_group,
            path=steps(table.path or ""),
            key=table.key,
        )

    def _shape(self, table: TextRecord) -> Iterator[Complaint]:
        for key in _PATTERNS:
            if getattr(table, key):
                yield key, f"does not belong to {self._profile.frame.format}; allowed with the format text"
        if self._csv and table.path is not None:
            yield "path", "does not belong to csv, whose records are rows; allowed: key"
        if not self._csv and table.path is None:
            yield "path", "is missing: where it is in the document"
        if not self._csv and table.key:
            yield "key", "belongs to csv"
        columns = self._profile.frame.columns
        for key in table.key if columns else ():
            if key not in columns:
                yield "key", unknown(key, "column", columns)

    def _parent(self, table: TextRecord) -> Iterator[Complaint]:
        if table.parent is None:
            return
        names = [each.name for each in self._profile.record]
        spec = self._vocabulary.records.get(table.parent)
        if table.parent not in names:
            yield "parent", unknown(table.parent, "record of this profile", names)
        elif spec is not None and table.name not in spec.children:
            yield "parent", f"a {table.parent} has no {table.name} in it{allowed(spec.children)}"

    def _fields(self, table: TextRecord, record: RecordSpec, path: KeyPath) -> Iterator[FieldText]:
        for name, field in table.fields.items():
            where = (*path, "fields", name)
            spec = bind_rules.field(record, name)
            if isinstance(spec, str):
                self._bad(where, spec)
                continue
            spec = spec or own_field(name, field)
            for key, message in (*wrong_keys(field, spec.kind), *wrong_values(field, spec)):
                self._bad((*where, *key.split(".", 1)), message)
            try:
                read = None if spec.kind is Kind.TIME else field_read(field, spec)
            except ValueError as error:
                self._bad((*where, "unit"), str(error))
                continue
            yield msgspec.structs.replace(self._text(name, field, where), read=read)

    def _text(self, name: str, field: RecordField, where: KeyPath) -> FieldText:
        """`group` of a structured field is its path or column."""
        if field.group is not None:
            self._bad((*where, "group"), "belongs to patterns; allowed: path")
        place = field.path or name
        columns = self._profile.frame.columns
        if columns and place not in columns:
            self._bad((*where, "path") if field.path else where, unknown(place, "column", columns))
        return FieldText(name=name, group=place, missing=frozenset(field.missing), format=field.format)


def _example(table: TextRecord, spec: RecordPath, structure: Structure, record: RecordSpec) -> Iterator[Complaint]:
    """The whole file of an outermost record; of one that is nested, its own element, object or rows."""
    if spec.parent is not None:
        nested = (each for each in structure.records if each.parent is not None and each is not spec)
        alone = msgspec.structs.replace(spec, parent=None, path=spec.path[-1:] if structure.format == "xml" else ())
        structure = msgspec.structs.replace(structure, records=(alone, *nested))
    text = table.example.text.strip() if structure.format == "xml" else table.example.text
    encoding = structure.encoding or "utf-8"
    try:
        found = StructuredTexts(structure, _ANY).whole(text.encode(encoding), "example", _UTC)
    except (DecodeError, UnicodeEncodeError) as error:
        yield "text", f"cannot be read: {error}"
        return
    for each in found:
        if not isinstance(each, Record):
            yield "text", f"cannot be read whole: {each.raw.decode('utf-8', 'replace')!r}: {each.detail}"
            return
    own = [each for each in found if isinstance(each, Record) and each.name == spec.name]
    if len(own) != 1:
        yield "text", f"makes {len(own)} records of it; allowed: one"
        return
    yield from unlike(table, spec, own[0], record)
