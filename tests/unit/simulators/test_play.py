from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from gateway.core.times import Micros, rfc3339
from simulators.life import life
from simulators.model import demo_line
from simulators.play import Pace, SystemClock, play
from simulators.step import Body, Moment, Seconds, Span, Standing, Step, render

NOON = 1_795_176_000_000_000


class FakeClock:
    """Sleeping takes no time and lets it pass; a test may set the wall clock or lose time."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.offset = NOON - 1000 * 1_000_000
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> Micros:
        return round(self.seconds * 1_000_000) + self.offset

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


def step(at: float, body: Body | None = None) -> Step:
    return Step(at, "A.B.C", "CFX.Heartbeat", body or {}, f"{at}", Standing(1100, 0.0))


class Recorder:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.got: list[tuple[float, float, Body]] = []

    async def __call__(self, step: Step, body: Body, at: Micros) -> None:
        self.got.append((self.clock.seconds - 1000.0, (at - NOON) / 1_000_000, body))


async def test_steps_are_published_when_due_and_stamped_with_that_moment() -> None:
    clock = FakeClock()
    seen = Recorder(clock)
    await play([step(0.0), step(5.0), step(5.0), step(20.0)], Pace(clock, 10.0), seen)
    assert [published for published, _, _ in seen.got] == pytest.approx([0.0, 0.5, 0.5, 2.0])
    assert [stamp for _, stamp, _ in seen.got] == pytest.approx([0.0, 0.5, 0.5, 2.0])


async def test_times_in_a_body_agree_with_the_stamps() -> None:
    """At speed 10 a state that lasted 30 virtual seconds lasted 3 s between the stamps, and the body says 3 s."""
    clock = FakeClock()
    seen = Recorder(clock)
    body = {"At": [Moment(10.0)], "Lasted": {"x": Span(30.0)}, "Cycle": Seconds(25.0), "Other": ("a", None, 1)}
    await play([step(40.0, body)], Pace(clock, 10.0), seen)
    written = seen.got[0][2]
    assert written == {
        "At": [rfc3339(NOON + 1_000_000)],
        "Lasted": {"x": "00:00:03"},
        "Cycle": 2.5,
        "Other": ["a", None, 1],
    }


async def test_a_small_delay_is_made_up() -> None:
    clock = FakeClock()
    seen = Recorder(clock)

    async def slow(one: Step, body: Body, at: Micros) -> None:
        await seen(one, body, at)
        clock.seconds += 3.0 if one.at == 10.0 else 0.0

    await play([step(10.0), step(20.0), step(30.0), step(90.0)], Pace(clock, 10.0), slow)
    assert [published for published, _, _ in seen.got] == pytest.approx([1.0, 4.0, 4.0, 9.0])
    assert [stamp for _, stamp, _ in seen.got] == pytest.approx([1.0, 2.0, 3.0, 9.0])


async def test_after_a_standstill_the_life_goes_on_where_it_stood() -> None:
    clock = FakeClock()
    seen = Recorder(clock)

    async def stuck(one: Step, body: Body, at: Micros) -> None:
        await seen(one, body, at)
        clock.seconds += 600.0 if one.at == 10.0 else 0.0

    await play([step(10.0), step(20.0), step(30.0)], Pace(clock, 10.0, patience=5.0), stuck)
    assert [published for published, _, _ in seen.got] == pytest.approx([1.0, 601.0, 602.0])
    assert [stamp for _, stamp, _ in seen.got] == pytest.approx([1.0, 601.0, 602.0])


async def test_stamps_follow_a_wall_clock_that_is_set() -> None:
    clock = FakeClock()
    seen = Recorder(clock)

    async def adjust(one: Step, body: Body, at: Micros) -> None:
        await seen(one, body, at)
        if one.at == 10.0:
            clock.offset += 3_600_000_000

    await play([step(10.0), step(20.0)], Pace(clock, 10.0), adjust)
    assert [stamp for _, stamp, _ in seen.got] == pytest.approx([1.0, 3602.0])


async def test_a_life_is_played_at_its_speed() -> None:
    clock = FakeClock()
    seen = Recorder(clock)
    pace = Pace(clock, 10.0)
    await play(itertools.islice(life(demo_line(), 1), 1000), pace, seen)
    assert len(seen.got) == 1000
    assert seen.got[0][0] == 0.0, "the first event comes at once"
    assert sum(published < 2.0 for published, _, _ in seen.got) > 10
    stamps = [stamp for _, stamp, _ in seen.got]
    assert stamps == sorted(stamps)
    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    assert max(gaps) < 7.0, "a steady stream: the heartbeat at the latest"
    assert pace.virtual() == pytest.approx(stamps[-1] * 10.0, abs=0.01)


async def test_the_system_clock_moves_and_sleeps() -> None:
    clock = SystemClock()
    before, wall = clock.monotonic(), clock.wall()
    await clock.sleep(0.001)
    assert clock.monotonic() - before >= 0.001
    assert clock.wall() > wall


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_speed_is_positive(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pace(FakeClock(), speed)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (85.0, "00:01:25"),
        (0.0, "00:00:00"),
        (1.234, "00:00:01.2340000"),
        (95_400.0, "1.02:30:00"),
        (0.0000004, "00:00:00"),
        (59.9999999, "00:01:00"),
    ],
)
def test_a_duration_is_written_as_dotnet_writes_it(seconds: float, text: str) -> None:
    assert render({"x": Span(seconds)}, lambda at: 0, 1.0) == {"x": text}
    assert re.fullmatch(r"(\d+\.)?\d\d:\d\d:\d\d(\.\d{7})?", text)
