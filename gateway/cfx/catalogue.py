"""Every message, structure and enumeration of IPC-CFX 2.1, as data.

`catalogue.json` is written by `make_catalogue.py`; nobody edits it. Per type it holds the fields in the order in
which the SDK writes them, inherited ones included. A field's type is one short text:

    guid  int32?  ~Stage  ~Fault*  [~UnitPosition]  map  int32=Units  bool-  str@2.1

`~` stands for `CFX.Structures.`, `[]` for a list, `?` for a value that may be null (texts, structures, lists and maps
always may), `*` for a place where `$type` tells subtypes apart, `=Units` for the number of entries of another field, `-` for a field that is left out at its default,
`@2.1` for the version that brought it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from gateway.core.observation import Kind

_FIELD = re.compile(
    r"(?P<list>\[)?(?P<type>[~\w.+]+)\]?(?P<null>\?)?(?P<tag>\*)?(?:=(?P<counts>\w+))?(?P<omit>-)?(?:@(?P<since>.+))?"
)


class Field(msgspec.Struct, frozen=True):
    """One field of a message or structure.

    type: a primitive (`str bool int32 int64 uint16 uint32 double single decimal datetime timespan guid bytes map`)
    or the full name of a structure or enumeration. nullable: whether a value type may be null. tagged: the SDK
    writes a subtype's `$type` here and minds it; elsewhere it writes the subtype's fields alone and reads those of
    the declared type. counts: the list whose length this is. sparse: left out at its default.
    """

    name: str
    type: str
    many: bool
    nullable: bool
    tagged: bool
    counts: str | None
    sparse: bool
    since: str


class Compound(msgspec.Struct, frozen=True):
    """A message or a structure.

    kind: None for a structure. bases: direct ones, by full name. abstract: only its descendants exist. value: never
    null where the field is not nullable. sparse: its nulls are left out. items: it is a list of these (with `$type`
    written as `{"$type": ..., "$values": [...]}`).
    """

    name: str
    kind: Kind | None
    since: str
    bases: tuple[str, ...]
    abstract: bool
    value: bool
    sparse: bool
    items: str | None
    fields: Mapping[str, Field]

    @property
    def tag(self) -> str:
        """Its `$type`."""
        return f"{self.name}, CFX"


class Enum(msgspec.Struct, frozen=True):
    """An enumeration: its names and numbers.

    wire: what stands in a message: the `name`, the number as `integer`, or the number as text (`code`; only
    ResourceState, where vendors add numbers of their own). added: versions of the names that came after it.
    """

    name: str
    since: str
    wire: Literal["name", "integer", "code"]
    values: Mapping[str, int]
    added: Mapping[str, str]


class _CompoundEntry(msgspec.Struct):
    fields: dict[str, str]
    kind: Kind | None = None
    since: str = "1.0"
    bases: tuple[str, ...] = ()
    abstract: bool = False
    value: bool = False
    sparse: bool = False
    items: str | None = None


class _EnumEntry(msgspec.Struct):
    wire: Literal["name", "integer", "code"]
    values: dict[str, int]
    since: str = "1.0"
    added: dict[str, str] = {}


class _File(msgspec.Struct):
    messages: dict[str, _CompoundEntry]
    structures: dict[str, _CompoundEntry]
    enums: dict[str, _EnumEntry]


def _long(name: str) -> str:
    return "CFX.Structures." + name[1:] if name.startswith("~") else name


@cache
def _file() -> _File:
    return msgspec.json.decode(resources.files("gateway.cfx").joinpath("catalogue.json").read_bytes(), type=_File)


@cache
def _kinds() -> dict[str, Kind]:
    return {name: entry.kind or Kind.UNKNOWN for name, entry in _file().messages.items()}


@cache
def _entries() -> dict[str, _CompoundEntry]:
    structures = {_long(name): entry for name, entry in _file().structures.items()}
    return {**_file().messages, **structures}


@cache
def _enums() -> dict[str, _EnumEntry]:
    return {_long(name): entry for name, entry in _file().enums.items()}


@cache
def _heirs() -> dict[str, frozenset[str]]:
    """Every structure that has descendants, with these and itself."""
    below: dict[str, set[str]] = {}
    for name, entry in _entries().items():
        pending = list(entry.bases)
        while pending:
            base = _long(pending.pop())
            below.setdefault(base, {base}).add(name)
            pending.extend(_entries()[base].bases)
    return {base: frozenset(names) for base, names in below.items()}


def _field(name: str, text: str) -> Field:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise ValueError(f"catalogue.json: field {name}: {text!r}")
    return Field(
        name,
        _long(match["type"]),
        match["list"] is not None,
        match["null"] is not None,
        match["tag"] is not None,
        match["counts"],
        match["omit"] is not None,
        match["since"] or "1.0",
    )


def kind(name: str) -> Kind:
    """Whether a message is an event, a request or a response; `unknown` for a name that CFX 2.1 does not have."""
    return _kinds().get(name, Kind.UNKNOWN)


def messages() -> tuple[str, ...]:
    """The names of all messages, sorted."""
    return tuple(_file().messages)


def structures() -> tuple[str, ...]:
    """The full names of all structures."""
    return tuple(_long(name) for name in _file().structures)


def enums() -> tuple[str, ...]:
    """The full names of all enumerations."""
    return tuple(_enums())


@cache
def _compound(name: str) -> Compound:
    entry = _entries()[name]
    fields = {field: _field(field, text) for field, text in entry.fields.items()}
    bases = tuple(_long(base) for base in entry.bases)
    items = None if entry.items is None else _long(entry.items)
    return Compound(name, entry.kind, entry.since, bases, entry.abstract, entry.value, entry.sparse, items, fields)


@cache
def _enum(name: str) -> Enum:
    entry = _enums()[name]
    return Enum(name, entry.since, entry.wire, entry.values, entry.added)


def compound(name: str) -> Compound | None:
    """The message or structure of that full name (`CFX.Structures.Fault`), or None."""
    return _compound(name) if name in _entries() else None  # names come from peers: only known ones are cached


def enum(name: str) -> Enum | None:
    """The enumeration of that full name, or None."""
    return _enum(name) if name in _enums() else None


def heirs(name: str) -> frozenset[str]:
    """The full names that `$type` may give where `name` is declared: itself and all that derive from it."""
    return _heirs().get(name) or frozenset((name,))
