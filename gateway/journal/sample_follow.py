"""All samples in the order of their numbers, for who follows the journal: whether they are compacted does not matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import Connection

from gateway.core.sample import Value
from gateway.core.times import Micros
from gateway.journal.chunk_store import ChunkMark, ChunkSource, chunks_between
from gateway.journal.reader import check_position
from gateway.journal.sample_state import COMPACTED, gone, newest, state
from gateway.journal.samples import restored


class Numbered(msgspec.Struct, frozen=True, gc=False):
    """A sample as it is stored. series: its number; quality: its code (`gateway.journal.samples.quality`)."""

    n: int
    series: int
    time: Micros
    received: Micros
    value: Value
    quality: int


class Following(msgspec.Struct, frozen=True):
    """samples: the next ones. upto: how far that gets; head: the newest number that there is."""

    samples: list[Numbered]
    upto: int
    head: int


def following(connection: Connection, after: int, limit: int, *, exact: bool = True) -> Following:
    """The samples behind number `after`, of all series.

    Retention removes the chunks of one series before those of another with the same numbers: what is left of them comes,
    and what is not makes no position invalid. Raises CursorGone `expired` when there are numbers behind `after` of which
    nothing is left at all; `future` beyond the newest. exact: position 0 is a position like any other.
    """
    oldest, head = follow_bounds(connection)
    check_position(after, oldest, head, exact=exact)
    after = max(after, oldest - 1)
    compacted = state(connection, COMPACTED)
    if after < compacted:
        upto = min(after + limit, compacted)
        marks = chunks_between(connection, after, upto)
        if not marks:  # a hole may be long
            behind = connection.exec_driver_sql("SELECT min(first) FROM sample_chunk WHERE last > ?", (upto,)).scalar()
            return Following([], compacted if behind is None else min(compacted, behind - 1), head)
        return Following(sorted(_cold(connection, marks, after, upto), key=lambda one: one.n), upto, head)
    rows = connection.exec_driver_sql(
        "SELECT n, series, time, received, value, quality FROM sample WHERE n > ? ORDER BY n LIMIT ?", (after, limit)
    )
    found = [
        Numbered(n, series, time, received, restored(value), code) for n, series, time, received, value, code in rows
    ]
    return Following(found, found[-1].n if found else head, head)


def follow_bounds(connection: Connection) -> tuple[int, int]:
    """(oldest number of which something may be left, newest)."""
    return gone(connection) + 1, newest(connection)


def _cold(connection: Connection, marks: Sequence[ChunkMark], after: int, upto: int) -> Iterator[Numbered]:
    source = ChunkSource(connection)
    for mark in marks:
        yield from _of(source, mark, after, upto)


def _of(source: ChunkSource, mark: ChunkMark, after: int, upto: int) -> Iterator[Numbered]:
    part = source.part(mark, after=after, upto=upto)
    if part is None:
        return
    columns = (part.n, part.time, part.received, part.values, part.quality)
    for n, time, received, value, code in zip(*(column.tolist() for column in columns), strict=True):
        yield Numbered(n, mark.series, time, received, value, code)
