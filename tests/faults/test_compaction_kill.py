"""kill -9 while samples are stored, compacted, deleted and merged: none is lost, none is there twice."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import IO

import pytest
from sqlalchemy import Connection

from gateway.journal.reader import Reader
from gateway.journal.sample_follow import following
from gateway.journal.sample_reader import SampleReader
from gateway.journal.sample_state import COMPACTED, newest, state
from tests.faults.compacting_writer import SIGNALS, numbered
from tests.faults.test_kill import seed
from tests.unit.journal.compacting import LARGE, compact
from tests.unit.journal.feed import journal

ROUNDS = 15


@contextmanager
def working(path: Path, writer: str = "compacting_writer") -> Iterator[tuple[subprocess.Popen[str], Queue[str | None]]]:
    """The process, and what it says as it says it."""
    command = [sys.executable, "-m", f"tests.faults.{writer}", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said: Queue[str | None] = Queue()
    assert process.stdout is not None
    listener = threading.Thread(target=_listen, args=(process.stdout, said))
    listener.start()
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()


def _listen(output: IO[str], said: Queue[str | None]) -> None:
    for line in output:
        said.put(line.strip())
    said.put(None)


def _state(path: Path) -> tuple[int, int, int]:
    """(newest, how far it is compacted, hot samples that are still to be deleted)."""

    def look(connection: Connection) -> tuple[int, int, int]:
        compacted = state(connection, COMPACTED)
        left = connection.exec_driver_sql("SELECT count(*) FROM sample WHERE n <= ?", (compacted,)).scalar_one()
        return newest(connection), compacted, left

    reader = Reader(path, threads=1)
    try:
        return reader.call(look)
    finally:
        reader.close()


def _check(path: Path) -> int:
    """Every sample is there once, as it was made, for who follows and for who asks for a signal."""
    reader = Reader(path, threads=1, longest_s=120)
    try:
        found = [one for page in _pages(reader) for one in page]
        assert [one[0] for one in found] == list(range(1, len(found) + 1))
        assert all((numbered(n).time, numbered(n).value) == (time, value) for n, time, value in found)
        samples = SampleReader(reader)
        for signal in range(1, SIGNALS + 1):
            values: list[object] = []
            after, more = 0, True
            while more:
                page = asyncio.run(samples.page("L1.reflow", f"zone.temperature[{signal}]", after=after, limit=10_000))
                assert page is not None
                values += page.values
                after, more = page.next, page.more
            assert values == [numbered(n).value for n in range(1, len(found) + 1) if n % SIGNALS + 1 == signal]
        return len(found)
    finally:
        reader.close()


def _pages(reader: Reader) -> Iterator[list[tuple[int, int, object]]]:
    after = 0
    while True:
        page = reader.call(lambda connection, after=after: following(connection, after, 20_000))  # type: ignore[misc]
        yield [(one.n, one.time, one.value) for one in page.samples]
        after = page.upto
        if after == page.head:
            return


@pytest.mark.slow
def test_kill_during_compaction(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    draw = random.Random(seed())
    states = []
    for _ in range(ROUNDS):
        with working(path) as (process, said):
            assert said.get(timeout=60) == "open"
            commits = draw.randint(1, 150)
            last = 0
            for _ in range(commits):
                line = said.get(timeout=60)
                assert line is not None, "it ended by itself"
                last = int(line)
            process.kill()
            while (line := said.get(timeout=60)) is not None:
                last = int(line)
        states.append(_state(path))
        assert states[-1][0] >= last, "what was committed is there"
    print(states)
    assert any(left for _, _, left in states), "no kill came while hot samples were deleted"
    assert states[-1][1] > 0, "nothing was compacted"
    assert _check(path) == states[-1][0]
    with journal(tmp_path) as writer:
        compact(writer, LARGE)
    assert _state(path)[2] == 0, "what was left of it is done"
    assert _check(path) == states[-1][0]
