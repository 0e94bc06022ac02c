"""Discrete events in virtual time: just enough for a line of a few machines.

A process is a generator. It yields a number of seconds to let them pass, or an `Until` to wait for a
condition on what other processes do. Nothing here knows the wall clock, so a life is computed as fast as it
is consumed.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Generator
from typing import NamedTuple


class Until(NamedTuple):
    """Wait until `condition()` holds, at most `within` seconds; the yield gives False when time ran out."""

    condition: Callable[[], bool]
    within: float = math.inf


Process = Generator["float | Until", bool, None]


class _Running:
    """A started process. `turn` grows whenever it is resumed: a timer set before that is void."""

    __slots__ = ("condition", "process", "turn")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.condition: Callable[[], bool] | None = None
        self.turn = 0


class Kernel:
    """Runs processes in order of virtual time; at the same time, in the order in which they came to wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, int, int, _Running]] = []
        self._waiting: list[_Running] = []
        self._set = 0

    def start(self, process: Process) -> None:
        """Adds a process, which begins at the present virtual time."""
        self._timer(_Running(process), self.now)

    def due(self) -> float:
        """When a process goes on next if nothing happens before; infinity when none ever will."""
        if any(running.condition is not None and running.condition() for running in self._waiting):
            return self.now
        while self._timers and self._timers[0][2] != self._timers[0][3].turn:
            heapq.heappop(self._timers)  # void
        return self._timers[0][0] if self._timers else math.inf

    def advance(self) -> bool:
        """Resumes one process. False when none can ever go on."""
        for running in self._waiting:
            assert running.condition is not None
            if running.condition():
                self._waiting.remove(running)
                self._resume(running, True)
                return True
        while self._timers:
            at, _, turn, running = heapq.heappop(self._timers)
            if turn != running.turn:
                continue
            self.now = at
            timed_out = running.condition is not None
            if timed_out:
                self._waiting.remove(running)
            self._resume(running, not timed_out)
            return True
        return False

    def _timer(self, running: _Running, at: float) -> None:
        self._set += 1
        heapq.heappush(self._timers, (at, self._set, running.turn, running))

    def _resume(self, running: _Running, held: bool) -> None:
        fresh = running.turn == 0
        running.turn += 1
        running.condition = None
        try:
            wish = next(running.process) if fresh else running.process.send(held)
        except StopIteration:
            return
        if isinstance(wish, Until):
            running.condition = wish.condition
            self._waiting.append(running)
            if wish.within < math.inf:
                self._timer(running, self.now + wish.within)
        else:
            self._timer(running, self.now + wish)
