"""How fast samples get into the journal: its writer, next to a bare table that is only appended to.

A: `Writer.run` with a feed that has everything ready: series, numbers, blocks, checkpoints, compaction. B: rows made beforehand,
executemany on a connection of SQLAlchemy Core, into one table without an index. Both with `synchronous=FULL`, WAL, and as
many samples in a commit. It counts until the last commit; afterwards every sample is there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from gateway.core.sample import Quality, Sample
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.benchmarks.row import Row, against, say

REPORTED = 600_000
"""Samples per second that were reported for a table without an index, at the least."""
SIGNALS = 60
"""Of one oven, read together."""

_FIRST = 1_790_000_000_000_000
Reading = tuple[Sample, ...]


def _readings(count: int) -> list[Reading]:
    """An oven that is read every second; about `count` samples in all."""
    return [
        tuple(
            Sample(
                station="L1.reflow",
                signal=f"zone.temperature[{number + 1}]",
                unit="Cel",
                value=round(150.0 + number + (second * 7 + number * 3) % 20 / 10, 1),
                quality=Quality.GOOD,
                time=_FIRST + second * 1_000_000,
                received=_FIRST + second * 1_000_000 + 1500,
            )
            for number in range(SIGNALS)
        )
        for second in range(count // SIGNALS)
    ]


class _Ready:
    """Gives the readings, so many at a time, and stops the writer behind the last."""

    def __init__(self, writer: Writer, readings: Sequence[Reading], together: int) -> None:
        self._writer = writer
        self._batches = [list(readings[at : at + together]) for at in range(0, len(readings), together)][::-1]

    def take(self, wait_s: float) -> list[Reading]:
        if self._batches:
            return self._batches.pop()
        self._writer.stop()
        return []

    def apply(self, transaction: Transaction, items: Sequence[Reading]) -> None:
        for reading in items:
            transaction.samples(reading)

    def rolled_back(self) -> None: ...

    def refused(self, item: Reading, error: Exception) -> Reading:
        raise error

    def committed(self, items: object, events: object) -> None: ...


def _writer(readings: Sequence[Reading], together: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder) / "journal.db", site="fab1", gateway="pc", settings=WriterSettings())
        writer.open()
        try:
            feed = _Ready(writer, readings, together)
            begun = time.perf_counter()
            writer.run(feed)
            took = time.perf_counter() - begun
            _check(writer._open, _ANYWHERE, readings)
        finally:
            writer.close()
    return took


def _bare(readings: Sequence[Reading], together: int) -> float:
    from pysqlite3 import dbapi2

    samples = [sample for reading in readings for sample in reading]
    rows = [(n, n % SIGNALS, one.time, one.received, one.value, 0) for n, one in enumerate(samples, 1)]
    size = together * SIGNALS
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(
            "sqlite://",
            module=dbapi2,
            creator=lambda: dbapi2.connect(f"{folder}/bare.db", isolation_level=None),
            poolclass=StaticPool,
        )
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            run = connection.exec_driver_sql
            for statement in (
                "PRAGMA page_size=4096",
                "PRAGMA journal_mode=WAL",
                "PRAGMA synchronous=FULL",
                "PRAGMA wal_autocheckpoint=4096",  # 16 MB, as the writer's
                "CREATE TABLE sample (n INTEGER PRIMARY KEY, series INTEGER, time INTEGER, received INTEGER, value, "
                "quality INTEGER)",
            ):
                run(statement).close()
            begun = time.perf_counter()
            for batch in batches:
                run("BEGIN IMMEDIATE")
                run("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", batch)
                run("COMMIT")
            took = time.perf_counter() - begun
            _check(connection, "SELECT count(*), max(n) FROM sample", readings)
        engine.dispose()
    return took


_ANYWHERE = """
SELECT (SELECT count(*) FROM sample WHERE n > compacted) + (SELECT coalesce(sum(count), 0) FROM sample_chunk),
  max(compacted, coalesce((SELECT max(n) FROM sample), 0))
FROM (SELECT CAST(value AS INTEGER) AS compacted FROM meta WHERE key = 'samples_compacted')
"""
"""How many there are, and the newest: the writer compacts while it takes in more."""


def _check(connection: Connection, query: str, readings: Sequence[Reading]) -> None:
    found = connection.exec_driver_sql(query).one()
    count = len(readings) * SIGNALS
    if found != (count, count):
        raise RuntimeError(f"{found[0]} samples of {count} are there, the last is number {found[1]}")


def run(pairs: int, count: int) -> list[Row]:
    """About 1,000 samples in a commit, and those of one reading."""
    readings = _readings(count)
    rows: list[Row] = []
    for together, part in ((17, readings), (1, readings[: len(readings) // 10])):
        rates: dict[str, list[float]] = {"writer": [], "bare": []}
        sides = [("writer", _writer), ("bare", _bare)]
        for pair in range(pairs):
            for name, work in sides:
                rates[name].append(len(part) * SIGNALS / work(part, together))
            say(
                f"samples {pair + 1}/{pairs}: "
                + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items())
            )
            sides.reverse()  # nobody always goes first
        rows.append(
            against(
                f"samples into the journal, {together * SIGNALS:,} in a commit",
                rates["writer"],
                rates["bare"],
                names=("writer", "bare table"),
                target=("at least", 0.5),
                reported=REPORTED if together > 1 else None,
            )
        )
    return rows
