"""Reading what can be read of a damaged SQLite file, table by table, around the places that cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.journal.fault import error_code, is_damage

Row = Sequence[Any]
Hole = Callable[[int, int | None], None]
"""Told of rows that are lost: from this number to that, None: or to the last."""

_ROWS = 500
_FAR = 1 << 40


def numbered(connection: Connection, table: str, columns: str, lost: Hole) -> Iterator[Row]:
    """Rows of a table in the order of their numbers, in small portions of reading.

    Raises DatabaseError when it is the disk that fails, and not what is on it.
    """
    after = 0
    while True:
        query = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT {_ROWS}"
        count = 0
        try:
            for number, *row in connection.exec_driver_sql(query, (after,)):
                if not after < number < _FAR:
                    break  # numbers that go back are damage that SQLite did not see
                count += 1
                after = number
                yield row
            else:
                if count < _ROWS:
                    return
                continue
        except DatabaseError as error:
            _only_damage(error)
        further = _readable_behind(connection, table, columns, after)
        lost(after + 1, None if further is None else further - 1)
        if further is None:
            return
        after = further - 1


def _readable_behind(connection: Connection, table: str, columns: str, after: int) -> int | None:
    """The first number from which on a row can be read, where the one behind `after` cannot."""
    query = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT 1"

    def found(number: int) -> int | None:
        try:
            row = connection.exec_driver_sql(query, (number,)).first()
        except DatabaseError as error:
            _only_damage(error)
            return None
        return None if row is None or not number <= row[0] < _FAR else row[0]

    low, step = after + 1, 1  # at `low` nothing can be read
    while (first := found(low + step)) is None:
        low, step = low + step, 2 * step
        if low > _FAR:
            return None
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if (seen := found(middle)) is None:
            low = middle
        else:
            high, first = middle, seen
    return first


def keyed(connection: Connection, table: str, columns: str, key: str, lost: Hole) -> Iterator[Row]:
    """Rows of a table without numbers, from both ends; what lies between two damaged places is lost."""
    for order in ("ASC", "DESC"):
        ends = ", ".join(f"{name} {order}" for name in key.split(", "))
        try:
            for row in connection.exec_driver_sql(f"SELECT {columns} FROM {table} ORDER BY {ends}"):
                yield tuple(row)
        except DatabaseError as error:
            _only_damage(error)
            if order == "ASC":
                lost(0, None)
            continue
        return


def _only_damage(error: DatabaseError) -> None:
    # A text that is no UTF-8 any more is the driver's complaint, and has no code of SQLite's.
    if not is_damage(error) and error_code(error) not in (0, 1):
        raise error
