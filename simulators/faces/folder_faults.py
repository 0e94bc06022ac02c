"""What can go wrong where a machine writes files, as data: a script sets and clears faults while machines go on working."""

from __future__ import annotations

import random
from enum import StrEnum

import msgspec


class Trouble(StrEnum):
    """What goes wrong. What is written meanwhile to a folder that is away, is written when it is there again."""

    REFUSE = "refuse"  # the folder is not there
    UNMOUNT = "unmount"  # the folder is there and empty, as a share that is not mounted
    LATE = "late"  # the file comes `seconds` later; those behind it do not wait
    HALF = "half"  # the first half; the rest comes after `seconds`
    GARBAGE = "garbage"  # bytes that are nothing, in a file before it
    ENCODING = "encoding"  # the same text in another encoding, in a file before it
    BOMB = "bomb"  # XML that grows when its entities are expanded, in a file before it
    VANISH = "vanish"  # the file is deleted after `seconds`
    COPY = "copy"  # the file is also there under another name: to whoever reads it, one test more
    REWRITE = "rewrite"  # after `seconds` the file is written again, a blank line longer: a revision
    LOCK = "lock"  # for `seconds` nobody may read it; root may all the same
    SKEW = "skew"  # its modification time is `seconds` off


LASTING = frozenset((Trouble.REFUSE, Trouble.UNMOUNT))
"""No matter of single files."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """seconds: real ones. share: of the files that are concerned, drawn by the face's seed. times: after so many it is
    over."""

    trouble: Trouble
    seconds: float = 0.0
    share: float = 1.0
    times: int | None = None


class Faults:
    """Those that are set on one folder."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._set: dict[int, Fault] = {}
        self._times: dict[int, int] = {}
        self._last = 0

    def set(self, fault: Fault) -> int:
        """A number to clear it with."""
        self._last += 1
        self._set[self._last] = fault
        self._times[self._last] = 0
        return self._last

    def clear(self, number: int) -> None:
        """One that is over already is no mistake."""
        self._set.pop(number, None)
        self._times.pop(number, None)

    def next(self) -> dict[Trouble, Fault]:
        """What happens to the next file, and is counted as having happened."""
        found: dict[Trouble, Fault] = {}
        for number, fault in list(self._set.items()):
            if fault.trouble in LASTING or (fault.share < 1.0 and self._draw.random() >= fault.share):
                continue
            found.setdefault(fault.trouble, fault)
            self._times[number] += 1
            if fault.times is not None and self._times[number] >= fault.times:
                self.clear(number)
        return found

    def noise(self) -> bytes:
        """Drawn bytes that are no text."""
        return b"\xff\x00\xfe" + self._draw.randbytes(200)
