"""Is a journal's file sound? Only damage that was looked at again, on disk, counts.

An I/O error, a full disk or a locked file are troubles of the disk or of the moment: no reason to give a journal up.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalError
from gateway.journal.body_check import damaged
from gateway.journal.database import reader_engine
from gateway.journal.fault import DAMAGE, error_code, is_damage
from gateway.journal.sample_state import COMPACTED
from gateway.journal.schema import APPLICATION_ID

log = logging.getLogger("lineside.journal")

_INTERRUPTED = 9
_STEPS = 5_000
"""Of SQLite's machine, or pages, between two looks at the clock."""
_MOST = 20
"""Problems that are listed; the first one decides."""
_UNPACKED = 200
"""Packed events of which a quick look tries whether they can be read; a thorough one tries all."""
_ERROR_CODE = re.compile(r"error code=(\d+)")


class Finding(msgspec.Struct, frozen=True):
    """problems: what is wrong, as SQLite says it. complete: False when the look was ended before it saw everything."""

    complete: bool
    problems: tuple[str, ...] = ()


class Contents(msgspec.Struct, frozen=True):
    """What a journal's file holds. first: the oldest event's number, None without events. holes: numbers missing between
    the oldest event and the newest: retention of single messages leaves them, and a salvage."""

    journal: str
    version: int
    head: int
    first: int | None
    events: int
    samples: int
    holes: int


def examine(
    path: Path, *, thorough: bool, seconds: float | None = None, stopped: Callable[[], bool] = lambda: False
) -> Finding:
    """Look at the whole file, on a connection of its own, so that nothing comes from anybody's memory.

    thorough: indexes against tables too, which takes several times as long, and every packed event unpacked. The look ends, incomplete, after `seconds`
    or when `stopped`. Raises JournalError when the file cannot be read: that says nothing about what is in it.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    engine = reader_engine(path, connections=1)
    try:
        with engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.set_progress_handler(
                lambda: stopped() or (deadline is not None and time.monotonic() > deadline), _STEPS
            )
            kind = "integrity_check" if thorough else "quick_check"
            said = list(connection.exec_driver_sql(f"PRAGMA {kind}({_MOST})").scalars().all())
            if said == ["ok"]:
                said += islice(damaged(connection, None if thorough else _UNPACKED), _MOST)
            driver.set_progress_handler(None, 0)
    except DatabaseError as error:
        if is_damage(error):
            return Finding(True, (str(error.orig),))
        if error_code(error) == _INTERRUPTED:
            return Finding(False)
        raise JournalError(f"{path} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()
    problems = tuple(line for line in said if line != "ok")
    for line in problems:
        code = _ERROR_CODE.search(line)
        if code is not None and int(code[1]) & 0xFF not in DAMAGE:
            raise JournalError(f"{path} cannot be read: {line}")
    return Finding(True, problems)


def contents(path: Path) -> Contents:
    """Count what is there. Raises JournalError for what is no journal or cannot be read."""
    engine = reader_engine(path, connections=1)
    try:
        with engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA application_id").scalar_one() != APPLICATION_ID:
                raise JournalError(f"{path} is no Lineside journal")
            return _contents(connection)
    except DatabaseError as error:
        raise JournalError(f"{path} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def _contents(connection: Connection) -> Contents:
    connection.exec_driver_sql("BEGIN")
    meta: dict[str, str] = dict(tuple(row) for row in connection.exec_driver_sql("SELECT key, value FROM meta"))
    first, last, events = connection.exec_driver_sql("SELECT min(seq), max(seq), count(*) FROM event").one()
    tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars())
    samples = 0
    if "sample" in tables:
        after = int(meta.get(COMPACTED, 0))
        samples = connection.exec_driver_sql("SELECT count(*) FROM sample WHERE n > ?", (after,)).scalar_one()
    if "sample_chunk" in tables:
        samples += connection.exec_driver_sql('SELECT coalesce(sum("count"), 0) FROM sample_chunk').scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql("ROLLBACK")
    holes = 0 if first is None else last - first + 1 - events
    return Contents(meta["journal"], version, max(int(meta["head"]), last or 0), first, events, samples, holes)


def confirmed(path: Path, stopped: Callable[[], bool] = lambda: False) -> str | None:
    """What is wrong with a file of which SQLite said that it is damaged; None when it is not, or nobody could tell."""
    try:
        problems = examine(path, thorough=True, stopped=stopped).problems
    except JournalError as error:
        log.warning("it cannot be told whether the journal is damaged: %s", error)
        return None
    return problems[0] if problems else None


def marks(path: Path) -> list[tuple[str, int]]:
    """When each source was last alive, as far as a damaged file still says so."""
    found: list[tuple[str, int]] = []
    engine = reader_engine(path, connections=1)
    try:
        with contextlib.suppress(DatabaseError), engine.connect() as connection:
            found.extend(
                (source, at)
                for source, at in connection.exec_driver_sql("SELECT source, at FROM source_mark")
                if isinstance(source, str) and isinstance(at, int)
            )
    finally:
        engine.dispose()
    return found
