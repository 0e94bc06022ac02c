"""Comparing what machines told with what a journal holds: lost, duplicated, invented, wrong, late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from gateway.core.times import Micros
from simulators.ledger import Played, Read, Troubled
from simulators.reconcile.align import align
from simulators.reconcile.found import Found, Gap, Journal
from simulators.script import CLOCKS
from simulators.voices.voice import Looked, Showing, Told

_TIMES = 0.5
"""Most that differing times add to the cost of taking two for the same: they then still cost less than two alone."""
_WRONG = 1.5
"""Cost of taking two for the same that differ in what they say: less than losing one and inventing the other."""
_RIGHTLY = 0.7
_NEARER = 0.01
"""Cost of a second's distance that does not make anybody doubt: of two that fit, the nearer is taken."""
_AWAY_S = 5.0
"""From where it is expected, beyond the time between two looks: the full cost of differing times."""


class Kind(StrEnum):
    """What can be wrong, or rightly be missing."""

    LOST = "lost"  # told, and not in the journal
    DUPLICATED = "duplicated"  # in the journal once more
    INVENTED = "invented"  # in the journal, and never told
    WRONG = "wrong"  # both, but they do not say the same
    LATE = "late"  # received too long after it could be known
    EXPLAINED = "explained"  # lost while a gap was open
    MARKED = "marked"  # in the journal once more, and marked there as a possible copy
    UNSEEN = "unseen"  # shown for a shorter time than the station is looked at


WORSE = frozenset((Kind.LOST, Kind.DUPLICATED, Kind.INVENTED, Kind.WRONG))
"""What must not be."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One event about which there is something to say. fact: number in the ledger; seq, event: in the journal.

    at: virtual second. details: in what they differ, `field: expected X, got Y`, or the gap that explains it.
    """

    kind: Kind
    station: str
    message: str
    at: float | None = None
    fact: int | None = None
    seq: int | None = None
    event: str | None = None
    units: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """time: seconds by which an event's time may differ. late: seconds from when it could be known to receipt.

    look: seconds between looks at a station, as a default and by station: what is shown for less than two of them may
    be missed. margin: seconds by which a gap is taken to be longer at either end.
    """

    time: float = 1.5
    late: float = 10.0
    look: float = 1.0
    looks: Mapping[str, float] = {}
    margin: float = 2.0


class Station(msgspec.Struct, kw_only=True):
    """told, found: how many. counts: of findings, by kind. adjusted: units that CountAdjusted speaks of."""

    told: Counter[str]
    found: Counter[str]
    counts: Counter[Kind]
    adjusted: int = 0
    gaps: int = 0
    latest: float | None = None


class Comparison(msgspec.Struct, kw_only=True):
    """timed: times could be compared, since it is known how the ledger was played. samples_clean: nothing is wrong with
    samples, as far as they were compared."""

    timed: bool
    stations: dict[str, Station]
    findings: list[Finding]
    samples_clean: bool = True

    @property
    def clean(self) -> bool:
        return self.samples_clean and not any(finding.kind in WORSE for finding in self.findings)


