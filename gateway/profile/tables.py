"""What the tables of all profiles are made of: short types with their checks."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.cfx.catalogue import enum
from gateway.core.sample import signal_key
from gateway.profile.units import check

_SEVERITIES = enum("CFX.Structures.FaultSeverity")
_LENGTHS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(ms|s|min|h)")


class Table(BaseModel):
    """What all tables have in common. Lists arrive as tuples (gateway.core.problems)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True, defer_build=True
    )


def _duration(value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("duration", 'is no duration; allowed: text such as "200ms", "1s", "5min", "1h"')
    return float(found[1]) * _LENGTHS[found[2]]


def _scalar(value: object) -> bool | float | str:
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise PydanticCustomError("scalar", "must be a finite number, a text in quotes, true or false")


def _scalars(value: object) -> bool | float | str | tuple[bool | float | str, ...]:
    return tuple(_scalar(each) for each in value) if isinstance(value, tuple) else _scalar(value)


def _key(text: str) -> str:
    key = signal_key(text)
    if key.index is not None:
        raise ValueError("has an index; allowed: the name alone, with `array` for the number of places")
    return text


def _unit(text: str) -> str:
    check(text)
    return text


def _severity(text: str) -> str:
    names = () if _SEVERITIES is None else tuple(_SEVERITIES.values)
    if text not in names:
        raise ValueError(f"is no CFX FaultSeverity; allowed: {', '.join(names)}")
    return text


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "format": "duration"}),
]
"""Seconds, written with a unit: `"200ms"`."""

Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,255}$")]
Unit = Annotated[str, AfterValidator(_unit), WithJsonSchema({"type": "string", "format": "UCUM unit"})]
SignalName = Annotated[str, AfterValidator(_key)]
"""A SignalKey without index."""
Severity = Annotated[str, AfterValidator(_severity), WithJsonSchema({"type": "string", "format": "FaultSeverity"})]
_SCALAR = {"anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"}], "format": "value"}
Scalar = Annotated[bool | int | float | str, PlainValidator(_scalar), WithJsonSchema(_SCALAR)]
Scalars = Annotated[
    bool | int | float | str | tuple[bool | int | float | str, ...],
    PlainValidator(_scalars),
    WithJsonSchema(
        {"anyOf": [*_SCALAR["anyOf"], {"type": "array", "items": _SCALAR}], "format": "value or list of values"}
    ),
]
"""One, or one for each place of an array."""
Order = Literal["big", "little"]
Lane = Annotated[int, Field(ge=0, le=999)]
Stage = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}$")]
