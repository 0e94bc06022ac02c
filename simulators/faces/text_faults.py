"""What can go wrong with what a machine says as text, as data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from simulators.faces.switches import Switches


class Trouble(StrEnum):
    """What goes wrong: with the line, until it is over, or with single texts."""

    UNPLUG = "unplug"  # the port is gone, connections are cut and refused; what is said meanwhile is lost
    REFUSE = "refuse"  # TCP: connections are refused; those that there are stay
    STALL = "stall"  # nothing is sent until it is over, and then all of it
    DROP = "drop"  # TCP: the connection is cut in the middle of the text
    LOSE = "lose"  # the text is not sent
    LATE = "late"  # it comes `seconds` later, and so does what follows
    GARBAGE = "garbage"  # `data` in place of it
    NOISE = "noise"  # `data` before it
    TRUNCATE = "truncate"  # its first half
    HALVES = "halves"  # its first half, and the rest `seconds` later
    SLOW = "slow"  # `rate` bytes a second
    DUPLICATE = "duplicate"  # twice
    REORDER = "reorder"  # held back until after the next one


LASTING = frozenset((Trouble.UNPLUG, Trouble.REFUSE, Trouble.STALL))
"""No matter of single texts."""
_JUNK = (3, 12)
"""Bytes of garbage where a fault does not say which."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """share: of the texts, drawn by the face's seed. times: after so many it is over. seconds: real ones, of LATE and
    HALVES. rate: of SLOW. data: of GARBAGE and NOISE; empty for drawn bytes."""

    trouble: Trouble
    share: float = 1.0
    times: int | None = None
    seconds: float = 0.5
    rate: float = 1_000.0
    data: bytes = b""


class Faults(Switches[Fault]):
    """Those that are set at the moment."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"{seed}/text faults", LASTING)

    def junk(self, fault: Fault) -> bytes:
        return fault.data or self.rng.randbytes(self.rng.randint(*_JUNK))


class Piece(NamedTuple):
    """Bytes that are sent together, `after_s` after the ones before. cut: then the connection is cut."""

    data: bytes
    after_s: float = 0.0
    cut: bool = False


def pieces(data: bytes, met: Iterable[Fault], faults: Faults) -> list[Piece]:
    """What is sent of a text under the faults that it met, but for REORDER."""
    late, rate, cut, halves = 0.0, 0.0, False, 0.0
    for fault in met:
        match fault.trouble:
            case Trouble.LOSE:
                data = b""
            case Trouble.LATE:
                late += fault.seconds
            case Trouble.GARBAGE:
                data = faults.junk(fault)
            case Trouble.NOISE:
                data = faults.junk(fault) + data
            case Trouble.TRUNCATE:
                data = data[: len(data) // 2]
            case Trouble.DUPLICATE:
                data *= 2
            case Trouble.HALVES:
                halves = fault.seconds
            case Trouble.SLOW:
                rate = fault.rate
            case Trouble.DROP:
                data, cut = data[: len(data) // 2], True
    if rate:
        made = [Piece(bytes((byte,)), 1 / rate) for byte in data]
    elif halves:
        middle = len(data) // 2
        made = [Piece(data[:middle]), Piece(data[middle:], halves)]
    else:
        made = [Piece(data)] if data else []
    if late:
        made = [Piece(b"", late), *made]
    return [*made, Piece(b"", cut=True)] if cut else made
