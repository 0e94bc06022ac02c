"""Events at rest and how long it takes to find some, from a hundred thousand to ten million; and getting them in.

What the demo line says (`tests/benchmarks/line_events.py`), packed as `gateway.journal.packing` does it. Beyond 200,000
events what they say is there several times, under other ids, times and unit names. Bytes are the pages of the file that are
in use, with everything that leads to events. Times are the median of seven, after a first one that has the pages read.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from gateway.core import times
from gateway.journal.compactor import applied
from gateway.journal.database import reader_engine
from gateway.journal.filter import Choice, Filter
from gateway.journal.packing import PackingSettings
from gateway.journal.reader import Page, Reader
from gateway.journal.upkeep import EventUpkeep
from gateway.journal.writer import Writer, WriterSettings
from tests.benchmarks.line_events import SPEED, Line, again, demo, fill
from tests.benchmarks.row import Row, against, say

AT_ONCE = PackingSettings(after_s=-1e9, patience_s=-1e9)
MADE = 200_000
"""So many say something of their own."""
MONTH: int = 31 * 86_400_000_000


def used(connection: Connection) -> int:
    """Bytes of the file that are in use."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def keep_up(writer: Writer) -> dict[str, list[float]]:
    """File and pack everything; how long each piece kept the writer's thread, in milliseconds, by kind."""
    took: dict[str, list[float]] = {}
    engine = reader_engine(writer.path, connections=1)
    upkeep = EventUpkeep(AT_ONCE, lambda begun: None)
    with engine.connect() as opened:
        for number, piece in enumerate(upkeep.everything(opened.execution_options(isolation_level="AUTOCOMMIT"))):
            begun = time.perf_counter()
            applied(piece, writer._open)
            took.setdefault(type(piece).__name__, []).append((time.perf_counter() - begun) * 1000)
            if number % 20 == 0:
                writer._open.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
    engine.dispose()
    writer._open.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
    return took


def questions(reader: Reader) -> dict[str, tuple[Filter, int]]:
    """What is asked, and from which position on."""

    def look(connection: Connection) -> dict[str, tuple[Filter, int]]:
        one = connection.exec_driver_sql
        oldest, head = one("SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)").one()
        middle = (oldest + head) // 2
        at = one("SELECT time FROM event WHERE seq = ?", (middle,)).scalar_one()
        unit = one(
            "SELECT u.name FROM event_unit e JOIN unit u ON u.id = e.unit WHERE e.seq BETWEEN ? AND ? "
            "GROUP BY u.id ORDER BY count(*) DESC LIMIT 1",
            (middle, middle + 5000),
        ).scalar_one()
        hour = {"start": at, "end": at + 3_600_000_000}
        station, heartbeat = Choice(("L1.pnp1",)), Choice((), ("CFX.Heartbeat",))
        return {
            "a unit's trace": (Filter(unit=Choice((unit,))), 0),
            "a unit that never was": (Filter(unit=Choice(("nobody",))), 0),
            "a station, 100 from the middle": (Filter(station=station), middle),
            "a station, one hour": (Filter(station=station, **hour), 0),
            "everything, one hour": (Filter(**hour), 0),
            "a message's beginning, one hour": (Filter(message=Choice(("CFX.Production.*",)), **hour), 0),
            "a message that came 3 times": (Filter(message=Choice(("Vendor.Rare",))), 0),
            "that message, of a station and the last half": (
                Filter(message=Choice(("Vendor.Rare",)), station=station, start=at),
                0,
            ),
            "a station that stopped long ago, from the middle": (Filter(station=Choice(("L1.gone",))), middle),
            "all but heartbeats, 100 from the middle": (Filter(message=heartbeat), middle),
            "all but heartbeats of a station, one hour": (Filter(message=heartbeat, station=station, **hour), 0),
            "of the gateway itself": (Filter(origin=Choice(("gateway",))), middle),
            "the newest 100": (Filter(), head - 100),
        }

    return reader.call(look)


