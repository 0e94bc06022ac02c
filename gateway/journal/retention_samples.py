"""Removing samples: the chunks that came in first, or where there are none the oldest hot block; and what they weigh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal.retention_clock import credible
from gateway.journal.sample_state import COMPACTED, EMPTY, GONE, newest, put_state, set_state, state

_CHUNKS = 25
"""Chunks that one step may remove: some thousand samples each."""
_WEIGHED = 2000
"""Chunks that are weighed at one time."""
_ROW = 120
"""About what a chunk takes beside its data, with its indexes."""
HOT = 38
"""About what a sample takes that is not compacted."""
_COLD = 4.0
"""And one that is, where none has been weighed yet."""


class OldSamples(NamedTuple):
    """A chunk, or a hot block (id None), that may be due."""

    id: int | None
    series: int
    first: int
    last: int
    received: Micros
    many: int
    size: int


_OLD = f"id, series, first, last, received, count, length(data) + ifnull(length(hours), 0) + ifnull(length(minutes), 0) + {_ROW}"


def oldest(connection: Connection) -> list[OldSamples]:
    """In the order in which the last of each came in."""
    rows = connection.exec_driver_sql(f"SELECT {_OLD} FROM sample_chunk ORDER BY last LIMIT ?", (_CHUNKS,)).all()
    return [OldSamples(*row) for row in rows] or _oldest_block(connection)


def _oldest_block(connection: Connection) -> list[OldSamples]:
    """The newest one stays: the numbers go on behind it."""
    blocks = connection.exec_driver_sql(
        "SELECT b.first, b.last, coalesce((SELECT received FROM sample WHERE n = b.last), b.latest) FROM sample_block b "
        "WHERE b.last > ? ORDER BY b.last LIMIT 2",
        (state(connection, COMPACTED),),
    ).all()
    if len(blocks) < 2:
        return []
    first, last, received = blocks[0]
    return [OldSamples(None, 0, first, last, received, last - first + 1, (last - first + 1) * HOT)]


def credible_behind(connection: Connection, last: int, now: Micros) -> Micros | None:
    """When about what came next came in, as far as that can be believed."""
    for query in (
        "SELECT received FROM sample_chunk WHERE last > ? ORDER BY last LIMIT 2000",
        "SELECT s.received FROM sample_block b JOIN sample s ON s.n = b.last WHERE b.last > ? ORDER BY b.last LIMIT 500",
    ):
        for at in connection.exec_driver_sql(query, (last,)).scalars():
            if credible(at, now):
                return int(at)
    return None


def remove(connection: Connection, found: Sequence[OldSamples]) -> None:
    """Within a transaction."""
    for one in found:
        if one.id is None:
            connection.exec_driver_sql("DELETE FROM sample WHERE n <= ?", (one.last,))
            connection.exec_driver_sql("DELETE FROM sample_block WHERE last = ?", (one.last,))
            set_state(connection, GONE, one.last)
            return
        connection.exec_driver_sql("DELETE FROM sample_chunk WHERE id = ?", (one.id,))
        connection.exec_driver_sql("UPDATE series SET removed = max(removed, ?) WHERE id = ?", (one.last, one.series))
    left = connection.exec_driver_sql("SELECT min(first) FROM sample_chunk").scalar()
    put_state(connection, EMPTY, state(connection, COMPACTED) if left is None else left - 1)


def remove_clocks(connection: Connection) -> int:
    """Times that no chunk is left for. It looks at all of them."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    deleted = connection.exec_driver_sql(
        "DELETE FROM sample_clock WHERE last < coalesce((SELECT min(c.first) FROM sample_chunk c "
        "JOIN series s ON s.id = c.series WHERE s.station = sample_clock.station), last + 1)"
    )
    connection.exec_driver_sql("COMMIT")
    return deleted.rowcount


class SampleWeight:
    """What samples take in the file, about: chunks are weighed some at a time, round and round, for compaction makes
    others of them."""

    def __init__(self) -> None:
        self.chunks = 0
        self.bytes = 0
        self.hot = 0
        self.last = 0
        self._per_sample = _COLD
        self._at = 0
        self._round = [0, 0, 0]  # chunks, samples, bytes of this time round
        self._weighed = 0
        self._whole = False

    def weigh(self, connection: Connection) -> None:
        """One portion. Before the first time round is over, there seems to be less than there is."""
        self._portion(connection)
        clocks = connection.exec_driver_sql(f"SELECT coalesce(sum(length(data) + {_ROW}), 0) FROM sample_clock")
        compacted = state(connection, COMPACTED)
        self.last = newest(connection)
        self.hot = self.last - max(compacted, state(connection, GONE))
        self.bytes = self._weighed + int(clocks.scalar_one()) + self.hot * HOT

    def _portion(self, connection: Connection) -> None:
        rows = connection.exec_driver_sql(
            f"SELECT {_OLD} FROM sample_chunk WHERE id > ? ORDER BY id LIMIT ?", (self._at, _WEIGHED)
        ).all()
        self._round[0] += len(rows)
        self._round[1] += sum(row[5] for row in rows)
        self._round[2] += sum(row[6] for row in rows)
        if len(rows) == _WEIGHED:
            self._at = rows[-1][0]
            if not self._whole:
                self.chunks, _, self._weighed = self._round
            return
        self.chunks, samples, self._weighed = self._round
        if samples:
            self._per_sample = self._weighed / samples
        self._at, self._round, self._whole = 0, [0, 0, 0], True

    def removed(self, found: Sequence[OldSamples]) -> None:
        for one in found:
            self.bytes -= one.size
            if one.id is None:
                self.hot -= one.many
            else:
                self.chunks -= 1
                self._weighed -= one.size

    def behind(self, number: int) -> int:
        """Bytes of the samples behind this number, about."""
        hot = min(self.last - number, self.hot)
        return hot * HOT + int(max(self.last - number - hot, 0) * self._per_sample)

    def beyond(self, budget: int) -> int:
        """The number up to which samples are more than these bytes."""
        if self.hot * HOT >= budget:
            return self.last - budget // HOT
        return max(self.last - self.hot - int((budget - self.hot * HOT) / self._per_sample), 0)
