"""The files beside a journal, and how it gets out of the way of another: it is given another name, never deleted."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from gateway.journal.schema import APPLICATION_ID

_LOOKED_AT = 1 << 20
_OUR_TABLE = b"CREATE TABLE station_state"
_WAL_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")

DAMAGED, REPLACED, SALVAGED = "corrupt", "replaced", "salvaged"
"""Why a journal was given another name; it is in the name."""


def wal_path(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def size(path: Path) -> int:
    """Bytes; 0 when there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def unclean(database: Path) -> bool:
    """Whether the last process that wrote ended without closing the journal: closing leaves no WAL."""
    return size(wal_path(database)) > 0


def suspect_path(database: Path) -> Path:
    """A file that asks the next start to look at the whole journal; made by who found it damaged."""
    return database.with_name(database.name + ".suspect")


def ours(database: Path) -> bool:
    """Whether a file that SQLite cannot read was a journal once, and not something that a wrong path names.

    For files that this process has not open: closing it here would drop SQLite's locks.
    """
    with database.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start[68:72] == APPLICATION_ID.to_bytes(4) or _OUR_TABLE in start:
        return True
    try:
        with wal_path(database).open("rb") as file:
            return file.read(4) in _WAL_MAGIC
    except FileNotFoundError:
        return False


def put_aside(database: Path, why: str) -> Path:
    """Give the file, with its WAL, another name: `<name>.<why>-<time>`. Nobody may have it open for writing.

    At every moment of this the journal is under one of the names, whole. Raises OSError.
    """
    aside = keep(database, why)
    drop_wal(database)
    database.unlink()
    sync_folder(database.parent)
    return aside


def keep(database: Path, why: str) -> Path:
    """A second name for the file and its WAL, on disk when this returns. Raises OSError."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{database.name}.{why}-{stamp}"
    aside = database.with_name(name)
    while aside.exists():
        aside = database.with_name(f"{name}-{secrets.token_hex(2)}")
    if wal_path(database).exists():
        wal_path(aside).hardlink_to(wal_path(database))
    aside.hardlink_to(database)
    sync_folder(database.parent)
    return aside


def drop_wal(database: Path) -> None:
    """Before another file takes the name: it must not meet the WAL of this one."""
    for end in ("-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)


def discard(made: Path) -> None:
    """A file of ours that did not become whole, with all that SQLite may have put beside it."""
    made.unlink(missing_ok=True)
    made.with_name(made.name + "-journal").unlink(missing_ok=True)
    drop_wal(made)


def sync_folder(folder: Path) -> None:
    """Names that were given or taken in it are on disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
