"""Copying a journal's file as it is at one moment, while somebody else may be writing it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalError
from gateway.journal.aside import size, wal_path
from gateway.journal.database import copy_engine, reader_engine

Progress = Callable[[int, int], None]
"""Gets how many pages are copied, and of how many."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How hard a copy may lean on the disk that the gateway writes to.

    pages: copied in one step. share: the part of the time in which it copies; between steps it rests. sync_bytes: written
    back after so many, for the system would otherwise do it all at once, and a commit would wait behind it. wal_bytes: the
    copy reads one state of the journal, and the WAL cannot be cut while it does: when it has grown by half of this, the
    copy rests no more; by all of it, it gives up. spare_bytes: free space at which it gives up.
    """

    pages: int = 256
    share: float = 0.5
    sync_bytes: int = 1 << 20
    wal_bytes: int = 1 << 30
    spare_bytes: int = 256 << 20


HASTE = Pace(share=1.0, pages=4096)
"""Where nobody writes the source."""

_PAGE = 4096


def copy(source: Path, target: Path, pace: Pace, progress: Progress = lambda done, total: None) -> int:
    """Write what `source` holds now into the empty file `target`; returns how far the WAL grew meanwhile, in bytes.

    Raises JournalError; `target` is then of no use.
    """
    need, free = size(source) + size(wal_path(source)), shutil.disk_usage(target.parent).free
    if free < need:
        raise JournalError(f"{target.parent} has room for {free} bytes, and the copy takes up to {need}")
    steps = _Steps(source, target, pace, progress)
    read, write = reader_engine(source, connections=1), copy_engine(target)
    try:
        with read.connect() as reading, write.connect() as writing:
            origin, made = reading.connection.driver_connection, writing.connection.driver_connection
            assert origin is not None
            assert made is not None
            # Within a transaction all steps see the same state; without it every commit would start the copy anew.
            reading.exec_driver_sql("BEGIN")
            reading.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one()
            try:
                with steps:
                    origin.backup(made, pages=pace.pages, progress=steps)
            except write.dialect.loaded_dbapi.Error as error:
                raise JournalError(f"{source} cannot be copied to {target}: {error}") from error
            finally:
                reading.exec_driver_sql("ROLLBACK")
    except DatabaseError as error:
        raise JournalError(f"{source} cannot be copied to {target}: {error.orig}") from error
    finally:
        read.dispose()
        write.dispose()
    return steps.grown


class _Steps:
    """What is done between the steps of one copy."""

    def __init__(self, source: Path, target: Path, pace: Pace, progress: Progress) -> None:
        self._folder = source.parent
        self._wal = wal_path(source)
        self._target = target
        self._pace = pace
        self._progress = progress
        self._before = size(self._wal)
        self._unsynced = 0
        self.grown = 0

    def __enter__(self) -> None:
        self._descriptor = os.open(self._target, os.O_RDWR)
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def __call__(self, _: int, remaining: int, total: int) -> None:
        pace = self._pace
        self._unsynced += pace.pages * _PAGE
        if self._unsynced >= pace.sync_bytes:
            os.fdatasync(self._descriptor)
            self._unsynced = 0
        self.grown = max(self.grown, size(self._wal) - self._before)
        if self.grown > pace.wal_bytes:
            raise JournalError(
                f"the copy was given up: meanwhile {self.grown} bytes came into the journal that wait in its WAL "
                f"(allowed: {pace.wal_bytes}); try again when less comes in, or onto a faster disk"
            )
        if shutil.disk_usage(self._folder).free < pace.spare_bytes:
            raise JournalError(
                f"the copy was given up: {self._folder} has less than {pace.spare_bytes} bytes left, and the gateway "
                "needs them"
            )
        self._progress(total - remaining, total)
        took = time.monotonic() - self._begun
        if self.grown < pace.wal_bytes // 2:
            time.sleep(took * (1 / pace.share - 1))
        self._begun = time.monotonic()


def settle(target: Path) -> None:
    """Make a copy a file of its own, which needs no other beside it even where nothing may be written; and sync it."""
    engine = copy_engine(target)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            if connection.exec_driver_sql("PRAGMA journal_mode=DELETE").scalar_one() != "delete":
                raise JournalError(f"{target} is in use by somebody else")
    except DatabaseError as error:
        raise JournalError(f"{target} cannot be written: {error.orig}") from error
    finally:
        engine.dispose()
    with target.open("rb") as file:
        os.fsync(file.fileno())
