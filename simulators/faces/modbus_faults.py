"""What a simulated Modbus bus can do wrong, as data: a script sets and clears faults while machines go on working."""

from __future__ import annotations

import random
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from gateway.profile.bound import Table
from gateway.transport.modbus_server import Request, ServerFraming

_JUNK = (3, 12)
"""Bytes of garbage where a fault does not say which."""


class Trouble(StrEnum):
    """What goes wrong. Those of the bus concern the connection, the others what a unit answers."""

    REFUSE = "refuse"  # the bus: connections are refused; those that there are stay
    STALL = "stall"  # the bus: connections are taken, but requests wait until it is over
    FREEZE = "freeze"  # the unit answers, but its values no longer change
    SILENT = "silent"  # no answer
    LATE = "late"  # the answer comes `seconds` later than it would
    REJECT = "reject"  # exception `code` in place of the answer
    DROP = "drop"  # the connection is cut in place of the answer
    GARBAGE = "garbage"  # `data` in place of the answer
    NOISE = "noise"  # `data` before the answer
    TRUNCATE = "truncate"  # the first half of the answer
    WRONG_TRANSACTION = "wrong-transaction"  # the next transaction id; Modbus TCP only
    WRONG_UNIT = "wrong-unit"  # the answer says that it is of the next unit
    DUPLICATE = "duplicate"  # the answer twice
    REORDER = "reorder"  # the answer is held back until after the next one's


_LASTING = frozenset((Trouble.REFUSE, Trouble.STALL, Trouble.FREEZE))
"""No matter of single answers."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """unit: whose answers; None for all of the bus. table, start, count: only of requests that touch these addresses.

    share: of the answers that are concerned, drawn by the face's seed. times: after so many it is over. seconds: of
    LATE. code: of REJECT. data: of GARBAGE and NOISE; empty for drawn bytes. Raises ValueError for REFUSE and STALL of
    one unit, since they happen to a connection.
    """

    trouble: Trouble
    unit: int | None = None
    table: Table | None = None
    start: int = 0
    count: int = 65_536
    share: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    code: int = 4
    data: bytes = b""

    def __post_init__(self) -> None:
        if self.unit is not None and self.trouble in (Trouble.REFUSE, Trouble.STALL):
            raise ValueError(f"{self.trouble} is of the whole bus; of one unit there is {Trouble.SILENT}")

    def concerns(self, unit: int, table: Table | None, start: int, count: int) -> bool:
        return (
            self.trouble not in _LASTING
            and self.unit in (None, unit)
            and self.table in (None, table)
            and self.start < start + count
            and start < self.start + self.count
        )


class Reply(msgspec.Struct):
    """What a request brings about. data: what is sent, after `delay_s`; held: once the next reply has been."""

    data: bytes = b""
    delay_s: float = 0.0
    held: bool = False
    drop: bool = False


class Faults:
    """Those that are set at the moment."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(f"{seed}/modbus faults")
        self._set: list[Fault] = []
        self._left: list[int | None] = []

    def add(self, fault: Fault) -> None:
        self._set.append(fault)
        self._left.append(fault.times)

    def remove(self, fault: Fault) -> None:
        """Does nothing when it is over."""
        if fault in self._set:
            at = self._set.index(fault)
            del self._set[at], self._left[at]

    def clear(self) -> None:
        self._set.clear()
        self._left.clear()

    def lasts(self, trouble: Trouble, unit: int | None = None) -> bool:
        """One of this kind is set: for the whole bus, or (with `unit`) for that unit too."""
        return any(fault.trouble is trouble and fault.unit in (None, unit) for fault in self._set)

    def meeting(self, request: Request, table: Table | None) -> list[Fault]:
        """The faults that this request runs into: each is counted and drawn."""
        found = []
        for fault in tuple(self._set):
            if not fault.concerns(request.unit, table, request.start, max(request.count, 1)):
                continue
            if fault.share < 1.0 and self._rng.random() >= fault.share:
                continue
            found.append(fault)
            at = self._set.index(fault)
            left = self._left[at]
            if left is not None:
                self._left[at] = left - 1
                if left <= 1:
                    self.remove(fault)
        return found

    def junk(self, fault: Fault) -> bytes:
        return fault.data or self._rng.randbytes(self._rng.randint(*_JUNK))


def reply(
    framing: ServerFraming, request: Request, data: bytes | int, met: Iterable[Fault], faults: Faults
) -> Reply | None:
    """What is sent for `request`, whose true answer is `data` (an int: an exception), under the faults that it met.

    None for nothing at all.
    """
    made, answered = Reply(), request
    met = tuple(met)
    for fault in met:
        match fault.trouble:
            case Trouble.SILENT:
                return None
            case Trouble.DROP:
                return Reply(drop=True)
            case Trouble.REJECT:
                data = fault.code
            case Trouble.LATE:
                made.delay_s += fault.seconds
            case Trouble.REORDER:
                made.held = True
            case Trouble.WRONG_TRANSACTION:
                answered = msgspec.structs.replace(answered, transaction=(answered.transaction + 1) & 0xFFFF)
            case Trouble.WRONG_UNIT:
                answered = msgspec.structs.replace(answered, unit=(answered.unit + 1) & 0xFF)
    made.data = framing.refuse(answered, data) if isinstance(data, int) else framing.answer(answered, data)
    for fault in met:
        match fault.trouble:
            case Trouble.TRUNCATE:
                made.data = made.data[: len(made.data) // 2]
            case Trouble.GARBAGE:
                made.data = faults.junk(fault)
            case Trouble.NOISE:
                made.data = faults.junk(fault) + made.data
            case Trouble.DUPLICATE:
                made.data *= 2
    return made
