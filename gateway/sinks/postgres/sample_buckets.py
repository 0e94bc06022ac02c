"""Samples of the plant's history in equal stretches of time, added up by the database from an index alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.sample import Value
from gateway.core.times import FIRST, LAST, Micros
from gateway.journal.sample_buckets import MOST_POINTS, Buckets, TooFine, Wanted, plotted
from gateway.sinks.postgres.reader import HistoryReader
from gateway.sinks.postgres.rows import NOTHING, sample_quality, sample_value
from gateway.sinks.postgres.samples import HistorySeries

_SPAN = """
SELECT s.number, (SELECT min(time) FROM lineside.sample WHERE series = s.number AND time >= $2 AND time < $3) AS first,
  (SELECT max(time) FROM lineside.sample WHERE series = s.number AND time >= $2 AND time < $3) AS last
FROM unnest($1::integer[]) AS s(number)
"""
# Microseconds since 1970 as a float are exact for some 285 years, and a length of a millisecond at least tells them
# apart. What is too great for a sum makes no mean, rather than an error.
_SUMS = f"""
SELECT floor(round(date_part('epoch', time) * 1e6) / $4::double precision)::bigint AS bucket, count(*) AS samples,
  count(value) AS counted, min(value) AS least, max(value) AS most, sum(CASE WHEN abs(value) < 1e290 THEN value END) AS total,
  bool_or(abs(value) >= 1e290) AS huge, max(quality) AS quality, max(time) FILTER (WHERE kind <> {NOTHING}) AS last
FROM lineside.sample WHERE series = $1 AND time >= $2 AND time < $3 GROUP BY 1 ORDER BY 1
"""
_LAST = f"""
SELECT time, n, kind, value, text FROM lineside.sample
WHERE series = $1 AND time = ANY($2::timestamptz[]) AND kind <> {NOTHING} ORDER BY n
"""


class HistoryBuckets:
    """Works on the connections of the history's reader. Raises JournalError, also when it takes too long."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader

    async def buckets(self, series: Sequence[HistorySeries], wanted: Wanted) -> Buckets:
        """Of the series of one signal of one gateway, one for each unit. As
        `gateway.journal.sample_buckets.BucketReader.buckets`. Raises TooFine."""
        start = FIRST if wanted.start is None else wanted.start
        end = LAST if wanted.end is None else wanted.end
        async with self._reader.snapshot() as connection:
            spans = await connection.fetch(_SPAN, [each.number for each in series], start, end)
            there = {row["number"]: (row["first"], row["last"]) for row in spans if row["first"] is not None}
            found = [each for each in series if each.number in there]
            if wanted.start is None:
                start = min((first for first, _ in there.values()), default=0 if wanted.end is None else end)
            if wanted.end is None:
                end = max((last + 1 for _, last in there.values()), default=start)
            step = _step(wanted.step, end - start)
            chosen = found[-1] if found else series[-1]
            rows: list[Any] = []
            last: dict[Micros, Value] = {}
            if step and found:
                rows = await connection.fetch(_SUMS, chosen.number, start, end, step)
                times = [row["last"] for row in rows if row["last"] is not None]
                known = await connection.fetch(_LAST, chosen.number, times)
                last = {row["time"]: sample_value(row["kind"], row["value"], row["text"]) for row in known}
        return _columns(rows, last, chosen.unit, [each.unit for each in found], step)


def _step(asked: Micros | None, span: Micros) -> Micros:
    """0: single samples do."""
    step = plotted(span) if asked is None else asked
    if step is None:
        return 0
    if span // step > MOST_POINTS:
        raise TooFine(
            f"that is {span // step:,} points; at most {MOST_POINTS:,}", least=-(-span // MOST_POINTS), whole=False
        )
    return step


def _columns(
    rows: Sequence[Any], last: dict[Micros, Value], unit: str | None, units: list[str | None], step: Micros
) -> Buckets:
    return Buckets(
        unit=unit,
        units=units,
        step=step,
        starts=[row["bucket"] * step for row in rows],
        least=[row["least"] for row in rows],
        most=[row["most"] for row in rows],
        mean=[None if row["huge"] or not row["counted"] else row["total"] / row["counted"] for row in rows],
        last=[None if row["last"] is None else last[row["last"]] for row in rows],
        counts=[row["counted"] for row in rows],
        samples=[row["samples"] for row in rows],
        qualities=[sample_quality(row["quality"]) for row in rows],
    )
