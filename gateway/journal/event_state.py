"""Up to where events are gone: a number of the journal's `meta`.

A position before it is expired. Behind it there may be holes, where retention has removed some messages earlier than
others; they make no position invalid.
"""

from __future__ import annotations

from sqlalchemy import Connection

EVENTS_GONE = "events_gone"


def head(connection: Connection) -> int:
    """The number of the newest event that ever was."""
    return int(connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'head'").scalar_one())


def events_gone(connection: Connection) -> int:
    """Up to this number nothing is left. A journal from which nothing was removed since it knows the number has none."""
    found = connection.exec_driver_sql(
        "SELECT (SELECT value FROM meta WHERE key = ?), (SELECT min(seq) FROM event)", (EVENTS_GONE,)
    ).one()
    if found[0] is not None:
        return int(found[0])
    return head(connection) if found[1] is None else int(found[1]) - 1
