"""One step of a machine's life, and the marks for times in its body.

A body is made in virtual time, before anyone knows how fast it will be played: it holds marks where a CFX
message has an instant or a duration, and `render` writes them as text once the pace is known. At speed 10 a
machine is ten times as fast in every respect, so that its durations agree with the time stamps around them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.core.times import Micros, rfc3339

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


@dataclass(frozen=True, slots=True)
class Work:
    """A panel in work: what a machine that is switched off in the middle has to break off."""

    transaction: str
    panel: str
    units: tuple[Body, ...]
    stage: Body | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the machine stands after a step. state: CFX ResourceState code, held since that virtual second."""

    state: int
    since: float
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The machine `handle` says `name` with `body` at virtual second `at`. `unique_id`: of its envelope."""

    at: float
    handle: str
    name: str
    body: Body = field(hash=False)
    unique_id: str
    standing: Standing


def timespan(value: timedelta) -> str:
    """As .NET writes a TimeSpan: `00:01:25`, `00:00:01.2340000`, `1.01:30:00`. Not for negative ones."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


def render(body: Mapping[str, Any], instant: Callable[[float], Micros], speed: float) -> Body:
    """The body with its marks written out. `instant`: virtual seconds to wall clock."""

    def write(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: write(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [write(item) for item in value]
        if isinstance(value, Moment):
            return rfc3339(instant(value.at))
        if isinstance(value, Span):
            return timespan(timedelta(seconds=value.seconds / speed))
        if isinstance(value, Seconds):
            return value.seconds / speed
        return value

    return {key: write(item) for key, item in body.items()}
