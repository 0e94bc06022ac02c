"""Deleting what is too old or too much, in steps small enough that ingest never waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gateway.core import times
from gateway.core.times import Micros
from gateway.journal.sample_state import COMPACTED, GONE, set_state, state

_DAY = 86_400_000_000
_CHUNKS = 25
"""Chunks of samples that one step may remove: some thousand samples each."""
_MANY, _FEW = 2000, 250
"""Pages handed back to the disk at one time. Each may have to be moved, through the WAL: on a full disk that is short."""


class RetentionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """days, bytes: how much history is kept; None: no limit. dedup_days: how long event ids are known, also of events
    that are gone. check_s: pause between looks when nothing was due. rows: events deleted in one step."""

    days: float | None = None
    bytes: int | None = None
    dedup_days: float = 30.0
    check_s: float = 30.0
    rows: int = 500


_KEY_BYTES = 150
"""About what one remembered event id takes in the file, with its indexes."""
_KEY_SHARE = 4
"""Remembered ids may take the fourth part of the bytes: beyond it the oldest are forgotten before more history is."""


class Retention:
    """Used on the writer's thread, between its transactions."""

    def __init__(self, limits: RetentionLimits) -> None:
        self._limits = limits
        self._next = 0.0
        self._known_keys: int | None = None
        self._orphans = True  # whether there may be clocks without chunks

    def step(self, connection: Connection, *, full: bool = False, between: Callable[[], None] = lambda: None) -> bool:
        """Delete one portion if one is due (with `full`: all that is due). True when something was deleted.

        between: called after every transaction of this, where there is little room for the next.
        """
        if not full and time.monotonic() < self._next:
            return False
        deleted = False
        while self._keys(connection) or self._samples(connection) or self._events(connection):
            deleted = True
            if not full:
                self._shrink(connection, pages=_MANY)
                return True
            between()
            while connection.exec_driver_sql("PRAGMA freelist_count").scalar_one():
                self._shrink(connection, pages=_FEW)
                between()
        self._next = time.monotonic() + self._limits.check_s
        return deleted

    def _samples(self, connection: Connection) -> bool:
        """The oldest chunks, or where there are none the oldest hot block: what is too old, or what there is too much of
        and no event is older. By when it came in, for a machine's clock may be anywhere."""
        limits = self._limits
        if limits.days is None and limits.bytes is None:
            return False
        chunks = connection.exec_driver_sql(
            "SELECT id, series, last, received FROM sample_chunk ORDER BY received LIMIT ?", (_CHUNKS,)
        ).all()
        if not chunks:
            return self._clocks(connection) or self._hot_samples(connection)
        due = self._due(connection, [received for _, _, _, received in chunks])
        if not due:
            return self._clocks(connection)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for id_, series, last, _ in chunks[:due]:
            connection.exec_driver_sql("DELETE FROM sample_chunk WHERE id = ?", (id_,))
            connection.exec_driver_sql("UPDATE series SET removed = max(removed, ?) WHERE id = ?", (last, series))
        connection.exec_driver_sql("COMMIT")
        self._orphans = True
        return True

    def _due(self, connection: Connection, received: Sequence[Micros]) -> int:
        """How many of these, of which the first is the oldest, are to go now."""
        limits = self._limits
        if limits.days is not None:
            cutoff = times.now() - int(limits.days * _DAY)
            if old := sum(at < cutoff for at in received):
                return old
        if limits.bytes is not None and self._used(connection) > limits.bytes:
            oldest = connection.exec_driver_sql("SELECT received FROM event ORDER BY seq LIMIT 1").scalar()
            return sum(oldest is None or at <= oldest for at in received)
        return 0

    def _clocks(self, connection: Connection) -> bool:
        """Times that no chunk is left for. Looked for once after chunks were removed, since it looks at all of them."""
        if not self._orphans:
            return False
        self._orphans = False
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        deleted = connection.exec_driver_sql(
            "DELETE FROM sample_clock WHERE last < coalesce((SELECT min(c.first) FROM sample_chunk c "
            "JOIN series s ON s.id = c.series WHERE s.station = sample_clock.station), last + 1)"
        )
        connection.exec_driver_sql("COMMIT")
        return deleted.rowcount > 0

    def _hot_samples(self, connection: Connection) -> bool:
        """The oldest block that is not compacted. The newest one stays: the numbers go on behind it."""
        blocks = connection.exec_driver_sql(
            "SELECT b.last, coalesce((SELECT received FROM sample WHERE n = b.last), b.latest) FROM sample_block b "
            "WHERE b.last > ? ORDER BY b.last LIMIT 2",
            (state(connection, COMPACTED),),
        ).all()
        if len(blocks) < 2 or not self._due(connection, [blocks[0][1]]):
            return False
        last = blocks[0][0]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("DELETE FROM sample WHERE n <= ?", (last,))
        connection.exec_driver_sql("DELETE FROM sample_block WHERE last = ?", (last,))
        set_state(connection, GONE, last)
        connection.exec_driver_sql("COMMIT")
        return True

    def _events(self, connection: Connection) -> bool:
        limits = self._limits
        if limits.days is None and limits.bytes is None:
            return False
        oldest = connection.exec_driver_sql(
            "SELECT e.seq, e.received FROM event e ORDER BY e.seq LIMIT ?", (limits.rows,)
        ).all()
        if not oldest:
            return False
        last = 0
        if limits.bytes is not None and self._used(connection) > limits.bytes:
            last = oldest[-1][0]
        elif limits.days is not None:
            cutoff = times.now() - int(limits.days * _DAY)
            last = max((seq for seq, received in oldest if received < cutoff), default=0)
        if last == 0:
            return False
        keys = self._count_keys(connection)
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        remembered = connection.exec_driver_sql(
            "INSERT OR IGNORE INTO dedup SELECT e.id, coalesce(p.handle, p.station, ''), e.digest, e.received, 0, 0 "
            "FROM event e JOIN place p ON p.id = e.place WHERE e.seq <= ? AND e.received >= ? AND e.digest IS NOT NULL",
            (last, times.now() - int(limits.dedup_days * _DAY)),
        )
        self._known_keys = keys + max(remembered.rowcount, 0)
        units = (
            connection.exec_driver_sql("SELECT DISTINCT unit FROM event_unit WHERE seq <= ?", (last,)).scalars().all()
        )
        connection.exec_driver_sql("DELETE FROM event_unit WHERE seq <= ?", (last,))
        connection.exec_driver_sql("DELETE FROM event WHERE seq <= ?", (last,))
        for unit in units:
            connection.exec_driver_sql(
                "DELETE FROM unit WHERE id = ? AND NOT EXISTS (SELECT 1 FROM event_unit WHERE unit = ?)",
                (unit, unit),
            )
        connection.exec_driver_sql("DELETE FROM gap WHERE closed_seq <= ?", (last,))
        connection.exec_driver_sql("COMMIT")
        return True

    def _keys(self, connection: Connection) -> bool:
        """Forget ids that are too old, or more than their share of the bytes; never one whose event is still there."""
        limits = self._limits
        cutoff = times.now() - int(limits.dedup_days * _DAY)
        if limits.bytes is not None and self._count_keys(connection) * _KEY_BYTES > limits.bytes / _KEY_SHARE:
            cutoff = times.LAST
        found = connection.exec_driver_sql(
            "SELECT d.id FROM dedup d WHERE d.received < ? AND NOT EXISTS (SELECT 1 FROM event e WHERE e.id = d.id) "
            "ORDER BY d.received LIMIT ?",
            (cutoff, limits.rows),
        ).all()
        if not found:
            return False
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql(
            f"DELETE FROM dedup WHERE id IN ({','.join('?' * len(found))})", tuple(id_ for (id_,) in found)
        )
        connection.exec_driver_sql("COMMIT")
        self._known_keys = self._count_keys(connection) - len(found)
        return True

    def _count_keys(self, connection: Connection) -> int:
        if self._known_keys is None:
            self._known_keys = int(connection.exec_driver_sql("SELECT count(*) FROM dedup").scalar_one())
        return self._known_keys

    def _shrink(self, connection: Connection, *, pages: int) -> None:
        # This pragma frees one page per step and returns no row that SQLAlchemy could wait for: step it by hand.
        cursor = connection.connection.cursor()
        try:
            cursor.execute(f"PRAGMA incremental_vacuum({pages})")
            cursor.fetchall()
        except connection.dialect.loaded_dbapi.Error as error:  # as SQLAlchemy would have raised it
            raise OperationalError("PRAGMA incremental_vacuum", None, error) from error
        finally:
            cursor.close()

    def _used(self, connection: Connection) -> int:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        quarantined = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'quarantine_bytes'").scalar()
        # Quarantine has a budget of its own: what fills it must not cost history.
        return int((pages - free) * size) - int(quarantined or 0)
