"""The stages of one work: CFX WorkStageStarted, WorkStagePaused, WorkStageResumed, WorkStageCompleted."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.marks import Body
from simulators.voices import cfx_bodies as bodies
from simulators.voices.cfx_message import Message


class Stages:
    """One after the other, each planned to last `seconds`; the last until the work is over.

    due: when the next begins; None while the work stands still, and in the last. All methods return what is to be said.
    """

    def __init__(self, transaction: str, names: Sequence[str], seconds: float, at: float) -> None:
        self._transaction = transaction
        self._stages = [bodies.stage(number, name) for number, name in enumerate(names, 1)]
        self._seconds = seconds
        self._starts = [at]
        self._stopped: dict[str, None] = {}
        self._left = seconds
        self.due = self._planned(at, seconds)

    @property
    def now(self) -> Body:
        """The stage that the work is in."""
        return self._stages[len(self._starts) - 1]

    def at(self, at: float) -> Body:
        """The stage that it was in at that virtual second."""
        passed = sum(start <= at for start in self._starts)
        return self._stages[max(passed, 1) - 1]

    def begun(self) -> list[Message]:
        return [bodies.stage_started(self._transaction, self.now)]

    def turned(self, at: float) -> list[Message]:
        """The next one begins."""
        over = bodies.stage_completed(self._transaction, self.now, "Completed")
        self._starts.append(at)
        self.due = self._planned(at, self._seconds)
        return [over, bodies.stage_started(self._transaction, self.now)]

    def stopped(self, at: float, fault: str, reason: str) -> list[Message]:
        """reason: CFX WorkStagePauseReason."""
        first = not self._stopped
        self._stopped[fault] = None
        if not first:
            return []
        if self.due is not None:
            self._left, self.due = self.due - at, None
        return [bodies.stage_paused(self._transaction, self.now, reason)]

    def cleared(self, at: float, fault: str) -> list[Message]:
        """That fault is over; with the last one, the work goes on."""
        if self._stopped.pop(fault, fault) is not None or self._stopped:
            return []
        self.due = self._planned(at, self._left)
        return [bodies.stage_resumed(self._transaction, self.now)]

    def finished(self, at: float, result: str) -> list[Message]:
        """Nothing is said of stages that were never begun when the work is broken off."""
        said = []
        while result == "Completed" and len(self._starts) < len(self._stages):
            said += self.turned(at)
        self.due = None
        return [*said, bodies.stage_completed(self._transaction, self.now, result)]

    def _planned(self, at: float, seconds: float) -> float | None:
        return at + seconds if len(self._starts) < len(self._stages) else None
