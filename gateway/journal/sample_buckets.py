"""Samples of one signal in equal stretches of time, from rollups where they serve, for plots and long ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from sqlalchemy import Connection, bindparam, text

from gateway.core.errors import LinesideError
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros
from gateway.journal.chunk import Part, values_of
from gateway.journal.chunk_store import ChunkMark, ChunkSource, chunks_of, sums
from gateway.journal.columns import Floats
from gateway.journal.reader import Reader
from gateway.journal.rollup import HOUR, MINUTE, Rollup, merged, rolled_up
from gateway.journal.sample_reader import EARLIEST, LATEST, Series, series_of, stretches_of
from gateway.journal.sample_state import COMPACTED, newest, state
from gateway.journal.samples import quality, restored

MOST_POINTS = 10_000
PLOT = 1000
"""About as many points as a plot shows: what `auto` aims at."""
_MOST_READ = 5_000_000
"""Samples that one answer may unpack, where rollups do not serve."""
_BLOCKS = 100_000

_SECOND: Micros = 1_000_000
_STEPS = (
    *(n * _SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 4, 6, 8, 12, 24, 48, 168)),
)
"""What `auto` chooses from. The last one serves for any range that is longer."""


class TooFine(LinesideError):
    """More points, or more samples to look at, than one answer may have. least: the shortest stretch that is possible.
    whole: it must also be a multiple of a minute."""

    def __init__(self, message: str, *, least: Micros, whole: bool) -> None:
        super().__init__(message)
        self.least = least
        self.whole = whole


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Column by column, by time; a stretch in which there was nothing is not in it.

    step: length of a stretch. starts: where each begins, a multiple of step since 1970. units: in which there are samples
    in this range. least, most, mean: of the numeric values, None where there was none; truth values count as 0 and 1.
    last: the known value with the latest time. counts: how many known numeric ones; samples: all, whatever they are.
    qualities: the worst of each.
    """

    unit: str | None
    units: list[str | None]
    step: Micros
    starts: list[Micros]
    least: list[float | None]
    most: list[float | None]
    mean: list[float | None]
    last: list[Value]
    counts: list[int]
    samples: list[int]
    qualities: list[Quality]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """start, end: bounds of the samples' time; None: as far as there are samples. step: None: as suits the range.
    unit: of a signal whose unit changed, "" for none; None: the one that was first seen last."""

    start: Micros | None = None
    end: Micros | None = None
    step: Micros | None = None
    unit: str | None = None


def plotted(span: Micros) -> Micros | None:
    """How long stretches are that show this much time in some 500 to 1,000 points; None: single samples do."""
    if span <= PLOT * _SECOND:
        return None
    return next((step for step in _STEPS if step * PLOT >= span), _STEPS[-1])


