"""Comparing: a journal without fault has none, and each kind of fault is found as what it is, and as often."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gateway.core.times import rfc3339
from simulators.ledger import Anchor, Played, Troubled
from simulators.reconcile.align import Pair, align
from simulators.reconcile.compare import Comparison, Expected, Kind, Tolerance, compare, totals
from simulators.reconcile.found import at, journal
from simulators.reconcile.report import as_json, as_text
from simulators.voices.voice import Told

STATION = "L1.oven"
ARRIVED, INSPECTED = "CFX.Production.UnitsArrived", "CFX.Production.Processing.UnitsInspected"
ORIGIN = 1_700_000_000_000_000
PLAYED = Played((Anchor(at=0.0, wall=ORIGIN, speed=10.0),))
Event = dict[str, Any]


def told(number: int, **more: Any) -> Told:
    return Told(
        station=STATION,
        message=ARRIVED,
        at=number * 25.0,
        seen=number * 25.0,
        fact=number,
        **{"units": (f"P{number}",), **more},
    )


def event(told: Told, seq: int, *, late_s: float = 0.2, **more: Any) -> Event:
    instant = PLAYED.instant(told.seen)
    return {
        "v": 1,
        "seq": seq,
        "id": told.unique_id or f"e{seq}",
        "station": told.station,
        "message": told.message,
        "origin": "derived",
        "time": rfc3339(instant),
        "received": rfc3339(instant + round(late_s * 1_000_000)),
        "lane": told.lane,
        "units": list(told.units),
        "unit_refs": [{"id": each, "position": 1, "role": "unit", "status": None} for each in told.units],
        "possible_copy_of": None,
        "body": dict(told.values),
        **more,
    }


def gap(begin: float, end: float | None, seq: int = 1) -> list[Event]:
    def one(state: str, **body: Any) -> Event:
        return {
            **event(told(0), seq),
            "origin": "gateway",
            "message": "Lineside.ObservationGap",
            "body": {"GapId": "g1", "State": state, "Cause": "disconnected", **body},
        }

    first = one("opened", From=rfc3339(PLAYED.instant(begin)), To=None)
    return [first] if end is None else [first, one("closed", From=None, To=rfc3339(PLAYED.instant(end)))]


def judged(
    wanted: Sequence[Told],
    events: Sequence[Event],
    *,
    played: Played = PLAYED,
    tolerance: Tolerance | None = None,
    troubles: Sequence[Troubled] = (),
) -> Comparison:
    expected = Expected({STATION: frozenset({ARRIVED, INSPECTED})}, {STATION: list(wanted)}, list(troubles))
    lines = [msgspec.json.encode(each) for each in events]
    return compare(expected, journal(lines, expected.paths()), played, tolerance)


def kinds(made: Comparison) -> dict[Kind, int]:
    return {kind: count for kind, count in totals(made).items() if count}


MANY = [told(number) for number in range(1, 201)]
PERFECT = [event(each, number) for number, each in enumerate(MANY, 1)]


def test_without_fault() -> None:
    made = judged(MANY, PERFECT)
    assert (made.clean, made.findings, made.timed) == (True, [], True)
    assert made.stations[STATION].latest == pytest.approx(0.2)


def test_without_fault_and_ids() -> None:
    anonymous = [msgspec.structs.replace(each, units=()) for each in MANY]
    assert judged(anonymous, [event(each, number) for number, each in enumerate(anonymous, 1)]).findings == []


@pytest.mark.parametrize("named", [True, False])
def test_each_that_is_lost_is_found_where_it_was(named: bool) -> None:
    wanted = MANY if named else [msgspec.structs.replace(each, units=()) for each in MANY]
    events = [event(each, number) for number, each in enumerate(wanted, 1)]
    gone = {3, 80, 81, 82, 150}
    left = [each for number, each in enumerate(events, 1) if number not in gone]
    made = judged(wanted, left, tolerance=Tolerance(look=0.5))
    assert kinds(made) == {Kind.LOST: 5}
    assert {finding.fact for finding in made.findings} == gone


def test_twice_and_out_of_nothing() -> None:
    invented = {**event(told(999), 500), "received": PERFECT[40]["received"], "time": PERFECT[40]["time"]}
    events = [*PERFECT[:41], invented, *PERFECT[41:101], {**PERFECT[100], "id": "again", "seq": 900}, *PERFECT[101:]]
    made = judged(MANY, events)
    assert kinds(made) == {Kind.INVENTED: 1, Kind.DUPLICATED: 1}
    assert {(each.kind, each.event) for each in made.findings} == {
        (Kind.INVENTED, "e500"),
        (Kind.DUPLICATED, "again"),
    }


def test_another_unit_or_value() -> None:
    wanted = [msgspec.structs.replace(each, values={"UnitCount": 2.0}) for each in MANY]
    events = [event(each, number) for number, each in enumerate(wanted, 1)]
    events[10] = {**events[10], "units": ["X"]}
    events[20] = {**events[20], "body": {"UnitCount": 3}}
    events[30] = {**events[30], "body": {"UnitCount": 2}}
    made = judged(wanted, events)
    assert [(each.kind, each.details) for each in made.findings] == [
        (Kind.WRONG, ("units: expected P11, got X",)),
        (Kind.WRONG, ("UnitCount: expected 2.0, got 3",)),
    ]


def test_the_time_of_an_event() -> None:
    events = list(PERFECT)
    events[10] = {**events[10], "time": rfc3339(PLAYED.instant(11 * 25.0) + 4_000_000)}
    assert [each.details for each in judged(MANY, events).findings] == [("time: +4.000 s from what the machine told",)]
    skew = Troubled(at=270.0, seconds=20.0, station=STATION, trouble="clock-skew")
    assert judged(MANY, events, troubles=[skew]).findings == []
    assert judged(MANY, events, played=Played(())).findings == []


def test_late_is_said_and_no_failure() -> None:
    events = [event(each, number, late_s=30.0 if number == 7 else 0.1) for number, each in enumerate(MANY, 1)]
    made = judged(MANY, events)
    assert kinds(made) == {Kind.LATE: 1}
    assert made.clean
    assert made.stations[STATION].latest == pytest.approx(30.0)


def test_a_gap_explains_what_was_lost_in_it_and_nothing_else() -> None:
    anonymous = [msgspec.structs.replace(each, units=()) for each in MANY]
    events = [event(each, number) for number, each in enumerate(anonymous, 1)]
    left = [each for number, each in enumerate(events, 1) if number not in (50, 51, 52, 120)]
    made = judged(anonymous, [*gap(50 * 25.0 - 5, 52 * 25.0 + 5), *left], tolerance=Tolerance(margin=0.2, look=0.5))
    assert kinds(made) == {Kind.EXPLAINED: 3, Kind.LOST: 1}
    assert made.stations[STATION].gaps == 1
    assert [each.fact for each in made.findings if each.kind is Kind.LOST] == [120]


def test_a_shift_by_one_within_the_slack_is_not_taken() -> None:
    """Boards come faster than anybody looks: even so the one that is missing is the one in the gap."""
    anonymous = [msgspec.structs.replace(each, units=(), seen=each.fact * 4.0, at=None) for each in MANY]
    events = [event(each, number) for number, each in enumerate(anonymous, 1)]
    left = [each for number, each in enumerate(events, 1) if number != 100]
    made = judged(anonymous, [*gap(399.0, 401.0), *left], tolerance=Tolerance(margin=0.0, look=1.0))
    assert [(each.kind, each.fact) for each in made.findings] == [(Kind.EXPLAINED, 100)]


def test_a_unit_that_came_in_a_gap_leaves_without_a_name() -> None:
    came = [msgspec.structs.replace(each, message=INSPECTED) for each in MANY[:20]]
    went = [msgspec.structs.replace(each, seen=each.seen + 100.0, at=each.seen + 100.0) for each in MANY[:20]]
    seen = [event(each, number) for number, each in enumerate(came, 1) if number not in (5, 12)]
    gone = [event(each, 100 + number) for number, each in enumerate(went, 1)]
    nameless = [{**each, "units": []} if each["units"] in (["P5"], ["P6"]) else each for each in gone]
    made = judged([*came, *went], [*gap(124.0, 126.0), *seen, *nameless], tolerance=Tolerance(margin=0.1))
    assert [(each.kind, each.fact) for each in made.findings] == [
        (Kind.EXPLAINED, 5),
        (Kind.LOST, 12),
        (Kind.WRONG, 6),
    ]


def test_a_gap_that_is_still_open() -> None:
    made = judged(MANY, [*gap(150 * 25.0, None), *PERFECT[:149]], tolerance=Tolerance(margin=0.0))
    assert kinds(made) == {Kind.EXPLAINED: 51}


def test_what_was_shown_too_shortly() -> None:
    wanted = [msgspec.structs.replace(each, fleeting=12.0 if each.fact in (5, 6) else 300.0) for each in MANY]
    gone = [each for number, each in enumerate(PERFECT, 1) if number not in (5, 70)]
    made = judged(wanted, gone, tolerance=Tolerance(look=1.0))
    assert kinds(made) == {Kind.UNSEEN: 1, Kind.LOST: 1}
    unnamed = [*PERFECT[:5], {**PERFECT[5], "units": [], "unit_refs": []}, *PERFECT[6:]]
    assert judged(wanted, unnamed).findings == []


def test_native_messages_go_by_their_ids() -> None:
    wanted = [msgspec.structs.replace(each, unique_id=f"u{each.fact}") for each in MANY]
    events = [event(each, number) for number, each in enumerate(wanted, 1)]
    swapped = [events[1], events[0], *events[2:-1], {**events[2], "id": "copy", "possible_copy_of": "u3"}]
    made = judged(wanted, swapped)
    assert kinds(made) == {Kind.LOST: 1, Kind.DUPLICATED: 1}
    assert made.findings[0].fact == 200


def test_a_copy_that_nothing_could_tell_is_marked() -> None:
    copy = {**PERFECT[2], "id": "copy", "possible_copy_of": "e3"}
    made = judged(MANY, [*PERFECT, copy])
    assert kinds(made) == {Kind.MARKED: 1}
    assert made.clean


def test_what_went_away_and_came_back_unseen() -> None:
    """Producing, a moment of standing still, and producing again: whoever looks seldom sees no change."""
    states = ["1100", "2202", "1100", "2202", "5100", "1100"]
    wanted = [
        msgspec.structs.replace(
            told(number), units=(), values={"NewState": state}, fleeting=0.5 if number in (2, 4) else 300.0
        )
        for number, state in enumerate(states, 1)
    ]
    events = [event(each, each.fact) for each in wanted]
    made = judged(wanted, [events[0], events[4], events[5]])
    assert kinds(made) == {Kind.UNSEEN: 3}
    assert kinds(judged(wanted, [events[0], events[5]])) == {Kind.UNSEEN: 3, Kind.LOST: 1}


def test_a_moment_between_two_others_is_not_taken_for_the_next() -> None:
    wanted = [
        msgspec.structs.replace(
            told(number), units=(), values={"NewState": state}, fleeting=0.5 if number == 2 else 300.0
        )
        for number, state in enumerate(["4500", "2202", "1100"], 1)
    ]
    seen = [event(wanted[0], 1), {**event(wanted[2], 3), "received": PERFECT[1]["received"]}]
    assert kinds(judged(wanted, seen)) == {Kind.UNSEEN: 1}


def test_other_messages_and_our_own_are_not_compared() -> None:
    heartbeat = {**PERFECT[0], "id": "h", "message": "CFX.Heartbeat"}
    adjusted = {**PERFECT[0], "origin": "gateway", "message": "Lineside.CountAdjusted", "body": {"Units": 4}}
    made = judged(MANY, [*PERFECT, heartbeat, adjusted])
    assert made.findings == []
    assert made.stations[STATION].adjusted == 4


@pytest.mark.parametrize("seed", range(10))
def test_faults_at_random_are_counted_exactly(seed: int) -> None:
    rng = random.Random(seed)
    events: list[Event] = []
    done: Counter[Kind] = Counter()
    last = 0
    for number, each in enumerate(MANY, 1):
        made = event(each, number)
        chance = rng.random() if number > last + 2 else 1.0  # one lost beside one invented is one that is wrong
        last = number if chance < 0.15 else last
        if chance < 0.05:
            done[Kind.LOST] += 1
            continue
        events.append(made)
        if chance < 0.10:
            done[Kind.DUPLICATED] += 1
            events.append({**made, "id": f"again{number}"})
        elif chance < 0.15:
            done[Kind.INVENTED] += 1
            events.append({**made, "id": f"new{number}", "units": [f"X{number}"]})
    assert kinds(judged(MANY, events)) == dict(done)


def test_alignment_is_complete_and_in_order() -> None:
    rng = random.Random(1)
    left = list(range(3000))
    right = [each for each in left if rng.random() > 0.1]
    pairs = align(left, right, lambda a, b: 0.0 if a == b else 1.9)
    assert [pair.left for pair in pairs if pair.left is not None] == left
    assert [pair.right for pair in pairs if pair.right is not None] == list(range(len(right)))
    assert all(left[a] == right[b] for a, b in pairs if a is not None and b is not None)
    assert sum(pair.right is None for pair in pairs) == len(left) - len(right)
    assert align([1], [], lambda a, b: 0.0) == [Pair(0, None)]


def test_paths_into_bodies() -> None:
    body = {"A": [{"B": 1}, {"B": 2}]}
    assert (at(body, "A.1.B"), at(body, "A.2.B"), at(body, "A.B"), at(body, "A.0.C")) == (2, None, None, None)


def test_reports() -> None:
    made = judged(MANY, PERFECT[1:])
    data = as_json(made)
    assert (data["clean"], data["totals"]["lost"]) == (False, 1)
    assert data["stations"][STATION]["told"] == {ARRIVED: 200}
    text = as_text(made, 5)
    assert "lost: L1.oven UnitsArrived; P1; at 25.0 s; fact 1" in text
    assert text.endswith("They differ.")
    assert "were not compared" in as_text(judged(MANY, PERFECT, played=Played(())), 5)
