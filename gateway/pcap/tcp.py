"""Streams of bytes out of TCP segments (RFC 9293, 3.4): in order, each byte once, and what is missing said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.times import Micros
from gateway.pcap.tshark import Segment

_MOST_HELD = 4 << 20
_PATIENCE: Micros = 1_000_000
"""So long after the receiver has acknowledged bytes, by the packets' times, they may still turn up behind others."""


class Piece(NamedTuple):
    """Bytes of a stream, complete at `at`; or, where `missing`, so many that are not there."""

    at: Micros
    data: bytes
    missing: int = 0


class Direction:
    """What one side says. again: bytes that came more than once, because they were sent or captured more than once."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, bytes] = {}
        self._size = 0
        self._acknowledged_at: Micros | None = None
        self._end: int | None = None
        self._latest: Micros = 0
        self.again = 0
        self.began = False

    def begin(self, sequence: int) -> None:
        """The number of its SYN."""
        self._next = (sequence + 1) & 0xFFFF_FFFF
        self.began = True

    def lacks(self, number: int) -> bool:
        """Whether there are bytes before this one that have not come yet."""
        return self._next is not None and number != self._end and _signed(number - self._next) > 0

    def take(self, segment: Segment) -> Iterator[Piece]:
        if self._next is None:
            self._next = segment.sequence
        data = segment.data
        if segment.fin:
            self._end = (segment.sequence + segment.size + 1) & 0xFFFF_FFFF
        ahead = _signed(segment.sequence - self._next)
        if ahead > 0:
            self._hold(segment.sequence, data)
        elif -ahead < len(data):
            self.again += -ahead
            yield self._give(segment.at, data[-ahead:])
            yield from self._follow(segment.at)
        else:
            self.again += len(data)
        cut = segment.size - len(segment.data)
        if cut > 0 and ahead <= 0 and _signed(segment.sequence + len(data) - self._next) == 0:
            yield self._pass(segment.at, cut)
            yield from self._follow(segment.at)
        if self._size > _MOST_HELD:
            yield from self._skip(segment.at)

    def acknowledged(self, number: int, at: Micros) -> Iterator[Piece]:
        """By the other side: what is missing before it was there, and will not be sent again."""
        if self._next is None or number == self._end or (not self._held and _signed(number - self._next) <= 0):
            self._acknowledged_at = None
        elif _signed(number - self._next) > 0:
            if self._acknowledged_at is None:
                self._acknowledged_at = at
            elif at - self._acknowledged_at > _PATIENCE:
                self._acknowledged_at = None
                if self._held:
                    yield from self._skip(at)
                else:
                    yield self._pass(at, _signed(number - self._next))

    def end(self, at: Micros) -> Iterator[Piece]:
        while self._held:
            yield from self._skip(at)

    def _hold(self, sequence: int, data: bytes) -> None:
        known = self._held.get(sequence, b"")
        if len(data) > len(known):
            self._held[sequence] = data
            self._size += len(data) - len(known)
            self.again += len(known)
        else:
            self.again += len(data)

    def _give(self, at: Micros, data: bytes) -> Piece:
        assert self._next is not None
        self._next = (self._next + len(data)) & 0xFFFF_FFFF
        self._acknowledged_at = None
        self._latest = max(self._latest, at)  # clocks of recordings go back now and then
        return Piece(self._latest, data)

    def _pass(self, at: Micros, count: int) -> Piece:
        assert self._next is not None
        self._next = (self._next + count) & 0xFFFF_FFFF
        return Piece(at, b"", count)

    def _follow(self, at: Micros) -> Iterator[Piece]:
        """What was held and comes next."""
        while self._held:
            assert self._next is not None
            place = self._next
            first = min(self._held, key=lambda each: _signed(each - place))
            behind = -_signed(first - place)
            if behind < 0:
                return
            data = self._held.pop(first)
            self._size -= len(data)
            self.again += min(behind, len(data))
            if behind < len(data):
                yield self._give(at, data[behind:])

    def _skip(self, at: Micros) -> Iterator[Piece]:
        assert self._next is not None
        place = self._next
        first = min(self._held, key=lambda each: _signed(each - place))
        yield self._pass(at, _signed(first - place))
        yield from self._follow(at)


def _signed(difference: int) -> int:
    """Of two sequence numbers, which go round."""
    return ((difference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
