"""Connections to the plant's database: how values travel, and what its errors mean here."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from gateway.core.errors import ConfigError, NotConnected
from gateway.core.times import FIRST, LAST, Micros
from gateway.sinks.postgres.address import shown

Connection = asyncpg.Connection
Record = asyncpg.Record

OLDEST_SERVER = 13
_EPOCH: Micros = 946_684_800_000_000
"""2000-01-01T00:00:00Z, from which PostgreSQL counts."""
SESSION = {
    # Positions must not come again after the server has crashed: whoever read them has gone on from there.
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "bytea_output": "hex",
}
ABOUT_DATA = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, UnicodeEncodeError)
"""What is about values, and comes again however often they are sent. A row without a partition, or one that is there
already, is not: who connects anew makes the first, and learns of the second how far it had come."""
_LOST = (
    OSError,
    EOFError,
    TimeoutError,
    ssl.SSLError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that broke while it was asked
)


def _encode_time(at: Micros) -> tuple[int]:
    return (min(max(at, FIRST), LAST) - _EPOCH,)


def _decode_time(value: tuple[int]) -> Micros:
    return value[0] + _EPOCH


async def configure(connection: Any) -> None:
    """Instants are `Micros`, exact and without a datetime for each; JSON stays the text that it is."""
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_encode_time, decoder=_decode_time, format="tuple"
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """What the library raises becomes NotConnected; the server's own words are kept, nothing of the URL is."""
    try:
        yield
    except _LOST as error:
        raise NotConnected(f"{doing}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """In one line."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = getattr(error, "strerror", None) or str(error)
    return str(text).partition("\n")[0] or type(error).__name__


async def connect(
    url: str, *, password: str | None, application: str, connect_timeout_s: float, timeout_s: float
) -> Any:
    """One connection. Raises NotConnected; ConfigError for a URL that the library cannot read."""
    try:
        with translated(f"cannot connect to {shown(url)}"):
            connection = await asyncpg.connect(
                url,
                password=password,
                timeout=connect_timeout_s,
                command_timeout=timeout_s,
                server_settings={"application_name": application[:63], **_session(timeout_s)},
            )
    except (ValueError, asyncpg.exceptions.ClientConfigurationError) as error:
        raise ConfigError([f"the database's URL cannot be used: {reason(error)}"]) from None
    try:
        with translated(f"cannot use {shown(url)}"):
            check_server(connection)
            await configure(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _session(timeout_s: float) -> dict[str, str]:
    limit = f"{int(timeout_s * 1000)}ms"
    # The server gives up as well: what it was asked by somebody who has gone must not hold a lock.
    return {**SESSION, "statement_timeout": limit, "lock_timeout": limit, "idle_in_transaction_session_timeout": limit}


def check_server(connection: Any) -> None:
    """Raises NotConnected for a server that is too old."""
    major = connection.get_server_version().major
    if major < OLDEST_SERVER:
        raise NotConnected(f"this is PostgreSQL {major}; {OLDEST_SERVER} is the oldest that will do")
