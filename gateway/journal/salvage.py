"""What can still be read of a damaged journal, in a file of its own.

Not in the new journal: that has numbers of its own by the time, in the order in which its readers have already read it,
and the old events have theirs, by which others know them. In the file they keep them, so a number that is missing says
which event is lost.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core import times
from gateway.core.errors import JournalError
from gateway.core.times import Micros
from gateway.journal import aside, postings
from gateway.journal.aside import DAMAGED, SALVAGED, size, wal_path
from gateway.journal.bodies import Bodies, BodyDamaged
from gateway.journal.compactor import applied
from gateway.journal.copying import settle
from gateway.journal.database import copy_engine, migrate, reader_engine
from gateway.journal.salvage_header import fold_wal, replace_schema
from gateway.journal.salvage_pages import rows_on_pages
from gateway.journal.salvage_rows import Hole, Row, keyed, numbered
from gateway.journal.sample_state import set_state

log = logging.getLogger("lineside.journal")

_BATCH = 200
_SHARE = 0.25
"""The part of the time in which it works: it has all night, and machines are heard meanwhile."""
_SPARE = 256 << 20
_HOLES = 1000
_ID = "journal"
_MADE_AGAIN = ("event_posting", "event_span")
"""What follows from the events: a row that is lost would make events hard to find that are not."""
_LAST = 2**63 - 1


class Salvaged(msgspec.Struct):
    """What came of one file. rows: how many of each table. lost: numbers of events that cannot be read, from and to."""

    source: str
    rows: dict[str, int] = {}
    lost: list[tuple[int, int | None]] = []

    @property
    def events(self) -> int:
        return self.rows.get("event", 0)


class Stopped(Exception):
    """The gateway ends; the next start begins anew."""


def target_of(damaged: Path) -> Path:
    """Where what is salvaged of a file goes."""
    return damaged.with_name(damaged.name.replace(f".{DAMAGED}-", f".{SALVAGED}-"))


def due(database: Path) -> list[Path]:
    """Damaged files of this journal of which nothing was salvaged yet, the oldest first."""
    ends = ("-wal", "-shm")
    found = sorted(database.parent.glob(f"{database.name}.{DAMAGED}-*"))
    return [path for path in found if not path.name.endswith(ends) and not target_of(path).exists()]


def salvage(damaged: Path, pause: Callable[[float], None] = lambda took: None) -> Salvaged:
    """Copy what can be read; the result appears whole under `target_of(damaged)`. The damaged file stays as it is.

    pause: called after every portion with the seconds that it took; ends it by raising. Raises JournalError.
    """
    target = target_of(damaged)
    partial = target.with_name(target.name + ".partial")
    patched = target.with_name(target.name + ".source")
    for path in (partial, patched):
        aside.discard(path)  # of a run that was ended
    try:
        _room(damaged, times=1)
        source = damaged
        if not _opens(damaged):
            _room(damaged, times=2)
            _patch(damaged, patched)
            source = patched
        made = _copy(source, partial, damaged.name, pause)
        settle(partial)
        partial.rename(target)
        aside.sync_folder(target.parent)
    except DatabaseError as error:
        raise JournalError(f"{damaged} cannot be salvaged: {error.orig}") from error
    except OSError as error:
        raise JournalError(f"{damaged} cannot be salvaged: {error.strerror}") from error
    finally:
        for path in (partial, patched):
            aside.discard(path)
    return made


def _room(damaged: Path, *, times: int) -> None:
    need = times * (size(damaged) + size(wal_path(damaged))) + _SPARE
    free = shutil.disk_usage(damaged.parent).free
    if free < need:
        raise JournalError(
            f"{damaged} is not salvaged: that takes {need} bytes, and {free} are free; make room, restart"
        )


def _opens(path: Path) -> bool:
    engine = reader_engine(path, connections=1)
    try:
        with engine.connect() as connection:
            names = connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars().all()
            return {"event", "meta"}.issubset(names)
    except DatabaseError:
        return False
    finally:
        engine.dispose()


def _patch(damaged: Path, patched: Path) -> None:
    """A copy whose first page, on which the list of tables begins, is that of a new journal."""
    shutil.copyfile(damaged, patched)
    if wal_path(damaged).exists():
        fold_wal(wal_path(damaged), patched)
    fresh = patched.with_name(patched.name + ".fresh")
    aside.discard(fresh)
    try:
        engine = copy_engine(fresh)
        with engine.connect() as connection:
            migrate(connection, fresh)
        engine.dispose()
        replace_schema(patched, fresh)
    finally:
        aside.discard(fresh)


def _copy(source: Path, target: Path, name: str, pause: Callable[[float], None]) -> Salvaged:
    made = Salvaged(name)
    reading, writing = reader_engine(source, connections=1), copy_engine(target)
    try:
        with reading.connect() as read, writing.connect() as write:
            read.exec_driver_sql("PRAGMA cell_size_check=ON")
            write = write.execution_options(isolation_level="AUTOCOMMIT")
            migrate(write, target)
            for table in write.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars().all():
                if table in _MADE_AGAIN:
                    continue
                made.rows[table] = _table(read, write, table, made, pause)
            if made.lost:
                made.rows["event"] += _stray(source, read, write, made, pause)
            _file(write)
            write.exec_driver_sql(
                "UPDATE meta SET value = max(CAST(value AS INTEGER), (SELECT coalesce(max(seq), 0) FROM event)) "
                "WHERE key = 'head'"
            )
            write.exec_driver_sql("INSERT INTO meta VALUES ('salvaged', ?)", (msgspec.json.encode(made).decode(),))
    finally:
        reading.dispose()
        writing.dispose()
    return made


def _file(write: Connection) -> None:
    """Make the index of what is there now."""
    set_state(write, postings.FILED, 0)
    for piece in postings.due(write):
        applied(piece, write)


def _table(read: Connection, write: Connection, table: str, made: Salvaged, pause: Callable[[float], None]) -> int:
    described = write.exec_driver_sql(f"PRAGMA table_info({table})").all()
    columns = ", ".join(f'"{row[1]}"' for row in described)
    key = ", ".join(f'"{row[1]}"' for row in sorted(described, key=lambda row: row[5]) if row[5])
    insert = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({', '.join('?' * len(described))})"

    def lost(first: int, last: int | None) -> None:
        if table == "event" and len(made.lost) < _HOLES:
            made.lost.append((first, last))
        log.warning("%s: rows of table %s cannot be read: %s to %s", made.source, table, first, last or "the last")

    rows: Iterator[Row]
    if write.exec_driver_sql(f"SELECT count(*) FROM pragma_index_list('{table}') WHERE origin = 'pk'").scalar_one():
        rows = keyed(read, table, columns, key, lost)
    else:
        rows = numbered(read, table, columns, lost)
    if table == "meta":  # its id is the new file's own
        insert = insert.replace("OR IGNORE", "OR REPLACE")
        rows = (row for row in rows if row[0] != _ID)
    if table == "event":
        rows = _readable(read, rows, lost)
    count = 0
    for batch in _batches(rows):
        begun = time.monotonic()
        write.exec_driver_sql("BEGIN")
        # One by one: a row that lost a part does not fit, and is left out without the others.
        count += sum(write.exec_driver_sql(insert, tuple(row)).rowcount for row in batch)
        write.exec_driver_sql("COMMIT")
        pause(time.monotonic() - begun)
    return count


def _readable(read: Connection, rows: Iterable[Row], lost: Hole) -> Iterator[Row]:
    """Events of which can be told what they say."""
    bodies = Bodies()
    for row in rows:
        try:
            bodies.row(read, row)
        except (BodyDamaged, TypeError):  # or a row that lost a part
            lost(row[0], row[0])
        else:
            yield row


def _stray(source: Path, read: Connection, write: Connection, made: Salvaged, pause: Callable[[float], None]) -> int:
    """Events that the table does not lead to any more, from their own pages. What is then still missing is lost.

    Without those of the WAL: SQLite reads that itself, or nothing.
    """
    columns = len(write.exec_driver_sql("PRAGMA table_info(event)").all())
    insert = f"INSERT OR IGNORE INTO event VALUES ({', '.join('?' * columns)})"
    holes = made.lost

    head = int(write.exec_driver_sql("SELECT value FROM meta WHERE key = 'head'").scalar_one())
    firsts = [first for first, _ in holes]
    lasts = [last or head or _LAST for _, last in holes]

    def wanted(number: int) -> bool:
        at = bisect_right(firsts, number) - 1
        return at >= 0 and number <= lasts[at]

    found = ([number, *values[1:]] for number, values in rows_on_pages(source, columns, wanted, pause))
    count = 0
    for batch in _batches(_readable(read, found, lambda first, last: None)):
        write.exec_driver_sql("BEGIN")
        count += sum(write.exec_driver_sql(insert, tuple(row)).rowcount for row in batch)
        write.exec_driver_sql("COMMIT")
    made.lost = [part for first, last in holes for part in _missing(write, first, last or head)]
    return count


def _missing(write: Connection, first: int, last: int) -> Iterator[tuple[int, int | None]]:
    """The numbers between these that are not there, as stretches."""
    for (seq,) in write.exec_driver_sql(
        "SELECT seq FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)
    ).all():
        if seq > first:
            yield first, seq - 1
        first = seq + 1
    if first <= last:
        yield first, last


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


class Salvage:
    """Salvages all that is due of one journal, on a thread of its own, while the gateway runs."""

    def __init__(self, database: Path) -> None:
        self._due = due(database)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-salvage", daemon=True)
        self.said = "not begun"
        self.since: Micros | None = None

    @property
    def anything(self) -> bool:
        """Whether there was something to do at the start."""
        return bool(self._due)

    def component(self) -> tuple[bool, str, Micros | None]:
        """For `/readyz`. Never a reason not to be ready: machines are heard."""
        return True, self.said, self.since

    def start(self) -> None:
        if self._due:
            self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended; what it had not finished is begun anew at the next start."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        for path in self._due:
            self._say(f"reading {path.name}")
            try:
                made = salvage(path, self._pause)
            except Stopped:
                return
            except JournalError as error:
                self._say(str(error))
                log.error("%s", error)  # noqa: TRY400  it says all
                continue
            holes = f", lost: {made.lost}" if made.lost else ""
            self._say(f"{made.events} events of {path.name} are in {target_of(path).name}{holes}")
            log.warning("%s", self.said)

    def _say(self, text: str) -> None:
        self.said, self.since = text, times.now()

    def _pause(self, took: float) -> None:
        if self._stop.wait(took * (1 / _SHARE - 1)):
            raise Stopped
