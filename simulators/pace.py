"""The pace of a simulation: virtual seconds become the wall clock of now, at a chosen speed."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from gateway.core import times
from gateway.core.times import Micros


class Clock(Protocol):
    """Time as a player needs it; a test brings its own."""

    def monotonic(self) -> float:
        """Seconds, never set back."""

    def wall(self) -> Micros:
        """The wall clock."""

    async def sleep(self, seconds: float) -> None:
        """Lets that many seconds pass; 0 lets other tasks run."""


class SystemClock:
    """The clock of this computer."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> Micros:
        return times.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pace:
    """Which wall-clock instant a virtual second is, from the moment of its making on.

    Follows the wall clock when that is set by more than `tolerance` seconds. After a standstill of more than
    `patience` seconds (a suspended computer, a consumer that did not take) the life goes on where it stood, as a
    machine would that had been stopped, instead of hurrying after the time.
    """

    def __init__(self, clock: Clock, speed: float, *, tolerance: float = 0.5, patience: float = 5.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed}: it must be above 0")
        self.speed = speed
        self._clock = clock
        self._tolerance = tolerance
        self._patience = patience
        self._start = clock.monotonic()
        self._origin = clock.wall()

    def virtual(self) -> float:
        """The virtual second of this moment."""
        return (self._clock.monotonic() - self._start) * self.speed

    def instant(self, at: float) -> Micros:
        """The wall-clock instant of virtual second `at`."""
        return self._origin + round(at / self.speed * 1_000_000)

    async def reach(self, at: float) -> None:
        """Returns when virtual second `at` has come; always lets other tasks run."""
        ahead = self._start + at / self.speed - self._clock.monotonic()
        await self._clock.sleep(max(ahead, 0.0))
        late = self._clock.monotonic() - self._start - at / self.speed
        if late > self._patience:
            self._start += late
            self._origin += round(late * 1_000_000)
        elapsed = round((self._clock.monotonic() - self._start) * 1_000_000)
        drift = self._clock.wall() - self._origin - elapsed
        if abs(drift) > self._tolerance * 1_000_000:
            self._origin += drift
