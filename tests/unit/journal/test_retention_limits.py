"""Limits by kind and by message, what the holes that they leave mean, and whether retention keeps pace."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import CursorGone
from gateway.core.sample import Quality, Sample
from gateway.core.times import now
from gateway.journal import postings
from gateway.journal.compactor import applied
from gateway.journal.filter import Choice, Filter
from gateway.journal.retention import RetentionLimits
from gateway.journal.retention_messages import MessageLimit
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.feed import ListFeed, commit, event, journal, read

DAY = 86_400_000_000
NOISE, WORK = "CFX.ResourcePerformance.StationParametersModified", "CFX.Production.WorkCompleted"


@contextlib.contextmanager
def keeping(folder: Path, *messages: MessageLimit, **limits: float | int | None) -> Iterator[Writer]:
    retention = RetentionLimits(messages=messages, check_s=0, rows=1 if "events_bytes" in limits else 500, **limits)  # type: ignore[arg-type]
    with journal(folder, WriterSettings(synchronous="normal", ballast_bytes=0, retention=retention)) as writer:
        yield writer


def retained(writer: Writer) -> Counter[str]:
    writer._retention.step(writer._open, full=True)
    rows = writer._open.exec_driver_sql(
        "SELECT m.name, count(*) FROM event e JOIN message m ON m.id = e.message GROUP BY 1"
    )
    return Counter(dict(tuple(row) for row in rows))


def mixed(writer: Writer, count: int, *, at: int | None = None, size: int = 10) -> None:
    """Of every three events two are heartbeats."""
    names = ("CFX.Heartbeat", "CFX.Heartbeat", WORK)
    first = writer.head
    commit(writer, [event(first + n, name=names[n % 3], at=at, size=size) for n in range(count)])


@pytest.mark.parametrize("filed", [False, True])
def test_one_message_goes_sooner_and_leaves_holes_that_expire_nothing(tmp_path: Path, *, filed: bool) -> None:
    with keeping(tmp_path, MessageLimit(name="CFX.Heartbeat", days=2), days=90) as writer:
        mixed(writer, 3000, at=now() - 3 * DAY)
        mixed(writer, 30)
        if filed:
            for piece in postings.due(writer._open):
                applied(piece, writer._open)
        assert retained(writer) == {"CFX.Heartbeat": 20, WORK: 1010}
        assert [each.seq for each in read(writer, after=1, limit=2)] == [3, 6], "position 1 is a hole, and no 410"
        everything = [each.seq for each in read(writer, limit=3000)]
        assert everything == [*range(3, 3001, 3), *range(3001, 3031)]
        heard = read(writer, wanted=Filter(message=Choice(("CFX.Heartbeat",))))
        assert [each.seq for each in heard] == [n for n in range(3001, 3031) if n % 3]
    with keeping(tmp_path, days=1) as writer:
        assert retained(writer) == {"CFX.Heartbeat": 20, WORK: 10}
        with pytest.raises(CursorGone, match="older than the oldest event 3001"):
            read(writer, after=2000)
        assert read(writer, after=3000, limit=1)[0].seq == 3001


@pytest.mark.parametrize("restarted", [False, True])
def test_bytes_of_a_message_and_the_longest_name_wins(tmp_path: Path, *, restarted: bool) -> None:
    limits = (
        MessageLimit(name="CFX.*", bytes=160_000),
        MessageLimit(name="CFX.Production.*", days=1),
        MessageLimit(name=WORK, bytes=1 << 40),
    )
    with keeping(tmp_path, *limits) as writer:
        retained(writer)
        for _ in range(10):
            mixed(writer, 300, size=1000)
            commit(writer, [event(writer.head, name=NOISE, size=1000)])
        if not restarted:
            assert 95 <= retained(writer).total() - 1000 <= 100, "1,600 bytes each, about, of both together"
    with keeping(tmp_path, *limits) as writer:
        left = retained(writer)
        assert left[WORK] == 1000
        assert 95 <= left.total() - 1000 <= 100
        newest = [each.seq for each in read(writer, after=writer.head - 100)]
        assert newest == list(range(writer.head - 99, writer.head + 1)), "the oldest went"
        mixed(writer, 60, size=1000)
        assert 95 <= retained(writer).total() - 1020 <= 100


def test_ids_are_known_where_a_message_went_sooner(tmp_path: Path) -> None:
    with keeping(tmp_path, MessageLimit(name="CFX.Heartbeat", days=1)) as writer:
        feed = ListFeed([])
        made = event(1, at=now() - 2 * DAY)
        feed.during = lambda transaction, item: (transaction.append(made, digest=b"d"), None)[1]
        writer._store(feed, [event(2)])
        assert retained(writer).total() == 1
        known = writer._open.exec_driver_sql("SELECT id FROM dedup").scalars().all()
        assert known == [bytes.fromhex(made.id.replace("-", ""))]


def _sampled(writer: Writer, count: int, at: int) -> None:
    samples = [
        Sample(station="L1.s0", signal="x.t", unit=None, value=n + 0.1, quality=Quality.GOOD, time=at, received=at)
        for n in range(count)
    ]
    feed = ListFeed([event(writer.head, size=30_000, at=at)])
    feed.during = lambda transaction, item: transaction.samples(samples)
    writer._store(feed, feed.take(0))


@pytest.mark.parametrize(
    ("limits", "events", "samples"),
    [
        ({"days": 10, "samples_days": 2}, 20, 2000),
        ({"days": 10, "events_days": 2}, 2, 20_000),
        ({"samples_bytes": 5000 * 38}, 20, 5000),
        ({"events_bytes": 450_000}, 10, 20_000),  # 150 KB of them are the tables themselves
    ],
)
def test_each_kind_has_limits_of_its_own(tmp_path: Path, limits: dict[str, int], events: int, samples: int) -> None:
    with keeping(tmp_path, **limits) as writer:
        for age in (5, 1):
            for _ in range(18 if age == 5 else 2):
                _sampled(writer, 1000, now() - age * DAY)
        assert abs(retained(writer).total() - events) <= (3 if "events_bytes" in limits else 0)
        assert writer._open.exec_driver_sql("SELECT count(*) FROM sample").scalar() == samples
        assert writer.figures.removed["samples"] == 20_000 - samples


def test_it_keeps_pace_with_a_line_that_never_rests(tmp_path: Path) -> None:
    """At most one look between two commits, each of which is larger than a portion."""
    limit = 2_000_000
    retention = RetentionLimits(bytes=limit, check_s=3600)
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=retention, checkpoint_bytes=1 << 20)
    with journal(tmp_path, settings) as writer:
        sizes = []
        for _ in range(25):
            commit(writer, [event(writer.head + n, size=400) for n in range(800)])
            writer._maintain()
            sizes.append(writer.path.stat().st_size)
        assert max(sizes) < 1.5 * limit
        assert writer.figures.removed["events"] > 10_000
        assert read(writer, limit=1)[0].seq > 15_000, "the newest are there"
        assert writer.head == 20_000
