"""Removing events, a portion at a time, and the ids that are remembered of those that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.core import times
from gateway.core.times import Micros
from gateway.journal.event_state import EVENTS_GONE, events_gone
from gateway.journal.newest import EVENT
from gateway.journal.retention_clock import DAY, first_credible

_KEY_BYTES = 150
"""About what one remembered event id takes in the file, with its indexes."""
_KEY_SHARE = 4
"""Remembered ids may take the fourth part of the bytes: beyond it the oldest are forgotten before more history is."""


class Old(NamedTuple):
    """An event that may be due. size: about what it takes in the file, as it was received."""

    seq: int
    received: Micros
    size: int


OLD = f"seq, received, body_size + {EVENT}"


def oldest(connection: Connection, most: int) -> list[Old]:
    rows = connection.exec_driver_sql(f"SELECT {OLD} FROM event ORDER BY seq LIMIT ?", (most,))
    return [Old(*row) for row in rows]


def credible_behind(connection: Connection, seq: int, now: Micros) -> Micros | None:
    """When about the next event came in whose stamp can be believed."""

    def at(number: int) -> Micros | None:
        found: Micros | None = connection.exec_driver_sql(
            "SELECT received FROM event WHERE seq >= ? ORDER BY seq LIMIT 1", (number,)
        ).scalar()
        return found

    return first_credible(at, seq, now)


class EventRemoval:
    """dedup_days: how long ids are known of events that are gone. rows: ids forgotten in one step."""

    def __init__(self, *, dedup_days: float, rows: int) -> None:
        self._dedup_days = dedup_days
        self._rows = rows
        self._known_keys: int | None = None

    def remove(self, connection: Connection, rows: Sequence[Old], now: Micros, *, whole: bool) -> None:
        """These events, within a transaction. whole: everything up to the last of them is then gone, and positions before
        that are; else they leave holes, and no position is."""
        seqs = [row.seq for row in rows]
        marks = ",".join("?" * len(seqs))
        keys = self._count_keys(connection)
        gone = events_gone(connection)
        remembered = connection.exec_driver_sql(
            "INSERT OR IGNORE INTO dedup SELECT e.id, coalesce(p.handle, p.station, ''), e.digest, e.received, 0, 0 "
            f"FROM event e JOIN place p ON p.id = e.place WHERE e.seq IN ({marks}) AND e.received >= ? "
            "AND e.digest IS NOT NULL",
            (*seqs, now - int(self._dedup_days * DAY)),
        )
        self._known_keys = keys + max(remembered.rowcount, 0)
        units = connection.exec_driver_sql(f"SELECT DISTINCT unit FROM event_unit WHERE seq IN ({marks})", tuple(seqs))
        found = ",".join(map(str, units.scalars()))
        connection.exec_driver_sql(f"DELETE FROM event_unit WHERE seq IN ({marks})", tuple(seqs))
        connection.exec_driver_sql(f"DELETE FROM event WHERE seq IN ({marks})", tuple(seqs))
        connection.exec_driver_sql(
            f"DELETE FROM unit WHERE id IN ({found}) AND NOT EXISTS (SELECT 1 FROM event_unit WHERE unit = unit.id)"
        )
        if whole:
            gone = seqs[-1]
            connection.exec_driver_sql("DELETE FROM gap WHERE closed_seq <= ?", (gone,))
        connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (EVENTS_GONE, str(gone)))

    def forget_keys(self, connection: Connection, now: Micros, limit: int | None) -> int:
        """Ids that are too old, or more than their share of these bytes; never one whose event is still there. How many."""
        cutoff = now - int(self._dedup_days * DAY)
        if limit is not None and self._count_keys(connection) * _KEY_BYTES > limit / _KEY_SHARE:
            cutoff = times.LAST
        found = connection.exec_driver_sql(
            "SELECT d.id FROM dedup d WHERE d.received < ? AND NOT EXISTS (SELECT 1 FROM event e WHERE e.id = d.id) "
            "ORDER BY d.received LIMIT ?",
            (cutoff, self._rows),
        ).all()
        if not found:
            return 0
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql(
            f"DELETE FROM dedup WHERE id IN ({','.join('?' * len(found))})", tuple(id_ for (id_,) in found)
        )
        connection.exec_driver_sql("COMMIT")
        self._known_keys = self._count_keys(connection) - len(found)
        return len(found)

    def forget_figures(self) -> None:
        """A transaction with them was rolled back: what is counted is counted anew."""
        self._known_keys = None

    def _count_keys(self, connection: Connection) -> int:
        if self._known_keys is None:
            self._known_keys = int(connection.exec_driver_sql("SELECT count(*) FROM dedup").scalar_one())
        return self._known_keys
