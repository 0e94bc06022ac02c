"""Old events packed, in pieces: which are due, with which dictionary, and the transaction that puts them in place.

A row that only gets shorter leaves its page as it is: SQLite gives nothing back. So rows are deleted and inserted again,
in their old order, and lie close together then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.core import times
from gateway.journal import dictionaries
from gateway.journal.bodies import COMPACT, RAW, SEQ, Packer
from gateway.journal.dictionaries import Adopt, Drop, Known
from gateway.journal.sample_state import set_state, state
from gateway.journal.statements import Statements

PACKED = "events_packed"
"""Up to this number events are as small as they get."""


class PackingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When events are packed. after_s: so long after they came in; None: never. rows, bytes: most of one piece, one event
    at least. patience_s: fewer than that wait so long for more. least: events that there must be to make a dictionary of.
    learn: how many it is made of and tried on. reach: from how far back these are taken; and what lies further back than
    this is packed whatever its age, for a clock may have been wrong.
    worse: a dictionary is made anew when the events take so many times the bytes they took when it was made; or when it
    was made of few: when there are `more` times as many. better: it is used when they then take at most this part."""

    after_s: float | None = 3600.0
    rows: int = 200
    bytes: int = 1 << 20
    patience_s: float = 600.0
    least: int = 1000
    learn: int = 4000
    reach: int = 50_000
    worse: float = 1.25
    more: int = 10
    better: float = 0.93


class _Pack(msgspec.Struct, frozen=True):
    number: int
    rows: Sequence[Sequence[Any]]
    upto: int
    count: int
    before: int
    after: int

    def apply(self, connection: Connection) -> int:
        if self.rows:
            statements = Statements(connection)
            numbers = ",".join(str(row[SEQ]) for row in self.rows)
            if connection.exec_driver_sql(f"DELETE FROM event WHERE seq IN ({numbers})").rowcount != len(self.rows):
                connection.exec_driver_sql("ROLLBACK")  # retention has removed some of them meanwhile
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return 0
            statements.insert("event", [tuple(row) for row in self.rows])
            connection.exec_driver_sql(
                "UPDATE dictionary SET events = events + ?, before = before + ?, after = after + ?, "
                "first = coalesce(first, ?), last = ? WHERE number = ?",
                (self.count, self.before, self.after, self.rows[0][SEQ], self.rows[-1][SEQ], self.number),
            )
        set_state(connection, PACKED, self.upto)
        return self.before + self.after + _ROW * len(self.rows)


_ROW = 4200
"""About what putting a row in place writes beside it: a page of the index of ids, which are anywhere."""
_AGAIN_S = 60.0
"""Pause between two attempts at a dictionary."""


class Packing:
    """Belongs to the thread that prepares pieces. `rest` is called after work, with when that began."""

    def __init__(self, settings: PackingSettings, rest: Callable[[float], None]) -> None:
        self._settings = settings
        self._rest = rest
        self._packer: Packer | None = None
        self._known: Known | None = None
        self._lately = [0, 0, 0]  # events, bytes before and after, since the dictionary was last thought about
        self._not_before = 0.0

    def pieces(self, connection: Connection) -> Iterator[Any]:
        """What is due, one piece after the other, each to be applied before the next is asked for."""
        if self._settings.after_s is None:
            return
        while rows := self._due(connection):
            yield from self._dictionary(connection, rows)
            if self._packer is None:
                return
            begun = time.monotonic()
            piece = self._piece(self._packer, rows)
            self._rest(begun)
            yield piece
            if state(connection, PACKED) < piece.upto:
                return  # overtaken
            for place, value in enumerate((piece.count, piece.before, piece.after)):
                self._lately[place] += value

    def tidy(self, connection: Connection) -> Iterator[Any]:
        """Dictionaries that are not needed any more."""
        for number in dictionaries.unused(connection):
            yield Drop(number)

    def _due(self, connection: Connection) -> Sequence[Sequence[Any]]:
        """The next rows, in their order; none when it is too early."""
        settings = self._settings
        assert settings.after_s is not None
        now = times.now()
        young = now - int(settings.after_s * 1_000_000)
        head = int(connection.exec_driver_sql("SELECT coalesce(max(seq), 0) FROM event").scalar_one())
        read = Statements(connection).rows
        after = state(connection, PACKED)
        query = "SELECT seq, received, length(raw) FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
        last = size = count = 0
        oldest: int | None = None
        for seq, received, length in read(query, (after, settings.rows)):
            if received > young and seq > head - settings.reach:
                break
            oldest = received if oldest is None else oldest
            last, size, count = seq, size + length, count + 1
            if size >= settings.bytes:
                break
        if oldest is None:
            return []
        whole = count == settings.rows or size >= settings.bytes
        if not whole and oldest > young - int(settings.patience_s * 1_000_000):
            return []
        return read("SELECT * FROM event WHERE seq > ? AND seq <= ? ORDER BY seq", (after, last))

    def _piece(self, packer: Packer, rows: Sequence[Sequence[Any]]) -> _Pack:
        changed: list[Sequence[Any]] = []
        before = after = 0
        for row in rows:
            if row[COMPACT] > 1:
                continue
            found = packer.packed(row)
            if found is not None:
                changed.append(found)
            before += len(row[RAW])
            after += len((found or row)[RAW])
        return _Pack(packer.number, changed, rows[-1][SEQ], len(rows), before, after)

    # -- dictionaries

    def _dictionary(self, connection: Connection, rows: Sequence[Sequence[Any]]) -> Iterator[Adopt]:
        """Have one in use, and a new one where the old is not good any more."""
        if self._packer is None:
            self._known = dictionaries.newest(connection)
            if self._known is not None:
                self._packer = dictionaries.packer(connection, self._known.number)
        if (self._packer is not None and not self._worn()) or time.monotonic() < self._not_before:
            return
        begun = time.monotonic()
        self._not_before = begun + _AGAIN_S
        piece = self._made(connection, rows[0][SEQ])
        self._rest(begun)
        if piece is not None:
            yield piece
            self._packer = dictionaries.packer(connection, piece.number)
            self._known = dictionaries.newest(connection)

    def _worn(self) -> bool:
        """Whether another one may do better."""
        known, settings = self._known, self._settings
        events, before, after = self._lately
        if known is None:
            return True
        few = known.learned < settings.learn and events >= settings.more * known.learned
        return few or (events >= settings.learn and after > settings.worse * known.ratio * before)

    def _made(self, connection: Connection, first: int) -> Adopt | None:
        """One of half of the events around here, tried on the other half; None when there are too few, or it would do no
        better than the one in use."""
        settings = self._settings
        head = int(connection.exec_driver_sql("SELECT coalesce(max(seq), 0) FROM event").scalar_one())
        last = min(head, first + settings.reach - 1)
        found = dictionaries.texts(connection, max(last - settings.reach + 1, 1), last, settings.learn)
        if len(found) < settings.least and last < head:  # what comes next must not wait for what is not there
            found = dictionaries.texts(connection, first, head, settings.learn)
        if len(found) < settings.least:
            return None
        data = dictionaries.learned(found[::2])
        if data is None:
            return None
        number = dictionaries.next_number(connection)
        others = found[1::2]
        size, before = dictionaries.size(Packer(number, data), others), sum(map(len, others))
        if self._packer is not None and self._known is not None:
            old = dictionaries.size(self._packer, others)
            self._lately = [0, 0, 0]
            if size > settings.better * old:
                self._known.ratio = max(old / before, self._known.ratio)
                self._known.learned = max(len(found), settings.more * self._known.learned)
                return None
        return Adopt(number, data, len(found), size / before)
