"""A capture played: every frame to the actor of its connection, when it is due, in the order in which it was captured.

Each actor plays on its own: one whose gateway is slow does not hold up the others, until it is far behind.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from gateway.core.errors import LinesideError
from gateway.core.frame import LOST, TICK, Frame
from gateway.core.times import Micros
from simulators.replay.actor import Actor, Rehearsing, Role, Stage
from simulators.replay.cast import actor
from simulators.replay.pace import Control, Pace

_BEHIND = 100
"""Frames that an actor may be behind before all wait for it."""
_MOST_BYTES = 64 << 20
"""Of frames that wait for their actors, together; a larger one alone."""


class Cue(NamedTuple):
    """A frame to be played. peer: as of its delivery."""

    frame: Frame
    peer: str | None = None


class Progress:
    """played, lost: frames said, and losses of sight repeated, by connection. left_out: frames that could not be said, by
    connection and reason. at: the time in the capture. rounds: how often it was played to its end. waiting: connections
    whose actors are behind."""

    def __init__(self) -> None:
        self.played: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.at: Micros | None = None
        self.rounds = 0
        self.waiting: frozenset[str] = frozenset()


@asynccontextmanager
async def cast(roles: Iterable[Role], stage: Stage, cues: Iterable[Cue]) -> AsyncIterator[dict[str, Actor]]:
    """The actors by connection, each in its place until the block is left. cues: for those who have to rehearse; read as
    far as they ask for. Raises Unplayable, FaceError."""
    actors = {role.connection: actor(role, stage) for role in roles}
    rehearsing = {name: each for name, each in actors.items() if isinstance(each, Rehearsing)}
    if rehearsing:
        for cue in cues:
            learner = rehearsing.get(cue.frame.connection)
            if learner is not None and cue.frame.channel not in (LOST, TICK) and not learner.rehearse(cue.frame):
                del rehearsing[cue.frame.connection]
                if not rehearsing:
                    break
    async with AsyncExitStack() as stack:
        for each in actors.values():
            await stack.enter_async_context(each)
        yield actors


async def met(actors: Mapping[str, Actor], within_s: float | None) -> list[str]:
    """Waits until somebody is there for each, at most so long (None: for ever). Those for whom nobody came."""
    waiting = {asyncio.create_task(each.met(), name=f"met {name}"): name for name, each in actors.items()}
    if not waiting:
        return []
    try:
        done, missing = await asyncio.wait(waiting, timeout=within_s)
        for task in done:
            task.result()
        return sorted(waiting[task] for task in missing)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


class Performance:
    """actors: by connection; frames of others are left alone."""

    def __init__(self, actors: Mapping[str, Actor], pace: Pace, control: Control) -> None:
        self.progress = Progress()
        self._actors = actors
        self._pace = pace
        self._control = control
        self._held = 0
        self._queues: dict[str, asyncio.Queue[Cue]] = {name: asyncio.Queue(_BEHIND) for name in actors}

    async def play(
        self, cues: Callable[[], Iterable[Cue]], *, loop: bool = False, told: Callable[[Cue], None] = lambda cue: None
    ) -> None:
        """Once, or for ever; returns when everything is said. told: hears of each frame that is let through in a hold."""
        async with asyncio.TaskGroup() as group:
            workers = [
                group.create_task(self._work(name, each), name=f"plays {name}") for name, each in self._actors.items()
            ]
            try:
                while True:
                    await self._round(cues(), told)
                    self.progress.rounds += 1
                    if not loop or self.progress.at is None:
                        return
                    self._pace.again()
            finally:
                for worker in workers:
                    worker.cancel()

    async def _round(self, cues: Iterable[Cue], told: Callable[[Cue], None]) -> None:
        for cue in cues:
            queue = self._queues.get(cue.frame.connection)
            if queue is None or cue.frame.channel == TICK:
                continue
            await self._pace.reach(cue.frame.received)
            self.progress.at = cue.frame.received
            if queue.full() or self._held > _MOST_BYTES:
                self.progress.waiting |= {cue.frame.connection}
            if self._held + len(cue.frame.payload) > _MOST_BYTES:
                for other in self._queues.values():
                    await other.join()
            self._held += len(cue.frame.payload)
            await queue.put(cue)
            self.progress.waiting -= {cue.frame.connection}
            if self._control.paused:
                told(cue)
        for name, each in self._actors.items():
            self.progress.waiting |= {name}
            await self._queues[name].join()
            await each.done()
            self.progress.waiting -= {name}

    async def _work(self, name: str, each: Actor) -> None:
        queue = self._queues[name]
        while True:
            cue = await queue.get()
            frame = cue.frame
            try:
                if frame.channel == LOST:
                    await each.lose(frame.payload.decode("utf-8", "replace"))
                    self.progress.lost[name] += 1
                else:
                    await each.play(frame, cue.peer)
                    self.progress.played[name] += 1
            except (LinesideError, OSError) as error:  # one bad frame, or a full disk, does not end it for the others
                self.progress.left_out[name, str(error)] += 1
            finally:
                self._held -= len(frame.payload)
                queue.task_done()
