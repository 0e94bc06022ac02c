"""Ways to damage a journal, and what is read of it afterwards."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.core.event import Event
from gateway.journal.aside import wal_path
from gateway.journal.filter import Filter
from gateway.journal.reader import Reader
from gateway.journal.salvage import due, salvage, target_of
from tests.unit.journal.feed import event
from tests.unit.journal.pages import PAGE, leaves, spoil

EVENTS = 2000


def unclean(path: Path) -> None:
    """As if the last process had been killed just after it began."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.build import FAST; from gateway.journal.writer import Writer\n"
        "writer = Writer(Path(sys.argv[1]), site='fab1', gateway='pc', settings=FAST); writer.open()\n"
        "writer._open.exec_driver_sql(\"INSERT INTO source_mark VALUES ('other', 4)\")\n"
        "writer._open.exec_driver_sql('PRAGMA wal_checkpoint(TRUNCATE)').all()\n"
        "writer._open.exec_driver_sql(\"UPDATE source_mark SET at = 5 WHERE source = 'other'\")\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert wal_path(path).stat().st_size > 0


def events_of(path: Path) -> list[Event]:
    reader = Reader(path, threads=1)
    found: list[Event] = []
    more, after = True, 0
    while more:
        page = reader.call(partial(reader.page, after=after, limit=1000, wanted=Filter()))
        found.extend(placed.event for placed in page.events)
        more, after = page.more, page.next
    reader.close()
    return found


def ids(path: Path) -> dict[int, str]:
    return {each.seq: each.id for each in events_of(path)}


def aside(path: Path) -> Path:
    (found,) = due(path)
    return found


WHOLE = {n: event(n - 1).id for n in range(1, EVENTS + 1)}


def zero(path: Path) -> None:
    spoil(path, 1, with_=b"\0" * PAGE)


def header(path: Path) -> None:
    spoil(path, 1, with_=b"\xff" * 100)


def first_page(path: Path) -> None:
    spoil(path, 1)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def leaf(path: Path) -> None:
    spoil(path, *leaves(path, "event")[10:12])


def index(path: Path) -> None:
    spoil(path, *leaves(path, "event_id")[:3])


Spoil = Callable[[Path], None]


def salvaged(sound: Path) -> Path:
    damaged = aside(sound)
    salvage(damaged)
    assert due(sound) == []
    return target_of(damaged)
