"""Comparing samples: what could be read, against what is stored."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from gateway.core.sample import Value
from simulators.ledger import Anchor, Played, Troubled
from simulators.reconcile.compare import Comparison, Expected, Kind, Tolerance
from simulators.reconcile.found import Gap
from simulators.reconcile.report import as_json, as_text
from simulators.reconcile.samples import Samples, Stored, compare_samples
from simulators.voices.voice import Looked, Showing

STATION, SIGNAL = "L1.oven", "zone.temperature[3]"
PLAYED = Played((Anchor(at=0.0, wall=1_700_000_000_000_000, speed=10.0),))
SHARP = Tolerance(look=1.0, margin=0.5)
END = 2000.0
A = [(0.0, 100.0), (500.0, 150.0), (1000.0, 100.0)]
"""Each for 50 s; a sample of it comes 0.3 s later."""


def showing(values: Sequence[tuple[float, Value]]) -> list[Showing]:
    return [Showing(station=STATION, at=at, values={SIGNAL: value}) for at, value in values]


def stored(*samples: tuple[float, Value]) -> list[Stored]:
    """By virtual second."""
    return [Stored(SIGNAL, PLAYED.instant(at), value) for at, value in samples]


def gap(begin: float, end: float | None) -> Gap:
    until = None if end is None else PLAYED.instant(end)
    return Gap(id="g1", station=STATION, cause="disconnected", begin=PLAYED.instant(begin), end=until)


def trouble(name: str, station: str) -> Troubled:
    return Troubled(at=450.0, seconds=600.0, station=station, trouble=name)


def judged(
    shown: Sequence[tuple[float, Value]],
    samples: Sequence[Stored],
    *,
    gaps: Sequence[Gap] = (),
    deadband: float = 0.2,
    troubles: Sequence[Troubled] = (),
    tolerance: Tolerance = SHARP,
    slow: bool = False,
) -> Samples:
    looked = {SIGNAL: Looked(every=5.0 if slow else 1.0, deadband=deadband), "state": Looked(every=1.0)}
    wanted = Expected({}, {}, list(troubles), {STATION: looked}, {STATION: showing(shown)}, END)
    found = compare_samples(wanted, {STATION: samples}, {STATION: gaps}, PLAYED, tolerance)
    assert found is not None
    return found[STATION]


def kinds(made: Samples) -> dict[Kind, int]:
    return {kind: count for kind, count in made.counts.items() if count}


def test_without_fault() -> None:
    made = judged(A, stored((3.0, 100.0), (503.0, 150.0), (1003.0, 100.0)))
    assert (made.shown, made.found, kinds(made), made.findings) == (3, 3, {}, [])


@pytest.mark.parametrize("got", [150.1, 100.0, "150", True, 15.0])
def test_a_value_that_nobody_showed_then_is_wrong(got: Value) -> None:
    made = judged(A, stored((3.0, 100.0), (503.0, 150.0), (700.0, got), (703.0, 150.0), (1003.0, 100.0)))
    assert kinds(made) == {Kind.WRONG: 1}
    (finding,) = made.findings
    assert (finding.kind, finding.expected, finding.got) == (Kind.WRONG, 150.0, got)
    assert finding.time == PLAYED.instant(700.0)


def test_how_much_later_a_sample_may_be() -> None:
    """Two looks and the margin: here 2.5 s."""
    begun = stored((3.0, 100.0), (503.0, 150.0))
    assert kinds(judged(A, [*begun, *stored((1024.0, 150.0), (1026.0, 100.0))])) == {}
    assert kinds(judged(A, [*begun, *stored((1026.0, 150.0), (1027.0, 100.0))])) == {Kind.WRONG: 1}


def test_what_stood_there_before_anything_happened_is_right() -> None:
    assert kinds(judged(A, stored((-900.0, 100.0), (503.0, 150.0), (1003.0, 100.0)))) == {}


@pytest.mark.parametrize(("gone", "at", "got"), [(0, 0.0, None), (1, 500.0, 100.0), (2, 1000.0, 150.0)])
def test_each_that_is_lost_is_found(gone: int, at: float, got: Value) -> None:
    samples = stored((3.0, 100.0), (503.0, 150.0), (1003.0, 100.0))
    made = judged(A, [each for number, each in enumerate(samples) if number != gone])
    assert kinds(made) == {Kind.LOST: 1}
    (finding,) = made.findings
    assert (finding.at, finding.got, finding.signal) == (at, got, SIGNAL)


def test_nothing_at_all() -> None:
    assert kinds(judged(A, [])) == {Kind.LOST: 3}


def test_shown_again_but_not_told_again() -> None:
    """100, then 150 for a second, then 100 for ever: without its second sample the journal has 150 for ever."""
    shown = [(0.0, 100.0), (500.0, 150.0), (510.0, 100.0)]
    assert kinds(judged(shown, stored((3.0, 100.0), (503.0, 150.0), (513.0, 100.0)))) == {}
    assert kinds(judged(shown, stored((3.0, 100.0)))) == {Kind.UNSEEN: 1}
    assert kinds(judged(shown, stored((3.0, 100.0), (503.0, 150.0)))) == {Kind.LOST: 1}


@pytest.mark.parametrize(("seconds", "kind"), [(19.0, Kind.UNSEEN), (21.0, Kind.LOST)])
def test_shown_shorter_than_two_looks(seconds: float, kind: Kind) -> None:
    shown = [(0.0, 100.0), (500.0, 150.0), (500.0 + seconds, 100.0)]
    assert kinds(judged(shown, stored((3.0, 100.0)))) == {kind: 1}


def test_what_is_looked_at_more_seldom_has_a_longer_look() -> None:
    shown = [(0.0, 100.0), (500.0, 150.0), (590.0, 100.0)]
    assert kinds(judged(shown, stored((3.0, 100.0)), slow=True)) == {Kind.UNSEEN: 1}
    assert kinds(judged(shown, stored((3.0, 100.0)))) == {Kind.LOST: 1}
    quick = Tolerance(look=1.0, looks={STATION: 0.5}, margin=0.5)
    assert kinds(judged(shown, stored((3.0, 100.0)), slow=True, tolerance=quick)) == {Kind.LOST: 1}


def test_within_the_deadband_nothing_is_told() -> None:
    shown = [(0.0, 100.0), (500.0, 100.2), (1000.0, 100.4)]
    assert kinds(judged(shown, stored((3.0, 100.0), (1003.0, 100.4)))) == {}
    assert kinds(judged(shown, stored((3.0, 100.0)))) == {Kind.LOST: 1}
    assert kinds(judged(shown, stored((3.0, 100.0)), deadband=0.0)) == {Kind.LOST: 2}


@pytest.mark.parametrize(
    ("begin", "end", "kind"),
    [
        (490.0, 1010.0, Kind.EXPLAINED),
        (490.0, None, Kind.EXPLAINED),
        (510.0, 990.0, Kind.EXPLAINED),  # a second at either end is less than two looks
        (490.0, 900.0, Kind.LOST),
        (600.0, 1010.0, Kind.LOST),
        (1100.0, 1200.0, Kind.LOST),
    ],
)
def test_a_gap_explains_what_it_covers(begin: float, end: float | None, kind: Kind) -> None:
    made = judged(A, stored((3.0, 100.0), (1003.0, 100.0)), gaps=[gap(begin, end)])
    assert kinds(made) == {kind: 1}


@pytest.mark.parametrize(("end", "kind"), [(515.0, Kind.EXPLAINED), (505.0, Kind.UNSEEN)])
def test_a_gap_explains_what_is_shown_for_a_short_time_if_it_covers_it_all(end: float, kind: Kind) -> None:
    shown = [(0.0, 100.0), (500.0, 150.0), (519.0, 100.0)]
    assert kinds(judged(shown, stored((3.0, 100.0)), gaps=[gap(490.0, end)])) == {kind: 1}


def test_what_was_known_before_a_gap_is_not_known_after_it() -> None:
    samples = stored((3.0, 100.0), (503.0, 150.0), (600.0, None), (1003.0, 100.0))
    assert kinds(judged(A, samples, gaps=[gap(600.0, 700.0)])) == {Kind.LOST: 1}
    again = [*samples, *stored((703.0, 150.0))]
    assert kinds(judged(A, again, gaps=[gap(600.0, 700.0)])) == {}


def test_what_is_not_known_is_not_compared() -> None:
    shown: list[tuple[float, Value]] = [(0.0, 100.0), (500.0, None), (1000.0, 100.0)]
    made = judged(shown, stored((3.0, 100.0), (503.0, None), (1003.0, 100.0)))
    assert (made.shown, made.found, kinds(made)) == (2, 2, {})
    late = judged(shown, stored((3.0, 100.0), (503.0, None), (700.0, 100.0)))
    assert kinds(late) == {Kind.WRONG: 1}  # it was switched off


def test_while_a_machine_answers_what_it_showed_before() -> None:
    frozen = [trouble("freeze", STATION)]
    samples = stored((3.0, 100.0), (700.0, None), (703.0, 100.0))
    assert kinds(judged(A, samples, troubles=frozen)) == {Kind.EXPLAINED: 1}
    assert kinds(judged(A, samples)) == {Kind.LOST: 1, Kind.WRONG: 1}
    shorter = [msgspec.structs.replace(frozen[0], seconds=400.0)]
    assert kinds(judged(A, samples, troubles=shorter)) == {Kind.LOST: 1}


@pytest.mark.parametrize(("seconds", "kind"), [(24.0, Kind.EXPLAINED), (26.0, Kind.LOST)])
def test_while_looks_fail_it_takes_longer_to_see_something(seconds: float, kind: Kind) -> None:
    shown = [(0.0, 100.0), (500.0, 150.0), (500.0 + seconds, 100.0)]
    samples = stored((3.0, 100.0))
    assert kinds(judged(shown, samples, troubles=[trouble("garbage", STATION)])) == {kind: 1}
    for other in (trouble("garbage", "L1.other"), trouble("clock-skew", STATION)):
        assert kinds(judged(shown, samples, troubles=[other])) == {Kind.LOST: 1}


def test_what_cannot_be_compared() -> None:
    looked = {STATION: {SIGNAL: Looked(every=1.0)}}
    old = Expected({}, {}, [])
    assert compare_samples(old, {}, {}, PLAYED) is None
    unplayed = Expected({}, {}, [], looked, {STATION: showing(A)}, END)
    assert compare_samples(unplayed, {STATION: []}, {}, Played(())) is None
    said = as_text(Comparison(timed=True, stations={}, findings=[]), 5, None)
    assert "Samples were not compared: this ledger says nothing of them." in said


def test_reported() -> None:
    samples = {STATION: judged(A, stored((3.0, 100.0), (503.0, 150.0), (700.0, 7.0), (703.0, 150.0)))}
    comparison = Comparison(timed=True, stations={}, findings=[], samples_clean=False)
    text = as_text(comparison, 1, samples)
    assert "samples  shown  found  wrong  lost  explained  unseen" in text
    assert f"{STATION}      3      4      1     1          0       0" in text
    assert f"wrong: {STATION} {SIGNAL}; expected 150.0, got 7.0; at 2023-11-14T22:14:30.000000Z" in text
    assert "... and 1 more; --json has all" in text
    assert text.endswith("They differ.")
    answer = as_json(comparison, samples)
    assert answer["clean"] is False
    assert answer["samples"][STATION]["counts"] == {"wrong": 1, "lost": 1, "explained": 0, "unseen": 0}
    assert [each["kind"] for each in answer["samples"][STATION]["findings"]] == ["wrong", "lost"]
