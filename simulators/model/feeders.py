"""Feeders and reels of one placement machine, and the store that left-over reels go back to."""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import dataclass

from simulators.model.floor import Spot
from simulators.model.plan import Part

# Components on a full reel: 7-inch reels to EIA-481 hold 10,000 of 0402 in paper at 2 mm, 3,000 to 4,000 of what lies
# 4 mm apart, 1,000 and fewer of large packages in plastic tape.
_FULL = ((2.0, 10_000), (4.0, 3_000), (8.0, 1_000), (20.0, 250))
_LEAST = 40
"""Reels with fewer left are thrown away instead of being stored."""
SPLICE_AT = 150
"""Components left when the machine asks for the next reel: about a metre of tape behind the feeder."""


@dataclass
class Reel:
    """batch: the maker's lot. left: components on it."""

    name: str
    part: Part
    batch: str
    left: int


@dataclass
class Feeder:
    """In its slot. reels: the one in use, and what is spliced onto it."""

    slot: int
    name: str
    part: Part
    reels: deque[Reel]
    asked: bool = False

    @property
    def left(self) -> int:
        return sum(reel.left for reel in self.reels)


class Feeders:
    """by_part: what is set up now; slots stay with a part as long as it is in use."""

    def __init__(self, prefix: str, rng: random.Random) -> None:
        self.by_part: dict[str, Feeder] = {}
        self._store: dict[str, deque[Reel]] = {}
        self._prefix = prefix
        self._rng = rng
        self._reels = itertools.count(rng.randrange(10_000, 900_000))
        self._feeders = itertools.count(1)

    def needed(self, spots: tuple[Spot, ...]) -> list[Part]:
        """Parts in the order of the bill."""
        return list({spot.part.number: spot.part for spot in spots}.values())

    def remove(self, part: str) -> Feeder:
        """Takes a feeder out; its reels go to the store."""
        feeder = self.by_part.pop(part)
        for reel in feeder.reels:
            if reel.left >= _LEAST:
                self._store.setdefault(part, deque()).append(reel)
        return feeder

    def mount(self, part: Part) -> Feeder:
        """A feeder with a reel in the first slot that is free."""
        used = [feeder.slot for feeder in self.by_part.values()]
        slot = next(number for number in itertools.count(1) if number not in used)
        feeder = Feeder(slot, f"FD{self._prefix}{next(self._feeders):05d}", part, deque([self.next_reel(part)]))
        self.by_part[part.number] = feeder
        return feeder

    def next_reel(self, part: Part) -> Reel:
        """One that was used before, else a new one; often not quite full, as it comes from another line."""
        stored = self._store.get(part.number)
        if stored:
            return stored.popleft()
        full = next(number for pitch, number in (*_FULL, (99.0, 100)) if part.tape[1] <= pitch)
        left = full if self._rng.random() < 0.6 else self._rng.randint(full // 8, full)
        batch = f"B{self._rng.randrange(2000, 2652)}-{self._rng.randrange(100)}"
        return Reel(f"REEL{next(self._reels):08d}", part, batch, left)
