"""When the samples of a station came, once for all its signals: a reading of thirty signals has one time, not thirty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from gateway.journal.columns import Packed, Whole, pack, unpack

CODEC = 1
WORTH = 2
"""Samples that must share a time, on average, before a clock takes fewer bytes than times in every chunk."""

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(list[Packed])


@dataclass(frozen=True, slots=True)
class Clock:
    """Samples from number `first[i]` on, up to the next one, are of `time[i]` and were received at `received[i]`. Where
    their times are their own, `time` is the receipt too, and their chunks have the times."""

    first: Whole
    time: Whole
    received: Whole

    def at(self, n: Whole) -> tuple[Whole, Whole]:
        """Time and receipt of the samples with these numbers."""
        places = np.searchsorted(self.first, n, side="right") - 1
        return self.time[places], self.received[places]


def clock_of(n: Whole, time: Whole, received: Whole) -> Clock:
    """Of all samples of a station in a stretch, by ascending number."""
    new = np.ones(len(n), np.bool_)
    new[1:] = (time[1:] != time[:-1]) | (received[1:] != received[:-1])
    return Clock(n[new], time[new], received[new])


def encode(clock: Clock) -> bytes:
    return _encode([pack(clock.first), pack(clock.time), pack(clock.received - clock.time)])


def decode(data: bytes, codec: int) -> Clock:
    """Raises ValueError for a codec of a later version."""
    if codec != CODEC:
        raise ValueError(f"clocks of codec {codec} need a later version")
    first, time, delay = (unpack(column) for column in _decoder.decode(data))
    return Clock(first, time, time + delay)


def joined(clocks: Sequence[Clock]) -> Clock:
    """One of several, in the order of their numbers."""
    return Clock(
        np.concatenate([clock.first for clock in clocks]),
        np.concatenate([clock.time for clock in clocks]),
        np.concatenate([clock.received for clock in clocks]),
    )
