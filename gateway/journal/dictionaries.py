"""Dictionaries of what events say: made of the journal's own messages, tried on others of them, and kept in the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec
import zstandard
from sqlalchemy import Connection

from gateway.journal.bodies import Bodies, BodyDamaged, Packer, copies, dictionary, plain, sealed
from gateway.journal.statements import Statements

SIZE = 112 << 10
"""Bytes of a dictionary, as zstd itself recommends; a third of it does nearly as well."""
_LONGEST = 100_000
"""Bytes of one message that are learned from."""
_MOST = 8 << 20
_PORTION = 50


class Known(msgspec.Struct):
    """A dictionary and how it does. learned: events it was made from; ratio: bytes after to bytes before, of events that
    it was not made from. events, before, after: what it was used for up to now."""

    number: int
    learned: int
    ratio: float
    events: int = 0
    before: int = 0
    after: int = 0


def newest(connection: Connection) -> Known | None:
    """The one in use."""
    row = connection.exec_driver_sql(
        "SELECT number, learned, ratio, events, before, after FROM dictionary ORDER BY number DESC LIMIT 1"
    ).first()
    return None if row is None else Known(*row)


def packer(connection: Connection, number: int) -> Packer | None:
    """None when the dictionary is lost."""
    data = dictionary(connection, number)
    return None if data is None else Packer(number, data)


def texts(connection: Connection, first: int, last: int, most: int) -> list[bytes]:
    """What up to so many events between these say, spread over all of them."""
    step = max((last - first + 1) // most, 1)
    read = Statements(connection).rows
    # What is there at each step or behind it: retention may have left little.
    query = "SELECT seq FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT 1"
    wanted = sorted({seq for number in range(first, last + 1, step) for (seq,) in read(query, (number, last))})
    bodies = Bodies()
    found: list[bytes] = []
    size = 0
    for start in range(0, len(wanted), _PORTION):
        marks = ",".join(map(str, wanted[start : start + _PORTION]))
        for row in connection.exec_driver_sql(
            f"SELECT * FROM event WHERE seq IN ({marks}) AND length(raw) < {_LONGEST}"
        ):
            with contextlib.suppress(BodyDamaged):  # who reads it is told
                found.append(plain(bodies.row(connection, row)))
                size += len(found[-1])
        if size > _MOST:
            break
    return found


def learned(texts: Sequence[bytes]) -> bytes | None:
    """A dictionary; None where too little is there to learn from."""
    try:
        return zstandard.train_dictionary(SIZE, list(texts)).as_bytes()
    except zstandard.ZstdError:
        return None


def size(packer: Packer, texts: Sequence[bytes]) -> int:
    """How many bytes these take with it."""
    return sum(map(packer.size, texts))


class Adopt(msgspec.Struct, frozen=True):
    """The piece of work that makes a dictionary the one in use, and forgets those that no event needs."""

    number: int
    data: bytes
    learned: int
    ratio: float

    def apply(self, connection: Connection) -> int:
        connection.exec_driver_sql(
            "INSERT INTO dictionary VALUES (?, ?, ?, 0, 0, 0, NULL, NULL)", (self.number, self.learned, self.ratio)
        )
        data = sealed(self.data)
        for copy in copies(self.number):
            connection.exec_driver_sql("INSERT INTO dictionary_copy VALUES (?, ?)", (copy, data))
        return 2 * len(data)


class Drop(msgspec.Struct, frozen=True):
    """A dictionary that no event needs any more goes."""

    number: int

    def apply(self, connection: Connection) -> int:
        gone = connection.exec_driver_sql("DELETE FROM dictionary WHERE number = ?", (self.number,)).rowcount
        connection.exec_driver_sql("DELETE FROM dictionary_copy WHERE id IN (?, ?)", copies(self.number))
        return 4096 * max(gone, 0)


def unused(connection: Connection) -> list[int]:
    """Those, the one in use aside, between whose first and last event nothing is left."""
    rows = connection.exec_driver_sql(
        "SELECT number FROM dictionary d WHERE number < (SELECT max(number) FROM dictionary) AND "
        "(first IS NULL OR NOT EXISTS (SELECT 1 FROM event WHERE seq BETWEEN d.first AND d.last))"
    )
    return [number for (number,) in rows]


def next_number(connection: Connection) -> int:
    """Never one that was used before: what readers remember of a dictionary must hold."""
    last = connection.exec_driver_sql(
        "SELECT max(coalesce((SELECT max(number) FROM dictionary), 0), coalesce((SELECT max(id) / 2 FROM dictionary_copy), 0))"
    ).scalar_one()
    return int(last) + 1
