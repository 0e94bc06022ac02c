"""Whether a body fits the catalogue.

A CFX peer built on the SDK drops a whole message over one value it does not know, so everything is looked at, at
every depth, and through the type that each `$type` names.
"""

from __future__ import annotations

import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from gateway.cfx.catalogue import Compound, Enum, Field, compound, enum, heirs
from gateway.cfx.times import is_instant, is_span
from gateway.core.errors import InvalidMessage

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}
_LARGEST = {"double": math.inf, "single": 3.4028234e38, "decimal": 7.9228162e28}
_DEEPEST = 64
"""Types refer to themselves (boards in boards); bodies that a machine means do not go this far."""


def check(name: str, body: Mapping[str, Any]) -> None:
    """Passes when a strict peer would take `body`, in the form that JSON decoding gives, as message `name`.

    Fields may be missing: readers give them their defaults. `$type`, where given, must come first. Raises
    InvalidMessage, which says where (`Units[0].Status`), what is there and what is allowed.
    """
    message = compound(name)
    if message is None or message.kind is None:
        raise InvalidMessage(f"{name!r} is no message of CFX 2.1")
    _check_object(message, body, name, 0, tagged=True)


def refuse(path: str, value: object, allowed: str) -> NoReturn:
    """Raises InvalidMessage for a value that is not allowed."""
    shown = repr(value)
    raise InvalidMessage(f"{path}: {shown[:80]}{'...' if len(shown) > 80 else ''} is not allowed, but {allowed}")


def actual_type(declared: Compound, value: Mapping[str, Any], path: str, tagged: bool) -> Compound:
    """The type that `$type` names. Without it, the declared one, or where the SDK writes subtypes without `$type` (not
    `tagged`), the smallest that has all the fields. Raises InvalidMessage when it may not stand here.
    """
    actual = declared
    if "$type" in value:
        tag = value["$type"]
        named = compound(tag.removesuffix(", CFX")) if isinstance(tag, str) and tag.endswith(", CFX") else None
        if named is None or (named.name != declared.name and named.name not in heirs(declared.name)):
            allowed = sorted(heirs(declared.name)) if declared.kind is None else [declared.name]
            refuse(f"{path}.$type", tag, "one of " + ", ".join(f"{heir}, CFX" for heir in allowed))
        actual = named
    elif not tagged and not declared.fields.keys() >= value.keys():
        known = (heir for name in sorted(heirs(declared.name)) if (heir := compound(name)) is not None)
        fitting = [heir for heir in known if heir.fields.keys() >= value.keys() and heir.items is None]
        actual = min(fitting, key=lambda heir: len(heir.fields), default=declared)
    if actual.abstract:
        heirs_of = ", ".join(f"{heir}, CFX" for heir in sorted(heirs(declared.name) - {actual.name}))
        refuse(path, value, f"an object whose $type is one of {heirs_of}")
    return actual


def _check_object(declared: Compound, value: object, path: str, depth: int, tagged: bool) -> None:
    if depth > _DEEPEST:
        raise InvalidMessage(f"{path}: nested deeper than {_DEEPEST}")
    if declared.items is not None and isinstance(value, list):
        _check_items(declared.items, value, path, depth, tagged=False)
        return
    if not isinstance(value, Mapping):
        refuse(path, value, f"an object ({declared.name})")
    actual = actual_type(declared, value, path, tagged)
    if "$type" in value and next(iter(value)) != "$type":
        raise InvalidMessage(f"{path}: $type is not the first key: peers would take the object for {declared.name}")
    for key, inner in value.items():
        if key == "$type":
            continue
        field = actual.fields.get(key)
        where = f"{path}.{key}"
        if field is not None:
            _check_field(field, inner, where, depth)
        elif key == "$values" and actual.items is not None and isinstance(inner, list):
            _check_items(actual.items, inner, where, depth, tagged=False)
        else:
            refuse(where, inner, f"{actual.name} has the fields {', '.join(actual.fields)}")
    for field in actual.fields.values():
        if field.counts is not None and field.name in value:
            _check_count(field, field.counts, value, path)


def _check_count(field: Field, counts: str, value: Mapping[str, Any], path: str) -> None:
    """Peers compute it from the list. A sender with nothing to list may still say how many there are."""
    entries = value.get(counts)
    if entries and value[field.name] != len(entries):
        refuse(f"{path}.{field.name}", value[field.name], f"{len(entries)}, the number of {counts}")


def _check_items(item: str, values: list[Any], path: str, depth: int, tagged: bool) -> None:
    for index, value in enumerate(values):
        _check_value(item, value, f"{path}[{index}]", depth + 1, tagged)


