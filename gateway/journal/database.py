"""Opening the SQLite file: which SQLite, which settings, which version of the schema."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from gateway.core.errors import JournalError
from gateway.journal.schema import APPLICATION_ID, MIGRATIONS, SUPERSEDED

Synchronous = Literal["full", "normal"]
_STATEMENTS = 512
"""Kept prepared by a connection. A busy commit uses some of 114, most of them in several sizes; of the 100 that the driver
keeps, the longest would be parsed again and again."""


def driver() -> ModuleType:
    """The SQLite that everything in this process opens the journal with: closing a file in one copy of the library drops
    the locks that another one holds on it (sqlite.org/howtocorrupt.html, 2.2)."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:  # no wheel for this machine: the system's SQLite, safe with our one checkpointing connection
        return sqlite3
    module: ModuleType = dbapi2
    return module


def _engine(path: Path, *, mode: str, pool: dict[str, Any]) -> Engine:
    module = driver()
    # For every bytes and None that it binds, the driver asks in vain whether and how they are to be adapted: 0.4 µs each,
    # more than all else of storing some columns. An adapter that is found at once, and changes nothing, costs a tenth.
    module.register_adapter(bytes, bytes)
    module.register_adapter(type(None), {None: None}.get)
    uri = f"file:{_quote(path)}?mode={mode}"
    return create_engine(
        "sqlite://",
        module=module,
        creator=lambda: module.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=_STATEMENTS
        ),
        **pool,
    )


def _quote(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


def writer_engine(path: Path, *, synchronous: Synchronous = "full", cache_bytes: int = 64 << 20) -> Engine:
    """The one connection that writes and checkpoints. It stays open as long as the engine."""
    engine = _engine(path, mode="rwc", pool={"poolclass": StaticPool})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size=4096")
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous.upper()}")
        cursor.execute("PRAGMA wal_autocheckpoint=0")  # the writer checkpoints between batches
        cursor.execute(f"PRAGMA cache_size=-{cache_bytes // 1024}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    return engine


def reader_engine(path: Path, *, connections: int = 8) -> Engine:
    """Connections that only read; none of them ever checkpoints."""
    engine = _engine(path, mode="ro", pool={"poolclass": QueuePool, "pool_size": connections, "max_overflow": 0})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.execute("PRAGMA cache_size=-8192")
        cursor.close()

    return engine


def copy_engine(path: Path) -> Engine:
    """For a file that nobody else has yet and that is thrown away when it does not become whole: nothing of it is synced,
    nothing can be rolled back, and what is written reaches the file soon. gateway/journal/copying.py settles it."""
    engine = _engine(path, mode="rwc", pool={"poolclass": StaticPool})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_size=4096")
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("PRAGMA journal_mode=OFF")
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("PRAGMA cache_size=-4096")
        cursor.close()

    return engine


def migrate(connection: Connection, path: Path) -> str:
    """Bring the file to this version's schema and return the journal's id.

    Raises JournalError for a file that is no journal or comes from a later version.
    """
    application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    empty = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar_one() == 0
    if not empty and application != APPLICATION_ID:
        raise JournalError(f"{path} is an SQLite file but no Lineside journal; name another file in [journal] path")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} was written by a later Lineside (schema {version}, this one knows {len(MIGRATIONS)}); "
            "install that version again or name another file in [journal] path"
        )
    for number in range(version, len(MIGRATIONS)):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[number].split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        if number == 0:
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            connection.exec_driver_sql("INSERT INTO meta VALUES ('journal', ?), ('head', '0')", (secrets.token_hex(4),))
            for index in SUPERSEDED:
                connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql(f"PRAGMA user_version={number + 1}")
        connection.exec_driver_sql("COMMIT")
    journal: str = connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'journal'").scalar_one()
    return journal
