"""Two sequences laid beside each other while both still grow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import msgspec
import pytest

from gateway.cli.replayed import reconcile
from gateway.core.sample import Value
from gateway.replay.align import Aligner, Pair
from tests.unit.replay.test_rules import event

One = tuple[int, str]
"""An id, and what it says."""

KEYS = (lambda one: one[0], lambda one: one[1])


def laid(first: list[One], second: list[One], *, window: int = 16, most: int = 1000) -> list[Pair[One]]:
    aligner: Aligner[One] = Aligner(KEYS, window=window, most=most)
    found: list[Pair[One]] = []
    for number in range(max(len(first), len(second))):
        for one in first[number : number + 1]:
            aligner.first(one)
        for one in second[number : number + 1]:
            aligner.second(one)
        found += aligner.pairs()
    return [*found, *aligner.rest()]


def test_the_same_are_paired_at_once_and_what_is_missing_stands_alone() -> None:
    made = [(number, "x") for number in range(200)]
    holes = {3, 4, 50, 199}
    second = [one for one in made if one[0] not in holes]
    assert laid(made, second) == [(one, None if one[0] in holes else one) for one in made]
    assert laid(second, made) == [(None if one[0] in holes else one, one) for one in made]


def test_where_ids_say_nothing_what_is_said_decides() -> None:
    first = [(number, word) for number, word in enumerate("abcabcabc")]
    second = [(number + 100, word) for number, word in enumerate("abcabxcabc")]
    pairs = laid(first, second)
    assert [(a and a[1], b and b[1]) for a, b in pairs] == [*zip("abcab", "abcab", strict=True), (None, "x"), *zip("cabc", "cabc", strict=True)]  # fmt: skip


def test_nothing_is_lost_or_told_twice_whatever_comes() -> None:
    chance = random.Random(7)
    for _ in range(60):
        first = [(chance.randrange(400), chance.choice("abc")) for _ in range(chance.randrange(120))]
        second = [one for one in first if chance.random() < 0.8]
        second += [(chance.randrange(400), chance.choice("abc")) for _ in range(chance.randrange(40))]
        pairs = laid(first, second, most=chance.choice((30, 1000)))
        assert [a for a, _ in pairs if a is not None] == first
        assert [b for _, b in pairs if b is not None] == second


def test_a_side_that_stays_silent_is_not_waited_for_without_bound() -> None:
    aligner: Aligner[One] = Aligner(KEYS, most=100)
    alone = 0
    for number in range(1000):
        aligner.first((number, "x"))
        alone += sum(1 for _ in aligner.pairs())
    assert alone >= 900


def test_a_station_that_one_side_lacks_makes_nobody_run_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read a thousand events at a time, wherever those are from."""
    monkeypatch.setattr("gateway.replay.difference.Aligner", partial(Aligner, most=4000))
    told = [(name, number) for number in range(10_000) for name in ("a", "b")]
    report = reconcile(Has(told), Has([each for each in told if each[0] != "b"]), speed=1, poll_s=1)
    counts = {name: (count.same, count.differing) for name, count in report.events.stations.items()}
    assert counts == {"a": (10_000, 0), "b": (0, 10_000)}


class Has:
    def __init__(self, events: list[tuple[str, int]]) -> None:
        self._events = events

    def events(self) -> Iterator[bytes]:
        document = msgspec.json.encode(event(station="STATION", id="ID", origin="native").document)
        for station, number in self._events:
            yield document.replace(b"STATION", station.encode()).replace(b"ID", b"%d" % number, 1)

    def stations(self) -> set[str]:
        return set()

    def samples(self, station: str) -> dict[str, list[Value]]:
        return {}
