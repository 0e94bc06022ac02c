"""Amounts of bytes as people write them: `40GB` is 40 * 1000^3, `40GiB` is 40 * 1024^3."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

LARGEST = (1 << 63) - 1
"""What SQLite and the operating system can count."""

_UNITS = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_BY_FOLDED = {unit.lower(): factor for unit, factor in _UNITS.items()}
_SIZE = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")
_ALLOWED = 'a whole number of bytes, or a number with a unit such as "64MB", "1.5GiB"'


def read_size(value: object) -> int:
    """Bytes out of `"64MB"` (the case of the unit does not matter) or a plain count. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        size = Decimal(value)
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())) is not None:
        factor = _BY_FOLDED.get(match[2].lower())
        if factor is None:
            raise ValueError(f"unit {match[2]!r} is not known; allowed: {', '.join(_UNITS)}")
        size = Decimal(match[1]) * factor
    else:
        raise ValueError(f"is no amount of bytes; allowed: {_ALLOWED}")
    if size != size.to_integral_value() or not 0 <= size <= LARGEST:
        raise ValueError(f"must be whole bytes from 0 to {LARGEST}")
    return int(size)


def write_size(size: int) -> str:
    """The shortest form that reads back to exactly `size`."""
    exact = ((size // factor, unit) for unit, factor in _UNITS.items() if size % factor == 0)
    number, unit = min(exact, key=lambda item: (len(str(item[0])), item[0]))
    return f"{number}{unit}"


def _validate(value: object) -> int:
    try:
        return read_size(value)
    except ValueError as error:
        raise PydanticCustomError("size", "{reason}", {"reason": str(error)}) from None


Bytes = Annotated[
    int,
    Field(strict=True),
    BeforeValidator(_validate),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}], "format": "size"}),
]
"""A size in a settings model: a count of bytes, or text such as `64MB`."""
