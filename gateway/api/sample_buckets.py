"""`/samples` with a resolution: buckets as JSON columns or as CSV."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.api.answers import Answer, Cursor
from gateway.api.problems import Fault, Kind, Problem
from gateway.api.resolution import written
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal.sample_buckets import Buckets, TooFine

_MINUTE: Micros = 60_000_000


class SampleBuckets(Answer, frozen=True):
    """Samples of one signal in equal stretches of time, by time. A stretch without samples is not there.

    resolution: their length. t: where each begins, microseconds since 1970 (UTC), a multiple of that length. min, max,
    mean, count: of the numeric values, null where there was none; true counts as 1, false as 0. last: the known value
    with the latest time. samples: all, also those that are not known. q: the worst quality. unit: of these values; where
    the unit changed, units has all that are in the range, and the parameter `unit` chooses one.
    """

    station: str
    signal: str
    unit: str | None
    units: list[str | None]
    resolution: Annotated[str, Meta(description="Such as `10s`, `2m`, `6h`.")]
    t: list[int]
    least: list[float | None] = msgspec.field(name="min")
    most: list[float | None] = msgspec.field(name="max")
    mean: list[float | None]
    last: list[Value]
    count: list[int]
    samples: list[int]
    q: list[Quality]
    as_of: Cursor


def answer(found: Buckets, *, station: str, signal: str, as_of: str) -> SampleBuckets:
    return SampleBuckets(
        station=station,
        signal=signal,
        unit=found.unit,
        units=found.units,
        resolution=written(found.step),
        t=found.starts,
        least=found.least,
        most=found.most,
        mean=found.mean,
        last=found.last,
        count=found.counts,
        samples=found.samples,
        q=found.qualities,
        as_of=as_of,
    )


def lines(found: Buckets) -> bytes:
    """RFC 4180, as single samples are written."""
    columns = zip(
        found.starts, found.least, found.most, found.mean, found.last, found.counts, found.samples, found.qualities,
        strict=True,
    )  # fmt: skip
    rows = [
        f"{start},{field(least)},{field(most)},{field(mean)},{field(last)},{count},{samples},{quality}\r\n"
        for start, least, most, mean, last, count, samples, quality in columns
    ]
    return "".join(["t,min,max,mean,last,count,samples,q\r\n", *rows]).encode()


def field(value: Value) -> str:
    """A text is always in quotes, so that "" is not an unknown value and "1" is no number."""
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def too_fine(error: TooFine) -> Problem:
    """With a resolution that is possible."""
    least = (
        -(-error.least // _MINUTE) * _MINUTE if error.whole or error.least > _MINUTE else -(-error.least // 1000) * 1000
    )
    allowed = f"auto, or {written(least)} and longer" + (", a multiple of 1m" if error.whole else "")
    fault = Fault("resolution", str(error), allowed)
    return Problem(Kind.BAD_PARAMETER, "not understood: resolution", errors=[fault])