def rare(writer: Writer, count: int) -> None:
    """A message that came 3 times, and a station that was there at the beginning only."""
    run = writer._open.exec_driver_sql
    run("BEGIN IMMEDIATE")
    run("INSERT INTO message (name) VALUES ('Vendor.Rare')")
    run("INSERT INTO place (site, gateway, line, station) VALUES ('demo', 'demo', 'L1', 'L1.gone')")
    for part in (2, 50, 98):
        run("UPDATE event SET message = (SELECT max(id) FROM message) WHERE seq = ?", (count * part // 100,))
    run("UPDATE event SET place = (SELECT max(id) FROM place) WHERE seq < 1000 AND seq % 100 = 7")
    for table in ("event_posting", "event_span"):  # what was filed of them before says something else
        run(f"DELETE FROM {table}")
    run("UPDATE meta SET value = '0' WHERE key = 'events_filed'")
    run("COMMIT")


def forget_cache(path: Path) -> None:
    """The system is to read it from the disk again."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ask(path: Path) -> dict[str, tuple[float, float, int]]:
    """Milliseconds for a page of each question, the first time and then; and how many events it found."""
    found: dict[str, tuple[float, float, int]] = {}
    reader = Reader(path, threads=1, longest_s=60)
    every = questions(reader)
    for what, (wanted, after) in every.items():
        forget_cache(path)
        reader.close()
        reader = Reader(path, threads=1, longest_s=60)
        reader.call(partial(reader.page, after=after, limit=1, wanted=Filter()))
        page: Page
        took = []
        for _ in range(8):
            begun = time.perf_counter()
            page = reader.call(partial(reader.page, after=after, limit=100, wanted=wanted))
            took.append((time.perf_counter() - begun) * 1000)
        found[what] = (took[0], statistics.median(took[1:]), len(page.events))
    reader.close()
    return found


TARGETS: dict[str, Any] = {"a unit's trace": ("below", 20.0)}


def at_rest(line: Line, count: int) -> list[Row]:
    """Rows of one size."""
    with tempfile.TemporaryDirectory() as folder:
        settings = WriterSettings(ballast_bytes=0, synchronous="normal")
        writer = Writer(Path(folder) / "j.db", site="demo", gateway="demo", settings=settings)
        writer.open()
        try:
            empty = used(writer._open)
            made = min(count, MADE)
            fill(writer, line, made, times.now() - MONTH)
            hot = (used(writer._open) - empty) / made
            begun = time.perf_counter()
            took = keep_up(writer)
            rate = made / (time.perf_counter() - begun)
            again(writer, count)
            rare(writer, count)
            keep_up(writer)
            size = (used(writer._open) - empty) / count
        finally:
            writer.close()
        found = ask(writer.path)
    pieces = took["_Pack"]
    say(
        f"{count:,} events: {hot:.0f} B each before, {size:.0f} packed, at {rate:,.0f}/s; pieces of "
        f"{statistics.median(pieces):.1f} ms, the longest {max(pieces):.0f}"
    )
    rows = [
        Row(
            what=f"events of the demo line at rest, {count:,}",
            a=f"before {hot:,.0f} B",
            b=f"packed at {rate:,.0f}/s",
            values=(size,),
            unit="B an event",
        )
    ]
    return rows + asked_rows(found, f"of {count:,}")


def asked_rows(found: Mapping[str, tuple[float, float, int]], of: str) -> list[Row]:
    """found: by question, milliseconds the first time and then, and how many events the answer had."""
    return [
        Row(
            what=f"{what}, {of}",
            a=f"{events} events",
            b=f"first {first:.1f} ms",
            values=(ms,),
            unit="ms",
            target=TARGETS.get(what),
        )
        for what, (first, ms, events) in found.items()
    ]


def _inserted(rows: Sequence[Sequence[Any]], indexes: Sequence[str]) -> float:
    """Events a second into the gateway's own table with these indexes."""
    from pysqlite3 import dbapi2

    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(
            "sqlite://",
            module=dbapi2,
            creator=lambda: dbapi2.connect(f"{folder}/bare.db", isolation_level=None),
            poolclass=StaticPool,
        )
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            run = connection.exec_driver_sql
            for pragma in ("page_size=4096", "journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4096"):
                run(f"PRAGMA {pragma}").close()
            columns = ", ".join(f"c{number}" for number in range(1, len(rows[0])))
            run(f"CREATE TABLE event (seq INTEGER PRIMARY KEY, {columns})")
            for number, index in enumerate(indexes):
                run(f"CREATE {index.replace('INDEX', f'INDEX i{number}')}")
            insert = f"INSERT INTO event VALUES ({','.join('?' * len(rows[0]))})"
            begun = time.perf_counter()
            for at in range(0, len(rows), 500):
                run("BEGIN IMMEDIATE")
                run(insert, [tuple(row) for row in rows[at : at + 500]])
                run("COMMIT")
            took = time.perf_counter() - begun
        engine.dispose()
    return len(rows) / took


def _indexes(line: Line, pairs: int, count: int) -> Row:
    """What the indexes cost that a journal does without since it files events in the background."""
    rows = [[number, *row[1:]] for number, (row, _) in enumerate(islice(line.told(times.now()), count), 1)]
    one = ["UNIQUE INDEX ON event (c1)"]
    four = [*one, "INDEX ON event (c2)", "INDEX ON event (c4)", "INDEX ON event (c5)"]
    sides: list[tuple[list[float], Sequence[str]]] = [([], one), ([], four)]
    for _ in range(pairs):
        for rates, indexes in sides:
            rates.append(_inserted(rows, indexes))
        sides.reverse()
    sides.sort(key=lambda side: len(side[1]))
    return against(
        "events into a bare table",
        sides[0][0],
        sides[1][0],
        names=("with the index of ids", "with those of time, place and message too"),
        target=None,
    )


def run(counts: Sequence[int], hours: float, pairs: int, rows: int) -> list[Row]:
    """counts: events in all. hours: of the demo line's own time, for what is told."""
    with tempfile.TemporaryDirectory() as folder:
        say(f"the demo line runs for {hours} h at {SPEED} times the speed")
        line = Line(demo(Path(folder), hours))
    say(f"{line.rate:.2f} events a second")
    found = [_indexes(line, pairs, rows)]
    for count in counts:
        found += at_rest(line, count)
    return found
