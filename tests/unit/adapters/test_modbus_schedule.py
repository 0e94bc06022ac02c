"""When what is read on one bus, by a clock that the test turns."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from adapters.modbus_schedule import Schedule, Slot
from gateway.profile.bound import Poll, Table


def poll(name: str, every_s: float) -> Poll:
    return Poll(name=name, every_s=every_s, table=Table.INPUT, start=0, count=1, atoms=((0, 1),))


def schedule(*units: list[Poll], rest_s: float = 1.0, most_s: float = 60.0, again_s: float = 0.0) -> Schedule:
    return Schedule(units, 0.0, again_s=again_s, rest_s=rest_s, rest_most_s=most_s)


class Runner:
    """Reads what is due; a read takes `cost` seconds, of a unit in `dead` or a poll in `mute` a time-out of 1 s."""

    def __init__(self, made: Schedule, *, cost: float = 0.0) -> None:
        self.schedule = made
        self.cost = cost
        self.now = 0.0
        self.dead: set[int] = set()
        self.mute: set[str] = set()
        self.read: list[tuple[float, int, str]] = []
        self.tried: list[tuple[float, int, str]] = []
        self.silenced: list[int] = []
        self.missed: Counter[str] = Counter()

    def run(self, until: float) -> None:
        while True:
            due, slot = self.schedule.next()
            if max(due, self.now) >= until:
                self.now = until
                return
            self.now = max(due, self.now)
            self.one(slot)

    def one(self, slot: Slot) -> None:
        number, name = slot.unit.number, slot.poll.name
        self.schedule.begin(slot, self.now)
        self.tried.append((self.now, number, name))
        if number in self.dead or name in self.mute:
            self.now += 1.0
            if self.schedule.unanswered(slot, self.now):
                self.silenced.append(number)
            return
        self.read.append((self.now, number, name))
        self.now += self.cost
        self.schedule.answered(slot)
        self.missed[name] += slot.missed
        slot.missed = 0

    def times(self, name: str) -> list[float]:
        return [at for at, _, read in self.read if read == name]


def test_a_fixed_grid() -> None:
    runner = Runner(schedule([poll("fast", 1.0), poll("slow", 5.0)]), cost=0.1)
    runner.run(20.0)
    assert runner.times("fast") == pytest.approx([0.0, *range(1, 20)])
    assert runner.times("slow") == pytest.approx([0.1, 5.1, 10.1, 15.1])
    assert not any(runner.missed.values())


def test_ticks_that_had_no_time_are_counted_and_the_grid_stays() -> None:
    runner = Runner(schedule([poll("p", 1.0)]))
    runner.run(2.5)
    runner.now = 5.7  # nobody took the frames meanwhile
    runner.run(8.5)
    assert runner.times("p") == [0.0, 1.0, 2.0, 5.7, 6.0, 7.0, 8.0]
    assert runner.missed["p"] == 2  # of 3, 4 and 5 one was made late


def test_a_bus_that_cannot_keep_up_is_shared_out() -> None:
    """Three times as much as it can do: each gets its third, and every tick is read or counted."""
    units = [[poll(f"p{number}", 1.0)] for number in range(10)]
    runner = Runner(schedule(*units), cost=0.3)
    runner.run(300.0)
    counts = [len(runner.times(f"p{number}")) for number in range(10)]
    assert min(counts) == pytest.approx(100, abs=2)
    assert max(counts) - min(counts) <= 2
    for number, count in enumerate(counts):
        assert count + runner.missed[f"p{number}"] == pytest.approx(300, abs=4)


def test_a_slow_poll_is_not_starved_by_a_fast_one() -> None:
    runner = Runner(schedule([poll("fast", 0.1)], [poll("slow", 10.0)]), cost=0.2)
    runner.run(100.0)
    assert len(runner.times("slow")) == 10
    assert max(at % 10.0 for at in runner.times("slow")) <= 0.4


def test_a_silent_unit_is_tried_after_growing_pauses_and_the_others_keep_their_rate() -> None:
    runner = Runner(schedule([poll("dead", 1.0)], [poll("live", 1.0)], most_s=16.0))
    runner.dead = {0}
    runner.run(200.0)
    tries = [at for at, number, _ in runner.tried if number == 0]
    assert runner.silenced == [0]
    pauses = [after - before - 1.0 for before, after in pairwise(tries)]
    assert pauses[:7] == pytest.approx([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0], abs=1.01)
    assert len(runner.times("live")) + runner.missed["live"] == 200
    assert runner.missed["live"] <= len(tries)
    assert not runner.schedule.all_silent


def test_a_unit_that_comes_back_is_read_as_before() -> None:
    runner = Runner(schedule([poll("a", 1.0), poll("b", 2.0)], [poll("other", 1.0)]))
    runner.run(9.5)
    runner.dead = {0}
    runner.run(40.0)
    runner.dead = set()
    runner.run(110.0)
    back = next(at for at in runner.times("a") if at > 40)
    assert back < 40 + 2 * 32
    after = [at for at in runner.times("a") if at > back + 1]
    assert [after_ - before for before, after_ in pairwise(after)] == [1.0] * (len(after) - 1)
    assert runner.silenced == [0]
    assert len(runner.times("a")) + runner.missed["a"] == pytest.approx(110, abs=1)
    assert len(runner.times("b")) + runner.missed["b"] == pytest.approx(55, abs=1)


def test_a_poll_that_is_never_answered_does_not_take_its_unit_with_it() -> None:
    runner = Runner(schedule([poll("mute", 1.0), poll("good", 1.0), poll("too", 5.0)]))
    runner.mute = {"mute"}
    runner.run(600.0)
    assert runner.silenced == []
    tries = [at for at, _, name in runner.tried if name == "mute"]
    assert len(tries) < 18
    assert len(runner.times("good")) >= 600 - 2 * len(tries)
    assert len(runner.times("too")) >= 120


def test_a_unit_in_doubt_is_asked_for_nothing_until_it_may_be() -> None:
    """RTU: an answer that is late must be over before the same unit is asked again."""
    runner = Runner(schedule([poll("a", 0.1), poll("b", 0.1)], [poll("other", 0.1)], again_s=1.0))
    runner.run(0.95)
    runner.dead = {0}
    runner.run(4.05)
    (first, second) = [at for at, number, _ in runner.tried if number == 0 and at > 0.95]
    assert second - first == pytest.approx(2.0)  # the time-out, and as long again
    assert len([at for at in runner.times("other") if first < at < second]) >= 9
    assert runner.silenced == [0]


def test_all_silent() -> None:
    made = schedule([poll("a", 1.0)], [poll("b", 1.0)])
    told = []
    for _ in range(4):
        assert not made.all_silent
        _, slot = made.next()
        made.begin(slot, 0.0)
        told.append(made.unanswered(slot, 0.0))
    assert told == [False, True, False, True]
    assert made.all_silent


def test_one_lost_request_is_no_silence() -> None:
    runner = Runner(schedule([poll("p", 1.0)]))
    runner.run(4.5)
    runner.dead = {0}
    runner.one(runner.schedule.next()[1])
    runner.dead = set()
    runner.run(10.5)
    assert runner.silenced == []
    assert runner.times("p") == [0.0, 1.0, 2.0, 3.0, 4.0, 5.5, 6.0, 7.0, 8.0, 9.0, 10.0]
