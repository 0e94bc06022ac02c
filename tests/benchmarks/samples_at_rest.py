"""Samples after compaction: bytes of the file for each, how fast they get there, and how long queries take.

An oven as `config/profiles/reflow_oven/example-10-zone.toml` has it, read once a second with a jitter of 4 ms: ten zones
with temperature and power, belt speed, oxygen, counters, state; every five seconds ten setpoints. Values drift, with
noise of at least one step of the machine's scale; a sample is what differs from the one before. Bytes are the pages of
the file that are in use, with indexes, rollups and times, less those of an empty journal.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection

from gateway.core import times
from gateway.journal.compactor import CompactionSettings, Compactor, applied
from gateway.journal.database import reader_engine
from gateway.journal.reader import Reader
from gateway.journal.sample_buckets import Wanted, buckets
from gateway.journal.sample_reader import SampleReader
from gateway.journal.samples import BLOCK
from gateway.journal.writer import Writer, WriterSettings
from tests.benchmarks.row import Row, say

STATION = "L1.reflow"
DAY_S = 86_400
_FIRST = 1_790_000_000_000_000 // 86_400_000_000 * 86_400_000_000
_JITTER_US = 4000
_EVERYTHING = CompactionSettings(older_s=-1e9, rest_s=-1e9, settled_s=-1e9, merge_check_s=0.0, share=1.0)


def _signals(draw: np.random.Generator, seconds: int) -> dict[str, list[Any]]:
    """Name to a value for each second, None where nothing is told."""

    def drift(size: float) -> Any:
        walk = np.cumsum(draw.normal(0, size, seconds))
        return walk - np.linspace(0, walk[-1], seconds)

    found: dict[str, list[Any]] = {}
    at = np.arange(seconds)
    for zone in range(1, 11):
        temperature = 140 + 11 * zone + drift(0.01) + draw.normal(0, 0.1, seconds)
        found[f"zone.temperature[{zone}]"] = np.round(temperature, 1).tolist()
        power = 40 + 8 * np.sin(at / 40 + zone) + draw.normal(0, 1, seconds)
        found[f"zone.power[{zone}]"] = np.round(power).tolist()
        setpoint = np.where(at < seconds / 2, 150.0 + zone, 155.0 + zone)
        found[f"zone.setpoint[{zone}]"] = [value if n % 5 == 0 else None for n, value in enumerate(setpoint.tolist())]
    found["conveyor.speed"] = np.round(85 + draw.normal(0, 0.1, seconds), 1).tolist()
    found["oxygen"] = np.round(800 + drift(0.3) + draw.normal(0, 8, seconds)).tolist()
    found["units.in"] = (at // 30).tolist()
    found["units.out"] = ((at - 290) // 30).tolist()
    found["state"] = ["PRD_RegularWork" if (n // 1200) % 4 else "SBY_NoProduct" for n in range(seconds)]
    return found


def _rows(seed: int, seconds: int, begin: int) -> Iterator[tuple[Any, ...]]:
    """(series, time, received, value, quality), by exception, in the order of arrival."""
    draw = np.random.default_rng(seed)
    values = list(_signals(draw, seconds).values())
    times = (begin + np.arange(seconds) * 1_000_000 + draw.normal(0, _JITTER_US, seconds).astype(np.int64)).tolist()
    last: list[Any] = [object()] * len(values)
    for n, at in enumerate(times):
        for number, column in enumerate(values):
            value = column[n]
            if value is not None and value != last[number]:
                last[number] = value
                yield number + 1, at, at, value, 0


def fill(writer: Writer, most: int) -> int:
    """About so many samples, day by day. Straight into the tables: how fast they get in is another benchmark."""
    run = writer._open.exec_driver_sql
    names = _signals(np.random.default_rng(0), 10)
    run("INSERT INTO series (station, signal, unit) VALUES (?, ?, ?)", [(STATION, name, None) for name in names])
    every = chain.from_iterable(_rows(day, DAY_S, _FIRST + day * DAY_S * 1_000_000) for day in range(10_000))
    count = 0
    while count < most:
        rows = [(count + n, *next(every)) for n in range(1, 50 * BLOCK + 1)]
        run("BEGIN IMMEDIATE")
        run("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", rows)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            came = [row[2] for row in block]
            run("INSERT INTO sample_block VALUES (?, ?, ?, ?)", (block[-1][0], block[0][0], min(came), max(came)))
        run("COMMIT")
        run("PRAGMA wal_checkpoint(PASSIVE)").all()
        count += len(rows)
    return count


def compact(writer: Writer, *, but: int = 0) -> list[float]:
    """Everything but the newest; how long each piece kept the writer's thread, in milliseconds."""
    received = writer._open.exec_driver_sql(
        "SELECT received FROM sample WHERE n = (SELECT max(n) FROM sample) - ?", (but,)
    ).scalar()
    rest_s = -1e9 if but == 0 else (times.now() - (received or 0)) / 1e6
    compactor = Compactor(writer.path, msgspec.structs.replace(_EVERYTHING, rest_s=rest_s))
    engine = reader_engine(writer.path, connections=1)
    took: list[float] = []
    with engine.connect() as opened:
        connection = opened.execution_options(isolation_level="AUTOCOMMIT")
        before = -1
        while before != len(took):
            before = len(took)
            for piece in compactor.pieces(connection):
                if piece is not None:
                    begun = time.perf_counter()
                    applied(piece, writer._open)
                    took.append((time.perf_counter() - begun) * 1000)
                    if len(took) % 50 == 0:
                        writer._open.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
    engine.dispose()
    return took


