"""Samples of one series as a chunk: columns in memory, and the bytes on disk.

A chunk holds what the hot table held, to the type of each value: number in order of arrival, machine time, time of
receipt, value, quality. Where many signals come with one reading, their times are in a table of the station that all
its chunks share (`gateway.journal.chunk_clock`), and the chunk has only the numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from gateway.core.sample import Value
from gateway.journal.columns import Packed, Whole, pack, pack_floats, unpack, unpack_floats

CODEC = 1
"""Of every chunk that this version writes: the columns of `gateway.journal.columns` in msgpack. Stored beside each."""

Values = NDArray[Any]
"""float64 or int64 where every value is such; else objects, each as a reader gets it."""

_NONE, _FLOAT, _INT, _BOOL, _TEXT = range(5)
_KINDS: dict[type, int] = {type(None): _NONE, float: _FLOAT, int: _INT, bool: _BOOL, str: _TEXT}


@dataclass(frozen=True, slots=True)
class Part:
    """Samples of one series, column by column, with ascending numbers. quality: code of `gateway.journal.samples`."""

    n: Whole
    time: Whole
    received: Whole
    values: Values
    quality: Whole

    def __len__(self) -> int:
        return len(self.n)

    def take(self, chosen: NDArray[Any] | slice) -> Part:
        """Those at these places, or where a mask is true."""
        return Part(self.n[chosen], self.time[chosen], self.received[chosen], self.values[chosen], self.quality[chosen])


def join(parts: Sequence[Part]) -> Part:
    """All of them, by number."""
    if len(parts) == 1:
        return parts[0]
    n = np.concatenate([part.n for part in parts])
    order = np.argsort(n, kind="stable")
    return Part(
        n[order],
        np.concatenate([part.time for part in parts])[order],
        np.concatenate([part.received for part in parts])[order],
        _joined([part.values for part in parts])[order],
        np.concatenate([part.quality for part in parts])[order],
    )


def _joined(values: Sequence[Values]) -> Values:
    if len({array.dtype for array in values}) == 1:
        return np.concatenate(values)
    return values_of([value for array in values for value in array.tolist()])


def values_of(values: Sequence[Value]) -> Values:
    """As columns hold them."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return np.array(values, np.float64)
    if kinds == {int}:
        return np.array(values, np.int64)
    found = np.empty(len(values), object)
    found[:] = values
    return found


def numbers(values: Values) -> NDArray[np.float64]:
    """Each as a float, truth values as 0 and 1; NaN for what is no number or not known."""
    if values.dtype != object:
        return values.astype(np.float64)
    return np.array(
        [float(value) if isinstance(value, float | int) else np.nan for value in values.tolist()], np.float64
    )


def known(values: Values) -> NDArray[np.bool_]:
    """Which of them are not None."""
    if values.dtype != object:
        return np.ones(len(values), np.bool_)
    return np.array([value is not None for value in values.tolist()], np.bool_)


class Times(IntEnum):
    """What of its times a chunk has itself. What is made of several has the largest of theirs."""

    NONE = 0  # the station's clock has both
    MACHINE = 1  # the clock has when they were received
    BOTH = 2


class _Body(msgspec.Struct, frozen=True, array_like=True):
    """time: None with Times.NONE; with MACHINE how long before receipt. received: only with BOTH, as delay."""

    n: Packed
    time: Packed | None
    received: Packed | None
    quality: Packed
    values: list[Any]


_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Body)


def encode(part: Part, times: Times) -> bytes:
    """times: what the chunk is to have itself."""
    delay = pack(part.received - part.time) if times else None
    alone = times is Times.BOTH
    return _encoder.encode(
        _Body(
            n=pack(part.n),
            time=pack(part.time) if alone else delay,
            received=delay if alone else None,
            quality=pack(part.quality),
            values=pack_values(part.values),
        )
    )


@dataclass(frozen=True, slots=True)
class Encoded:
    """A chunk as it was read; what a query does not need is not unpacked."""

    body: _Body

    @property
    def n(self) -> Whole:
        return unpack(self.body.n)

    @property
    def times(self) -> Times:
        if self.body.received is not None:
            return Times.BOTH
        return Times.NONE if self.body.time is None else Times.MACHINE

    def part(self, n: Whole, clock: tuple[Whole, Whole] | None) -> Part:
        """All of it. clock: time and receipt of these numbers, unless the chunk has both."""
        body = self.body
        if clock is None:
            assert body.time is not None
            assert body.received is not None
            time = unpack(body.time)
            received = time + unpack(body.received)
        else:
            time, received = clock
            if body.time is not None:
                time = received - unpack(body.time)
        return Part(n, time, received, unpack_values(body.values), unpack(body.quality))


def decode(data: bytes, codec: int) -> Encoded:
    """Raises ValueError for a codec of a later version."""
    if codec != CODEC:
        raise ValueError(f"chunks of codec {codec} need a later version")
    return Encoded(_decoder.decode(data))


def pack_values(values: Values) -> list[Any]:
    """What kind each value is, then those of each kind."""
    if values.dtype == np.float64:
        return [pack(np.full(len(values), _FLOAT, np.int64)), pack_floats(values)]
    if values.dtype == np.int64:
        return [pack(np.full(len(values), _INT, np.int64)), None, pack(values)]
    every = values.tolist()
    kinds = np.fromiter((_KINDS[type(value)] for value in every), np.int64, len(every))
    floats = np.array([value for value in every if type(value) is float], np.float64)
    ints = np.array([value for value in every if type(value) is int], np.int64)
    bools = np.array([value for value in every if type(value) is bool], np.int64)
    texts = [value for value in every if type(value) is str]
    found: list[Any] = [pack(kinds), pack_floats(floats) if len(floats) else None, pack(ints), pack(bools)]
    if texts:
        codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        found += [zlib.compress(_encoder.encode(list(codes))), pack(np.array([codes[text] for text in texts]))]
    return found


def unpack_values(packed: list[Any]) -> Values:
    """The inverse of `pack_values`."""
    kinds = unpack(packed[0])
    if len(packed) < 4:
        return cast("Values", unpack(packed[2]) if len(packed) == 3 else unpack_floats(packed[1]))
    found = np.empty(len(kinds), object)
    if packed[1] is not None:
        found[kinds == _FLOAT] = unpack_floats(packed[1]).tolist()
    found[kinds == _INT] = unpack(packed[2]).tolist()
    found[kinds == _BOOL] = [bool(value) for value in unpack(packed[3]).tolist()]
    if len(packed) > 4:
        texts = np.array(msgspec.msgpack.decode(zlib.decompress(packed[4]), type=list[str]), object)
        found[kinds == _TEXT] = texts[unpack(packed[5])]
    return found
