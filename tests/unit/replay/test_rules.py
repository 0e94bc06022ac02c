"""When two events count as the same: strictly, and as a replay's."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.core.sample import Value
from gateway.replay.equal import Equal, same_values
from gateway.replay.strict import Strict
from gateway.replay.told import NOTHING, Told, told

ID = "00000000-0000-4000-8000-0000000000{}".format


def event(**changes: Any) -> Told:
    document = {
        "v": 1, "journal": "a", "seq": 1, "id": ID("01"), "time": "2026-11-20T12:00:00.000000Z",
        "received": "2026-11-20T12:00:00.000000Z", "time_quality": "gateway", "clock_offset_ms": None, "site": "s",
        "gateway": "g", "line": "L1", "station": "L1.a", "lane": None, "stage": None, "handle": None,
        "message": "CFX.Production.WorkCompleted", "origin": "derived", "transaction": None, "revises": None,
        "possible_copy_of": None, "units": ["U"], "unit_refs": [], "cfx": None, "body": {"Result": "Passed"},
    } | changes  # fmt: skip
    return told(msgspec.json.encode(document))


def paths(rule: Strict | Equal, was: Told, now: Told) -> tuple[list[str], bool]:
    found, renamed = rule(was, now)
    return [each.path for each in found], renamed


def test_strictly_all_but_the_place_in_the_journal_is_compared() -> None:
    rule = Strict()
    assert paths(rule, event(), event(seq=9, journal="b")) == ([], False)
    assert paths(rule, event(), event(body={"Result": "Failed"})) == (["body.Result"], False)
    assert paths(rule, event(), event(body={"Result": "Passed", "N": None}, lane=2)) == (["lane", "body.N"], False)
    assert paths(rule, event(body={"N": 60}), event(body={"N": 60.0})) == ([], False), "the same number"
    assert paths(rule, event(body={"N": 1}), event(body={"N": True})) == (["body.N"], False)
    assert paths(rule, event(body={"L": [1, 2]}), event(body={"L": [1]})) == (["body.L[1]"], False)


def test_ids_may_be_others_as_long_as_each_is_another_one_everywhere() -> None:
    rule = Strict()
    assert paths(rule, event(transaction=ID("10")), event(id=ID("02"), transaction=ID("20"))) == ([], True)
    assert paths(rule, event(id=ID("03"), transaction=ID("10")), event(id=ID("04"), transaction=ID("20"))) == ([], True)
    one, other = event(id=ID("05"), transaction=ID("10")), event(id=ID("06"), transaction=ID("21"))
    assert paths(rule, one, other) == (["transaction"], True), "that one was 20 before"
    one, other = event(id=ID("07"), transaction=ID("11")), event(id=ID("08"), transaction=ID("20"))
    assert paths(rule, one, other) == (["transaction"], True), "that one stands for another"
    assert paths(rule, event(origin="native"), event(origin="native", id=ID("09"))) == (["id"], False)


def test_of_a_replay_times_by_the_gateway_are_not_compared_and_durations_by_the_speed() -> None:
    rule = Equal(speed=10, poll_s=1.0)
    was = event(body={"OldStateDuration": "00:01:00", "At": "2026-11-20T12:00:00Z", "N": 1})
    later = {"time": "2026-11-21T09:00:00.000000Z", "id": ID("02")}
    now = event(body={"OldStateDuration": "00:00:06.3000000", "At": "2026-11-21T09:00:00Z", "N": 1}, **later)
    assert paths(rule, was, now) == ([], True)
    assert rule.farthest_s == pytest.approx(0.3)
    now = event(body={"OldStateDuration": "00:00:08", "At": "2026-11-21T09:00:00Z", "N": 2}, **later)
    assert paths(rule, was, now)[0] == ["body.OldStateDuration", "body.N"]


def test_of_a_replay_times_by_the_machine_are() -> None:
    was = event(time_quality="good", body={"D": "00:01:00"})
    late = event(time_quality="delayed", body={"D": "00:01:00"}, received="2026-11-21T12:00:00.000000Z")
    assert paths(Equal(speed=10), was, late) == ([], False)
    late = event(time_quality="delayed", time="2026-11-20T12:00:00.000001Z", body={"D": "00:00:06"})
    assert paths(Equal(speed=10), was, late) == (["body.D", "time"], False)
    assert paths(Equal(), was, event(body={"D": "00:01:00"}))[0] == ["time_quality"]


def test_of_a_replay_native_events_are_the_same() -> None:
    was = event(origin="native", time_quality="good")
    assert paths(Equal(), was, event(origin="native", time_quality="delayed", clock_offset_ms=3)) == ([], False)
    assert paths(Equal(), was, event(origin="native", id=ID("02")))[0] == ["id"]


@pytest.mark.parametrize(
    ("first", "second", "number", "was", "now"),
    [
        ([1, 1, 2, None, 2, 3], [1, 2, 2, 3, None], 0, NOTHING, NOTHING),
        ([1, 2, 3], [1, 3], 2, 2, 3),
        ([1, 2], [1], 2, 2, NOTHING),
        ([], [1], 1, NOTHING, 1),
        ([0, 1], [False, True], 1, 0, False),
    ],
)  # fmt: skip
def test_of_a_signal_the_changes_count(
    first: list[Value], second: list[Value], number: int, was: object, now: object
) -> None:
    found = same_values("a", "s", first, second)
    assert (found is None) is (number == 0)
    if found is not None:
        assert (found.number, found.was, found.now) == (number, was, now)
