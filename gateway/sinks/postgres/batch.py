"""How a batch gets into the history: by COPY into a table of its session, and from there by one function."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import asyncpg

from gateway.sinks.postgres.database import ABOUT_DATA
from gateway.sinks.postgres.rows import EVENT_COLUMNS, SAMPLE_COLUMNS

Kind = Literal["event", "sample"]
_COLUMNS = {"event": EVENT_COLUMNS, "sample": SAMPLE_COLUMNS}


class Batches:
    """Those of one journal on one connection. timeout_s: for each of them as a whole."""

    def __init__(self, connection: Any, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    @classmethod
    async def open(cls, connection: Any, journal: str, timeout_s: float) -> Batches:
        """Once for a connection, whose journal has a row in `lineside.journal`."""
        await connection.execute("SELECT lineside.open_batches($1)", journal)
        return cls(connection, timeout_s)

    async def take(self, kind: Kind, rows: Sequence[tuple[Any, ...]], after: int, upto: int) -> None:
        """One transaction: the rows, and with them the journal moves from `after` to `upto`. Raises one of ABOUT_DATA for
        what is in a row, after which the next batch may come; after any other error the connection is of no use."""
        connection = self._connection
        async with asyncio.timeout(self._timeout_s):
            await connection.execute("BEGIN")
            try:
                if rows:
                    await self._copy(kind, rows)
                # With its COMMIT in one message: the function takes the lock of the positions, and whoever is lost or
                # slow behind it must not keep all other gateways waiting.
                await connection.execute(f"SELECT lineside.take_copied_{kind}s({after:d}, {upto:d}); COMMIT")
            except ABOUT_DATA:
                await connection.execute("ROLLBACK")
                raise

    async def _copy(self, kind: Kind, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            await self._connection.copy_records_to_table(
                f"batch_{kind}", schema_name="pg_temp", columns=_COLUMNS[kind], records=rows
            )
        except (ValueError, OverflowError) as error:  # here the library leaves its encoders' own errors as they are
            raise asyncpg.DataError(str(error)) from error
