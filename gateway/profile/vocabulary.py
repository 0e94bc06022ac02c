"""What a machine class offers to be filled by a profile: its signals and its records.

The words themselves are declared by the classes (gateway.classes); these are the types they are declared in, so that
profiles can be checked and bound without knowing any class.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What kind of value a signal or a field has."""

    NUMBER = "number"  # a measured or set quantity; has a unit
    COUNTER = "counter"  # a whole number that only grows, until it wraps or is reset
    TEXT = "text"
    STATE = "state"  # name or code of a CFX ResourceState (SEMI E10, E58)
    FLAG = "flag"  # true or false
    TIME = "time"  # a date and time of the machine's


class SignalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A value that can be looked at any time.

    unit: UCUM code in which the class wants it (`1` for plain numbers); None unless it is a number. array: it has
    several places, numbered from 1, such as zones. lane, stage: it may differ by lane or stage.
    required: a profile without it is of no use to the class.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str | None = None
    required: bool = False
    array: bool = False
    lane: bool = False
    stage: bool = False
    choices: tuple[str, ...] = ()
    """Of a TEXT: the only values allowed (names of a CFX enumeration); a profile maps the machine's to these."""


class FieldSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a record. `choices` as in SignalSpec."""

    name: str
    kind: Kind
    meaning: str
    unit: str | None = None
    required: bool = False
    choices: tuple[str, ...] = ()


class RecordSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, with what is said about it. children: names of records that may be nested in it.

    lane, stage: it may name the lane or stage it happened at.
    """

    name: str
    meaning: str
    fields: tuple[FieldSpec, ...] = ()
    children: tuple[str, ...] = ()
    lane: bool = False
    stage: bool = False


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one machine class, by name."""

    machine_class: str
    signals: Mapping[str, SignalSpec]
    records: Mapping[str, RecordSpec]
