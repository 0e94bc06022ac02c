"""Marks for times in what a machine says.

A body is made in virtual time, before anyone knows how fast it will be played: it holds marks where a CFX
message has an instant or a duration, and `render` writes them as text once the pace is known. At speed 10 a
machine is ten times as fast in every respect, so that its durations agree with the time stamps around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.times import Micros, rfc3339, to_datetime

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, in seconds of virtual time; CFX date-time."""

    at: float


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in virtual seconds; CFX TimeSpan."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in virtual seconds; a CFX number of seconds."""

    seconds: float


def timespan(value: timedelta) -> str:
    """As .NET writes a TimeSpan: `00:01:25`, `00:00:01.2340000`, `1.01:30:00`. Not for negative ones."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def local(at: Micros, zone: ZoneInfo) -> str:
    """As .NET writes a DateTime of unspecified kind: what a clock in that zone shows, and no word of the zone."""
    whole, _, fraction = to_datetime(at).astimezone(zone).replace(tzinfo=None).isoformat().partition(".")
    return f"{whole}.{fraction.rstrip('0')}" if fraction else whole


def render(
    body: Mapping[str, Any], instant: Callable[[float], Micros], speed: float, zone: ZoneInfo | None = None
) -> Body:
    """The body with its marks written out. `instant`: virtual seconds to wall clock. zone: of a machine that writes its
    local time without saying so; None writes UTC."""

    def write(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: write(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [write(item) for item in value]
        if isinstance(value, Moment):
            return rfc3339(instant(value.at)) if zone is None else local(instant(value.at), zone)
        if isinstance(value, Span):
            return timespan(timedelta(seconds=value.seconds / speed))
        if isinstance(value, Seconds):
            return value.seconds / speed
        return value

    return {key: write(item) for key, item in body.items()}
