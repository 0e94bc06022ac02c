from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulators.line import Face, run
from simulators.model import demo_line
from simulators.outbox import Outbox, Outgoing, Taken, ignore

FIRST, SECOND = (machine.handle for machine in demo_line().machines)


class Ears:
    """A face that takes everything, or nothing."""

    def __init__(self, handle: str, *, deaf: bool = False) -> None:
        self.handle = handle
        self.heard: list[Outgoing] = []
        self._deaf = deaf
        self._changed = asyncio.Condition()

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        while True:
            (message,) = await outbox.peek(1)
            if self._deaf:
                await asyncio.Event().wait()
            async with self._changed:
                self.heard.append(message)
                self._changed.notify_all()
            taken(message)
            await outbox.taken(1)

    async def hear(self, name: str) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: any(each.name.endswith(name) for each in self.heard))

    @property
    def names(self) -> list[str]:
        return [each.name.rpartition(".")[2] for each in self.heard]


@asynccontextmanager
async def running(
    *faces: Face, stop_s: float = 5.0, taken: Taken = ignore, seed: int | None = 1
) -> AsyncIterator[None]:
    task = asyncio.create_task(
        run(demo_line(), faces, speed=1000.0, seed=seed, stop_s=stop_s, taken=taken), name="line"
    )
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_each_machine_speaks_through_its_face_and_says_goodbye() -> None:
    first, second, taken = Ears(FIRST), Ears(SECOND), list[Outgoing]()
    async with running(first, second, taken=taken.append):
        await first.hear("WorkCompleted")
        await second.hear("WorkCompleted")
    for ears in (first, second):
        assert ears.names[0] == "EndpointConnected"
        assert ears.names[-3:] == ["StationStateChanged", "StationOffline", "EndpointShuttingDown"]
        assert ears.names.count("WorkStarted") == ears.names.count("WorkCompleted")
        assert all(json.loads(each.payload)["Source"] == ears.handle == each.source for each in ears.heard)
        stamps = [each.at for each in ears.heard]
        assert stamps == sorted(stamps)
    assert sorted(taken, key=id) == sorted(first.heard + second.heard, key=id)


async def test_without_a_seed_every_run_is_another_life() -> None:
    runs = []
    for _ in range(2):
        first, second = Ears(FIRST), Ears(SECOND)
        async with running(first, second, seed=None):
            await second.hear("UnitsArrived")
        runs.append({each.unique_id for each in first.heard + second.heard})
    assert not runs[0] & runs[1]


async def test_a_peer_that_takes_nothing_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Ears(FIRST), Ears(SECOND, deaf=True)
    with caplog.at_level(logging.WARNING):
        async with running(first, second, stop_s=0.05):
            await first.hear("WorkStarted")
    assert first.names[-1] == "EndpointShuttingDown", "the others still say goodbye"
    assert "were not taken" in caplog.text


async def test_every_machine_needs_its_face() -> None:
    with pytest.raises(ValueError, match="one face each"):
        await run(demo_line(), [Ears(FIRST)])


async def test_a_defect_in_a_face_ends_the_run() -> None:
    class Broken(Ears):
        async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await run(demo_line(), [Ears(FIRST), Broken(SECOND)], speed=1000.0, stop_s=0.05)
    assert caught.group_contains(ZeroDivisionError)
