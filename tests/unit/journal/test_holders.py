"""What a sink has not taken stays, up to its budget; what goes nevertheless is noted, once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gateway.core.sample import Quality, Sample
from gateway.core.times import now
from gateway.journal.holders import Holder
from gateway.journal.retention import RetentionLimits
from gateway.journal.retention_events import EventRemoval
from gateway.journal.retention_messages import MessageLimit
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.compacting import NOW, compact
from tests.unit.journal.feed import ListFeed, commit, event, journal, read

DAY = 86_400_000_000
APART = msgspec.structs.replace(NOW, settled_s=1e9)
EACH = 1000 + 600 + 18
"""Bytes that one of the events here counts for, at least."""


def old(days: float = 1, **more: int) -> WriterSettings:
    retention = RetentionLimits(days=days, check_s=0, rows=100, **more)  # type: ignore[arg-type]
    return WriterSettings(synchronous="normal", ballast_bytes=0, retention=retention)


def held(writer: Writer, *, budget: int, samples: bool = False) -> Holder:
    return writer.holders.register("sink", "plant", budget=budget, samples=samples)


def fill(writer: Writer, count: int = 1000) -> None:
    """Events that are older than their limit."""
    commit(writer, [event(writer.head + n, size=1000, at=now() - 3 * DAY) for n in range(count)])


def work(writer: Writer) -> list[int]:
    """Until nothing is due any more; which events are left."""
    while writer._retention.step(writer._open) or writer._retention._unfinished:
        pass
    return [each.seq for each in read(writer, limit=5000)]


def told(writer: Writer, holder: Holder) -> list[tuple[object, ...]]:
    """What a follower at the head would say, and that it has."""
    losses = [loss for what in ("events", "samples") if (loss := holder.loss(what, 1 << 60))]
    feed = ListFeed([event(writer.head, at=now())])

    def settle(transaction: Transaction, item: object) -> None:
        for loss in losses:
            holder.settled(loss, transaction)

    feed.during = settle
    writer._store(feed, feed.take(0))
    return [(loss.what, loss.first, loss.last, loss.count, loss.cause) for loss in losses]


def rows(writer: Writer) -> list[str]:
    found = writer._open.exec_driver_sql("SELECT key FROM source_position ORDER BY key").scalars()
    return list(found)


def test_what_was_not_taken_stays_until_it_is(tmp_path: Path) -> None:
    with journal(tmp_path, old()) as writer:
        holder = held(writer, budget=1 << 30)
        fill(writer)
        assert work(writer) == list(range(1, 1001))
        holder.moved(event=400, sample=0)
        assert work(writer) == list(range(401, 1001))
        assert told(writer, holder) == []
        holder.moved(event=1000, sample=0)
        assert work(writer) == [1001], "the event of the gateway's own"
        assert holder.missed == {"events": 0, "samples": 0}


def test_beyond_the_budget_the_oldest_goes_and_that_is_noted(tmp_path: Path) -> None:
    with journal(tmp_path, old()) as writer:
        holder = held(writer, budget=200 * EACH)
        fill(writer)
        holder.moved(event=300, sample=0)
        left = work(writer)
        assert left[-1] == 1000
        assert 190 <= len(left) <= 200
        assert left == list(range(left[0], 1001))
        lost = left[0] - 301
        assert holder.missed["events"] == lost
        assert told(writer, holder) == [("events", 301, left[0] - 1, lost, "budget")]
        assert told(writer, holder) == [], "once"
        assert not any(key.startswith("lost") for key in rows(writer))
        fill(writer, 100)
        after = work(writer)
        assert 190 <= len(after) <= 202, "more comes, and the budget stays what it is"


def test_what_was_rolled_back_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal(tmp_path, old()) as writer:
        holder = held(writer, budget=0)
        fill(writer, 90)
        with monkeypatch.context() as failing:
            failing.setattr(EventRemoval, "remove", lambda *_, **__: writer._open.exec_driver_sql("SELECT nonsense"))
            writer._maintain()
        assert holder.missed["events"] == 0
        assert work(writer) == []
        assert told(writer, holder) == [("events", 1, 90, 90, "budget")]


def test_it_is_known_after_a_start_with_the_destination_away(tmp_path: Path) -> None:
    with journal(tmp_path, old()) as writer:
        held(writer, budget=200 * EACH).moved(event=300, sample=0)
        fill(writer)
        left = work(writer)
    with journal(tmp_path, old()) as writer:
        holder = held(writer, budget=200 * EACH)
        assert work(writer) == left, "counted backwards, it is the same"
        assert holder.event == 300
        assert told(writer, holder) == [("events", 301, left[0] - 1, left[0] - 301, "budget")]
    with journal(tmp_path, old()) as writer:
        assert told(writer, held(writer, budget=0)) == []


def test_a_sink_that_is_not_configured_any_more_holds_nothing(tmp_path: Path) -> None:
    with journal(tmp_path, old()) as writer:
        held(writer, budget=1 << 30)
        fill(writer)
        assert len(work(writer)) == 1000
        assert rows(writer) == ["event", "sample"]
    with journal(tmp_path, old()) as writer:
        gone = writer.holders.register("subscription", "mes", budget=1 << 30, samples=False)
        assert len(work(writer)) == 1000
        assert len(rows(writer)) == 2, "that of the new one alone"
        writer.holders.drop(gone)
        assert work(writer) == []
        assert rows(writer) == []


def test_a_message_with_a_limit_of_its_own_is_held_too(tmp_path: Path) -> None:
    retention = RetentionLimits(messages=(MessageLimit(name="CFX.Heartbeat", days=1),), check_s=0)
    with journal(tmp_path, WriterSettings(synchronous="normal", ballast_bytes=0, retention=retention)) as writer:
        holder = held(writer, budget=100 * EACH)
        names = ("CFX.Heartbeat", "CFX.Production.WorkCompleted")
        at = now() - 3 * DAY
        commit(writer, [event(n, name=names[n % 2], size=1000, at=at) for n in range(1000)])
        left = work(writer)
        works = [seq for seq in left if seq % 2 == 0]
        beats = [seq for seq in left if seq % 2]
        assert len(works) == 500
        assert 45 <= len(beats) <= 50
        assert told(writer, holder) == [("events", 1, beats[0] - 2, 500 - len(beats), "budget")]


def test_on_a_full_disk_nobody_is_waited_for(tmp_path: Path) -> None:
    with journal(tmp_path, old(days=100, bytes=500_000)) as writer:
        holder = held(writer, budget=1 << 30)
        fill(writer)
        assert len(work(writer)) == 1000
        assert writer.figures.over is not None
        assert writer.figures.over.endswith("kept for sink plant")
        assert writer._retention.step(writer._open, full=True)
        left = [each.seq for each in read(writer)]
        assert left
        assert told(writer, holder) == [("events", 1, left[0] - 1, left[0] - 1, "disk-full")]
        assert writer.figures.over is None


def test_samples_are_held_where_they_are_taken(tmp_path: Path) -> None:
    at = now() - 3 * DAY
    made = [
        Sample(
            station="L1.s", signal=f"x[{n % 2}]", unit=None, value=n * 0.37, quality=Quality.GOOD, time=at, received=at
        )
        for n in range(4000)
    ]
    with journal(tmp_path, old()) as writer:
        holder = held(writer, budget=1 << 30, samples=True)
        feed = ListFeed([event(0)])
        feed.during = lambda transaction, item: transaction.samples(made[:2000])
        writer._store(feed, feed.take(0))
        compact(writer, APART)
        feed = ListFeed([event(1)])
        feed.during = lambda transaction, item: transaction.samples(made[2000:])
        writer._store(feed, feed.take(0))
        compact(writer, APART)
        chunks = "SELECT min(first), sum(count) FROM sample_chunk"
        work(writer)
        assert writer._open.exec_driver_sql(chunks).one() == (1, 4000)
        holder.moved(event=2, sample=2000)
        work(writer)
        assert writer._open.exec_driver_sql(chunks).one() == (2001, 2000)
        holder.budget = 0
        work(writer)
        assert writer._open.exec_driver_sql(chunks).one() == (None, None)
        ((what, first, last, count, cause),) = told(writer, holder)
        assert (what, first, last, count, cause) == ("samples", 2001, 4000, 2000, "budget")
