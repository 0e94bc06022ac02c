"""CFX structures of which only what is known is written.

Readers give a field that is left out its default; one that is written as zero they would take for a measurement.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from gateway.cfx.catalogue import compound
from gateway.cfx.check import may_be_null
from gateway.cfx.complete import LeftOut
from gateway.core.times import to_datetime

_WHOLE = frozenset(("int32", "int64"))
_LARGEST = {"single": 3.4028234e38, "decimal": 7.9228162e28}
_LONGEST = 10 * 365 * 86_400
"""Seconds. No process takes ten years."""


def structure(name: str, fields: Mapping[str, object]) -> dict[str, object]:
    """A structure, named below CFX.Structures, with its `$type`. None, or not given: not known.

    Durations are given in seconds, times in microseconds since 1970; whole numbers that were scaled are rounded. A
    number that CFX has no room for is not known. Raises KeyError for a field that the structure does not have.
    """
    types = _types(name)
    made: dict[str, object] = {"$type": f"CFX.Structures.{name}, CFX"}
    for field, value in fields.items():
        fitting = _fitting(types[field], value)
        if fitting is not None:
            made[field] = fitting
    for field in _never_null(name):
        made.setdefault(field, LeftOut.UNKNOWN)
    return made


def structure_if_known(name: str, fields: Mapping[str, object]) -> dict[str, object] | None:
    """The same, or None when nothing of it is known."""
    return structure(name, fields) if any(value not in (None, []) for value in fields.values()) else None


@cache
def _types(name: str) -> Mapping[str, str]:
    declared = compound(f"CFX.Structures.{name}")
    assert declared is not None, name
    return {field.name: "" if field.many else field.type for field in declared.fields.values()}


@cache
def _never_null(name: str) -> tuple[str, ...]:
    declared = compound(f"CFX.Structures.{name}")
    assert declared is not None, name
    return tuple(field.name for field in declared.fields.values() if not may_be_null(field) and field.counts is None)


def whole(value: object) -> int | None:
    """As a whole number that CFX has room for, rounded."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**31) <= round(value) < 2**31:
        return None
    return round(value)


def _fitting(type_: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if type_ in _WHOLE:
        return whole(value)
    if type_ == "timespan":
        return timedelta(seconds=value) if abs(value) < _LONGEST else None
    if type_ == "datetime":
        return to_datetime(int(value))
    return value if abs(value) <= _LARGEST.get(type_, sys.float_info.max) else None