class BucketReader:
    """Works on the threads and connections of the journal's reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def buckets(self, station: str, signal: str, wanted: Wanted) -> Buckets | None:
        """None when the station never had this signal in this unit. With step None and so short a range that single
        samples do, a Buckets with step 0 and nothing in it. Raises TooFine."""
        return await self._reader.run(lambda connection: buckets(connection, station, signal, wanted))


def buckets(connection: Connection, station: str, signal: str, wanted: Wanted) -> Buckets | None:
    """The same within a caller's connection."""
    series = [
        one for one in series_of(connection, station, signal) if wanted.unit is None or (one.unit or "") == wanted.unit
    ]
    if not series:
        return None
    query = _Query(connection, series, wanted)
    found = query.units()
    span = query.end - query.start
    step = wanted.step if wanted.step is not None else plotted(span)
    if step is not None and span // step > MOST_POINTS:
        least = -(-span // MOST_POINTS)
        raise TooFine(f"that is {span // step:,} points; at most {MOST_POINTS:,}", least=least, whole=False)
    chosen = found[-1] if found else series[-1]
    rollup = query.rollup(chosen.number, step) if step is not None and found else None
    return _columns(rollup, chosen.unit, [one.unit for one in found], step or 0)


class _Query:
    """One question within one snapshot. start, end: bounds, where none were given those of what is there."""

    def __init__(self, connection: Connection, series: Sequence[Series], wanted: Wanted) -> None:
        self._connection = connection
        self._series = series
        start = EARLIEST if wanted.start is None else wanted.start
        end = LATEST if wanted.end is None else wanted.end
        self._marks = chunks_of(connection, [one.number for one in series], start=start, end=end)
        self._hot = _hot(connection, series, start, end)
        times = [bound for mark in self._marks for bound in (mark.earliest, mark.latest)]
        times += [int(bound) for part in self._hot.values() for bound in (part.time.min(), part.time.max())]
        self.start = start if wanted.start is not None else min(times, default=wanted.end or 0)
        self.end = end if wanted.end is not None else max(times, default=self.start) + 1

    def units(self) -> list[Series]:
        """The series that have samples in the range, the one that was first seen last at the end."""
        there = {mark.series for mark in self._marks} | self._hot.keys()
        return [one for one in self._series if one.number in there]

    def rollup(self, series: int, step: Micros) -> Rollup | None:
        marks = [mark for mark in self._marks if mark.series == series]
        self._check(marks, step)
        parts = list(self._cold(marks, step))
        if series in self._hot:
            parts.append(rolled_up(self._hot[series], step))
        return merged(parts, step)

    def _check(self, marks: Sequence[ChunkMark], step: Micros) -> None:
        span = self.end - self.start
        read = sum(mark.count for mark in marks) if step % MINUTE else 0
        if read > _MOST_READ:
            raise TooFine(
                f"{read:,} samples would have to be read one by one; multiples of a minute are at hand",
                least=max(-(-span // MOST_POINTS), MINUTE),
                whole=True,
            )

    def _cold(self, marks: Sequence[ChunkMark], step: Micros) -> Iterator[Rollup]:
        source = ChunkSource(self._connection)
        for mark in marks:
            whole = self.start <= mark.earliest and mark.latest < self.end
            base, stored = self._stored(mark, step)
            if stored is None:
                yield from self._summed(source, mark, step, self.start, self.end)
            elif whole:
                yield stored
            else:  # what of the range is only a part of an hour or minute is added up from the samples
                first, last = -(-self.start // base) * base, self.end // base * base
                if first >= last:
                    yield from self._summed(source, mark, step, self.start, self.end)
                    continue
                yield stored.within(first, last)
                if mark.earliest < first:
                    yield from self._summed(source, mark, step, self.start, first)
                if mark.latest >= last:
                    yield from self._summed(source, mark, step, last, self.end)

    def _stored(self, mark: ChunkMark, step: Micros) -> tuple[Micros, Rollup | None]:
        for base in (HOUR, MINUTE):
            if step % base == 0:
                found = sums(self._connection, mark, base)
                if found is not None:
                    return base, found
        return step, None

    def _summed(
        self, source: ChunkSource, mark: ChunkMark, step: Micros, start: Micros, end: Micros
    ) -> Iterator[Rollup]:
        part = source.part(mark)
        if part is not None and (mark.earliest < start or mark.latest >= end):
            part = part.take((part.time >= start) & (part.time < end))
        if part is not None and len(part):
            yield rolled_up(part, step)


_HOT = text(
    "SELECT series, n, time, value, quality FROM sample WHERE n > :first AND n <= :upto AND series IN :series "
    "AND time >= :start AND time < :end"
).bindparams(bindparam("series", expanding=True))


def _hot(connection: Connection, series: Sequence[Series], start: Micros, end: Micros) -> dict[int, Part]:
    """What is not compacted yet, by series."""
    after, last = state(connection, COMPACTED), newest(connection)
    stretches, _ = stretches_of(connection, (start, end), after, last, most=_BLOCKS)
    rows: dict[int, list[tuple[int, Micros, Value, int]]] = {}
    for first, upto in stretches:
        values = {"first": first, "upto": upto, "series": [one.number for one in series], "start": start, "end": end}
        for number, n, time, value, code in connection.execute(_HOT, values).all():
            rows.setdefault(number, []).append((n, time, restored(value), code))
    found: dict[int, Part] = {}
    for number, each in rows.items():
        n, time, stored, code = zip(*each, strict=True)
        at = np.array(time, np.int64)
        found[number] = Part(np.array(n, np.int64), at, at, values_of(stored), np.array(code, np.int64))
    return found


def _columns(rollup: Rollup | None, unit: str | None, units: list[str | None], step: Micros) -> Buckets:
    if rollup is None:
        return Buckets(
            unit=unit, units=units, step=step, starts=[], least=[], most=[], mean=[], last=[], counts=[], samples=[],
            qualities=[],
        )  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = rollup.total / rollup.count
    return Buckets(
        unit=unit,
        units=units,
        step=step,
        starts=rollup.start.tolist(),
        least=_finite(rollup.least),
        most=_finite(rollup.most),
        mean=_finite(mean),
        last=rollup.last.tolist(),
        counts=rollup.count.tolist(),
        samples=rollup.samples.tolist(),
        qualities=[quality(code) for code in rollup.quality.tolist()],
    )


def _finite(values: Floats) -> list[float | None]:
    return [value if ok else None for value, ok in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)]
