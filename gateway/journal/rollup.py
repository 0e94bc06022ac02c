"""Samples summed up over equal stretches of time: least, most, mean, last, how many, and the worst quality.

A rollup of a chunk is stored with it, made when the chunk is, and can be made again from it. Those of several chunks and
of fresh samples add up to what all samples together would give: late samples are in a chunk of their own, for the same
stretch. A stretch in which there was nothing is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.times import Micros
from gateway.journal.chunk import Part, Values, known, numbers, pack_values, unpack_values, values_of
from gateway.journal.columns import Floats, Packed, Whole, pack, pack_floats, scale, unpack, unpack_floats

MINUTE: Micros = 60_000_000
HOUR: Micros = 60 * MINUTE

_MOST_SCALED = 1 << 40
"""Larger whole numbers are summed as floats, so that no sum of a chunk overflows."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Column by column, by ascending `start` (multiples of the stretch's length since 1970).

    count, total, least, most: of numeric values; count is 0 and the others NaN where there was none. A total may overflow. last, last_time,
    last_n: the known value with the latest time, of equal ones the one that came last; None where nothing was known.
    samples: all of them. quality: the worst code.
    """

    start: Whole
    samples: Whole
    count: Whole
    total: Floats
    least: Floats
    most: Floats
    last: Values
    last_time: Whole
    last_n: Whole
    quality: Whole

    def __len__(self) -> int:
        return len(self.start)

    def within(self, start: Micros, end: Micros) -> Rollup:
        """The stretches that begin from `start` on and before `end`."""
        first, last = np.searchsorted(self.start, [start, end])
        if first == 0 and last == len(self):
            return self
        return Rollup(*(getattr(self, name)[first:last] for name in _COLUMNS))


_COLUMNS = Rollup.__slots__


def _groups(keys: Whole) -> NDArray[np.intp]:
    """Where each run of equal ones begins."""
    new = np.ones(len(keys), np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    return np.flatnonzero(new)


def rolled_up(part: Part, step: Micros) -> Rollup:
    """Of at least one sample."""
    order = np.lexsort((part.n, part.time))
    time, values = part.time[order], part.values[order]
    begin = time // step * step
    at = _groups(begin)
    value, there = numbers(values), known(values)
    numeric = ~np.isnan(value)
    count = np.add.reduceat(numeric.astype(np.int64), at)
    # The last known one of each: the greatest place, or one before all of them.
    last = np.maximum.reduceat(np.where(there, np.arange(len(time)), -1), at)
    found = last >= 0
    shown = values[last]
    if not found.all():
        shown = values_of([value if ok else None for value, ok in zip(shown.tolist(), found.tolist(), strict=True)])
    empty = count == 0
    return Rollup(
        start=begin[at],
        samples=np.diff(np.append(at, len(time))).astype(np.int64),
        count=count,
        total=np.where(empty, np.nan, _sums(value, numeric, at)),
        least=np.where(empty, np.nan, np.minimum.reduceat(np.where(numeric, value, np.inf), at)),
        most=np.where(empty, np.nan, np.maximum.reduceat(np.where(numeric, value, -np.inf), at)),
        last=shown,
        last_time=np.where(found, time[last], begin[at]),
        last_n=np.where(found, part.n[order][last], 0),
        quality=np.maximum.reduceat(part.quality[order], at),
    )


def _sums(value: Floats, numeric: NDArray[np.bool_], at: NDArray[np.intp]) -> Floats:
    """Of decimal fractions exactly, and then they are short to store, too."""
    plain = np.where(numeric, value, 0.0)
    digits, scaled = scale(plain)
    if scaled is None or np.abs(scaled).max() > _MOST_SCALED:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.add.reduceat(plain, at))
    return np.asarray(np.add.reduceat(scaled, at) / 10.0**digits)


def merged(rollups: Sequence[Rollup], step: Micros) -> Rollup | None:
    """One of them all, in stretches of `step`, a multiple of theirs. None when there is nothing in them."""
    rollups = [rollup for rollup in rollups if len(rollup)]
    if not rollups:
        return None
    columns = {
        name: np.concatenate([getattr(rollup, name) for rollup in rollups]) for name in _COLUMNS if name != "last"
    }
    every = [rollup.last for rollup in rollups]
    last = np.concatenate(every) if len({each.dtype for each in every}) == 1 else _mixed(every)
    begin = columns["start"] // step * step
    # By stretch, what is not known first, then by time and number: the last of a group is the last of all.
    there = known(last)
    order = np.lexsort((columns["last_n"], columns["last_time"], there, begin))
    begin = begin[order]
    at = _groups(begin)
    ends = order[np.append(at[1:], len(begin)) - 1]
    count = np.add.reduceat(columns["count"][order], at)
    numeric = columns["count"][order] > 0
    empty = count == 0
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.add.reduceat(np.where(numeric, columns["total"][order], 0.0), at)
    return Rollup(
        start=begin[at],
        samples=np.add.reduceat(columns["samples"][order], at),
        count=count,
        total=np.where(empty, np.nan, total),
        least=np.where(empty, np.nan, np.minimum.reduceat(np.where(numeric, columns["least"][order], np.inf), at)),
        most=np.where(empty, np.nan, np.maximum.reduceat(np.where(numeric, columns["most"][order], -np.inf), at)),
        last=last[ends],
        last_time=np.where(there[ends], columns["last_time"][ends], begin[at]),
        last_n=columns["last_n"][ends],
        quality=np.maximum.reduceat(columns["quality"][order], at),
    )


def _mixed(every: Sequence[Values]) -> Values:
    return values_of([value for values in every for value in values.tolist()])


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[list[object]])


def encode(rollup: Rollup, step: Micros) -> bytes:
    """step: what it was made with."""
    numeric = rollup.count > 0
    return _encoder.encode(
        [
            pack(rollup.start // step),
            pack(rollup.samples),
            pack(rollup.count),
            *(_floats(column[numeric]) for column in (rollup.total, rollup.least, rollup.most)),
            pack_values(rollup.last),
            pack(rollup.last_time - rollup.start),
            pack(rollup.last_n),
            pack(rollup.quality),
        ]
    )


def _floats(values: Floats) -> Packed:
    return pack_floats(values) if len(values) else []


def decode(data: bytes, step: Micros) -> Rollup:
    """The inverse of `encode`."""
    start, samples, count, total, least, most, last, last_time, last_n, quality = _decoder.decode(data)
    begin, counts = unpack(start) * step, unpack(count)
    numeric = counts > 0

    def floats(packed: Packed) -> Floats:
        found = np.full(len(begin), np.nan)
        if packed:
            found[numeric] = unpack_floats(packed)
        return found

    return Rollup(
        start=begin,
        samples=unpack(samples),
        count=counts,
        total=floats(total),
        least=floats(least),
        most=floats(most),
        last=unpack_values(last),
        last_time=begin + unpack(last_time),
        last_n=unpack(last_n),
        quality=unpack(quality),
    )
