"""When each frame of a capture is due again: at a speed, with its long pauses shortened, and held when somebody says so."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress

from gateway.core.times import Micros
from simulators.pace import Clock

_PATIENCE_S = 2.0
"""Who is later than this goes on from there, instead of hurrying after the time."""


class Control:
    """What a person says while a capture is played. Any task may call these."""

    def __init__(self, *, paused: bool = False) -> None:
        self.paused = paused
        self._steps = 0
        self._changed = asyncio.Event()

    def pause(self) -> None:
        """Hold, or go on."""
        self.paused = not self.paused
        self._steps = 0
        self._changed.set()

    def step(self) -> None:
        """Hold, and let the next frame through."""
        self._steps += self.paused
        self.paused = True
        self._changed.set()

    def through(self) -> bool:
        """Whether the next frame may go although all is held: a step is used up by it."""
        if not self._steps:
            return False
        self._steps -= 1
        return True

    async def changed(self, within_s: float | None) -> None:
        """Returns when something is said, or after so many seconds."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()


class Pace:
    """speed: of the capture's time; infinity is without any pause. max_gap_s: of the capture's seconds between two frames;
    a longer pause is shortened to it."""

    def __init__(self, clock: Clock, control: Control, *, speed: float, max_gap_s: float | None) -> None:
        self._clock = clock
        self._control = control
        self._speed = speed
        self._most = math.inf if max_gap_s is None else max_gap_s
        self._last: Micros | None = None
        self._due = clock.monotonic()

    async def reach(self, at: Micros) -> None:
        """Returns when a frame of that time is due; always lets other tasks run. Times that go back are as the one before."""
        if self._last is None:
            self._due = self._clock.monotonic()
        else:
            self._due += min(max(at - self._last, 0) / 1e6, self._most) / self._speed
        self._last = at if self._last is None else max(at, self._last)
        await self._clock.sleep(0)
        while True:
            if self._control.paused and await self._let_through():
                return
            ahead = self._due - self._clock.monotonic()
            if ahead <= 0:
                break
            await self._control.changed(ahead)
        if ahead < -_PATIENCE_S:
            self._due -= ahead

    async def _let_through(self) -> bool:
        """Held until somebody lets the frame through, without waiting for its time (True), or until it goes on. Time stands
        still meanwhile."""
        ahead = max(self._due - self._clock.monotonic(), 0.0)
        while self._control.paused:
            if self._control.through():
                self._due = self._clock.monotonic()
                return True
            await self._control.changed(None)
        self._due = self._clock.monotonic() + ahead
        return False

    def again(self) -> None:
        """The next frame is the first one once more."""
        self._last = None
