"""What is to go wrong on a simulated line and when, as a TOML file: `[[trouble]]` tables in virtual time.

Each names a station, a trouble, when it begins and how long it lasts. Which troubles there are depends on what the
machine speaks: each face has its own, with keys of its own; every clock can be wrong, and on every way over TCP the
network itself can be.
"""

from __future__ import annotations

import heapq
import re
import tomllib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import msgspec

from gateway.core.errors import ConfigError
from gateway.core.times import Micros
from simulators.ledger import Troubled

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|h)")
_YEAR_2000: Micros = 946_684_800_000_000
CLOCKS = ("clock-skew", "clock-drift", "clock-2000")
_FOR_GOOD = 1e9
OWN = frozenset(("station", "trouble", "at", "for", "every"))


@runtime_checkable
class Switchboard(Protocol):
    """A face, or the network before it, that can be made to fail. fault_type: what can go wrong with it, as data.

    Its field `trouble` is an enumeration.
    """

    fault_type: ClassVar[type[msgspec.Struct]]

    async def begin(self, fault: Any) -> None:
        """From now on."""

    async def end(self, fault: Any) -> None:
        """That one is over."""


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that is wrong. seconds: by how much (skew), ahead when positive; rate: seconds a second (drift)."""

    trouble: str
    seconds: float = 0.0
    rate: float = 0.0

    def shifted(self, right: Micros, since: Micros) -> Micros:
        """What it shows instead of `right`, having been wrong from `since` on."""
        if self.trouble == "clock-2000":
            return _YEAR_2000 + (right - since)
        return right + round(self.seconds * 1_000_000) + round((right - since) * self.rate)


class Entry(NamedTuple):
    """One `[[trouble]]`, checked. fault: for `board`, or a Skew. every: it comes again after so many seconds, for ever."""

    at: float
    seconds: float
    station: str
    trouble: str
    fault: msgspec.Struct
    board: Switchboard | None
    every: float | None = None


class _Due(NamedTuple):
    """Something to do at a virtual second. begins: else it ends."""

    at: float
    number: int
    begins: bool
    entry: Entry


class Script:
    """Carries out the entries as time passes. Done at their beginning and end, in order of virtual time."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._due: list[_Due] = []
        self._clocks: dict[str, tuple[Skew, float]] = {}
        self._number = -1
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """One more, which has not begun yet."""
        self._number += 1
        heapq.heappush(self._due, _Due(entry.at, 2 * self._number, True, entry))
        heapq.heappush(self._due, _Due(entry.at + entry.seconds, 2 * self._number + 1, False, entry))

    @property
    def over(self) -> bool:
        """Nothing is left to begin or end."""
        return not self._due

    def until(self, at: float) -> Iterator[_Due]:
        """What is due up to that virtual second; each is handed out once."""
        while self._due and self._due[0].at <= at:
            due = heapq.heappop(self._due)
            if due.begins and due.entry.every is not None:
                self.add(due.entry._replace(at=due.at + due.entry.every))
            yield due

    async def apply(self, due: _Due) -> Troubled | None:
        """Does it. What has begun, if something has."""
        entry = due.entry
        if isinstance(entry.fault, Skew):
            if due.begins:
                self._clocks[entry.station] = (entry.fault, due.at)
            else:
                self._clocks.pop(entry.station, None)
        elif entry.board is not None:
            act: Callable[[Any], Awaitable[None]] = entry.board.begin if due.begins else entry.board.end
            await act(entry.fault)
        if not due.begins:
            return None
        return Troubled(at=entry.at, seconds=entry.seconds, station=entry.station, trouble=entry.trouble)

    async def finish(self) -> None:
        """Ends what has begun, in the order of its ends, and begins nothing any more."""
        for due in sorted(self._due):
            if not due.begins and due.number - 1 not in {each.number for each in self._due}:
                await self.apply(due)
        self._due.clear()

    def clock(self, station: str, right: Callable[[float], Micros]) -> Callable[[float], Micros]:
        """What the station's clock shows at a virtual second, `right` being the instant that it is."""
        wrong = self._clocks.get(station)
        if wrong is None:
            return right
        skew, since = wrong
        return lambda at: skew.shifted(right(at), right(since))


def put_back(station: str, at: float) -> Entry:
    """From that virtual second on the station's clock is an hour behind, as after a change from summer time that only
    the machine has made."""
    return Entry(at, _FOR_GOOD, station, CLOCKS[0], Skew(trouble=CLOCKS[0], seconds=-3600.0), None)


def read(path: Path, boards: Mapping[str, Iterable[Switchboard]]) -> Script:
    """boards: what can be made to fail, by station. Raises ConfigError with everything that is wrong in it."""
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path}: {error}"]) from error
    return parse(document, boards, str(path))


def parse(document: Mapping[str, Any], boards: Mapping[str, Iterable[Switchboard]], name: str = "script") -> Script:
    """The same from what stands in the file."""
    entries, problems = [], [f"{name}: {key}: unknown; allowed: trouble" for key in document if key != "trouble"]
    tables = document.get("trouble", [])
    if not isinstance(tables, list):
        raise ConfigError([f"{name}: trouble: write [[trouble]], a table for each"])
    for number, table in enumerate(tables, 1):
        try:
            entries.append(_entry(table, boards))
        except ValueError as error:
            problems.append(f"{name}: trouble {number}: {error}")
    if problems:
        raise ConfigError(problems)
    return Script(entries)


def _entry(table: Mapping[str, Any], boards: Mapping[str, Iterable[Switchboard]]) -> Entry:
    station, trouble = str(table.get("station")), str(table.get("trouble"))
    if station not in boards:
        raise ValueError(f"station: {station!r} is none; allowed: {', '.join(sorted(boards))}")
    at, seconds = _seconds(table, "at"), _seconds(table, "for")
    every = _seconds(table, "every") if "every" in table else None
    if every is not None and every <= seconds:
        raise ValueError(f"every: {table['every']!r} is not longer than it lasts; allowed: above {table['for']}")
    rest = {key: value for key, value in table.items() if key not in OWN}
    if trouble in CLOCKS:
        return Entry(at, seconds, station, trouble, _converted(Skew, {**rest, "trouble": trouble}), None, every)
    here = tuple(boards[station])
    for board in here:
        if trouble in kinds(board):
            fault = _converted(board.fault_type, {**rest, "trouble": trouble})
            return Entry(at, seconds, station, trouble, fault, board, every)
    allowed = sorted({*CLOCKS, *(kind for board in here for kind in kinds(board))})
    raise ValueError(f"trouble: {trouble!r} cannot happen at {station}; allowed: {', '.join(allowed)}")


def kinds(board: Switchboard) -> tuple[str, ...]:
    """The troubles that it knows."""
    field = next(each for each in msgspec.structs.fields(board.fault_type) if each.name == "trouble")
    return tuple(str(each.value) for each in field.type)


def _converted(kind: type[msgspec.Struct], table: Mapping[str, Any]) -> msgspec.Struct:
    known = {each.name for each in msgspec.structs.fields(kind)}
    for key in table:
        if key not in known:
            raise ValueError(f"{key}: unknown; allowed: {', '.join(sorted(known | OWN))}")
    return msgspec.convert(table, kind, strict=True)


def _seconds(table: Mapping[str, Any], key: str) -> float:
    found = _DURATION.fullmatch(str(table.get(key)))
    if found is None:
        raise ValueError(f"{key}: {table.get(key)!r} is no duration; allowed: a number with ms, s, min or h")
    return float(found[1]) * _UNITS[found[2]]
