"""Bodies as the SDK would write them, from as much as the caller knows."""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum as PythonEnum
from typing import Any
from uuid import UUID

from gateway.cfx.catalogue import Compound, Enum, Field, compound, enum
from gateway.cfx.check import actual_type, may_be_null, refuse
from gateway.cfx.times import span, zoned
from gateway.core.errors import InvalidMessage

_UNKNOWN_WHEN_MISSING = frozenset({"CFX.Heartbeat"})
"""Their lists say null for `not known` and [] for `none`; in other messages a list that is not given is empty."""
_ZERO: Mapping[str, Any] = {
    "bool": False,
    "int32": 0,
    "int64": 0,
    "uint16": 0,
    "uint32": 0,
    "double": 0.0,
    "single": 0.0,
    "decimal": 0.0,
    "timespan": "00:00:00",
}


class LeftOut(PythonEnum):
    """Given for a field that may not be null and is not known: it is not written, and readers give it their default."""

    UNKNOWN = "unknown"


def complete(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The whole body of message `name`: `$type` first, then every field in the catalogue's order, at every depth.

    What is not given becomes null, an empty list, zero or false, or an enumeration's first value, as in the SDK. A GUID, date-time
    or ResourceState that may not be null has to be given: the SDK's own zeros would pass for facts. Counts are made
    from their lists. Structures are mappings, with `$type` where they are a subtype; it comes out where the SDK would write it. Python's own datetime (aware),
    timedelta, UUID, bytes and whole numbers in place of others are put into the wire's form.

    Raises InvalidMessage for an unknown message, field or subtype and for what has to be given. Whether the values
    are right is for `check` to say.
    """
    message = compound(name)
    if message is None or message.kind is None:
        raise InvalidMessage(f"{name!r} is no message of CFX 2.1")
    return {"$type": message.tag, **_object(message, fields, name, tagged=True)}


def _object(declared: Compound, given: Mapping[str, Any], path: str, tagged: bool) -> dict[str, Any]:
    actual = actual_type(declared, given, path, tagged)
    body: dict[str, Any] = {"$type": actual.tag} if tagged and actual is not declared else {}
    if actual.items is not None:
        return {**body, "$values": _list(actual.items, given.get("$values", ()), path, tagged=False)}
    for key in given:
        if key != "$type" and key not in actual.fields:
            refuse(f"{path}.{key}", given[key], f"{actual.name} has the fields {', '.join(actual.fields)}")
    for field in actual.fields.values():
        if given.get(field.name) is LeftOut.UNKNOWN:
            continue
        value = _field(actual, field, given, f"{path}.{field.name}")
        if actual.sparse and (value is None or (field.sparse and not value)):
            continue
        body[field.name] = value
    return body


def _field(owner: Compound, field: Field, given: Mapping[str, Any], path: str) -> Any:
    if field.name in given:
        value = given[field.name]
        if value is None:
            return None
        return (
            _list(field.type, value, path, field.tagged)
            if field.many
            else _value(field.type, value, path, field.tagged)
        )
    if field.counts is not None:
        return len(given.get(field.counts) or ())
    if field.many:
        return None if owner.sparse or owner.name in _UNKNOWN_WHEN_MISSING else []
    return None if may_be_null(field) else _default(field, path)


def _default(field: Field, path: str) -> Any:
    if field.type in _ZERO:
        return _ZERO[field.type]
    choice = enum(field.type)
    if choice is not None and 0 in choice.values.values():
        return 0 if choice.wire == "integer" else next(name for name, code in choice.values.items() if code == 0)
    structure = compound(field.type)
    if structure is not None:
        return _object(structure, {}, path, field.tagged)
    raise InvalidMessage(f"{path}: not given, and {field.type} has no value that would stand for `not known`")


def _list(item: str, values: object, path: str, tagged: bool) -> Any:
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return [_value(item, value, f"{path}[{index}]", tagged) for index, value in enumerate(values)]
    return values


def _value(name: str, value: Any, path: str, tagged: bool) -> Any:
    if isinstance(value, Mapping) and (structure := compound(name)) is not None:
        return _object(structure, value, path, tagged)
    if (choice := enum(name)) is not None:
        return _choice(choice, value)
    if name in ("double", "single", "decimal"):
        return _float(value)
    if name == "datetime" and isinstance(value, datetime):
        return _zoned(value, path)
    if name == "timespan" and isinstance(value, timedelta):
        return span(value)
    if name == "guid" and isinstance(value, UUID):
        return str(value)
    if name == "bytes" and isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    return value


def _choice(choice: Enum, value: Any) -> Any:
    """Names and numbers are taken for each other; ResourceState goes out as the code's text."""
    if isinstance(value, PythonEnum):
        value = value.value
    if choice.wire == "integer":
        return choice.values.get(value, value) if isinstance(value, str) else value
    if choice.wire == "code":
        code = choice.values.get(value, value) if isinstance(value, str) else value
        return str(code) if code in choice.values.values() else code
    return value


def _float(value: Any) -> Any:
    """A whole number with a decimal point, as the SDK writes every double."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023:
        return float(value)
    return value


def _zoned(value: datetime, path: str) -> str:
    try:
        return zoned(value)
    except ValueError as error:
        raise InvalidMessage(f"{path}: {error}") from error
