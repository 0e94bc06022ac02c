"""Whether a second gateway saw the same machines: the rule of equality of a replay.

Per station both have the same sequence of events that are not the gateway's own: native ones in the order in which they
came, derived ones by their times, since a value that has to last for a while (debounce) counts later than what came after
it, and how much later depends on the speed. Native ones are the same, with their ids. Derived ones of which the machine
gave the time have the same time and body. Of those that are timed by the gateway times are
not compared, and durations are the same once those of the first are divided by the speed, within the time between two
looks divided by it. Ids that the gateway made stand for each other, one for one. Of each signal the known values changed in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import zip_longest
from typing import NamedTuple

from gateway.cfx.times import is_instant, read_span
from gateway.core.sample import Value
from gateway.replay.align import Keys
from gateway.replay.told import NOTHING, Field, Nothing, Renames, Told, fields, masked

_SLACK_S = 0.25
"""What a loaded machine adds to a look."""
_HEAD = frozenset(("origin", "message", "lane", "stage", "transaction", "revises"))


def compared(event: Told) -> bool:
    return event.origin != "gateway"


def _timed_by_gateway(event: Told) -> bool:
    return event.time_quality == "gateway"


def _of_time(text: str) -> bool:
    return is_instant(text) or read_span(text) is not None


def _content(event: Told) -> object:
    if event.native:
        return event.id
    body = event.document.get("body")
    return event.message, event.units, masked(body, _of_time) if _timed_by_gateway(event) else masked(body)


KEYS: Keys[Told] = (_content, lambda event: (event.message, event.units), lambda event: event.message)


class ByTime:
    """One side's events of one station in the order in which they are compared. Of those that came within so many of each
    other: more than that nothing is put off."""

    def __init__(self, window: int = 200) -> None:
        self._window = window
        self._held: list[tuple[str, int, Told]] = []
        self._count = 0

    def add(self, event: Told) -> Iterator[Told]:
        if event.native:
            yield from self.rest()
            yield event
            return
        self._count += 1
        heappush(self._held, (event.time, self._count, event))
        if len(self._held) > self._window:
            yield heappop(self._held)[2]

    def rest(self) -> Iterator[Told]:
        while self._held:
            yield heappop(self._held)[2]


class Equal:
    """speed: of the replay. poll_s: seconds between two looks at what is polled, in the life of the machine."""

    def __init__(self, *, speed: float = 1.0, poll_s: float = 1.0) -> None:
        self._speed = speed
        self._tolerance = poll_s / speed + _SLACK_S
        self._renames = Renames()
        self.farthest_s = 0.0
        """The most by which a duration differed."""

    def __call__(self, was: Told, now: Told) -> tuple[Sequence[Field], bool]:
        found = list(fields(was.document.get("body"), now.document.get("body"), "body"))
        if was.native or now.native:
            found += [Field(name, was.document.get(name), now.document.get(name)) for name in ("id", "origin")]
            return [each for each in found if each.was != each.now], False
        if _timed_by_gateway(was):
            found = [each for each in found if not self._excused(each)]
        elif was.time != now.time:
            found.append(Field("time", was.time, now.time))
        for name in _HEAD:
            found += fields(was.document.get(name), now.document.get(name), name)
        if _timed_by_gateway(was) != _timed_by_gateway(now):
            found.append(Field("time_quality", was.time_quality, now.time_quality))
        return self._renames.judge([*fields(was.id, now.id, "id"), *found])

    def _excused(self, differing: Field) -> bool:
        was, now = differing.was, differing.now
        if not isinstance(was, str) or not isinstance(now, str):
            return False
        if is_instant(was) and is_instant(now):
            return True
        one, other = read_span(was), read_span(now)
        if one is None or other is None:
            return False
        off = abs(one / self._speed - other)
        self.farthest_s = max(self.farthest_s, off)
        return off <= self._tolerance


class Values(NamedTuple):
    """How the values of one signal differ. number: of the first that does, from 1. first, second: how many changes there
    were."""

    station: str
    signal: str
    number: int
    was: Value | Nothing
    now: Value | Nothing
    first: int
    second: int


def same_values(station: str, signal: str, first: Iterable[Value], second: Iterable[Value]) -> Values | None:
    """None when the signal changed in the same way on both sides."""
    number = counted = counted_second = 0
    was: Value | Nothing = NOTHING
    now: Value | Nothing = NOTHING
    for one, other in zip_longest(_changes(first), _changes(second), fillvalue=NOTHING):
        counted += one is not NOTHING
        counted_second += other is not NOTHING
        if not number and (isinstance(one, bool) != isinstance(other, bool) or one != other):
            number, was, now = max(counted, counted_second), one, other
    return Values(station, signal, number, was, now, counted, counted_second) if number else None


def _changes(values: Iterable[Value]) -> Iterator[Value]:
    """Where a signal is not known for a while, the same value again is no change."""
    last: Value = None
    for value in values:
        if value is not None and (last is None or value != last or isinstance(value, bool) != isinstance(last, bool)):
            last = value
            yield value
