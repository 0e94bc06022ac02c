"""When the frames of a capture are played, and what becomes of those that cannot be."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import pytest

from gateway.core.frame import LOST, TICK, Frame
from gateway.core.times import Micros
from simulators.replay.actor import Unplayable
from simulators.replay.pace import Control, Pace
from simulators.replay.performance import Cue, Performance, met
from tests.build import until

SECOND = 1_000_000


class StillClock:
    """Time that passes only while somebody waits for it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> Micros:
        return round(self.now * SECOND)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Instant(Control):
    """A person who says nothing: what is waited for is over at once."""

    def __init__(self, clock: StillClock, *, paused: bool = False) -> None:
        super().__init__(paused=paused)
        self.clock = clock

    async def changed(self, within_s: float | None) -> None:
        if within_s is None:
            await super().changed(None)
        else:
            await self.clock.sleep(within_s)


class Told:
    """An actor that only writes down. It cannot say `bad`."""

    addresses: Mapping[str, Any] = {}
    place = "here"

    def __init__(self, clock: StillClock) -> None:
        self.said: list[tuple[str, str, float]] = []
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def met(self) -> None:
        return None

    async def play(self, frame: Frame, peer: str | None) -> None:
        if frame.payload == b"bad":
            raise Unplayable("cannot be said")
        self.said.append(("said", frame.payload.decode(), self._clock.now - 100.0))

    async def lose(self, station: str) -> None:
        self.said.append(("lost", station, self._clock.now - 100.0))

    async def done(self) -> None:
        self.said.append(("done", "", self._clock.now - 100.0))


class Deaf(Told):
    """Nobody ever comes to hear it."""

    async def met(self) -> None:
        await asyncio.Event().wait()


def cue(at_s: float, payload: bytes, *, connection: str = "one", channel: str = "c") -> Cue:
    frame = Frame(connection=connection, received=round(at_s * SECOND), channel=channel, payload=payload)
    return Cue(frame)


CUES = [
    cue(10.0, b"a"),
    cue(12.0, b"x", connection="other"),
    cue(14.0, b"b"),
    cue(15.0, b"L1.one", channel=TICK),
    cue(13.0, b"late"),
    cue(114.0, b"L1.one", channel=LOST),
    cue(114.0, b"bad"),
    cue(116.0, b"c"),
]


@pytest.mark.parametrize(
    ("speed", "max_gap_s", "times"),
    [
        (1.0, None, [0.0, 4.0, 4.0, 104.0, 106.0, 106.0]),
        (2.0, None, [0.0, 2.0, 2.0, 52.0, 53.0, 53.0]),
        (2.0, 10.0, [0.0, 2.0, 2.0, 7.0, 8.0, 8.0]),
        (math.inf, None, [0.0] * 6),
    ],
)
async def test_frames_are_played_in_their_order_and_time(
    speed: float, max_gap_s: float | None, times: list[float]
) -> None:
    clock = StillClock()
    control = Instant(clock)
    actor = Told(clock)
    performance = Performance({"one": actor}, Pace(clock, control, speed=speed, max_gap_s=max_gap_s), control)
    async with asyncio.timeout(5):
        await performance.play(lambda: CUES)
    words = [("said", "a"), ("said", "b"), ("said", "late"), ("lost", "L1.one"), ("said", "c"), ("done", "")]
    assert [(kind, text) for kind, text, _ in actor.said] == words
    assert [at for _, _, at in actor.said] == pytest.approx(times)
    assert performance.progress.played == {"one": 4}
    assert performance.progress.lost == {"one": 1}
    assert performance.progress.left_out == {("one", "cannot be said"): 1}


async def test_who_holds_it_lets_frame_after_frame_through() -> None:
    clock = StillClock()
    control = Instant(clock, paused=True)
    actor = Told(clock)
    performance = Performance({"one": actor}, Pace(clock, control, speed=1.0, max_gap_s=None), control)
    seen: list[Cue] = []
    playing = asyncio.create_task(performance.play(lambda: CUES, told=seen.append))
    control.step()
    await until(lambda: len(actor.said) == 1)
    control.step()
    control.step()
    await until(lambda: len(actor.said) == 3)
    assert [each.frame.payload for each in seen] == [b"a", b"b", b"late"]
    assert clock.now == pytest.approx(100.0)  # what is let through does not wait for its time
    control.pause()
    await asyncio.wait_for(playing, 5)
    assert [text for _, text, _ in actor.said] == ["a", "b", "late", "L1.one", "c", ""]
    assert clock.now == pytest.approx(202.0)


async def test_it_begins_again_at_its_end() -> None:
    clock = StillClock()
    control = Instant(clock)
    actor = Told(clock)
    performance = Performance({"one": actor}, Pace(clock, control, speed=1.0, max_gap_s=None), control)
    playing = asyncio.create_task(performance.play(lambda: CUES[:3], loop=True))
    await until(lambda: performance.progress.rounds >= 2)
    playing.cancel()
    await asyncio.wait({playing})
    assert [text for _, text, _ in actor.said[:6]] == ["a", "b", "", "a", "b", ""]


async def test_it_is_told_for_whom_nobody_came() -> None:
    clock = StillClock()
    assert await met({"a": Told(clock), "b": Deaf(clock)}, 0.01) == ["b"]
