"""Comparing what could be read of machines with the samples that a journal holds: wrong ones, and lost ones."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.core.sample import Value
from gateway.core.times import Micros
from simulators.ledger import Played, Troubled
from simulators.reconcile.compare import Expected, Kind, Tolerance, equal
from simulators.reconcile.found import Gap
from simulators.script import CLOCKS
from simulators.voices.voice import Looked, Showing

_FROZEN = "freeze"
"""The trouble in which a machine answers, but not with what it would show."""

KINDS = (Kind.WRONG, Kind.LOST, Kind.EXPLAINED, Kind.UNSEEN)


class Stored(NamedTuple):
    """One sample, as far as it is compared. value: None where it was not known."""

    signal: str
    time: Micros
    value: Value


class SampleFinding(msgspec.Struct, frozen=True, kw_only=True):
    """kind: `wrong` or `lost`. at: virtual second from which a lost value was shown. time: of a wrong sample.

    expected: what could be read then; of a wrong sample, the value nearest before it. got: what is stored; in place
    of a lost one, None for nothing. seconds: for how long a lost one was shown.
    """

    kind: Kind
    station: str
    signal: str
    at: float | None = None
    time: Micros | None = None
    expected: Value = None
    got: Value = None
    seconds: float | None = None


class Samples(msgspec.Struct, kw_only=True):
    """Of one station. shown: values that could be read. found: samples that have one. counts: by KINDS."""

    shown: int
    found: int
    counts: Counter[Kind]
    findings: list[SampleFinding]


def compare_samples(
    wanted: Expected,
    found: Mapping[str, Iterable[Stored]],
    gaps: Mapping[str, Sequence[Gap]],
    played: Played,
    tolerance: Tolerance | None = None,
) -> dict[str, Samples] | None:
    """By station. None when it cannot be said: the ledger says nothing of samples, or it is not known how it was played.

    found: of each station that the ledger compares, the samples of all signals, of each in the order of arrival.
    """
    if wanted.shows is None or not played:
        return None
    tolerance = Tolerance() if tolerance is None else tolerance
    made: dict[str, Samples] = {}
    for station, signals in wanted.shows.items():
        judge = _Judge(station, wanted, gaps.get(station, ()), played, tolerance)
        stored: dict[str, list[Stored]] = {}
        for sample in found.get(station, ()):
            stored.setdefault(sample.signal, []).append(sample)
        steps = _steps(wanted.shown.get(station, ()), played, wanted.end)
        for signal, looked in signals.items():
            judge.signal(signal, looked, steps.get(signal, []), stored.get(signal, []))
        made[station] = judge.made
    return made


class _Step(NamedTuple):
    """A value that could be read from `begin` to `end`. at: the virtual second of its beginning."""

    at: float
    begin: Micros
    end: Micros
    value: Value


def _steps(shown: Iterable[Showing], played: Played, end: float) -> dict[str, list[_Step]]:
    """By signal, each until the next."""
    made: dict[str, list[_Step]] = {}
    last = played.instant(end)
    for showing in shown:
        begin = played.instant(showing.at)
        for signal, value in showing.values.items():
            steps = made.setdefault(signal, [])
            if steps:
                steps[-1] = steps[-1]._replace(end=begin)
            steps.append(_Step(showing.at, begin, max(begin, last), value))
    return made


class _Judge:
    """Of one station."""

    def __init__(
        self, station: str, wanted: Expected, gaps: Sequence[Gap], played: Played, tolerance: Tolerance
    ) -> None:
        self.made = Samples(shown=0, found=0, counts=Counter(), findings=[])
        self._station = station
        self._margin = _micros(tolerance.margin)
        self._look = tolerance.looks.get(station, tolerance.look)
        signals = wanted.shows[station] if wanted.shows else {}
        self._fastest = min((each.every for each in signals.values()), default=1.0)
        mine = [each for each in wanted.troubles if each.station == station and each.trouble not in CLOCKS]
        self._frozen = _spans((each for each in mine if each.trouble == _FROZEN), played, self._margin)
        missed = [(gap.begin - self._margin, 2**62 if gap.end is None else gap.end + self._margin) for gap in gaps]
        self._blind = sorted([*missed, *self._frozen])
        self._troubled = _spans(mine, played, self._margin)

    def signal(self, key: str, looked: Looked, steps: Sequence[_Step], stored: Sequence[Stored]) -> None:
        # `look` is the time between two looks at what is looked at most often; the others have a longer one.
        twice = _micros(2 * self._look * looked.every / self._fastest)
        samples = sorted(stored, key=lambda sample: sample.time)
        self.made.shown += sum(step.value is not None for step in steps)
        self.made.found += sum(sample.value is not None for sample in samples)
        for finding in (*self._wrong(key, twice, steps, samples), *self._missing(key, looked, twice, steps, samples)):
            self.made.counts[finding.kind] += 1
            if finding.kind in (Kind.WRONG, Kind.LOST):
                self.made.findings.append(finding)

    def _wrong(
        self, key: str, twice: Micros, steps: Sequence[_Step], samples: Sequence[Stored]
    ) -> Iterator[SampleFinding]:
        begins = [step.begin for step in steps]
        for sample in samples:
            if sample.value is None or _within(self._frozen, sample.time, sample.time):
                continue
            # The first value stood there before anything happened.
            first = max(bisect_right(begins, sample.time - twice - self._margin) - 1, 0)
            behind = max(bisect_right(begins, sample.time + self._margin), 1)
            if any(equal(step.value, sample.value) for step in steps[first:behind]):
                continue
            near = steps[max(bisect_right(begins, sample.time) - 1, 0)].value if steps else None
            yield SampleFinding(
                kind=Kind.WRONG,
                station=self._station,
                signal=key,
                time=sample.time,
                expected=near,
                got=sample.value,
            )

    def _missing(
        self, key: str, looked: Looked, twice: Micros, steps: Sequence[_Step], samples: Sequence[Stored]
    ) -> Iterator[SampleFinding]:
        """What stood in the journal when a value was over: that value, or one so near that it is not told anew."""
        times = [sample.time for sample in samples]
        for step in steps:
            if step.value is None:
                continue
            place = bisect_left(times, step.end)
            last = samples[place - 1] if place else None
            late = samples[place : bisect_right(times, step.end + self._margin)]
            if any(_alike(each.value, step.value, looked.deadband) for each in (*((last,) if last else ()), *late)):
                continue
            # Another value, or that none was known, may have come late, or after a gap: since then this one could be read.
            since = step if last is None else step._replace(begin=max(step.begin, last.time))
            yield SampleFinding(
                kind=self._why(since, twice),
                station=self._station,
                signal=key,
                at=step.at,
                expected=step.value,
                got=None if last is None else last.value,
                seconds=round((step.end - step.begin) / 1_000_000, 3),
            )

    def _why(self, step: _Step, twice: Micros) -> Kind:
        sight = _in_sight(self._blind, step)
        if sight > 0 and step.end - step.begin <= twice:
            return Kind.UNSEEN
        if sight <= twice:
            return Kind.EXPLAINED
        # A look that fails takes a while, and is no gap yet.
        if sight <= twice + self._margin and _within(self._troubled, step.begin, step.end):
            return Kind.EXPLAINED
        return Kind.LOST


def _in_sight(blind: Sequence[tuple[Micros, Micros]], step: _Step) -> Micros:
    """How long it could be read without an interruption, at most. blind: from, to, by their beginnings."""
    longest, here = 0, step.begin
    for begin, end in blind:
        if begin >= step.end:
            break
        longest = max(longest, begin - here)
        here = max(here, end)
    return max(longest, step.end - here)


def _alike(one: Value, other: Value, deadband: float) -> bool:
    if equal(one, other):
        return True
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    return numbers and abs(one - other) <= deadband * (1 + 1e-9)  # type: ignore[operator]


def _within(some: Iterable[tuple[Micros, Micros]], begin: Micros, end: Micros) -> bool:
    return any(start <= end and begin <= stop for start, stop in some)


def _spans(troubles: Iterable[Troubled], played: Played, margin: Micros) -> list[tuple[Micros, Micros]]:
    return [(played.instant(each.at) - margin, played.instant(each.at + each.seconds) + margin) for each in troubles]


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
