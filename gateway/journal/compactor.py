"""Compaction at work: a thread that rests most of the time prepares, the writer's thread applies, a small piece between two commits.

The thread only reads, and does all that takes long: fetching samples a block at a time, sorting, encoding. What it hands
over is one transaction of a few milliseconds: chunks and the mark up to where they reach (from then on the hot samples
before it count no more), the deletion of a few thousand of those, or larger chunks for small ones. Killed at any moment,
the journal is as before a piece or as after it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core import times
from gateway.journal.chunk_store import delete_chunks, insert_chunks, insert_clocks
from gateway.journal.compact import Merge, Stretch, Window, blocks, due_merges, merged
from gateway.journal.database import reader_engine
from gateway.journal.packing import PackingSettings
from gateway.journal.piece import Piece
from gateway.journal.sample_state import COMPACTED, set_state, state
from gateway.journal.upkeep import EventUpkeep

log = logging.getLogger("lineside.journal")


class CompactionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When samples are compacted, and how hard the thread works.

    enabled: False: samples stay as they are, and what is compacted is not merged. most: hot samples that start it;
    older_s: so does the age of the oldest of them, so that those of a quiet line are compacted too. rest_s: samples stay
    hot at least this long. settled_s: chunks of a day to which nothing came for so long are merged, however few. check_s:
    pause between looks when nothing was due. rows: hot samples deleted in one
    piece. share: part of its time that the thread reads and computes, unless four times `most` wait for it.
    """

    enabled: bool = True
    most: int = 65_536
    older_s: float = 3600.0
    rest_s: float = 60.0
    settled_s: float = 6 * 3600.0
    check_s: float = 5.0
    merge_check_s: float = 600.0
    rows: int = 5000
    share: float = 0.25


class _Store(msgspec.Struct, frozen=True):
    stretch: Stretch
    first: int

    def apply(self, connection: Connection) -> int:
        stretch = self.stretch
        after = state(connection, COMPACTED)
        oldest = connection.exec_driver_sql("SELECT min(n) FROM sample WHERE n > ?", (after,)).scalar()
        if after != stretch.after or oldest != self.first:
            return 0  # retention has removed some of them meanwhile
        insert_chunks(connection, stretch.chunks)
        insert_clocks(connection, stretch.clocks)
        set_state(connection, COMPACTED, stretch.upto)
        return sum(row.size + _ROW for row in stretch.chunks) + sum(len(row.data) + _ROW for row in stretch.clocks)


class _Delete(msgspec.Struct, frozen=True):
    """Hot samples up to here. The newest block's row stays: numbering goes on from there."""

    upto: int

    def apply(self, connection: Connection) -> int:
        deleted = connection.exec_driver_sql("DELETE FROM sample WHERE n <= ?", (self.upto,)).rowcount
        connection.exec_driver_sql(
            "DELETE FROM sample_block WHERE last <= ? AND last < (SELECT max(last) FROM sample_block)", (self.upto,)
        )
        return max(deleted, 1) * _SAMPLE


class _Swap(msgspec.Struct, frozen=True):
    merge: Merge

    def apply(self, connection: Connection) -> int:
        if delete_chunks(connection, self.merge.old) != len(self.merge.old):
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return 0
        insert_chunks(connection, self.merge.new)
        return 2 * sum(row.size + _ROW for row in self.merge.new)


_ROW = 500
"""About what a row of a chunk writes beside its data, with its indexes."""
_SAMPLE = 32
_LOOK_S = 0.005
_AGAIN_S = 1.0
"""Pause after a piece that failed: of a full disk nothing is gained by asking it without a rest."""
_FAR = 4
"""Times `most`: with more waiting, the thread does not rest, and what is further behind does not rest hot either."""


