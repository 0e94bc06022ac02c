"""The compacting thread beside a writer that runs: it gets its pieces in, waits for nobody too long, and ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gateway.journal.chunk_store import ClockRow, insert_clocks
from gateway.journal.compact import Window
from gateway.journal.compactor import CompactionSettings, Compactor, applied
from gateway.journal.retention import RetentionLimits
from gateway.journal.sample_state import COMPACTED, GONE, set_state, state
from gateway.journal.samples import BLOCK
from gateway.journal.writer import Writer, WriterSettings
from tests.build import FAST, until
from tests.unit.journal.compacting import NOW, all_chunks, pieces
from tests.unit.journal.feed import journal
from tests.unit.journal.test_samples import SampleFeed, numbers, reading, sample, store

QUICK: CompactionSettings = msgspec.structs.replace(NOW, check_s=0.01)
SETTINGS = msgspec.structs.replace(FAST, compaction=QUICK)


@contextmanager
def running(folder: Path, *, blocks: int = 3, settings: WriterSettings = SETTINGS) -> Iterator[Writer]:
    """A writer with some whole blocks and a few samples more, on its thread; nothing else comes."""
    with journal(folder, settings) as writer:
        store(writer, [sample(float(n), n) for n in range(blocks * BLOCK + 5)])
        thread = threading.Thread(target=writer.run, args=(SampleFeed(),))
        thread.start()
        try:
            yield writer
        finally:
            writer.stop()
            thread.join()


async def test_it_works_while_the_writer_has_nothing_to_do(tmp_path: Path) -> None:
    with running(tmp_path) as writer, reading(writer) as samples:

        def done(connection: Connection) -> bool:
            return state(connection, COMPACTED) == 3 * BLOCK and len(all_chunks(connection)) == 1

        reader = samples._reader
        await until(lambda: reader.call(done))
        await until(lambda: reader.call(lambda c: c.exec_driver_sql("SELECT count(*) FROM sample").scalar()) == 5)
        found = await samples.page("L1.reflow", "zone.temperature[1]", limit=9999)
        assert found is not None
        assert found.values == [float(n) for n in range(3 * BLOCK + 5)]


async def test_a_piece_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = 2

    def full(connection: Connection, rows: Sequence[ClockRow]) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OperationalError("INSERT", None, Exception("database or disk is full"))
        insert_clocks(connection, rows)

    monkeypatch.setattr("gateway.journal.compactor.insert_clocks", full)
    with running(tmp_path, blocks=1) as writer, reading(writer) as samples:
        await until(lambda: samples._reader.call(lambda c: state(c, COMPACTED)) == BLOCK)
        assert failures == 0
        assert samples._reader.call(lambda c: sum(mark.count for mark in all_chunks(c))) == BLOCK


async def test_a_defect_leaves_samples_where_they_are_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts = threading.Semaphore(0)

    def broken(window: object, station_of: object) -> object:
        attempts.release()
        raise ZeroDivisionError

    monkeypatch.setattr(Window, "compacted", broken)
    with caplog.at_level(logging.ERROR), running(tmp_path) as writer:
        await until(lambda: attempts.acquire(blocking=False))
        await until(lambda: attempts.acquire(blocking=False))
    with journal(tmp_path) as writer:
        assert len(numbers(writer)) == 3 * BLOCK + 5
    assert [record.message for record in caplog.records] == ["compaction of samples fails; they stay as they are"]


def test_it_ends_with_a_piece_that_nobody_takes(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample()] * BLOCK)
        thread = Compactor(writer.path, QUICK)
        thread.start()
        thread.stop()
        thread.stop()
        assert len(numbers(writer)) == BLOCK


def test_what_retention_has_overtaken_is_dropped(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        store(writer, [sample(float(n), n) for n in range(3 * BLOCK)])
        offered = pieces(writer.path, msgspec.structs.replace(NOW, most=3 * BLOCK))
        piece = next(offered)
        writer._open.exec_driver_sql("DELETE FROM sample WHERE n <= ?", (BLOCK,))
        writer._open.exec_driver_sql("DELETE FROM sample_block WHERE last = ?", (BLOCK,))
        set_state(writer._open, GONE, BLOCK)
        assert applied(piece, writer._open) == 0
        assert all_chunks(writer._open) == []
        for another in offered:
            applied(another, writer._open)
        for another in pieces(writer.path):
            applied(another, writer._open)
        assert sum(mark.count for mark in all_chunks(writer._open)) == 2 * BLOCK
        assert state(writer._open, COMPACTED) == 3 * BLOCK


def test_hot_samples_go_where_nothing_is_compacted(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    with journal(tmp_path, settings) as writer:
        store(writer, [sample(float(n), n) for n in range(3 * BLOCK)])
        writer._retention.step(writer._open, full=True)
        assert numbers(writer) == list(range(2 * BLOCK + 1, 3 * BLOCK + 1))
        assert state(writer._open, GONE) == 2 * BLOCK
