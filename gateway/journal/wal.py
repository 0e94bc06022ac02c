"""When what was committed goes from the WAL into the journal's file: the writer checkpoints, and nobody else does."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.journal.aside import size, wal_path

_TRUNCATE_AGAIN_S = 10.0


class Wal:
    """Used on the writer's thread, between its transactions.

    checkpoint_bytes: about how many may be in the WAL and not in the file; truncate_bytes: it is cut above this size.
    """

    def __init__(self, path: Path, *, checkpoint_bytes: int, truncate_bytes: int) -> None:
        self._path = path
        self._checkpoint_bytes = checkpoint_bytes
        self._truncate_bytes = truncate_bytes
        self._unmerged = 0
        self._truncate_after = 0.0

    def wrote(self, many: int) -> None:
        """A transaction wrote about so many bytes."""
        self._unmerged += many

    def checkpoint(self, connection: Connection) -> None:
        """If it is time. Raises DatabaseError."""
        if self._unmerged < self._checkpoint_bytes:
            return
        if size(wal_path(self._path)) > self._truncate_bytes and time.monotonic() > self._truncate_after:
            # Needs a moment without readers; when there is none now, not again soon.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
            self._truncate_after = time.monotonic() + _TRUNCATE_AGAIN_S
        else:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
        self._unmerged = 0

    def empty(self, connection: Connection) -> None:
        """On a full disk, where there is room for what it holds: a checkpoint that gets stuck half way would only take the
        ballast's."""
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        disk = os.statvfs(self._path.parent)
        if pages * page_bytes - size(self._path) > disk.f_bavail * disk.f_frsize:
            return
        with contextlib.suppress(DatabaseError):
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
            self._unmerged = 0
