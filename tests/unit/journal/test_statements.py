"""The statements of a commit: rows by hundreds, none invented by padding, errors as SQLAlchemy has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, ProgrammingError

from gateway.journal.database import writer_engine
from gateway.journal.statements import Statements, padded


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = writer_engine(tmp_path / "some.db")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB)")
        yield connection
    engine.dispose()


def rows(count: int) -> list[tuple[int, str | None, bytes | None]]:
    return [(n, f"n{n}" if n % 3 else None, bytes((n % 256,)) if n % 2 else None) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65, 2047, 2048, 2049, 5000])
def test_what_goes_in_is_there_and_nothing_else(connection: Connection, count: int) -> None:
    statements = Statements(connection)
    statements.insert("t", rows(count))
    assert statements.rows("SELECT * FROM t ORDER BY id") == rows(count)


def test_a_row_replaces_the_one_with_its_key(connection: Connection) -> None:
    statements = Statements(connection)
    statements.insert("t", rows(3))
    statements.insert("t", [(1, "new", b""), (2, "newer", None), (7, None, b"x")], replace=True)
    assert statements.rows("SELECT * FROM t") == [
        (0, None, None),
        (1, "new", b""),
        (2, "newer", None),
        (7, None, b"x"),
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 4096, 4097])
def test_every_key_is_asked_for(count: int) -> None:
    keys = [f"k{n}" for n in range(count)]
    asked = list(padded(keys))
    assert [number for number, _ in asked] == [len(part) for _, part in asked]
    assert all(number & (number - 1) == 0 for number, _ in asked)  # so that there are few statements
    assert list(dict.fromkeys(key for _, part in asked for key in part)) == keys


def test_no_keys_are_no_question() -> None:
    assert list(padded([])) == []


def test_what_is_wrong_with_the_data_is_told_as_by_sqlalchemy_without_the_values(connection: Connection) -> None:
    statements = Statements(connection)
    statements.insert("t", rows(2))
    with pytest.raises(IntegrityError) as refused:
        statements.insert("t", [(1, "secret", None)])
    assert "UNIQUE constraint failed" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_statement_that_makes_no_sense_is_told_too(connection: Connection) -> None:
    with pytest.raises(ProgrammingError):
        Statements(connection).rows("SELECT 1 WHERE 1 = ?", (1, 2))


@pytest.mark.parametrize("value", [None, b"", b"\x00\xff", "", "ü\x00", 0, -(2**63), 2.5])
def test_values_come_back_as_they_were(connection: Connection, value: object) -> None:
    # bytes and None have an adapter, for speed; it must change nothing.
    ((found,),) = Statements(connection).rows("SELECT ?", (value,))
    assert found == value
    assert type(found) is type(value)


def test_bytes_and_null_are_adapted_at_once(connection: Connection) -> None:
    driver = connection.dialect.loaded_dbapi
    assert (bytes, driver.PrepareProtocol) in driver.adapters
    assert (type(None), driver.PrepareProtocol) in driver.adapters
