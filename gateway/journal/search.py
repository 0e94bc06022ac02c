"""Which events of the journal a filter wants, by the rows of `gateway.journal.postings`.

The cost of a page goes with what it finds: nothing is looked at twice, a message that came three times in ten million is
found by three steps, and what never came is known at once. Stretches of blocks grow as long as little is found in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection

from gateway.core.event import Origin
from gateway.core.times import Micros
from gateway.journal.filter import Filter
from gateway.journal.postings import BLOCK, Stream, blocks_at, numbers, reaches, streams
from gateway.journal.statements import Statements

_ORIGINS = tuple(Origin)
_FIRST = 4
"""Blocks that are looked through first; then four times as many, and so on."""
_PORTION = 500
"""Candidates that are asked for in one statement."""
_MANY = 5000
"""With so many in one stretch, the next is no longer."""


class Found(msgspec.Struct, frozen=True):
    """numbers: of events, in order. upto: everything up to here was looked at, or is not wanted."""

    numbers: Sequence[int]
    upto: int


def search(connection: Connection, wanted: Filter, *, after: int, upto: int, limit: int, most: int) -> Found:
    """At most `limit` events behind `after` and up to `upto`. It ends early when it has looked at `most` of them, of which
    too few are wanted: then `upto` of what is returned is where to go on."""
    chosen = _chosen(connection, wanted)
    if chosen is None:
        return Found((), upto)
    return _Search(connection, chosen, after, upto, limit, most).run()


class _Chosen(msgspec.Struct, frozen=True):
    """A filter in the numbers of this journal; None: all."""

    places: frozenset[int] | None
    messages: frozenset[int] | None
    origins: frozenset[int] | None
    units: tuple[int, ...] | None
    without: tuple[int, ...]
    start: Micros | None
    end: Micros | None

    @property
    def kinds(self) -> bool:
        """Whether it says which streams are wanted."""
        return not (self.places is None and self.messages is None and self.origins is None)

    def accepts(self, stream: Stream) -> bool:
        parts = zip((self.places, self.messages, self.origins), stream, strict=True)
        return all(allowed is None or part in allowed for allowed, part in parts)

    def conditions(self, *, kinds: bool) -> str:
        """As SQL about rows of `event`. kinds: also what streams have in common."""
        clauses = [
            f"{column} IN ({','.join(map(str, sorted(allowed)))})"
            for column, allowed in (("place", self.places), ("message", self.messages), ("origin", self.origins))
            if kinds and allowed is not None
        ]
        if self.start is not None:
            clauses.append(f"time >= {self.start}")
        if self.end is not None:
            clauses.append(f"time < {self.end}")
        for units, word in ((self.units, "EXISTS"), (self.without or None, "NOT EXISTS")):
            if units is not None:
                listed = ",".join(map(str, units))
                clauses.append(f"{word} (SELECT 1 FROM event_unit u WHERE u.seq = event.seq AND u.unit IN ({listed}))")
        return "".join(f" AND {clause}" for clause in clauses)


def _chosen(connection: Connection, wanted: Filter) -> _Chosen | None:
    """None when nothing that ever was in the journal is wanted."""
    read = Statements(connection).rows
    places = messages = origins = None
    if wanted.line or wanted.station:
        rows = read("SELECT id, line, station FROM place")
        places = frozenset(n for n, line, name in rows if wanted.line.accepts(line) and wanted.station.accepts(name))
    if wanted.message:
        messages = frozenset(n for n, name in read("SELECT id, name FROM message") if wanted.message.accepts(name))
    if wanted.origin:
        origins = frozenset(n for n, origin in enumerate(_ORIGINS) if wanted.origin.accepts(origin))
    units = _units(connection, wanted.unit.wanted) if wanted.unit.wanted else None
    if any(allowed is not None and not allowed for allowed in (places, messages, origins, units)):
        return None
    without = _units(connection, wanted.unit.unwanted)
    return _Chosen(places, messages, origins, units, without, wanted.start, wanted.end)


def _units(connection: Connection, names: tuple[str, ...]) -> tuple[int, ...]:
    read = Statements(connection).rows
    rows = [row for name in names for row in read("SELECT id FROM unit WHERE name = ?", (name,))]
    return tuple(number for (number,) in rows)


class _Search:
    def __init__(self, connection: Connection, chosen: _Chosen, after: int, upto: int, limit: int, most: int) -> None:
        self._connection = connection
        self._read = Statements(connection).rows
        self._chosen = chosen
        self._at = after
        self._upto = upto
        self._limit = limit
        self._left = most
        self._found: list[int] = []

    def run(self) -> Found:
        if self._chosen.units is not None:
            self._by_unit(self._chosen.units)
        else:
            filed = min(reaches(self._connection), self._upto)
            if self._at < filed:
                self._by_block(filed)
            if self._at >= filed:
                self._look_through(self._upto)
        return Found(self._found, self._at)

    @property
    def _done(self) -> bool:
        return len(self._found) >= self._limit or self._left <= 0

    def _by_unit(self, units: tuple[int, ...]) -> None:
        # One after the other: asked for together, all that there is of them would be sorted for every portion.
        query = "SELECT seq FROM event_unit WHERE unit = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        rest = msgspec.structs.replace(self._chosen, units=None).conditions(kinds=True)
        while not self._done:
            upto = self._upto
            found: set[int] = set()
            for unit in units:
                numbers = [number for (number,) in self._read(query, (unit, self._at, upto, _PORTION))]
                found.update(numbers)
                if len(numbers) == _PORTION:
                    upto = numbers[-1]
            self._take(sorted(number for number in found if number <= upto), rest)
            if not self._done:
                self._at = upto
                if upto == self._upto:
                    return

    def _by_block(self, filed: int) -> None:
        """Up to `filed`, the end of a block or of what is wanted."""
        chosen = self._chosen
        wanted = [one for one in streams(self._connection) if chosen.accepts(one)] if chosen.kinds else None
        rest = chosen.conditions(kinds=False)
        places = None if wanted is None else {place for place, _, _ in wanted}
        size = together = _FIRST
        last = (filed - 1) // BLOCK
        while self._at < filed and not self._done:
            begin = self._at // BLOCK
            end = min(begin + size - 1, last)
            left = self._left
            for first, until in self._stretches(places, begin, end):
                if wanted is None:
                    self._at = max(self._at, first * BLOCK)
                    self._look_through(min((until + 1) * BLOCK, filed))
                else:
                    together = self._by_stream(wanted, rest, first, min(until, last), filed, together)
                if self._done:
                    return
            self._at = max(self._at, min((end + 1) * BLOCK, filed))
            if left - self._left < _MANY:
                size *= 4

    def _by_stream(self, wanted: Sequence[Stream], rest: str, first: int, last: int, filed: int, together: int) -> int:
        """In the blocks from first to last, so many at once, more of them while little is found; how many in the end."""
        while first <= last:
            found, until = numbers(self._connection, wanted, first, min(first + together - 1, last))
            self._take(found[(found > self._at) & (found <= filed)].tolist(), rest)
            if self._done:
                break
            self._at = max(self._at, min((until + 1) * BLOCK, filed))
            together = (until - first + 1) * (4 if len(found) < _MANY else 1)
            first = until + 1
        return together

    def _stretches(self, places: set[int] | None, begin: int, end: int) -> Iterable[tuple[int, int]]:
        """Of blocks in which there may be something of the time that is wanted."""
        chosen = self._chosen
        if places is not None and not places:
            return ()
        if chosen.start is None and chosen.end is None:
            return ((begin, end),)
        return _runs(blocks_at(self._connection, places, chosen.start, chosen.end, begin, end))

    def _look_through(self, upto: int) -> None:
        """Every event up to here."""
        # Not by an index of a journal of an earlier version: that would be sorted first.
        rest = self._chosen.conditions(kinds=True)
        query = f"SELECT seq FROM event NOT INDEXED WHERE seq > ? AND seq <= ?{rest} ORDER BY seq LIMIT ?"
        while self._at < upto and not self._done:
            end = min(upto, self._at + self._left)
            rows = self._read(query, (self._at, end, self._limit - len(self._found)))
            self._found += [number for (number,) in rows]
            at = self._found[-1] if len(self._found) >= self._limit else end
            self._left -= at - self._at
            self._at = at

    def _take(self, candidates: list[int], rest: str) -> None:
        """Those of them that are there and fit the rest of the filter."""
        for start in range(0, len(candidates), _PORTION):
            part = candidates[start : start + min(_PORTION, self._left)]
            listed = ",".join(map(str, part))
            rows = self._read(f"SELECT seq FROM event NOT INDEXED WHERE seq IN ({listed}){rest} ORDER BY seq")
            self._found += [number for (number,) in rows]
            self._left -= len(part)
            self._at = part[-1]
            if len(self._found) >= self._limit:
                del self._found[self._limit :]
                self._at = self._found[-1]
            if self._done:
                return


def _runs(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of those that follow each other."""
    key: Callable[[tuple[int, int]], int] = lambda pair: pair[1] - pair[0]  # noqa: E731
    for _, group in groupby(enumerate(blocks), key):
        members = [block for _, block in group]
        yield members[0], members[-1]