def _used(connection: Connection) -> int:
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _timed(reader: Reader, work: Callable[[Connection], object]) -> float:
    """Milliseconds, the median of five."""
    found = []
    for _ in range(5):
        begun = time.perf_counter()
        reader.call(work)
        found.append((time.perf_counter() - begun) * 1000)
    return statistics.median(found)


def _queries(path: Path, count: int) -> dict[str, float]:
    """What a plot asks, on the last day that is there, whose newest samples are still hot."""
    reader = Reader(path, threads=1, longest_s=60)
    samples = SampleReader(reader)
    signal = "zone.temperature[3]"
    day = 86_400_000_000
    try:
        end = int(reader.call(lambda c: c.exec_driver_sql("SELECT max(time) FROM sample").scalar_one()))
        plot = Wanted(start=end - day, end=end, step=day // 1000)
        return {
            "a day as 1,000 points": _timed(reader, lambda c: buckets(c, STATION, signal, plot)),
            "a day, auto": _timed(reader, lambda c: buckets(c, STATION, signal, Wanted(start=end - day, end=end))),
            "all there is, auto": _timed(reader, lambda c: buckets(c, STATION, signal, Wanted())),
            "a page of 1,000 single samples": _timed(
                reader, lambda c: samples.read(c, STATION, signal, after=count // 2, limit=1000)
            ),
            "ten minutes of single samples": _timed(
                reader, lambda c: samples.read(c, STATION, signal, start=end - day // 2, end=end - day // 2 + 600_000_000)
            ),
        }  # fmt: skip
    finally:
        reader.close()


def run(counts: tuple[int, ...]) -> list[Row]:
    """counts: samples in all. The first row is about a day."""
    rows: list[Row] = []
    for most in counts:
        with tempfile.TemporaryDirectory() as folder:
            fresh = min(CompactionSettings().most, most // 2)
            writer = Writer(Path(folder) / "j.db", site="fab1", gateway="pc", settings=WriterSettings(ballast_bytes=0))
            writer.open()
            try:
                empty = _used(writer._open)
                count = fill(writer, most)
                hot = _used(writer._open) - empty
                begun = time.perf_counter()
                pieces = compact(writer, but=fresh)
                took = time.perf_counter() - begun
                writer._open.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
                found = _queries(writer.path, count)
                compact(writer)
                size = _used(writer._open) - empty
            finally:
                writer.close()
        say(
            f"{count:,} samples: {hot / count:.1f} B each hot, {size / count:.2f} at rest; "
            f"compacted at {(count - fresh) / took:,.0f}/s, "
            f"pieces of {statistics.median(pieces):.1f} ms, the longest {max(pieces):.0f}"
        )
        rows.append(
            Row(
                what=f"samples of an oven at rest, {count:,}",
                a=f"hot {hot / count:.1f} B",
                b=f"compacted at {(count - fresh) / took:,.0f}/s",
                values=(size / count,),
                unit="B a sample",
                target=("below", 3.0),
            )
        )
        rows += [
            Row(what=f"{what}, of {count:,}", a="median of 5", b="", values=(ms,), unit="ms", target=_TARGETS.get(what))
            for what, ms in found.items()
        ]
    return rows


_TARGETS: dict[str, Any] = {"a day as 1,000 points": ("below", 50.0)}
