"""The one thread that writes: group commit, retry on a full disk, halving on a bad value, checkpoints.

There is no linger timer: whatever is queued when the previous commit returns goes into the next one.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, NotSupportedError, ProgrammingError

from gateway.core.errors import JournalError
from gateway.core.event import Event, Place
from gateway.journal.ballast import Ballast
from gateway.journal.compactor import CompactionSettings, Compactor
from gateway.journal.database import Synchronous, migrate, writer_engine
from gateway.journal.fault import is_damage
from gateway.journal.figures import Figures
from gateway.journal.first_look import JournalDamaged, look, retire, retire_unread
from gateway.journal.holders import Holders
from gateway.journal.lock import Lock
from gateway.journal.packing import PackingSettings
from gateway.journal.retention import Retention, RetentionLimits
from gateway.journal.rows import uuid_text
from gateway.journal.transaction import Names, Transaction
from gateway.journal.wal import Wal

log = logging.getLogger("lineside.journal")

Item = TypeVar("Item")


# What SQLite says about values; anything else from it (full, I/O, locked, damaged) is about the disk.
_ABOUT_DATA = (DataError, IntegrityError, ProgrammingError, NotSupportedError)
_MOST_REFUSALS = 3
_DOUBT_AGAIN_S = 600.0
"""Looking at a whole journal takes long; one that was called damaged and is not is looked at again only then."""
_DELETED = 8 << 20
"""About what one step of retention writes to the WAL."""
_SAMPLE = 64
"""About what one sample writes to the WAL."""


class Feed(Protocol[Item]):
    """Who fills the journal. All of it is called on the writer's thread."""

    def take(self, wait_s: float) -> list[Item]:
        """Everything that is ready, within the batch limits; waits up to `wait_s` for a first item."""

    def apply(self, transaction: Transaction, items: Sequence[Item]) -> None:
        """Turn the items into changes. Anything it raises but I/O errors is about the data: the batch is halved."""

    def rolled_back(self) -> None:
        """The transaction did not happen: forget what `apply` changed in memory."""

    def refused(self, item: Item, error: Exception) -> Item:
        """An item that cannot be stored: what to store instead (a quarantine entry)."""

    def committed(self, items: Sequence[Item], events: Sequence[Event]) -> None:
        """It is on disk."""


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and intervals of the writer.

    checkpoint_bytes: a PASSIVE checkpoint when the WAL has grown this far; truncate_bytes: cut the file above this size.
    stalled_retry_s: pause before the same batch is tried again after an I/O error. idle_s: longest wait for work.
    """

    synchronous: Synchronous = "full"
    checkpoint_bytes: int = 16 << 20
    truncate_bytes: int = 64 << 20
    ballast_bytes: int = 64 << 20
    quarantine_bytes: int = 1 << 30
    stalled_retry_s: float = 1.0
    idle_s: float = 0.25
    retention: RetentionLimits = RetentionLimits()
    compaction: CompactionSettings = CompactionSettings()
    packing: PackingSettings = PackingSettings()


class Stall(msgspec.Struct, frozen=True):
    """Why and since when (monotonic seconds) nothing can be committed."""

    reason: str
    since: float


class OpenGap(msgspec.Struct, frozen=True):
    id: str
    source: str
    station: str | None
    cause: str


class Writer:
    """Owns the journal file. `open` before `run`; `run` is the body of the writer's thread until `stop`."""

    def __init__(self, path: Path, *, site: str, gateway: str, settings: WriterSettings) -> None:
        self.path = path
        self.settings = settings
        self.head = 0
        self.commits = 0
        self.stall: Stall | None = None
        self.journal = ""
        self._site, self._gateway = site, gateway
        self._names = Names()
        self._stop = threading.Event()
        self._lock: Lock | None = None
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), settings.ballast_bytes)
        self.holders = Holders()
        self._retention = Retention(settings.retention, self.holders)
        self._compactor = Compactor(path, settings.compaction, settings.packing)
        self._refusals = 0  # of one item, in a row
        # On a full disk the ballast must have room for what the WAL holds, or there is no way to empty it.
        most = min(settings.checkpoint_bytes, settings.ballast_bytes // 4 or settings.checkpoint_bytes)
        self._wal = Wal(path, checkpoint_bytes=most, truncate_bytes=settings.truncate_bytes)
        self._doubt_after = 0.0
        self._put_off = False  # maintenance failed last time, and was told of

    @property
    def place(self) -> Place:
        return Place(self.journal, self._site, self._gateway)

    @property
    def figures(self) -> Figures:
        """What the journal weighs, as retention last saw it."""
        return self._retention.figures

    @property
    def compaction_s(self) -> float:
        """Processor time that compaction has taken."""
        return self._compactor.seconds

    @property
    def lock(self) -> Lock:
        assert self._lock is not None, "the journal is not open"
        return self._lock

    def open(self) -> None:
        """Take the data folder, put a damaged journal aside, migrate, learn the head. Raises JournalBusy, JournalError."""
        self._lock = Lock(self.path)
        try:
            retired = look(self.path)
            try:
                self._start()
            except DatabaseError as error:
                if is_damage(error):
                    self._disconnect()
                    retired = retire_unread(self.path)
                    if retired is None:
                        raise
                # Even opening takes a little room, for the index of the WAL: on a full disk the ballast has it.
                elif not self._ballast.release():
                    raise
                self._start()
            if retired is not None:
                retired.hand_on(self._open)
        except DatabaseError as error:
            self.close()
            raise JournalError(f"cannot open the journal {self.path}: {error.orig}") from error
        except BaseException:
            self.close()
            raise
        self._ballast.fill()

    def _start(self) -> None:
        self._engine = writer_engine(self.path, synchronous=self.settings.synchronous)
        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.journal = migrate(self._connection, self.path)
        head = self._connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'head'").scalar_one()
        last = self._connection.exec_driver_sql("SELECT max(seq) FROM event").scalar()
        self.head = max(int(head), last or 0)
        # From here on only a checkpoint can be kept waiting, by a reader: commits must not wait for that.
        self._connection.exec_driver_sql("PRAGMA busy_timeout=50").all()

    def states(self) -> dict[str, tuple[int, bytes]]:
        """Committed class state by station: (version, bytes)."""
        rows = self._open.exec_driver_sql("SELECT station, version, state FROM station_state")
        return {station: (version, state) for station, version, state in rows}

    def marks(self) -> dict[str, int]:
        """When each source was last alive."""
        rows = self._open.exec_driver_sql("SELECT source, at FROM source_mark")
        return dict(tuple(row) for row in rows)

    def positions(self, source: str) -> dict[str, bytes]:
        """How far a source was read, by what of it."""
        rows = self._open.exec_driver_sql("SELECT key, value FROM source_position WHERE source = ?", (source,))
        return dict(tuple(row) for row in rows)

    def open_gaps(self) -> list[OpenGap]:
        """Gaps that were open when the journal was last written."""
        rows = self._open.exec_driver_sql('SELECT id, source, station, cause FROM gap WHERE "end" IS NULL')
        return [OpenGap(uuid_text(id_), source, station, cause) for id_, source, station, cause in rows]

    @property
    def _open(self) -> Connection:
        assert self._connection is not None, "the journal is not open"
        return self._connection

    def run(self, feed: Feed[Item]) -> None:
        """Commit what the feed gives until stopped; then once more what is left."""
        self._compactor.start()
        while not self._stop.is_set():
            items = feed.take(self._compactor.pause_s(self.settings.idle_s))
            if items:
                self._store(feed, items)
            self._maintain()
        while items := feed.take(0):
            self._store(feed, items)
            if self.stall is not None:
                return

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        """After `run` has returned. What was not committed was not acknowledged either."""
        self._compactor.stop()
        if self._connection is not None:
            with contextlib.suppress(DatabaseError):
                self._connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disconnect()
        if self._lock is not None:
            self._lock.close()
        self._lock = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._engine is not None:
            self._engine.dispose()
        self._connection = self._engine = None

    # -- one batch

    def _store(self, feed: Feed[Item], items: list[Item]) -> None:
        while True:
            try:
                events = self._commit(feed, items)
            except DatabaseError as error:
                self._roll_back(feed)
                if isinstance(error, _ABOUT_DATA):
                    items = self._refuse(feed, items, error)
                    continue
                self._stalled(str(error.orig))
                if is_damage(error):
                    self._doubt()
                if self._stop.is_set():
                    return
                self._make_room()
                self._stop.wait(self.settings.stalled_retry_s)
                continue
            except Exception as error:  # noqa: BLE001  a value or a step that cannot be stored must stop nothing else
                self._roll_back(feed)
                items = self._refuse(feed, items, error)
                continue
            self._recovered()
            feed.committed(items, events)
            return

    def _refuse(self, feed: Feed[Item], items: list[Item], error: Exception) -> list[Item]:
        """Store the first half, and say what to try next: the second half, or of a single item what stands for it.

        Raises the error when even that cannot be stored: then it is not about the data.
        """
        if len(items) > 1:
            middle = len(items) // 2
            self._store(feed, items[:middle])
            return items[middle:]
        self._refusals += 1
        if self._refusals > _MOST_REFUSALS:
            raise error
        log.error("a delivery cannot be stored and goes to quarantine: %s", error, exc_info=True)
        return [feed.refused(items[0], error)]

    def _commit(self, feed: Feed[Item], items: Sequence[Item]) -> list[Event]:
        connection = self._open
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        transaction = Transaction(
            connection, self.place, self.head, self._names, quarantine_bytes=self.settings.quarantine_bytes
        )
        feed.apply(transaction, items)
        if transaction.empty:  # a copy, or what no station had anything to say about: no write, no sync
            connection.exec_driver_sql("ROLLBACK")
            return []
        transaction.flush()
        connection.exec_driver_sql("COMMIT")
        self.head = transaction.head
        self.commits += 1
        self._retention.committed(transaction.events, transaction.sample_count)
        written = 16_384 + sum(len(event.raw) + 2048 for event in transaction.events)
        self._wal.wrote(written + transaction.sample_count * _SAMPLE)
        return transaction.events

    def _doubt(self) -> None:
        """Raises JournalDamaged when the whole file, looked at anew, is damaged: a new one has then been begun."""
        if time.monotonic() < self._doubt_after:
            return
        retired = retire(self.path, self._stop.is_set, self._disconnect)
        if retired is None:
            self._doubt_after = time.monotonic() + _DOUBT_AGAIN_S
            return
        with contextlib.suppress(DatabaseError):  # a full disk, say: whoever opens it next begins it
            self._start()
            retired.hand_on(self._open)
        raise JournalDamaged(f"the journal is damaged and was put aside as {retired.path}")

    def _roll_back(self, feed: Feed[Item]) -> None:
        with contextlib.suppress(DatabaseError):  # an I/O error may have rolled back already
            self._open.exec_driver_sql("ROLLBACK")
        self._names.clear()
        feed.rolled_back()

    def _stalled(self, reason: str) -> None:
        if self.stall is None:
            log.error("nothing can be committed: %s; no message is acknowledged until it can", reason)
            self.stall = Stall(reason, time.monotonic())
        else:
            self.stall = Stall(reason, self.stall.since)

    def _recovered(self) -> None:
        self._refusals = 0
        if self.stall is not None:
            log.info("commits go on after %.1f s", time.monotonic() - self.stall.since)
            self.stall = None

    def _make_room(self) -> None:
        """On a full disk: give up the ballast, delete what retention allows and hand the space back.

        The WAL is emptied before, and after every portion: what deleting writes must fit beside it.
        """
        self._names.clear()
        deleted = False
        try:
            self._wal.empty(self._open)
            self._ballast.release()
            deleted = self._retention.step(self._open, full=True, between=lambda: self._wal.empty(self._open))
        except DatabaseError:
            self._roll_back_quietly()
        # Where there was nothing to delete it is kept for when there is; else it needs more room than this.
        self._ballast.fill(now=True, spare=deleted)

    # -- between batches

    def _maintain(self) -> None:
        try:
            self._wal.checkpoint(self._open)
            if self._retention.step(self._open):
                self._names.clear()
                self._wal.wrote(_DELETED)
            self._wal.wrote(self._compactor.step(self._open))
            self._put_off = False
        except DatabaseError as error:
            self._roll_back_quietly()
            self._names.clear()  # some of it may have happened
            if is_damage(error):
                self._doubt()
            if not self._put_off:
                log.warning("maintenance of the journal is put off: %s", error.orig)
            self._put_off = True
        if self.stall is None:
            self._ballast.fill()

    def _roll_back_quietly(self) -> None:
        with contextlib.suppress(DatabaseError):
            self._open.exec_driver_sql("ROLLBACK")