class Compactor:
    """`start` and `stop` belong to whoever runs the writer; `step` is called on its thread, between transactions."""

    def __init__(self, path: Path, settings: CompactionSettings, packing: PackingSettings | None = None) -> None:
        self._path = path
        self._settings = settings
        self._events = None if packing is None else EventUpkeep(packing, self._rest)
        self.seconds = 0.0
        """Processor time that the thread has taken."""
        self._stop = threading.Event()
        self._taken = threading.Event()
        self._piece: Piece | None = None
        self._busy = False  # with pieces one after the other
        self._thread: threading.Thread | None = None
        self._merge_after = 0.0
        self._not_before = 0.0
        self._vain: set[tuple[int, int, int]] = set()  # merges that gave no fewer chunks than they took
        self._stations: dict[int, str] = {}

    # -- on the writer's thread

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="journal-compact", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended; a piece that it has ready is dropped."""
        self._stop.set()
        self._taken.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def pause_s(self, idle_s: float) -> float:
        """How long the writer may wait for work, where there is none, before it looks for a piece."""
        return _LOOK_S if self._busy and time.monotonic() >= self._not_before else idle_s

    def step(self, connection: Connection) -> int:
        """Apply the piece that is ready, if one is: about how many bytes that wrote. When it fails it is kept."""
        piece = self._piece
        if piece is None or time.monotonic() < self._not_before:
            return 0
        self._not_before = time.monotonic() + _AGAIN_S  # should it fail
        written = applied(piece, connection)
        self._not_before = 0.0
        self._piece = None
        self._taken.set()
        return written

    # -- on its own

    def _run(self) -> None:
        # No lower priority for the system: preempted with the interpreter in its hands, it would stop all the others.
        engine = reader_engine(self._path, connections=1)
        told = False
        try:
            while not self._stop.is_set():
                try:
                    with engine.connect() as connection:
                        busy = self._round(connection.execution_options(isolation_level="AUTOCOMMIT"))
                    told = False
                except DatabaseError as error:
                    busy = False
                    if not told:
                        log.warning("compaction of samples is put off: %s", error.orig)
                    told = True
                except Exception:  # its defect must stop neither the writer nor the next attempt
                    busy = False
                    if not told:
                        log.exception("compaction of samples fails; they stay as they are")
                    told = True
                self.seconds = time.thread_time()
                if not busy:
                    self._stop.wait(self._settings.check_s)
        finally:
            engine.dispose()

    def _round(self, connection: Connection) -> bool:
        """All pieces that are due now. False when there was none."""
        try:
            for piece in self.pieces(connection):
                if piece is not None:
                    self._busy = True
                    self._hand_over(piece)
                if self._stop.is_set():
                    return False
            return self._busy
        finally:
            self._busy = False

    def _hand_over(self, piece: Piece) -> None:
        self._taken.clear()
        self._piece = piece
        if not self._stop.is_set():
            self._taken.wait()

    def pieces(self, connection: Connection) -> Iterator[Piece | None]:
        """What is due, one piece after the other, each to be applied before the next is asked for. None: nothing yet."""
        events = self._events
        if events is not None:
            yield from events.pieces(connection)
        for piece in self._of_samples(connection):
            yield piece
            if events is not None:
                yield from events.urgent(connection)

    def _of_samples(self, connection: Connection) -> Iterator[Piece | None]:
        if not self._settings.enabled:
            return
        yield from self._deletions(connection)
        if self._due(connection):
            yield from self._stretch(connection)
            yield from self._deletions(connection)
        if time.monotonic() >= self._merge_after:
            yield from self._merges(connection)
            self._merge_after = time.monotonic() + self._settings.merge_check_s

    def _due(self, connection: Connection) -> bool:
        after = state(connection, COMPACTED)
        last = _blocked(connection)
        if last - after >= self._settings.most:
            return True
        oldest = connection.exec_driver_sql(
            "SELECT received FROM sample WHERE n > ? AND n <= ? ORDER BY n LIMIT 1", (after, last)
        ).scalar()
        return oldest is not None and oldest < times.now() - int(self._settings.older_s * 1_000_000)

    def _stretch(self, connection: Connection) -> Iterator[Piece | None]:
        settings = self._settings
        after, last = state(connection, COMPACTED), _blocked(connection)
        backlog = last - _FAR * settings.most
        before = times.now() - int(settings.rest_s * 1_000_000)
        ends = blocks(connection, after, before=before, sure=backlog, most=settings.most)
        if not ends:
            return
        window = Window(after)
        for last in ends:
            begun = time.monotonic()
            window.read(connection, last)
            yield None
            if after >= backlog:
                self._rest(begun)
            if window.full:
                break
        first = window.first
        if first is not None:
            yield _Store(window.compacted(lambda series: self._station(connection, series)), first)

    def _rest(self, begun: float) -> None:
        """After work that began then."""
        self._stop.wait((time.monotonic() - begun) * (1 / self._settings.share - 1))

    def _deletions(self, connection: Connection) -> Iterator[Piece]:
        compacted = state(connection, COMPACTED)
        while True:
            oldest = connection.exec_driver_sql("SELECT min(n) FROM sample").scalar()
            if oldest is None or oldest > compacted:
                return
            yield _Delete(min(oldest + self._settings.rows - 1, compacted))

    def _merges(self, connection: Connection) -> Iterator[Piece | None]:
        settled = times.now() - int(self._settings.settled_s * 1_000_000)
        due = set(due_merges(connection, settled))
        self._vain &= due
        for one in sorted(due - self._vain):
            begun = time.monotonic()
            piece = self._merge(connection, *one[:2])
            self._rest(begun)
            if piece is None:
                self._vain.add(one)
            yield piece

    def _merge(self, connection: Connection, series: int, day: int) -> Piece | None:
        connection.exec_driver_sql("BEGIN")  # one snapshot
        try:
            found = merged(connection, series, day)
        finally:
            connection.exec_driver_sql("ROLLBACK")
        if len(found.new) < len(found.old):
            return _Swap(found)
        return None  # their texts do not fit into fewer

    def _station(self, connection: Connection, series: int) -> str:
        found = self._stations.get(series)
        if found is None:
            found = self._stations[series] = connection.exec_driver_sql(
                "SELECT station FROM series WHERE id = ?", (series,)
            ).scalar_one()
        return found


def _blocked(connection: Connection) -> int:
    """The number of the newest sample in a whole block."""
    last: int = connection.exec_driver_sql("SELECT coalesce(max(last), 0) FROM sample_block").scalar_one()
    return last


def applied(piece: Piece, connection: Connection) -> int:
    """One piece in a transaction of its own."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        written = piece.apply(connection)
    except BaseException:
        with contextlib.suppress(DatabaseError):  # an I/O error may have rolled back already
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")
    return written
