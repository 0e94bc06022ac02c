"""Bytes out of TCP segments, however they were recorded."""

from __future__ import annotations

import itertools
import random

from gateway.pcap.tcp import Direction, Piece
from gateway.pcap.tshark import Segment

SECOND = 1_000_000
NEAR_THE_END = 0xFFFF_FF80


def segment(sequence: int, data: bytes, *, at: int = 0, size: int | None = None, fin: bool = False) -> Segment:
    whole = len(data) if size is None else size
    return Segment(
        at, ("10.0.0.1", 40_000), ("10.0.0.2", 502), sequence & 0xFFFF_FFFF, 1, False, fin, False, whole, data
    )


def test_every_byte_once_and_in_order() -> None:
    dice = random.Random(7)
    stream = dice.randbytes(5_000)
    cuts = sorted({0, 5_000, *(dice.randrange(5_000) for _ in range(60))})
    parts = [(begin, stream[begin:end]) for begin, end in itertools.pairwise(cuts)]
    # Some again, some of them cut elsewhere, and none far from its place.
    parts += [(begin, stream[begin : begin + 150]) for begin in dice.sample(range(5_000), 30)]
    parts.sort(key=lambda part: part[0] + dice.randrange(-400, 400))
    side = Direction()
    side.begin(NEAR_THE_END - 1)  # the numbers go round on the way
    found = [piece for begin, data in parts for piece in side.take(segment(NEAR_THE_END + begin, data))]
    assert b"".join(piece.data for piece in found) == stream
    assert not any(piece.missing for piece in found)
    assert side.again == sum(len(data) for _, data in parts) - len(stream)


def test_what_the_receiver_has_and_the_recording_has_not_is_missing() -> None:
    side = Direction()
    assert list(side.take(segment(100, b"abc"))) == [Piece(0, b"abc")]
    assert list(side.take(segment(113, b"xyz", at=1))) == []
    assert list(side.acknowledged(116, 2)) == []  # it may have been recorded behind its acknowledgement
    assert list(side.acknowledged(116, 2 + 2 * SECOND)) == [
        Piece(2 + 2 * SECOND, b"", 10),
        Piece(2 + 2 * SECOND, b"xyz"),
    ]
    assert list(side.acknowledged(120, 3 * SECOND)) == []
    assert list(side.acknowledged(120, 5 * SECOND)) == [Piece(5 * SECOND, b"", 4)]


def test_the_end_of_a_stream_is_no_missing_byte() -> None:
    side = Direction()
    list(side.take(segment(100, b"abc", fin=True)))
    assert list(side.acknowledged(104, 1)) == []
    assert list(side.acknowledged(104, 9 * SECOND)) == []


def test_a_packet_that_was_cut_short() -> None:
    side = Direction()
    assert list(side.take(segment(1, b"ab", size=10))) == [Piece(0, b"ab"), Piece(0, b"", 8)]
    assert list(side.take(segment(11, b"cd", at=4))) == [Piece(4, b"cd")]


def test_what_never_came_is_missing_at_the_end() -> None:
    side = Direction()
    list(side.take(segment(1, b"ab")))
    list(side.take(segment(5, b"ef")))
    assert list(side.end(7)) == [Piece(7, b"", 2), Piece(7, b"ef")]
