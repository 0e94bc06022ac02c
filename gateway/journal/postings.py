"""Where the events of a kind are: indexes that are written in the background, a block of 1,024 numbers at a time.

An index of SQLite's own costs every commit, and takes 10 bytes of an event and more. What says the same thing (station,
message, origin) is a *stream*; there are some hundred of them, and of a block each has one row with the numbers in it. By
time a block is found by the earliest and latest of it, for each place, since the clock of one machine may be anywhere;
64 blocks have a row together, so that looking for a time stays short.

What is behind the last whole block has no rows yet and is looked through. What retention has removed may still have rows:
who reads them looks whether the event is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal.sample_state import set_state, state
from gateway.journal.statements import Statements

FILED = "events_filed"
"""Up to this number, the last of a block, events have their rows."""
BLOCK = 1024
SUPER = 64
"""Blocks that have a row of times together."""
_TOGETHER = 16
"""Most blocks in one piece."""
_ROW = 40

Stream = tuple[int, int, int]
"""Place, message, origin, as in the event's row."""
Numbers = NDArray[np.int64]
Read = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]


class Filed(msgspec.Struct, frozen=True):
    """The rows of some blocks, as a piece of work."""

    after: int
    upto: int
    postings: Sequence[tuple[int, int, int, int, bytes]]
    spans: Sequence[tuple[int, int, int, int, int]]

    def apply(self, connection: Connection) -> int:
        if state(connection, FILED) != self.after:
            return 0
        for table, rows in (("event_posting", self.postings), ("event_span", self.spans)):
            if rows:
                marks = ",".join("?" * len(rows[0]))
                connection.exec_driver_sql(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", list(rows))
        for number in range(self.after // BLOCK // SUPER, self.upto // BLOCK // SUPER):
            connection.exec_driver_sql(
                "INSERT OR REPLACE INTO event_span SELECT 1, ?, place, min(earliest), max(latest) FROM event_span "
                "WHERE level = 0 AND number >= ? AND number < ? GROUP BY place",
                (number, number * SUPER, (number + 1) * SUPER),
            )
        set_state(connection, FILED, self.upto)
        return sum(_ROW + len(row[4]) for row in self.postings) + _ROW * len(self.spans) + 4096


def reaches(connection: Connection) -> int:
    """Up to which number events are filed; 0 also for a file of an earlier version, which has no such rows."""
    found = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (FILED,)).scalar()
    return int(found or 0)


def due(connection: Connection) -> Iterator[Filed]:
    """What is to be filed now, each piece to be applied before the next is asked for."""
    while True:
        after = state(connection, FILED)
        oldest, head = connection.exec_driver_sql(_ENDS).one()
        if oldest is None:
            return
        begin = max(after, (oldest - 1) // BLOCK * BLOCK)  # with retention ahead of us, there is nothing between
        upto = min(head // BLOCK * BLOCK, begin + _TOGETHER * BLOCK)
        if upto <= begin:
            return
        found = filed(connection, begin, upto)
        yield msgspec.structs.replace(found, after=after)
        if state(connection, FILED) != upto:
            return  # overtaken


_ENDS = "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)"
"""Each by itself: asked for together, SQLite goes through the whole table."""


def filed(connection: Connection, after: int, upto: int) -> Filed:
    """Of the events behind `after` and up to `upto`, the last of a block."""
    rows = Statements(connection).rows(
        "SELECT seq, place, message, origin, time FROM event WHERE seq > ? AND seq <= ?", (after, upto)
    )
    numbers: dict[tuple[int, int, int, int], list[int]] = {}
    spans: dict[tuple[int, int], tuple[Micros, Micros]] = {}
    for seq, place, message, origin, time in rows:
        block = (seq - 1) // BLOCK
        numbers.setdefault((place, message, origin, block), []).append((seq - 1) % BLOCK)
        earliest, latest = spans.get((block, place), (time, time))
        spans[block, place] = min(earliest, time), max(latest, time)
    return Filed(
        after,
        upto,
        [(*key, np.array(found, "<u2").tobytes()) for key, found in sorted(numbers.items())],
        [(0, *key, *span) for key, span in sorted(spans.items())],
    )


def streams(connection: Connection) -> list[Stream]:
    """All there are in whole blocks: one step of the index for each."""
    step = Statements(connection).rows
    found: list[Stream] = []
    last: Stream = (-1, -1, -1)
    while rows := step(_NEXT, last):
        place, message, origin = rows[0]
        last = (place, message, origin)
        found.append(last)
    return found


# With the block: without it, SQLite would begin with the first row of the stream that is left behind, and pass them all.
_NEXT = (
    "SELECT place, message, origin FROM event_posting WHERE (place, message, origin, block) > (?, ?, ?, 1 << 62) "
    "ORDER BY place, message, origin, block LIMIT 1"
)


def numbers(connection: Connection, wanted: Iterable[Stream], first: int, last: int) -> tuple[Numbers, int]:
    """Of the events of these streams in the blocks from first to last, in order; some may not be there any more. And the
    block up to which these are all: an earlier one than the last, where there are many."""
    read = Statements(connection).rows
    found: list[Numbers] = []
    for stream in wanted:
        rows = read(_NUMBERS, (*stream, first, last, _AT_ONCE))
        if len(rows) == _AT_ONCE:
            last = rows[-1][0]
        found += [np.frombuffer(data, "<u2").astype(np.int64) + (block * BLOCK + 1) for block, data in rows]
    every = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return every[every <= (last + 1) * BLOCK], last


_NUMBERS = (
    "SELECT block, numbers FROM event_posting WHERE place = ? AND message = ? AND origin = ? AND block BETWEEN ? AND ? "
    "ORDER BY block LIMIT ?"
)
_AT_ONCE = 64
"""Blocks of one stream that are read together: of one that says nearly everything, 65,536 numbers."""


def blocks_at(
    connection: Connection,
    places: Collection[int] | None,
    start: Micros | None,
    end: Micros | None,
    first: int,
    last: int,
) -> list[int]:
    """The blocks from first to last in which one of these places may have something of that time; None: any place."""
    found = _spans(connection, 1, places, start, end, first // SUPER, last // SUPER)
    whole = _first_alone(connection)
    wide = [number for number in found if number < whole]
    alone = max(first, whole * SUPER)
    if len(wide) > _WIDE:  # nearly all of it: what is not of that time is left to who looks at the events
        blocks = [block for number in wide for block in range(number * SUPER, (number + 1) * SUPER)]
    else:
        blocks = [
            block
            for number in wide
            for block in _spans(connection, 0, places, start, end, number * SUPER, (number + 1) * SUPER - 1)
        ]
    if alone <= last:
        blocks += _spans(connection, 0, places, start, end, alone, last)
    return [block for block in blocks if first <= block <= last]


_WIDE = 8


def _first_alone(connection: Connection) -> int:
    """The first block that has no row of times together with others, in such rows."""
    return state(connection, FILED) // BLOCK // SUPER


def _spans(
    connection: Connection,
    level: int,
    places: Collection[int] | None,
    start: Micros | None,
    end: Micros | None,
    first: int,
    last: int,
) -> list[int]:
    clauses = ["level = ?", "number BETWEEN ? AND ?"]
    values: list[int] = [level, first, last]
    if start is not None:
        clauses.append("latest >= ?")
        values.append(start)
    if end is not None:
        clauses.append("earliest < ?")
        values.append(end)
    if places is not None:
        clauses.append(f"place IN ({','.join(map(str, places))})")
    query = f"SELECT DISTINCT number FROM event_span WHERE {' AND '.join(clauses)} ORDER BY number"
    return list(connection.exec_driver_sql(query, tuple(values)).scalars())


class Stale(msgspec.Struct, frozen=True):
    """Rows of blocks of which nothing is left, as a piece of work: of each stream those before a block."""

    streams: Sequence[tuple[int, int, int, int]]
    before: int

    def apply(self, connection: Connection) -> int:
        count = 0
        for stream in self.streams:
            count += connection.exec_driver_sql(
                "DELETE FROM event_posting WHERE place = ? AND message = ? AND origin = ? AND block < ?", stream
            ).rowcount
        for level, number in ((0, self.before), (1, self.before // SUPER)):
            count += connection.exec_driver_sql(
                "DELETE FROM event_span WHERE level = ? AND number < ?", (level, number)
            ).rowcount
        return max(count, 1) * 64


def stale(connection: Connection) -> Stale | None:
    """What is to be removed now: of a stream whose oldest events are gone, the oldest rows, some at a time."""
    oldest = connection.exec_driver_sql("SELECT min(seq) FROM event").scalar()
    before = state(connection, FILED) // BLOCK if oldest is None else (oldest - 1) // BLOCK
    found: list[tuple[int, int, int, int]] = []
    for stream in streams(connection):
        rows = connection.exec_driver_sql(
            "SELECT block FROM event_posting WHERE place = ? AND message = ? AND origin = ? ORDER BY block LIMIT ?",
            (*stream, _LOOKED_AT),
        )
        upto = None
        for (block,) in rows.all():
            if block >= before and _there(connection, stream, block):
                break
            upto = block + 1
        if upto is not None:
            found.append((*stream, upto))
    spans = connection.exec_driver_sql("SELECT min(number) FROM event_span WHERE level = 0").scalar()
    least = before if spans is None else min(before, spans + _LOOKED_AT)
    return Stale(found, least) if found or (spans is not None and spans < before) else None


_LOOKED_AT = 20


def _there(connection: Connection, stream: Stream, block: int) -> bool:
    listed = ",".join(map(str, numbers(connection, [stream], block, block)[0].tolist()))
    return connection.exec_driver_sql(f"SELECT 1 FROM event WHERE seq IN ({listed}) LIMIT 1").first() is not None


def newest(connection: Connection, places: Collection[int]) -> dict[int, int]:
    """The number of the newest event that is there of each of these places."""
    read = Statements(connection).rows
    listed = ",".join(map(str, places))
    filed = reaches(connection)
    found: dict[int, int] = dict(
        read(
            f"SELECT place, max(seq) FROM event NOT INDEXED WHERE seq > ? AND place IN ({listed}) GROUP BY place",
            (filed,),
        )
    )
    known = streams(connection) if filed else []
    for place in set(places) - found.keys():
        own = [stream for stream in known if stream[0] == place]
        before = filed // BLOCK
        while (block := _last_block(read, own, before)) is not None:
            ((seq,),) = read(
                "SELECT max(seq) FROM event NOT INDEXED WHERE seq > ? AND seq <= ? AND place = ?",
                (block * BLOCK, (block + 1) * BLOCK, place),
            )
            if seq is not None:
                found[place] = seq
                break
            before = block
    return found


def _last_block(read: Read, wanted: Iterable[Stream], before: int) -> int | None:
    query = "SELECT max(block) FROM event_posting WHERE place = ? AND message = ? AND origin = ? AND block < ?"
    found = [rows[0][0] for stream in wanted if (rows := read(query, (*stream, before)))]
    return max((block for block in found if block is not None), default=None)