class Expected(msgspec.Struct):
    """What a ledger says that a journal has to hold. told, shown: by station. shows: by station and signal; None: a ledger
    that says nothing of samples. end: virtual second of the last that happened."""

    tells: dict[str, frozenset[str]]
    told: dict[str, list[Told]]
    troubles: list[Troubled]
    shows: dict[str, dict[str, Looked]] | None = None
    shown: dict[str, list[Showing]] = {}
    end: float = 0.0

    def paths(self) -> dict[tuple[str, str], frozenset[str]]:
        """What of the bodies is compared, by station and message."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for told in (each for some in self.told.values() for each in some):
            wanted.setdefault((told.station, told.message), set()).update(told.values)
        return {key: frozenset(paths) for key, paths in wanted.items() if paths}


def expected(ledger: Read) -> Expected:
    """Reads it to its end. Raises LedgerError."""
    made = Expected({station: frozenset(names) for station, names in ledger.header.tells.items()}, {}, [])
    made.shows = ledger.header.shows
    for line in ledger.lines:
        if isinstance(line, Told):
            made.told.setdefault(line.station, []).append(line)
            continue
        made.end = max(made.end, line.at)
        if isinstance(line, Showing):
            made.shown.setdefault(line.station, []).append(line)
        elif isinstance(line, Troubled):
            made.troubles.append(line)
    return made


def compare(wanted: Expected, journal: Journal, played: Played, tolerance: Tolerance | None = None) -> Comparison:
    """Everything that is to be said, station by station."""
    tolerance = Tolerance() if tolerance is None else tolerance
    made = Comparison(timed=bool(played), stations={}, findings=[])
    for station, tells in wanted.tells.items():
        found = [each for each in journal.events.get(station, ()) if each.message in tells]
        told = wanted.told.get(station, [])
        judge = _Judge(station, journal.gaps.get(station, []), played, tolerance, wanted.troubles)
        findings = list(judge.all(told, found))
        made.findings += findings
        made.stations[station] = Station(
            told=Counter(each.message for each in told),
            found=Counter(each.message for each in found),
            counts=Counter(each.kind for each in findings),
            adjusted=journal.adjusted.get(station, 0),
            gaps=len(judge.gaps),
            latest=judge.latest,
        )
    return made


class _Judge:
    """Of one station. latest: the longest that an event took, in seconds."""

    def __init__(
        self,
        station: str,
        gaps: Sequence[Gap],
        played: Played,
        tolerance: Tolerance,
        troubles: Sequence[Troubled],
    ) -> None:
        self.station = station
        self.gaps = gaps
        self.latest: float | None = None
        self._played = played
        self._tolerance = tolerance
        self._look = tolerance.looks.get(station, tolerance.look)
        self._identified = False  # its events have ids of their own, by which copies are known
        self._unnamed: set[str] = set()  # units whose coming was rightly missed: nobody can know them when they go
        self._wrong_clocks = _spans(troubles, station, CLOCKS)
        self._shuffles = _spans(troubles, station, ("reorder",))

    def all(self, told: Sequence[Told], found: Sequence[Found]) -> Iterator[Finding]:
        by_id = {each.id: each for each in found}
        self._identified = any(each.unique_id is not None for each in told)
        taken: set[str] = set()
        rest: dict[tuple[str, int | None], list[Told]] = {}
        for each in told:
            if each.unique_id is None:
                rest.setdefault((each.message, each.lane), []).append(each)
            elif (event := by_id.get(each.unique_id)) is not None:
                taken.add(event.id)
                yield from self._pair(each, event)
            else:
                yield self._missing(each)
        left: dict[tuple[str, int | None], list[Found]] = {}
        for event in found:
            if event.id not in taken:
                left.setdefault((event.message, event.lane), []).append(event)
        for key in [*rest, *(key for key in left if key not in rest)]:
            yield from self._sequence(rest.get(key, []), left.get(key, []))

    def _sequence(self, told: Sequence[Told], found: Sequence[Found]) -> Iterator[Finding]:
        """Of one message and lane, without ids to go by."""
        shown: dict[str, Any] | None = None  # what the last one that was seen said; then something may have been missed
        missed = False
        for a, b in align(told, found, self._cost, missing=self._cost_of_missing):
            if a is not None and b is not None:
                shown, missed = told[a].values, False
                yield from self._pair(told[a], found[b])
            elif a is not None:
                # What went away and came back between two looks has not changed.
                back = missed and bool(told[a].values) and told[a].values == shown
                finding = self._finding(Kind.UNSEEN, told[a], None, ()) if back else self._missing(told[a])
                missed = finding.kind is Kind.UNSEEN and not back
                if finding.kind is not Kind.LOST:
                    self._unnamed.update(told[a].units)
                yield finding
            elif b is not None:
                yield self._too_much(found[b], [*found[max(b - 1, 0) : b], *found[b + 1 : b + 2]])

    def _cost(self, told: Told, found: Found) -> float:
        cost = 0.0 if not self._differences(told, found, unseen=False) else _WRONG
        if self._played:
            away = self._away(told, found)
            cost += _TIMES * min(max(away - 2 * self._look, 0.0) / _AWAY_S, 1.0) + _NEARER * min(away, 1.0)
        return cost

    def _cost_of_missing(self, told: Told) -> float:
        """Less for what may rightly be: so it is that one which is taken to be missing, and not its neighbour."""
        return _RIGHTLY if self._unseen(told) or self._gap(told.seen) is not None else 1.0

    def _away(self, told: Told, found: Found) -> float:
        """Seconds between where it is expected and where it is: by its time, or by its receipt if that fits better."""
        away = abs(found.received - self._instant(told.seen))
        if told.at is not None and not self._clock_wrong(told):
            away = min(away, abs(found.time - self._instant(told.at)))
        return away / 1_000_000

    def _pair(self, told: Told, found: Found) -> Iterator[Finding]:
        differences = self._differences(told, found, unseen=self._unseen(told))
        if self._played:
            away = (found.received - self._instant(told.seen)) / 1_000_000
            self.latest = away if self.latest is None else max(self.latest, away)
            if told.at is not None and not self._clock_wrong(told):
                off = (found.time - self._instant(told.at)) / 1_000_000
                if abs(off) > self._tolerance.time:
                    differences.append(f"time: {off:+.3f} s from what the machine told")
            if away > self._tolerance.late and self._gap(told.seen) is None:
                yield self._finding(Kind.LATE, told, found, (f"received {away:.1f} s after it could be known",))
        if differences:
            yield self._finding(Kind.WRONG, told, found, tuple(differences))

    def _differences(self, told: Told, found: Found, *, unseen: bool) -> list[str]:
        """In what they differ; of what was shown too shortly, not in what may have been overwritten."""
        made = []
        if told.message != found.message:
            made.append(f"message: expected {told.message}, got {found.message}")
        if told.units != found.units and not (not found.units and (unseen or self._unnamed.issuperset(told.units))):
            made.append(f"units: expected {', '.join(told.units) or 'none'}, got {', '.join(found.units) or 'none'}")
        if told.count is not None and told.count != found.count:
            made.append(f"count: expected {told.count}, got {found.count}")
        if (
            told.unique_id is not None
            and told.lane is not None
            and told.lane != found.lane
            and not self._shuffled(told)
        ):
            made.append(f"lane: expected {told.lane}, got {found.lane}")
        for path, value in () if unseen else told.values.items():
            got = found.values.get(path)
            if not equal(value, got):
                made.append(f"{path}: expected {value!r}, got {got!r}")
        return made

    def _missing(self, told: Told) -> Finding:
        gap = self._gap(told.seen)
        if gap is not None:
            return self._finding(Kind.EXPLAINED, told, None, (f"gap {gap.id}, {gap.cause}",))
        if self._unseen(told):
            return self._finding(Kind.UNSEEN, told, None, ())
        return self._finding(Kind.LOST, told, None, ())

    def _too_much(self, found: Found, beside: Sequence[Found]) -> Finding:
        if found.copy_of is not None and not self._identified:
            return self._finding(Kind.MARKED, None, found, (f"possible copy of {found.copy_of}",))
        again = found.copy_of is not None or any(
            found.units and (each.units, each.values) == (found.units, found.values) for each in beside
        )
        return self._finding(Kind.DUPLICATED if again else Kind.INVENTED, None, found, ())

    def _finding(self, kind: Kind, told: Told | None, found: Found | None, details: tuple[str, ...]) -> Finding:
        return Finding(
            kind=kind,
            station=self.station,
            message=told.message if told is not None else found.message if found is not None else "",
            at=None if told is None else told.seen,
            fact=None if told is None else told.fact,
            seq=None if found is None else found.seq,
            event=None if found is None else found.id,
            units=told.units if told is not None else found.units if found is not None else (),
            details=details,
        )

    def _unseen(self, told: Told) -> bool:
        if told.fleeting is None:
            return False
        speed = self._played.speed if self._played else 1.0
        return told.fleeting / speed < 2 * self._look

    def _gap(self, seen: float) -> Gap | None:
        if not self._played:
            return None
        instant, margin = self._instant(seen), round(self._tolerance.margin * 1_000_000)
        for gap in self.gaps:
            if gap.begin - margin <= instant and (gap.end is None or instant <= gap.end + margin):
                return gap
        return None

    def _clock_wrong(self, told: Told) -> bool:
        """When it was told, or at the time that it tells."""
        return any(
            begin <= at <= end for begin, end in self._wrong_clocks for at in (told.seen, told.at) if at is not None
        )

    def _shuffled(self, told: Told) -> bool:
        """Its messages changed places: what a later one says was not known yet."""
        return any(begin <= told.seen <= end for begin, end in self._shuffles)

    def _instant(self, at: float) -> Micros:
        return self._played.instant(at)


def _spans(troubles: Sequence[Troubled], station: str, kinds: Sequence[str]) -> list[tuple[float, float]]:
    """When the station had one of these troubles."""
    return [(each.at, each.at + each.seconds) for each in troubles if each.station == station and each.trouble in kinds]


def equal(one: Any, other: Any) -> bool:
    """As JSON has it: 1 and 1.0 are the same, numbers that went through a machine's own digits nearly are."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-6 * max(1.0, abs(one), abs(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def totals(comparison: Comparison) -> Counter[Kind]:
    """Of all stations."""
    return sum((station.counts for station in comparison.stations.values()), Counter())


def of(findings: Iterable[Finding], kinds: frozenset[Kind]) -> list[Finding]:
    return [each for each in findings if each.kind in kinds]
