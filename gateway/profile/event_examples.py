"""Whether the example of an event's record comes out of it as it says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from gateway.core.observation import Record, Unreadable
from gateway.core.problems import unknown
from gateway.core.sample import Value
from gateway.profile import bind_rules
from gateway.profile.bind_kinds import Complaint
from gateway.profile.bound_nodes import Happening
from gateway.profile.happenings import NestedReader, RecordReader
from gateway.profile.numbers import affine
from gateway.profile.tables import Scalar
from gateway.profile.tables_opcua import EventRecord
from gateway.profile.vocabulary import FieldSpec, RecordSpec


def wrong(
    table: EventRecord, reader: RecordReader | NestedReader, fields: Sequence[str], record: RecordSpec
) -> Iterator[Complaint]:
    """What does not come out of the example of a record as it says. fields: those of the event that are told of."""
    strange = sorted(table.example.values.keys() - set(fields))
    for path in strange:
        yield f"values.{path}", unknown(path, "field of this record", fields)
    if strange:
        return
    made = _read(table.example.values, reader, fields)
    if isinstance(made, str):
        yield "values", made
        return
    wanted = {name: _in_class(value, table, record, name) for name, value in table.example.fields.items()}
    got = {name: value for name, value in made.fields.items() if name not in table.constants}
    for name in sorted(wanted.keys() | got.keys()):
        if not _same(got.get(name), wanted.get(name)):
            yield "fields", f"{name} is {_shown(got.get(name))}, and the example says {_shown(wanted.get(name))}"


def _read(values: Mapping[str, Scalar], reader: RecordReader | NestedReader, fields: Sequence[str]) -> Record | str:
    """The record that comes of these, or why there is none."""
    said = [values.get(path) for path in fields]
    if isinstance(reader, NestedReader):
        parts = tuple((_type(value), 1 if place == reader.count else [value]) for place, value in enumerate(said))
        found, lacking = reader.read("example", Happening(k="", v=parts))
        return found[0] if found else "; ".join(lacking) or f"no {reader.name} comes of it"
    happening = Happening(k="", v=tuple((_type(value), value) for value in said))
    ((_, made),) = reader.read("example", [happening])
    if isinstance(made, Unreadable):
        return made.detail
    assert isinstance(made, Record)
    return made


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
