"""What is deleted, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import CursorGone
from gateway.core.event import Event
from gateway.core.sample import Quality, Sample
from gateway.core.times import now
from gateway.journal.retention import Retention, RetentionLimits
from gateway.journal.transaction import Seen, Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.feed import ListFeed, commit, event, journal, read


def test_retention_by_bytes_keeps_the_newest_and_expires_cursors(tmp_path: Path) -> None:
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=600_000, rows=50, check_s=0)
    )
    with journal(tmp_path, settings) as writer:
        for start in range(0, 2000, 100):
            commit(writer, [event(n, size=1000) for n in range(start, start + 100)])
            writer._maintain()
        while writer._retention.step(writer._open):
            pass
        left = [e.seq for e in read(writer, limit=5000)]
        assert left[-1] == 2000
        assert left == list(range(left[0], 2001))
        assert 100 < len(left) < 600
        writer._open.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
        assert writer.path.stat().st_size < 1_000_000, "the file shrinks with its content"
        with pytest.raises(CursorGone) as gone:
            read(writer, after=5)
        assert gone.value.reason == "expired"
        with pytest.raises(CursorGone) as gone:
            read(writer, after=2001)
        assert gone.value.reason == "future"
        assert read(writer, after=left[0] - 1, limit=1)[0].seq == left[0]


def test_retention_by_age(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    old = now() - 2 * 86_400_000_000
    with journal(tmp_path, settings) as writer:
        commit(writer, [event(n, at=old) for n in range(10)] + [event(n) for n in range(10, 15)])
        writer._retention.step(writer._open, full=True)
        assert [e.seq for e in read(writer)] == [11, 12, 13, 14, 15]


def test_quarantine_costs_no_history(tmp_path: Path) -> None:
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=1_000_000, rows=10, check_s=0)
    )
    with journal(tmp_path, settings) as writer:
        feed = ListFeed([event(n) for n in range(100)])

        def garbage(transaction: Transaction, item: Event) -> None:
            transaction.quarantine(
                source="s", station=None, channel="c", reason="r", detail="d", digest=item.id.encode(),
                size=30_000, at=1, raw=b"g" * 30_000,
            )  # fmt: skip

        feed.during = garbage
        writer._store(feed, feed.take(0))
        writer._retention.step(writer._open, full=True)
        assert len(read(writer)) == 100


def test_the_quarantine_budget_counts_small_messages_too(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, quarantine_bytes=10_000)
    with journal(tmp_path, settings) as writer:
        feed = ListFeed([event(n) for n in range(500)])

        def garbage(transaction: Transaction, item: Event) -> None:
            transaction.quarantine(
                source="s", station=None, channel="c", reason="r", detail="d", digest=item.id.encode(),
                size=1, at=1, raw=b"g",
            )  # fmt: skip

        feed.during = garbage
        writer._store(feed, feed.take(0))
        assert writer._open.exec_driver_sql("SELECT count(*) FROM quarantine").scalar() == 9


def test_remembered_ids_have_a_share_of_the_bytes(tmp_path: Path) -> None:
    retention = Retention(RetentionLimits(bytes=60_000, rows=50, check_s=0))
    with journal(tmp_path) as writer:
        for number in range(1000):
            feed = ListFeed([event(number)])
            feed.during = lambda transaction, item: transaction.remember(item.id, Seen("h", b"d"), item.time)
            writer._store(feed, feed.take(0))
        retention.step(writer._open, full=True)
        left = writer._open.exec_driver_sql("SELECT count(*) FROM dedup").scalar_one()
        assert left <= 60_000 / 4 / 150


def _samples(count: int, at: int) -> list[Sample]:
    return [
        Sample(station="L1.s0", signal="x.t", unit="Cel", value=float(n), quality=Quality.GOOD, time=at, received=at)
        for n in range(count)
    ]


def _sampled(writer: Writer, count: int, at: int) -> None:
    """One commit with an event and these samples."""
    feed = ListFeed([event(writer.head, at=at)])
    feed.during = lambda transaction, item: transaction.samples(_samples(count, at))
    writer._store(feed, feed.take(0))


def _numbers(writer: Writer) -> tuple[int, int, int]:
    """First, last and count of the samples."""
    found = writer._open.exec_driver_sql("SELECT min(n), max(n), count(*) FROM sample").one()
    return found[0], found[1], found[2]


def test_samples_go_by_age_in_whole_blocks(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    old = now() - 2 * 86_400_000_000
    with journal(tmp_path, settings) as writer:
        _sampled(writer, 2500, old)
        _sampled(writer, 1500, now())
        writer._retention.step(writer._open, full=True)
        assert _numbers(writer) == (2001, 4000, 2000)
        _sampled(writer, 10, now())
        assert _numbers(writer)[1] == 4010
    with journal(tmp_path, settings) as writer:
        _sampled(writer, 1, now())
        assert _numbers(writer)[1] == 4011, "numbers go on"


def test_the_last_block_stays_so_that_numbers_go_on(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(days=1, check_s=0))
    with journal(tmp_path, settings) as writer:
        _sampled(writer, 3000, now() - 2 * 86_400_000_000)
        writer._retention.step(writer._open, full=True)
        assert _numbers(writer) == (2001, 3000, 1000)


def test_by_bytes_the_older_goes_first_sample_or_event(tmp_path: Path) -> None:
    settings = WriterSettings(
        synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=400_000, rows=50, check_s=0)
    )
    early = now() - 3_600_000_000
    with journal(tmp_path, settings) as writer:
        for minute in range(40):
            at = early + minute * 60_000_000
            _sampled(writer, 1000, at)
            commit(writer, [event(1000 + minute * 10 + n, size=400, at=at) for n in range(10)])
        writer._retention.step(writer._open, full=True)
        oldest = read(writer)[0].received
        first = writer._open.exec_driver_sql("SELECT min(time) FROM sample").scalar_one()
        assert _numbers(writer)[2] < 30_000
        assert abs(oldest - first) <= 10 * 60_000_000, "neither pushes the other out"
