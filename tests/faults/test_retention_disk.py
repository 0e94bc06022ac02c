"""Disks that are full while retention works, or that nobody may write to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.core.errors import JournalError
from gateway.journal.retention import RetentionLimits
from gateway.journal.writer import Writer, WriterSettings
from tests.faults.disks import mounted
from tests.unit.journal.feed import ListFeed, commit, event, journal, read

MEGABYTE = 1 << 20


def test_a_full_disk_takes_from_those_who_are_away_and_says_what(tmp_path: Path) -> None:
    """Much more than the disk holds, for a sink that is away with a budget larger than the disk: every number is there,
    or noted as lost, and no commit waits for ever."""
    settings = WriterSettings(
        synchronous="normal",
        ballast_bytes=2 * MEGABYTE,
        checkpoint_bytes=MEGABYTE,
        stalled_retry_s=0.01,
        retention=RetentionLimits(bytes=3_000_000, check_s=0),
    )
    with mounted(tmp_path / "disk", 12 * MEGABYTE) as disk, journal(disk, settings) as writer:
        holder = writer.holders.register("sink", "plant", budget=1 << 40, samples=True)
        most, over = 0, set()
        for first in range(0, 6000, 50):
            feed = commit(writer, [event(first + n, size=4000) for n in range(50)])
            assert len(feed.stored) == 50
            writer._maintain()
            most = max(most, writer.path.stat().st_size)
            over.add(writer.figures.over)
        loss = holder.lost("events")
        assert loss is not None
        assert loss.cause == "disk-full"
        left = [each.seq for each in read(writer, limit=6000)]
        assert (loss.first, loss.last, loss.count) == (1, left[0] - 1, left[0] - 1)
        assert left == list(range(left[0], 6001))
        assert most > 6 * MEGABYTE, "the budget was kept while there was room"
        assert any(why and "kept for sink plant" in why for why in over)
        assert writer.stall is None


def test_a_disk_that_may_not_be_written_to_is_said_and_nothing_is_touched(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 4 * MEGABYTE) as disk:
        with journal(disk) as writer:
            commit(writer, [event(n) for n in range(10)])
        before = {path.name: path.read_bytes() for path in disk.iterdir()}
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        writer = Writer(disk / "j.db", site="fab1", gateway="pc", settings=WriterSettings())
        with pytest.raises(JournalError, match="Read-only file system"):
            writer.open()
        assert {path.name: path.read_bytes() for path in disk.iterdir()} == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with journal(disk) as writer:
            assert commit(writer, [event(n) for n in range(10, 20)]).stored == list(range(11, 21))


def test_a_journal_that_becomes_read_only_while_it_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite says so as it does when the disk under it was mounted anew: nothing is committed and nothing acknowledged,
    retention and compaction are put off, and all goes on when it may."""
    retention = RetentionLimits(bytes=230_000, check_s=0)
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, stalled_retry_s=0.001, retention=retention)
    with journal(tmp_path, settings) as writer:
        commit(writer, [event(n, size=1000) for n in range(100)])
        writer._open.exec_driver_sql("PRAGMA query_only=ON")
        writer._maintain()
        assert "maintenance of the journal is put off: attempt to write a readonly database" in caplog.text
        tries = 0

        def rolled_back() -> None:
            nonlocal tries
            tries += 1
            assert feed.stored == []
            if tries == 3:
                assert writer.stall is not None
                assert writer.stall.reason == "attempt to write a readonly database"
                writer._open.exec_driver_sql("PRAGMA query_only=OFF")

        feed = ListFeed([])
        feed.rolled_back = rolled_back  # type: ignore[method-assign]
        writer._store(feed, [event(100)])
        assert tries == 3
        assert writer.stall is None
        assert feed.stored == [101]
        while writer._retention.step(writer._open):
            pass
        assert 0 < len(read(writer)) < 100
