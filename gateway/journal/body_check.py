"""Whether what events say can still be unpacked: SQLite's own checks do not look into values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from gateway.journal.bodies import Bodies, BodyDamaged, dictionary
from gateway.journal.packing import PACKED
from gateway.journal.sample_state import state

_ROWS = 500


def damaged(connection: Connection, most: int | None) -> Iterator[str]:
    """What is wrong with the dictionaries, and with the events that are packed: with up to so many, spread over all of
    them; None: with each. A reader that meets one cannot go on, so who looks for the cause must find it."""
    tables = connection.exec_driver_sql(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'dictionary_copy'"
    ).scalar_one()
    if not tables:  # of an earlier version
        return
    for number in connection.exec_driver_sql("SELECT number FROM dictionary").scalars().all():
        if dictionary(connection, number) is None:
            yield f"dictionary {number}, without which events cannot be unpacked, is damaged in both its places"
    bodies = Bodies()
    for row in _every(connection) if most is None else _some(connection, most):
        try:
            bodies.row(connection, row)
        except BodyDamaged as error:
            yield str(error)


def _every(connection: Connection) -> Iterator[Sequence[Any]]:
    query = "SELECT * FROM event WHERE seq > ? AND compact > 1 ORDER BY seq LIMIT ?"
    after = 0
    while rows := connection.exec_driver_sql(query, (after, _ROWS)).all():
        yield from rows
        after = rows[-1].seq


def _some(connection: Connection, most: int) -> Iterator[Sequence[Any]]:
    first = connection.exec_driver_sql("SELECT min(seq) FROM event").scalar() or 1
    last = state(connection, PACKED)
    for number in range(first, last + 1, max((last - first) // most, 1)):
        row = connection.exec_driver_sql("SELECT * FROM event WHERE seq >= ? ORDER BY seq LIMIT 1", (number,)).first()
        if row is None:
            return
        yield row
