"""The statements that every commit runs, on the driver's own cursor.

Each call of the driver releases the interpreter, and on a busy gateway the event loop takes it then: what a commit costs
is above all the number of its statements. So rows go in by hundreds, and SQLAlchemy's own work per statement is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_VARIABLES = 6144
"""Values of one statement: 256 events. With more, what SQLite keeps prepared of them grows and no time is saved."""
_KEYS = 4096
_SHOWN = 200


class Statements:
    """For one transaction. What the driver raises comes as SQLAlchemy would have raised it, without the values."""

    def __init__(self, connection: Connection) -> None:
        self._dialect = connection.dialect
        self._cursor = connection.connection.cursor()

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Run one that gives no rows."""
        try:
            self._cursor.execute(sql, values)
        except self._dialect.loaded_dbapi.Error as error:
            raise self._translated(sql, error) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> Sequence[tuple[Any, ...]]:
        """All rows of a query."""
        try:
            self._cursor.execute(sql, values)
            return self._cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            raise self._translated(sql, error) from error

    def _translated(self, sql: str, error: Exception) -> BaseException:
        return DBAPIError.instance(
            sql[:_SHOWN], None, error, self._dialect.loaded_dbapi.Error, hide_parameters=True, dialect=self._dialect
        )

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]], *, replace: bool = False) -> None:
        """Rows with a value for every column; the first column is never null."""
        if not rows:
            return
        width = len(rows[0])
        most = _VARIABLES // width
        for start in range(0, len(rows), most):
            part = rows[start : start + most]
            count = _rounded(len(part))
            values = list(chain.from_iterable(part))
            values += [None] * (count * width - len(values))
            self.run(_insertion(table, width, count, replace), values)


@lru_cache(maxsize=256)
def _insertion(table: str, width: int, count: int, replace: bool) -> str:
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    if count == 1:
        return f"{verb} INTO {table} VALUES ({','.join('?' * width)})"
    one = "(" + ",".join("?" * width) + ")"
    return f"{verb} INTO {table} SELECT * FROM (VALUES {','.join([one] * count)}) WHERE column1 IS NOT NULL"


def padded(keys: Sequence[str | bytes]) -> Iterator[tuple[int, list[str | bytes]]]:
    """For `IN (…)`: how many marks, and the keys with the last one repeated as often as it takes."""
    for start in range(0, len(keys), _KEYS):
        part = list(keys[start : start + _KEYS])
        count = _rounded(len(part))
        part += [part[-1]] * (count - len(part))
        yield count, part


def _rounded(count: int) -> int:
    """The next power of two: a statement of few sizes is found prepared. What is too much of it is null, or twice."""
    return 1 << (count - 1).bit_length()
