"""Before the journal is opened, and when SQLite calls it damaged: a damaged one makes way for a new one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from gateway.core.errors import JournalError
from gateway.journal.aside import DAMAGED, ours, put_aside, suspect_path, unclean
from gateway.journal.integrity import confirmed, examine, marks

log = logging.getLogger("lineside.journal")

LOOK_S = 5.0
"""Longest look at the start: no machine is heard meanwhile."""


class JournalDamaged(JournalError):
    """The journal's file is damaged and was put aside: whoever opens the journal again begins a new one."""


class Retired(msgspec.Struct, frozen=True):
    """A damaged journal under its new name, and when it last heard each source: there a gap begins."""

    path: Path
    marks: Sequence[tuple[str, int]]

    def hand_on(self, connection: Connection) -> None:
        """To the new journal: what its sources said since then is a gap."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for mark in self.marks:
            connection.exec_driver_sql("INSERT OR IGNORE INTO source_mark VALUES (?, ?)", mark)
        connection.exec_driver_sql("COMMIT")


def look(database: Path, *, seconds: float = LOOK_S) -> Retired | None:
    """Put the journal aside if it is damaged: after a stop that was not clean as far as `seconds` suffice to see it, and
    when `lineside doctor` has found it damaged, whatever it takes."""
    if not database.exists():
        return None
    suspect = suspect_path(database)
    if suspect.exists():
        retired = retire_unread(database)
        suspect.unlink(missing_ok=True)
        return retired
    if not unclean(database):
        return None
    try:
        finding = examine(database, thorough=False, seconds=seconds)
    except JournalError as error:
        log.warning("the journal could not be checked after a stop that was not clean: %s", error)
        return None
    if finding.problems:
        return retire_unread(database)
    if finding.complete:
        log.info("the last stop was not clean; the journal is sound")
    else:
        said = "the last stop was not clean; %.0f s found no damage, and `lineside doctor` looks at the whole journal"
        log.info(said, seconds)
    return None


def retire(
    database: Path, stopped: Callable[[], bool] = lambda: False, before: Callable[[], None] = lambda: None
) -> Retired | None:
    """Look at the whole file, and put it aside if it is damaged. None when it is not, or that cannot be told.

    before: closes what this process writes it with; called when the file is to go. Raises JournalError when it cannot be
    given another name.
    """
    problem = confirmed(database, stopped)
    if problem is None:
        return None
    before()
    known = marks(database)
    try:
        aside = put_aside(database, DAMAGED)
    except OSError as error:
        raise JournalError(f"{database} is damaged and cannot be put aside: {error.strerror}") from error
    log.error(
        "the journal is damaged (%s) and was put aside as %s; a new one begins, with a new id; what can be read of the old "
        "one is copied to a file of its own",
        problem,
        aside,
    )
    return Retired(aside, known)


def retire_unread(database: Path) -> Retired | None:
    """The same for a file that could not be opened: it may never have been a journal, and then nothing is done."""
    return retire(database) if ours(database) else None