def _check_field(field: Field, value: object, path: str, depth: int) -> None:
    if value is None:
        if not may_be_null(field):
            refuse(path, value, f"a value ({field.type}): it cannot be null")
    elif not field.many:
        _check_value(field.type, value, path, depth + 1, field.tagged)
    elif isinstance(value, list):
        _check_items(field.type, value, path, depth, field.tagged)
    else:
        refuse(path, value, f"a list of {field.type}")


def may_be_null(field: Field) -> bool:
    """Texts, lists, maps and structures always may; values (numbers, enumerations, times) where they are declared so."""
    if field.many or field.nullable or field.type in ("str", "bytes", "map"):
        return True
    declared = compound(field.type)
    return declared is not None and not declared.value


def _check_value(name: str, value: object, path: str, depth: int, tagged: bool) -> None:
    if (primitive := _PRIMITIVES.get(name)) is not None:
        primitive(name, value, path)
    elif (choice := enum(name)) is not None:
        _check_enum(choice, value, path)
    else:
        declared = compound(name)
        if declared is None:
            raise InvalidMessage(f"{path}: the catalogue has no type {name}")
        if value is None and not declared.value:
            return  # a null entry of a list of structures
        _check_object(declared, value, path, depth, tagged)


def _check_enum(choice: Enum, value: object, path: str) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if choice.wire == "name":
        if not (isinstance(value, str) and value in choice.values):
            refuse(path, value, "one of " + ", ".join(choice.values))
    elif choice.wire == "integer":
        if not (is_number and value in choice.values.values()):
            refuse(path, value, "one of " + ", ".join(f"{code} ({name})" for name, code in choice.values.items()))
    else:
        codes = {str(code): name for name, code in choice.values.items()}
        vendors = is_number and isinstance(value, int) and 1000 <= value <= 6999 and str(value) not in codes
        if not (isinstance(value, str) and value in codes) and not vendors:
            refuse(path, value, "a number 1000 to 6999 of the vendor's own, or one of " + ", ".join(codes))


def check_text(path: str, value: object) -> None:
    """Raises InvalidMessage when `value` is not a text that UTF-8 can write."""
    if not isinstance(value, str):
        refuse(path, value, "a text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse(path, value, "a text without lone surrogates")


def _check_bool(_: str, value: object, path: str) -> None:
    if not isinstance(value, bool):
        refuse(path, value, "true or false")


def _check_integer(name: str, value: object, path: str) -> None:
    low, high = _INTEGERS[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(path, value, f"a whole number from {low} to {high}")


def _check_number(name: str, value: object, path: str) -> None:
    largest = _LARGEST[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        refuse(path, value, f"a number ({name})")
    try:
        fits = math.isfinite(value) and abs(float(value)) <= largest
    except OverflowError:
        fits = False
    if not fits:
        refuse(path, value, f"a finite number that fits a {name}")


def check_guid(path: str, value: object) -> None:
    """Raises InvalidMessage when `value` is not a GUID in the form that the SDK writes."""
    if not (isinstance(value, str) and _GUID.fullmatch(value)):
        refuse(path, value, "a GUID such as 0e223e33-230e-4bf4-859d-2b4b5953147f")


def _check_instant(_: str, value: object, path: str) -> None:
    if not (isinstance(value, str) and is_instant(value)):
        refuse(path, value, "a date-time such as 2026-11-20T12:44:33.94Z, at most 7 digits after the second")


def _check_span(_: str, value: object, path: str) -> None:
    if not (isinstance(value, str) and is_span(value)):
        refuse(path, value, "a time span [-][d.]hh:mm:ss[.fffffff]")


def _check_bytes(_: str, value: object, path: str) -> None:
    if not isinstance(value, str):
        refuse(path, value, "base64 text")
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        refuse(path, value, "base64 text")


def _check_map(_: str, value: object, path: str) -> None:
    if not isinstance(value, Mapping):
        refuse(path, value, "an object of texts")
    for key, inner in value.items():
        check_text(path, key)
        if key.startswith("$"):
            refuse(f"{path}.{key}", inner, "keys that do not begin with $, which peers take for their own marks")
        if inner is not None:
            check_text(f"{path}.{key}", inner)


_PRIMITIVES: Mapping[str, Callable[[str, object, str], None]] = {
    "str": lambda _, value, path: check_text(path, value),
    "bool": _check_bool,
    **dict.fromkeys(_INTEGERS, _check_integer),
    **dict.fromkeys(_LARGEST, _check_number),
    "guid": lambda _, value, path: check_guid(path, value),
    "datetime": _check_instant,
    "timespan": _check_span,
    "bytes": _check_bytes,
    "map": _check_map,
}
