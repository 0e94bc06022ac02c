"""How far samples are compacted, and up to where they are gone: two numbers of the journal's `meta`."""

from __future__ import annotations

from sqlalchemy import Connection

COMPACTED = "samples_compacted"
"""Up to this number samples are in chunks; hot ones begin behind it."""
GONE = "samples_gone"
"""Up to this number retention has removed samples of every series, before they were compacted."""

EMPTY = "samples_empty"
"""Up to this number nothing of any series is left: chunks that overlap went one by one. Written when the first goes."""


def state(connection: Connection, key: str) -> int:
    return int(connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (key,)).scalar_one())


def set_state(connection: Connection, key: str, number: int) -> None:
    connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = ?", (str(number), key))


def put_state(connection: Connection, key: str, number: int) -> None:
    """Of a number that may not be there yet."""
    connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(number)))


def gone(connection: Connection) -> int:
    """Up to this number nothing of any series is left."""
    empty = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (EMPTY,)).scalar()
    return max(state(connection, GONE), int(empty or 0))


def newest(connection: Connection) -> int:
    """The number of the newest sample that ever was."""
    found: int = connection.exec_driver_sql(
        "SELECT max(coalesce((SELECT max(n) FROM sample), 0), coalesce((SELECT max(last) FROM sample_block), 0))"
    ).scalar_one()
    return found
