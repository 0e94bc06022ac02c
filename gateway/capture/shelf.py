"""The files of one capture on disk: their names, how much there is of them, which of a ring's may go."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gateway.capture.form import SUFFIX
from gateway.capture.order import Limits, Order
from gateway.core.errors import LinesideError
from gateway.core.sizes import write_size
from gateway.core.times import Micros

FreeBytes = Callable[[Path], int]


class NoRoom(LinesideError):
    """The capture may not grow any further; the text says why."""


class Piece(msgspec.Struct, frozen=True):
    """One file. ended: when it was last written to."""

    path: Path
    bytes: int
    ended: Micros


def pieces(folder: Path) -> list[Piece]:
    """Oldest first."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            status = path.stat()
        except FileNotFoundError:  # a ring's, this moment
            continue
        found.append(Piece(path, status.st_size, status.st_mtime_ns // 1000))
    return found


def free_bytes(folder: Path) -> int:
    """That anybody may still write on its disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class Shelf:
    """Used on a recorder's thread. folder: the capture's own, in the folder of all."""

    def __init__(self, folder: Path, order: Order, limits: Limits, *, free: FreeBytes = free_bytes) -> None:
        self.folder = folder
        self.deleted = 0
        self._order = order
        self._limits = limits
        self._free = free
        self._closed = pieces(folder)

    @property
    def last(self) -> Piece | None:
        return self._closed[-1] if self._closed else None

    @property
    def file_bytes(self) -> int:
        """Largest file. A ring has several, so that what goes is not most of it."""
        most, keep = self._limits.file_bytes, self._order.keep_bytes
        return most if keep is None else min(most, max(keep // 4, 1))

    @property
    def file_s(self) -> float:
        """Oldest file, likewise."""
        most, keep = self._limits.file_s, self._order.keep_s
        return most if keep is None else min(most, keep / 6)

    def fresh(self, part: int, at: Micros) -> Path:
        """Where the next file goes: their order is that of their names."""
        stamp = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
        return self.folder / f"{self._order.name}-{part:05d}-{stamp}{SUFFIX}"

    def close(self, path: Path, size: int, ended: Micros) -> None:
        """It is written to no more."""
        self._closed.append(Piece(path, size, ended))

    def make_room(self, now: Micros, open_bytes: int) -> None:
        """Delete what a ring need not keep, and more of it where there is no room. Raises NoRoom."""
        order = self._order
        while self._closed and order.ring and self._is_spare(now, open_bytes):
            self._delete()
        while (reason := self._lacking()) is not None:
            if not (self._closed and order.ring):
                raise NoRoom(reason)
            self._delete()

    def _is_spare(self, now: Micros, open_bytes: int) -> bool:
        order = self._order
        if order.keep_s is not None and self._closed[0].ended < now - order.keep_s * 1e6:
            return True
        return order.keep_bytes is not None and sum(p.bytes for p in self._closed) + open_bytes > order.keep_bytes

    def _delete(self) -> None:
        self._closed.pop(0).path.unlink(missing_ok=True)
        self.deleted += 1

    def _lacking(self) -> str | None:
        limits = self._limits
        free = self._free(self.folder)
        if free < limits.reserve_bytes:
            return f"the disk has {free} bytes left, and {write_size(limits.reserve_bytes)} of it are not for captures"
        used = sum(piece.bytes for each in self.folder.parent.iterdir() if each.is_dir() for piece in pieces(each))
        if used >= limits.total_bytes:
            return f"captures may take {write_size(limits.total_bytes)} in all, and have {used} bytes"
        return None
