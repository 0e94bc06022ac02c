"""Events as the demo line tells them, as many as wanted: what it said in some hours, again and again, never the same twice.

`lineside demo` runs at 120 times the speed and fills a journal. Its events are then told anew with other ids, transactions,
unit names, reels and times; durations, and every number with decimals that end in no zero, get other last digits. They are as
far apart as they would be at the line's own speed, and heartbeats come as often as there: every 10 seconds from each
station that has them.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.journal import schema
from gateway.journal.database import reader_engine
from gateway.journal.statements import Statements
from gateway.journal.writer import Writer

SPEED = 120
_HEARTBEAT = "CFX.Heartbeat"
_HEARTBEAT_US = 10_000_000
_TOGETHER = 2000
_COLUMN = {column.name: place for place, column in enumerate(schema.event.columns)}
_TEXTS = tuple(_COLUMN[name] for name in ("work", "units", "cfx_timestamp", "raw"))
_CHANGES = re.compile(
    rb"(?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"
    rb"|(?P<stamp>\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)"
    rb"|(?P<span>\b00:\d\d:\d\d\.\d{3,})"
    rb"|(?P<name>\b(?:[A-Z]NL|SN|REEL))(?P<serial>\d{6,})\b"
    rb"|(?P<number>\b\d+\.\d*[1-9]\b)"
)

Told = tuple[list[Any], Sequence[str]]
"""A row of schema.event, its number still missing, and the names of its units."""


def demo(folder: Path, hours: float) -> Path:
    """Let the demo line run for so long of its own time; its journal."""
    command = [sys.executable, "-m", "gateway", "demo", "--speed", str(SPEED), "--hours", str(hours)]
    command += ["--seed", "5", "--data", str(folder), "--listen", "127.0.0.1:0"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (found,) = folder.glob("*.db")
    return found


class Line:
    """What the line said, and as much more of it as is asked for."""

    def __init__(self, journal: Path) -> None:
        engine = reader_engine(journal, connections=1)
        with engine.connect() as connection:
            run = connection.exec_driver_sql
            self.places = [tuple(row) for row in run("SELECT * FROM place")]
            self.messages = [tuple(row) for row in run("SELECT * FROM message")]
            units: dict[int, list[str]] = {}
            for seq, name in run("SELECT seq, name FROM event_unit JOIN unit ON id = unit ORDER BY seq"):
                units.setdefault(seq, []).append(name)
            rows = [list(row) for row in run("SELECT * FROM event WHERE compact < 2 ORDER BY seq")]
        engine.dispose()
        (heartbeat,) = [number for number, name in self.messages if name == _HEARTBEAT]
        self._first = rows[0][_COLUMN["received"]]
        self._span = (rows[-1][_COLUMN["received"]] - self._first) * SPEED
        self._said = [(row, units.get(row[0], [])) for row in rows if row[_COLUMN["message"]] != heartbeat]
        self._heartbeats = {row[_COLUMN["place"]]: row for row in rows if row[_COLUMN["message"]] == heartbeat}

    @property
    def rate(self) -> float:
        """Events a second, at the line's own speed."""
        return float(len(self._said) * 1e6 / self._span + len(self._heartbeats) * 1e6 / _HEARTBEAT_US)

    def told(self, begin: int) -> Iterator[Told]:
        """Without end, from this time on."""
        draw = random.Random(1)
        round_ = 0
        while True:
            start = begin + round_ * self._span
            every: list[tuple[int, list[Any], Sequence[str]]] = [
                (start + (row[_COLUMN["received"]] - self._first) * SPEED, row, names) for row, names in self._said
            ]
            every += [
                (start + at, row, [])
                for row in self._heartbeats.values()
                for at in range(draw.randrange(_HEARTBEAT_US), self._span, _HEARTBEAT_US)
            ]
            every.sort(key=lambda one: one[0])
            copy = _Copy(round_, draw)
            for at, row, names in every:
                yield copy.made(row, names, at)
            round_ += 1


