"""The plant's history as tables and functions of PostgreSQL.

Everything is in the schema `lineside`. A migration only adds; where an older gateway could no longer write after it, it
says so (`breaks`), else gateways of several versions write into one database. What a function takes never changes: one
that must take more is added beside it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gateway.sinks.postgres import schema_1, schema_2, schema_3


class Layout(StrEnum):
    """How the two large tables are cut by time."""

    NATIVE = "native"  # partitions by month that we make ahead
    TIMESCALEDB = "timescaledb"  # hypertables: the extension makes its chunks itself


class Migration(msgspec.Struct, frozen=True):
    """text: statements. native, timescaledb: what comes behind them in that layout. breaks: older gateways must not
    write any more."""

    text: str
    native: str = ""
    timescaledb: str = ""
    breaks: bool = False

    def statements(self, layout: Layout) -> str:
        partitioned = " PARTITION BY RANGE (received)" if layout is Layout.NATIVE else ""
        more = self.native if layout is Layout.NATIVE else self.timescaledb
        return self.text.replace("/* by time */", partitioned) + more


PARTITIONED = ("event", "sample")

MIGRATIONS: tuple[Migration, ...] = (
    Migration(text=schema_1.TEXT, native=schema_1.NATIVE, timescaledb=schema_1.TIMESCALEDB),
    Migration(text=schema_2.TEXT, native=schema_2.NATIVE, timescaledb=schema_2.TIMESCALEDB),
    Migration(text=schema_3.TEXT),
)
"""Migration n brings a database from version n to n + 1. Never edited once released, only added to."""
