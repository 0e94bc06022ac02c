"""Space set aside for the moment the disk is full: deleting rows needs room in the WAL first."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

log = logging.getLogger("lineside.journal")


class Ballast:
    """A file of real blocks beside the journal. Size 0: none is kept."""

    def __init__(self, path: Path, size: int, *, check_s: float = 10.0) -> None:
        self._path = path
        self._size = size
        self._check_s = check_s
        self._present = False
        self._next = 0.0

    def fill(self, *, now: bool = False, spare: bool = True) -> None:
        """Make the file when it is missing and the disk has twice its size to spare; looks every `check_s`.

        now: look at once. spare: False when the space that was just released is wanted back, if it is still there.
        """
        if self._size == 0 or self._present or (time.monotonic() < self._next and not now):
            return
        self._next = time.monotonic() + self._check_s
        try:
            if self._path.exists() and self._path.stat().st_size == self._size:
                self._present = True
                return
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < (2 if spare else 1) * self._size:
                return
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
            self._present = True
        except OSError as error:
            log.warning("no ballast file beside the journal: %s", error)
            self.release()

    def release(self) -> bool:
        """Give the space to whoever needs it now. False when there was none."""
        self._present = False
        self._next = time.monotonic() + self._check_s
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
