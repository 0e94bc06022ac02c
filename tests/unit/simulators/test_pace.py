from __future__ import annotations

import asyncio
import itertools
import re

import pytest

from gateway.core.times import Micros, rfc3339
from simulators.marks import Moment, Seconds, Span, render
from simulators.pace import Pace, SystemClock

NOON = 1_795_176_000_000_000


class FakeClock:
    """Sleeping takes no time and lets it pass; a test may set the wall clock or lose time."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.offset = NOON - 1000 * 1_000_000

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> Micros:
        return round(self.seconds * 1_000_000) + self.offset

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)

    @property
    def passed(self) -> float:
        return self.seconds - 1000.0


def stamp(pace: Pace, at: float) -> float:
    """Seconds after noon at which that virtual second is."""
    return (pace.instant(at) - NOON) / 1_000_000


async def test_a_virtual_second_comes_when_it_is_due_and_is_that_moment() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10.0)
    reached = []
    for at in (0.0, 5.0, 5.0, 20.0):
        await pace.reach(at)
        reached.append((clock.passed, stamp(pace, at), pace.virtual()))
    assert [each[0] for each in reached] == pytest.approx([0.0, 0.5, 0.5, 2.0])
    assert [each[1] for each in reached] == pytest.approx([0.0, 0.5, 0.5, 2.0])
    assert [each[2] for each in reached] == pytest.approx([0.0, 5.0, 5.0, 20.0])


async def test_reaching_what_is_past_lets_others_run() -> None:
    pace, ran = Pace(SystemClock(), 10.0), list[int]()

    async def other() -> None:
        ran.append(1)

    task = asyncio.create_task(other())
    await pace.reach(-1.0)
    assert ran == [1]
    await task


async def test_a_small_delay_is_made_up() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10.0)
    reached = []
    for at in (10.0, 20.0, 30.0, 90.0):
        await pace.reach(at)
        reached.append((clock.passed, stamp(pace, at)))
        clock.seconds += 3.0 if at == 10.0 else 0.0
    assert [each[0] for each in reached] == pytest.approx([1.0, 4.0, 4.0, 9.0])
    assert [each[1] for each in reached] == pytest.approx([1.0, 2.0, 3.0, 9.0])


async def test_after_a_standstill_it_goes_on_where_it_stood() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10.0, patience=5.0)
    reached = []
    for at in (10.0, 20.0, 30.0):
        await pace.reach(at)
        reached.append((clock.passed, stamp(pace, at)))
        clock.seconds += 600.0 if at == 10.0 else 0.0
    assert [each[0] for each in reached] == pytest.approx([1.0, 601.0, 602.0])
    assert [each[1] for each in reached] == pytest.approx([1.0, 601.0, 602.0])


async def test_stamps_follow_a_wall_clock_that_is_set() -> None:
    clock = FakeClock()
    pace = Pace(clock, 10.0)
    await pace.reach(10.0)
    assert stamp(pace, 10.0) == pytest.approx(1.0)
    clock.offset += 3_600_000_000
    await pace.reach(20.0)
    assert stamp(pace, 20.0) == pytest.approx(3602.0)


async def test_a_wall_clock_that_only_wanders_is_not_followed() -> None:
    """Stamps a second apart stay a second apart while the clock is slewed."""
    clock = FakeClock()
    pace = Pace(clock, 1.0, tolerance=0.5)
    stamps = []
    for at in range(5):
        await pace.reach(float(at))
        stamps.append(stamp(pace, float(at)))
        clock.offset += 50_000
    assert [after - before for before, after in itertools.pairwise(stamps)] == pytest.approx([1.0] * 4)


def test_times_in_a_body_agree_with_the_stamps() -> None:
    """At speed 10 a state that lasted 30 virtual seconds lasted 3 s between the stamps, and the body says 3 s."""
    pace = Pace(FakeClock(), 10.0)
    body = {"At": [Moment(10.0)], "Lasted": {"x": Span(30.0)}, "Cycle": Seconds(25.0), "Other": ("a", None, 1)}
    assert render(body, pace.instant, pace.speed) == {
        "At": [rfc3339(NOON + 1_000_000)],
        "Lasted": {"x": "00:00:03"},
        "Cycle": 2.5,
        "Other": ["a", None, 1],
    }


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
