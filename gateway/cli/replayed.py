"""`lineside reconcile --as replay`: did a second gateway see the machines of a replay as the first one had?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, text

from gateway.capture.form import SUFFIX
from gateway.capture.reading import Capture
from gateway.cli import differences, remote, stepping, stored_samples
from gateway.cli.events import owner_url, stored
from gateway.core.errors import LinesideError
from gateway.core.event import encode
from gateway.core.sample import Value
from gateway.journal.reader import Reader
from gateway.replay.difference import Comparing
from gateway.replay.equal import KEYS, ByTime, Equal, Values, compared, same_values
from gateway.replay.told import Told, told

_STRIDE = 1_000


class Side(Protocol):
    """What one of the two gateways has. Of `stations` and `samples` the answer is known once `events` are at their end."""

    def events(self) -> Iterator[bytes]: ...

    def stations(self) -> set[str]:
        """Those with samples."""

    def samples(self, station: str) -> dict[str, list[Value]]:
        """By signal, in the order of arrival."""


class CaptureSide:
    """What a gateway makes of a capture that knows nothing of what was before: so does the one that sees the replay."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._run = stepping.offline(Capture(paths), fresh=True)
        self._samples: dict[str, dict[str, list[Value]]] = {}

    def events(self) -> Iterator[bytes]:
        for stepped in self._run.stepped():
            for sample in stepped.samples:
                values = self._samples.setdefault(sample.station, {}).setdefault(sample.signal, [])
                if sample.value is not None and (not values or values[-1] is not sample.value):
                    values.append(sample.value)
            for event in stepped.events:
                yield encode(event, self._run.place)

    def stations(self) -> set[str]:
        return set(self._samples)

    def samples(self, station: str) -> dict[str, list[Value]]:
        return self._samples.get(station, {})


class JournalSide:
    """source: a gateway's address, or a journal, which is read through the gateway that owns it."""

    def __init__(self, source: str | Path) -> None:
        self._source = source
        self._url = source if isinstance(source, str) else owner_url(source)

    def events(self) -> Iterator[bytes]:
        return stored(self._source, {}) if isinstance(self._source, Path) else remote.export(self._source, [])

    def stations(self) -> set[str]:
        if self._url is not None:
            return {each["id"] for each in remote.answer(self._url, "/api/v1/stations", ())["stations"]}
        reader = Reader(Path(self._source), threads=1)
        try:
            return reader.call(_sampled)
        finally:
            reader.close()

    def samples(self, station: str) -> dict[str, list[Value]]:
        if self._url is not None:
            found = stored_samples.of_gateway(self._url, station)
        else:
            found = stored_samples.of_file(Path(self._source), station)
        values: dict[str, list[Value]] = {}
        for signal, _, value in found:
            values.setdefault(signal, []).append(value)
        return values


def _sampled(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT DISTINCT station FROM series")).scalars())


def side(source: str) -> Side:
    """A capture's file or folder, a journal, or the address of a gateway. Raises LinesideError."""
    if source.startswith(("http://", "https://")):
        return JournalSide(source)
    path = Path(source)
    if not path.exists():
        raise LinesideError(f"there is no {source}")
    return CaptureSide([path]) if path.is_dir() or path.suffix == SUFFIX else JournalSide(path)


class Report(msgspec.Struct, frozen=True):
    """signals: of how many the values were compared. values: of those that differ. farthest_s: the most by which a duration
    differed."""

    events: Comparing
    signals: int
    values: Sequence[Values]
    farthest_s: float

    @property
    def equal(self) -> bool:
        return not self.events.total.differing and not self.values


class _Ordered:
    """Feeds one side's events into a comparison, those of each station in the order in which they are compared."""

    def __init__(self, side: Side, stations: frozenset[str], take: Callable[[Told], None]) -> None:
        self._events = side.events()
        self._stations = stations
        self._take = take
        self.over = False
        self._orders: dict[str, ByTime] = {}

    def advance(self) -> None:
        """Some of them."""
        read = 0
        for document in islice(self._events, _STRIDE):
            read += 1
            event = told(document)
            if compared(event) and (not self._stations or event.station in self._stations):
                for each in self._orders.setdefault(event.station, ByTime()).add(event):
                    self._take(each)
        if read == 0 and not self.over:
            self.over = True
            for order in self._orders.values():
                for each in order.rest():
                    self._take(each)


def reconcile(
    first: Side, second: Side, *, speed: float, poll_s: float, stations: frozenset[str] = frozenset(), keep: int = 50
) -> Report:
    """stations: only these; none means all. Raises LinesideError."""
    rule = Equal(speed=speed, poll_s=poll_s)
    comparing = Comparing(KEYS, rule, keep=keep)
    one, other = _Ordered(first, stations, comparing.first), _Ordered(second, stations, comparing.second)
    while not (one.over and other.over):
        ahead = comparing.ahead
        if ahead < _STRIDE or other.over:
            one.advance()
        if ahead > -_STRIDE or one.over:
            other.advance()
        comparing.settle()
    comparing.finish()
    values: list[Values] = []
    signals = 0
    for station in sorted(first.stations() | second.stations()):
        if stations and station not in stations:
            continue
        was, now = first.samples(station), second.samples(station)
        signals += len(was.keys() | now.keys())
        found = (same_values(station, name, was.get(name, ()), now.get(name, ())) for name in sorted(was | now))
        values += [each for each in found if each is not None]
    total = comparing.total
    if not (total.same or total.differing or signals):
        of = f" of {', '.join(sorted(stations))}" if stations else ""
        raise LinesideError(f"there is nothing to compare: neither side has an event or a signal{of}")
    return Report(comparing, signals, values, rule.farthest_s)


def as_text(report: Report) -> Iterator[str]:
    yield from differences.differences(report.events)
    for each in report.values:
        yield (
            f"{each.station}  signal {each.signal}  change {each.number}: was {differences.shown(each.was)}, "
            f"now {differences.shown(each.now)} ({each.first} changes, now {each.second})"
        )
    yield from differences.table(report.events)
    total = report.events.total
    counted = f"{total.same} events and {report.signals - len(report.values)} signals are the same"
    if total.same and report.farthest_s:
        counted += f", durations within {report.farthest_s:.3f} s"
    yield counted
    if not report.equal:
        yield f"not equal: {total.differing} events and {len(report.values)} signals differ"


def as_json(report: Report) -> dict[str, Any]:
    values = [
        each._asdict() | {name: value if isinstance(value, bool | int | float | str) else None for name, value in (("was", each.was), ("now", each.now))}
        for each in report.values
    ]  # fmt: skip
    return {
        "equal": report.equal,
        "events": differences.as_json(report.events),
        "signals": {"compared": report.signals, "differing": values},
        "longest_difference_s": report.farthest_s,
    }
