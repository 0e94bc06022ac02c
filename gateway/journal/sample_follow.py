"""All samples in the order of their numbers, for who follows the journal: whether they are compacted does not matter."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection

from gateway.core.sample import Value
from gateway.core.times import Micros
from gateway.journal.chunk_store import ChunkMark, ChunkSource, chunks_between
from gateway.journal.reader import check_position
from gateway.journal.sample_state import COMPACTED, GONE, newest, state
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

    Raises CursorGone `expired` when retention has removed one behind `after` already, whatever its series; `future`
    beyond the newest. exact: position 0 is a position like any other.
    """
    oldest, head = follow_bounds(connection)
    check_position(after, oldest, head, exact=exact)
    after = max(after, oldest - 1)
    compacted = state(connection, COMPACTED)
    if after < compacted:
        upto = min(after + limit, compacted)
        return Following(sorted(_cold(connection, after, upto), key=lambda one: one.n), upto, head)
    rows = connection.exec_driver_sql(
        "SELECT n, series, time, received, value, quality FROM sample WHERE n > ? ORDER BY n LIMIT ?", (after, limit)
    )
    found = [
        Numbered(n, series, time, received, restored(value), code) for n, series, time, received, value, code in rows
    ]
    return Following(found, found[-1].n if found else head, head)


def follow_bounds(connection: Connection) -> tuple[int, int]:
    """(oldest number from which nothing was removed, newest)."""
    removed = connection.exec_driver_sql("SELECT coalesce(max(removed), 0) FROM series").scalar_one()
    return max(removed, state(connection, GONE)) + 1, newest(connection)


def _cold(connection: Connection, after: int, upto: int) -> Iterator[Numbered]:
    source = ChunkSource(connection)
    for mark in chunks_between(connection, after, upto):
        yield from _of(source, mark, after, upto)


def _of(source: ChunkSource, mark: ChunkMark, after: int, upto: int) -> Iterator[Numbered]:
    part = source.part(mark, after=after, upto=upto)
    if part is None:
        return
    columns = (part.n, part.time, part.received, part.values, part.quality)
    for n, time, received, value, code in zip(*(column.tolist() for column in columns), strict=True):
        yield Numbered(n, mark.series, time, received, value, code)
