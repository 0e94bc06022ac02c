"""Values and events of the library's, as gateway.profile.node_frame has them."""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from gateway.core.times import Micros, from_datetime, rfc3339
from gateway.profile.bound_nodes import Change, Happening

_EXACT = frozenset((ua.VariantType.Boolean, ua.VariantType.String, *range(2, 10)))
"""Built-in types whose Python values are JSON's."""
_FLOATS = (ua.VariantType.Float, ua.VariantType.Double)


def change(node: str, value: ua.DataValue, *, old: bool = False) -> Change:
    variant = value.Value
    type_, plain = (0, None) if variant is None else _of(variant)
    status = 0 if value.StatusCode is None else value.StatusCode.value
    return Change(node, plain, type_, status, micros(value.SourceTimestamp), micros(value.ServerTimestamp), old)


def happening(key: str, fields: list[ua.Variant]) -> Happening:
    """fields: as selected, Time first."""
    at = fields[0].Value if fields else None
    return Happening(key, micros(at) if isinstance(at, datetime) else None, tuple(_of(each) for each in fields))


def micros(at: datetime | None) -> Micros | None:
    """None also for the first and the last time that there is (1601 and 9999), which mean that there is none."""
    if at is None or not 1601 < at.year < 9999:
        return None
    return from_datetime(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def _of(variant: ua.Variant) -> tuple[int, Any]:
    value = variant.Value
    type_ = variant.VariantType
    if value is None or type_ is None:
        return 0, None
    number = int(getattr(type_, "value", type_))
    if isinstance(value, list):
        return number, [_plain(each, number) for each in value]
    if number in _EXACT:
        return number, value
    return number, _plain(value, number)


def _plain(value: Any, type_: int) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list):
        return [_plain(each, type_) for each in value]
    if isinstance(value, datetime):
        at = micros(value)
        return None if at is None else rfc3339(at)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.QualifiedName):
        return value.Name
    if isinstance(value, ua.NodeId):
        return value.to_string()
    if isinstance(value, ua.StatusCode):
        return value.value
    return str(value) if type_ == ua.VariantType.Guid.value else None
