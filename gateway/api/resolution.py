"""The parameter `resolution`: single samples, or how long the stretches are that they are summed up in."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.api.query import Parameter, Query
from gateway.core.times import Micros

RAW, AUTO = "raw", "auto"
ALLOWED = "raw, auto, or a length of time such as 500ms, 10s, 1m, 6h, 1d"

_UNITS: dict[str, Micros] = {
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1000,
}
_FORM = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_SHORTEST: Micros = 1000
_LONGEST: Micros = 366 * _UNITS["d"]

PARAMETER = Parameter(
    "resolution",
    "`raw` (the default): samples as they were stored. A length of time, such as `10s`, `1m`, `6h`: what is in each "
    "stretch of that length, added up. `auto`: a length that suits the range, or `raw` where it is short.",
    {"type": "string", "default": RAW},
)


def written(step: Micros) -> str:
    """As the parameter has it, in the largest unit of which it is a whole number."""
    for name, size in _UNITS.items():
        if step % size == 0:
            return f"{step // size}{name}"
    return f"{Decimal(step) / 1000}ms"


def asked(query: Query) -> str | Micros:
    """`raw`, `auto`, or a length; what is wrong is told to the query."""
    text = query.one("resolution")
    if text in (None, RAW):
        return RAW
    if text == AUTO:
        return AUTO
    step = length(text or "")
    if step is None:
        query.wrong("resolution", f"{str(text)[:100]!r} is none, or shorter than 1ms or longer than 366d", ALLOWED)
        return RAW
    return step


def length(text: str) -> Micros | None:
    """Of `10s` and such; None when it is none that can be had."""
    match = _FORM.fullmatch(text)
    step = int(Decimal(match[1]) * _UNITS[match[2]]) if match else 0
    return step if _SHORTEST <= step <= _LONGEST else None