class _Copy:
    """One round: the same names and ids become the same others within it."""

    def __init__(self, round_: int, draw: random.Random) -> None:
        self._round = round_
        self._draw = draw
        self._key = draw.getrandbits(128)
        self._shift = timedelta()
        self._at = 0

    def made(self, row: list[Any], names: Sequence[str], at: int) -> Told:
        found = list(row)
        self._shift = timedelta(microseconds=at - row[_COLUMN["received"]])
        found[_COLUMN["id"]] = self._draw.randbytes(16)
        found[_COLUMN["time"]] = at + row[_COLUMN["time"]] - row[_COLUMN["received"]]
        found[_COLUMN["received"]] = at
        if found[_COLUMN["digest"]] is not None:
            found[_COLUMN["digest"]] = self._draw.randbytes(16)
        for place in _TEXTS:
            value = row[place]
            if isinstance(value, str):
                found[place] = self._other(value.encode()).decode()
            elif value is not None:
                found[place] = self._other(value)
        return found, [self._other(name.encode()).decode() for name in names]

    def _other(self, text: bytes) -> bytes:
        return _CHANGES.sub(self._change, text)

    def _change(self, match: re.Match[bytes]) -> bytes:
        kind, text = match.lastgroup, match[0]
        if kind == "uuid":
            digits = f"{int(text.replace(b'-', b''), 16) ^ self._key:032x}"
            return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()
        if kind == "stamp":
            stamp = datetime.fromisoformat(text.decode()) + self._shift
            return stamp.isoformat(timespec="microseconds").encode()[: len(text)]
        if kind == "span":
            return text[:9] + b"%07d" % self._draw.randrange(10**7)
        if kind == "serial":
            name, serial = match["name"], match["serial"]
            return name + (b"%0*d" % (len(serial), int(serial) + self._round * 7919))[-len(serial) :]
        return text[:-1] + b"%d" % self._draw.randrange(1, 10)


def fill(writer: Writer, line: Line, count: int, begin: int) -> None:
    """So many events, straight into the tables, with their units; a journal that is empty or was filled by this."""
    run = writer._open.exec_driver_sql
    statements = Statements(writer._open)
    run("DELETE FROM place")
    run("DELETE FROM message")
    statements.insert("place", line.places)
    statements.insert("message", line.messages)
    numbers: dict[str, int] = {}
    seq = 0
    told = line.told(begin)
    while seq < count:
        batch = list(islice(told, min(_TOGETHER, count - seq)))
        known = len(numbers)
        rows: list[tuple[Any, ...]] = []
        links: list[tuple[int, int]] = []
        for row, names in batch:
            seq += 1
            row[0] = seq
            rows.append(tuple(row))
            links += [(seq, numbers.setdefault(name, len(numbers) + 1)) for name in dict.fromkeys(names)]
        run("BEGIN IMMEDIATE")
        statements.insert("event", rows)
        statements.insert("event_unit", links)
        statements.insert("unit", [(number, name) for name, number in islice(numbers.items(), known, None)])
        run("UPDATE meta SET value = ? WHERE key = 'head'", (str(seq),))
        run("COMMIT")
        if seq // _TOGETHER % 20 == 0:
            run("PRAGMA wal_checkpoint(TRUNCATE)").all()


def again(writer: Writer, count: int) -> None:
    """As many more, until there are so many: those that are there, packed or not, under other ids, times and unit names.

    What they say stays as it is, so a journal of ten millions takes minutes. Only for a journal that `fill` has begun.
    """
    run = writer._open.exec_driver_sql
    had, first, last, units = run(
        "SELECT count(*), min(received), max(received), (SELECT max(id) FROM unit) FROM event"
    ).one()
    span = last - first + 1_000_000
    for round_ in range(1, -(-count // had)):
        for after in range(0, had, 10 * _TOGETHER):
            upto = min(after + 10 * _TOGETHER, had, count - round_ * had)
            run("BEGIN IMMEDIATE")
            run(
                f"INSERT INTO event SELECT seq + ?, randomblob(16), time + ?, received + ?, {_REST} FROM event "
                "WHERE seq > ? AND seq <= ?",
                (round_ * had, round_ * span, round_ * span, after, upto),
            )
            run(
                "INSERT INTO event_unit SELECT seq + ?, unit + ? FROM event_unit WHERE seq > ? AND seq <= ?",
                (round_ * had, round_ * units, after, upto),
            )
            run("UPDATE meta SET value = ? WHERE key = 'head'", (str(round_ * had + upto),))
            run("COMMIT")
            run("PRAGMA wal_checkpoint(PASSIVE)").all()
        run(
            "INSERT INTO unit SELECT id + ?, name || '-' || ? FROM unit WHERE id <= ?",
            (round_ * units, round_ * had, units),
        )


_REST = ", ".join(f'"{column.name}"' for column in list(schema.event.columns)[4:])
