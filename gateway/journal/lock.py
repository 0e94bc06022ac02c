"""One process owns a data folder."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Self

from gateway.core.errors import JournalBusy, JournalError

log = logging.getLogger("lineside.journal")

# Names of /proc/mounts on which SQLite's WAL cannot work: shared memory does not reach across the network.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "fuse.glusterfs"}
)


def filesystem(path: Path) -> str:
    """Type of the file system that holds `path`, as the kernel names it; `unknown` off Linux."""
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/mounts").read_text("utf-8", "surrogateescape")
    except OSError:
        return kind
    where = str(path.resolve())
    for line in mounts.splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if (where == point or where.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, type_
    return kind


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def owner(database: Path) -> dict[str, object] | None:
    """Who owns this journal right now, as its lock file says (`pid`, `url`); None when nobody does."""
    path = lock_path(database)
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(path)
    except FileNotFoundError:
        pass
    return None


def _read(path: Path) -> dict[str, object]:
    try:
        value = json.loads(path.read_bytes() or b"{}")
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class Lock:
    """Held for the life of the process; the kernel lets go of it even after kill -9."""

    def __init__(self, database: Path) -> None:
        """Raises JournalBusy when another process holds it, JournalError when the folder cannot be used."""
        folder = database.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kind = filesystem(folder)
            if kind in _NETWORK:
                raise JournalError(
                    f"{folder} is on a network file system ({kind}), where a journal would be corrupted; use a local disk"
                )
            self._file = lock_path(database).open("a+b")
        except OSError as error:
            raise JournalError(f"cannot use the data folder {folder}: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            found = _read(lock_path(database))
            raise JournalBusy(f"{database} is in use by process {found.get('pid', 'unknown')}", owner=found) from None
        self.describe(url=None)

    def describe(self, *, url: str | None) -> None:
        """Write who we are, for other commands to find our API."""
        try:
            os.ftruncate(self._file.fileno(), 0)
            os.write(self._file.fileno(), json.dumps({"pid": os.getpid(), "url": url}).encode())
        except OSError as error:  # a full disk: the lock holds all the same
            log.warning("the lock file does not say who we are: %s", error)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
