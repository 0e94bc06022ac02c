"""Time. Inside Lineside an instant is an integer: microseconds since 1970-01-01T00:00:00Z (`Micros`)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Micros = int
"""Microseconds since the Unix epoch, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FIRST: Micros = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST: Micros = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The years 1 to 9999: what RFC 3339 can write."""


def now() -> Micros:
    """The wall clock. Only the edges call it: adapters when they receive, the supervisor when it ticks."""
    return time.time_ns() // 1000


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def rfc3339(at: Micros) -> str:
    """RFC 3339, UTC, always six fractional digits: `2026-11-20T12:44:33.943216Z`.

    What lies outside the years 1 to 9999 is written as the nearest instant inside, for a reader must never fail on it.
    """
    seconds, micros = divmod(min(max(at, FIRST), LAST), 1_000_000)
    return f"{_second(seconds)}.{micros:06d}Z"


def from_datetime(value: datetime) -> Micros:
    """Of an aware datetime. Raises TypeError for a naive one."""
    return (value - _EPOCH) // _MICROSECOND


def to_datetime(at: Micros) -> datetime:
    """As an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def parse_rfc3339(text: str) -> Micros:
    """Read an instant with a zone (RFC 3339, ISO 8601). Raises ValueError when it has none or is no time."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write it as 2026-11-20T12:44:33Z")
    return from_datetime(value)
