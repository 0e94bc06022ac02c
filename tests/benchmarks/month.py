"""A month of the demo line in one journal, compacted and packed to the end: does it fit, and is it found quickly?

Events: `tests/benchmarks/line_events.py`, at the line's own speed, heartbeats included. Samples: the oven of
`tests/benchmarks/samples_at_rest.py` as if it told its values every six seconds: 2.7 a second, about what the oven, the
soldering machine and the AOI of the demo line tell together (3.2 in two minutes at its own speed, 1.5 in a shift at 120
times). The budget is that of `config/lineside.toml`: 40 GB for 90 days, so 13.3 GB for a month of 30.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gateway.core import times
from gateway.journal.reader import Reader
from gateway.journal.sample_buckets import Wanted, buckets
from gateway.journal.samples import BLOCK
from gateway.journal.writer import Writer, WriterSettings
from tests.benchmarks.events import MADE, ask, asked_rows, keep_up, rare, used
from tests.benchmarks.line_events import SPEED, Line, again, demo, fill
from tests.benchmarks.row import Row, say
from tests.benchmarks.samples_at_rest import DAY_S, STATION, _rows, _signals, compact

BUDGET_GB_A_DAY = 40 / 90
_EVERY = 6
"""Seconds between two readings."""
_DAY: int = DAY_S * 1_000_000


def _readings(day: int, begin: int) -> Iterator[tuple[Any, ...]]:
    for series, at, received, value, quality in _rows(day, DAY_S // _EVERY, begin):
        shift = (at - begin) * (_EVERY - 1)
        yield series, at + shift, received + shift, value, quality


def _samples(writer: Writer, days: int, begin: int) -> int:
    """Day by day, each compacted before the next."""
    run = writer._open.exec_driver_sql
    names = _signals(np.random.default_rng(0), 10)
    run("INSERT INTO series (station, signal, unit) VALUES (?, ?, ?)", [(STATION, name, None) for name in names])
    count = 0
    for day in range(days):
        every = _readings(day, begin + day * _DAY)
        while rows := [(count + n, *one) for n, one in enumerate(islice(every, 50 * BLOCK), 1)]:
            run("BEGIN IMMEDIATE")
            run("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?)", rows)
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                came = [row[2] for row in block]
                run("INSERT INTO sample_block VALUES (?, ?, ?, ?)", (block[-1][0], block[0][0], min(came), max(came)))
            run("COMMIT")
            count += len(rows)
        compact(writer)
        run("PRAGMA wal_checkpoint(TRUNCATE)").all()
    return count


def run(days: int, hours: float) -> list[Row]:
    """hours: of the demo line's own time, for what is told."""
    with tempfile.TemporaryDirectory() as folder:
        say(f"the demo line runs for {hours} h at {SPEED} times the speed")
        line = Line(demo(Path(folder), hours))
    count = int(line.rate * days * DAY_S)
    begin = (times.now() - (days + 1) * _DAY) // _DAY * _DAY
    with tempfile.TemporaryDirectory() as folder:
        settings = WriterSettings(ballast_bytes=0, synchronous="normal")
        writer = Writer(Path(folder) / "j.db", site="demo", gateway="demo", settings=settings)
        writer.open()
        try:
            begun = time.perf_counter()
            empty = used(writer._open)
            fill(writer, line, min(count, MADE), begin)
            keep_up(writer)
            again(writer, count)
            rare(writer, count)
            keep_up(writer)
            events = used(writer._open) - empty
            say(f"{count:,} events, {line.rate:.2f} a second; {events / count:.0f} B each")
            samples = _samples(writer, days, begin)
            total = used(writer._open)
            say(f"{samples:,} samples; made in {time.perf_counter() - begun:.0f} s")
        finally:
            writer.close()
        size = writer.path.stat().st_size
        found = ask(writer.path)
        plot = _plot(writer.path)
    of = f"of {days} days of the demo line"
    rows = [
        Row(
            what=f"journal {of}",
            a=f"{count:,} events, {samples:,} samples",
            b=f"file {size / 1e9:.2f} GB",
            values=(total / 1e9,),
            unit="GB",
            target=("below", round(BUDGET_GB_A_DAY * days, 2)),
        ),
        Row(what=f"an event {of}", a="packed", b="", values=(events / count,), unit="B"),
        Row(
            what=f"a sample {of}",
            a="compacted",
            b="",
            values=((total - events - empty) / samples,),
            unit="B",
            target=("below", 3.0),
        ),
        Row(
            what=f"a day of one signal as 1,000 points, {of}",
            a="median of 5",
            b="",
            values=(plot,),
            unit="ms",
            target=("below", 50.0),
        ),
    ]
    return rows + asked_rows(found, of)


def _plot(path: Path) -> float:
    reader = Reader(path, threads=1, longest_s=60)
    try:
        end = int(
            reader.call(lambda c: c.exec_driver_sql("SELECT max(latest) FROM sample_chunk").scalar_one())
        ) - 2 * _DAY  # fmt: skip
        wanted = Wanted(start=end - _DAY, end=end, step=_DAY // 1000)
        took = []
        for _ in range(5):
            begun = time.perf_counter()
            reader.call(lambda c: buckets(c, STATION, "zone.temperature[3]", wanted))
            took.append((time.perf_counter() - begun) * 1000)
        return sorted(took)[2]
    finally:
        reader.close()
