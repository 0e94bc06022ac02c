"""Backups of a journal: made while the gateway runs, and put back while it does not."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalError
from gateway.journal import aside
from gateway.journal.aside import size
from gateway.journal.copying import HASTE, Pace, Progress, copy, settle
from gateway.journal.database import copy_engine, writer_engine
from gateway.journal.fault import is_damage
from gateway.journal.integrity import Contents, contents, examine
from gateway.journal.lock import Lock, lock_path
from gateway.journal.schema import MIGRATIONS


class Backup(msgspec.Struct, frozen=True):
    """A backup that was made. wal_grown: how far the journal's WAL grew meanwhile, in bytes."""

    path: Path
    holds: Contents
    bytes: int
    seconds: float
    wal_grown: int


def back_up(journal: Path, destination: Path, pace: Pace, progress: Progress = lambda done, total: None) -> Backup:
    """Copy the journal as it is now into a new file; into a folder under a name with the time.

    The file appears whole, checked and synced, or not at all. Raises JournalError; also when the copy is not sound, for
    then the journal is not.
    """
    begun = time.monotonic()
    if not journal.is_file():
        raise JournalError(f"there is no journal at {journal}")
    if destination.is_dir():
        destination /= f"{journal.stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{journal.suffix}"
    if destination.exists():
        raise JournalError(f"{destination} is there already; nothing is overwritten")
    with _whole(destination) as partial:
        grown = copy(journal, partial, pace, progress)
        settle(partial)
        problems = examine(partial, thorough=False).problems
        if problems:
            raise JournalError(
                f"the copy is not sound, so the journal is damaged ({problems[0]}); `lineside doctor` looks closer"
            )
        holds = contents(partial)
        _publish(partial, destination)
    return Backup(destination, holds, size(destination), time.monotonic() - begun, grown)


@contextlib.contextmanager
def _whole(destination: Path) -> Iterator[Path]:
    """A file that becomes `destination`, of which nothing stays when it does not. A killed run leaves it: the next one
    begins it anew."""
    partial = destination.with_name(destination.name + ".partial")
    try:
        file = partial.open("ab")
    except OSError as error:
        raise JournalError(f"cannot write {destination}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"somebody else is writing {destination}") from None
        try:
            file.truncate(0)
            yield partial
        except OSError as error:
            raise JournalError(f"cannot write {destination}: {error.strerror}") from error
        finally:
            aside.discard(partial)


def _publish(partial: Path, destination: Path) -> None:
    try:
        destination.hardlink_to(partial)  # never over a file that came meanwhile, which renaming would do
    except FileExistsError:
        raise JournalError(f"{destination} is there already; nothing is overwritten") from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        partial.rename(destination)  # a stick with a file system that knows no second names
    aside.sync_folder(destination.parent)


class Restored(msgspec.Struct, frozen=True):
    """What a restore did. aside: the journal that was there before, None when there was none. head: numbers go on behind
    it, without a hole: a number that the journal before gave as well is told apart by the journal's id."""

    journal: str
    aside: Path | None
    holds: Contents
    head: int


def restore(backup: Path, database: Path, progress: Progress = lambda done, total: None) -> Restored:
    """Put a backup in the journal's place, under a new journal id. The journal that is there keeps a name of its own.

    Raises JournalBusy while a process owns the folder, JournalError when the backup is not sound or does not fit; until
    the last step, which is atomic, nothing has changed.
    """
    _usable(backup, database)
    with Lock(database):
        fresh = database.with_name(database.name + ".restoring")
        aside.discard(fresh)  # of a run that was killed
        try:
            copy(backup, fresh, HASTE, progress)
            settle(fresh)
            _close(database)
            journal = _begin(fresh)
            settle(fresh)
            _give(fresh, database)
            holds = contents(fresh)
            kept = aside.keep(database, aside.REPLACED) if database.exists() else None
            aside.drop_wal(database)
            fresh.rename(database)
            aside.suspect_path(database).unlink(missing_ok=True)  # the suspicion was of the other one
            aside.sync_folder(database.parent)
        except OSError as error:
            raise JournalError(f"cannot restore {database}: {error.strerror}") from error
        finally:
            aside.discard(fresh)
    return Restored(journal, kept, holds, holds.head)


def _give(fresh: Path, database: Path) -> None:
    """To who owned the journal, or else its folder: an administrator restores, and the gateway is somebody else."""
    there = database.stat() if database.exists() else database.parent.stat()
    if database.exists():
        fresh.chmod(stat.S_IMODE(there.st_mode))
    if os.geteuid() == 0:
        os.chown(fresh, there.st_uid, there.st_gid)
        os.chown(lock_path(database), there.st_uid, there.st_gid)


def _usable(backup: Path, database: Path) -> None:
    if not backup.is_file():
        raise JournalError(f"there is no backup at {backup}")
    if database.exists() and backup.samefile(database):
        raise JournalError(f"{backup} is the journal itself")
    problems = examine(backup, thorough=True).problems
    if problems:
        raise JournalError(f"{backup} is damaged and is not restored: {problems[0]}")
    version = contents(backup).version
    if version > len(MIGRATIONS):
        raise JournalError(f"{backup} was written by a later Lineside (schema {version}); install that version again")


def _close(database: Path) -> None:
    """Bring what is in the WAL into the present journal's file, if that can be done."""
    if not database.exists():
        return
    engine = writer_engine(database)
    try:
        with engine.connect() as connection:
            if connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                raise JournalError(f"somebody is reading {database}; nothing was changed, try again")
    except DatabaseError as error:
        if not is_damage(error):
            raise JournalError(f"{database} cannot be closed: {error.orig}; nothing was changed") from error
    finally:
        engine.dispose()


def _begin(fresh: Path) -> str:
    journal = secrets.token_hex(4)
    engine = copy_engine(fresh)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = 'journal'", (journal,))
    except DatabaseError as error:
        raise JournalError(f"{fresh} cannot be written: {error.orig}") from error
    finally:
        engine.dispose()
    return journal
