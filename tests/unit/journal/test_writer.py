"""The writer's promises, with a feed that the test controls."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import CursorGone, JournalBusy, JournalError
from gateway.core.event import Event, Origin
from gateway.core.times import now
from gateway.journal.filter import Choice, Filter
from gateway.journal.lock import owner
from gateway.journal.reader import Reader
from gateway.journal.retention import Retention, RetentionLimits
from gateway.journal.transaction import Seen, Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.build import FAST


def event(number: int, *, name: str = "CFX.Heartbeat", size: int = 10, at: int | None = None) -> Event:
    body = b'{"n":%d,"x":"%s"}' % (number, b"x" * size)
    time = now() if at is None else at
    return Event(
        id=str(uuid.UUID(int=number + 1)),
        time=time,
        received=time,
        message=name,
        origin=Origin.DERIVED,
        station=f"L1.s{number % 3}",
        line="L1",
        body=body,
        raw=body,
    )


class ListFeed:
    """Commits one list, in one batch, and records what the writer said."""

    def __init__(self, items: list[Event]) -> None:
        self.items = items
        self.stored: list[int] = []
        self.refusals: list[str] = []
        self.rolled = 0
        self.during: Callable[[Transaction, Event], None] = lambda transaction, item: None

    def take(self, wait_s: float) -> list[Event]:
        taken, self.items = self.items, []
        return taken

    def apply(self, transaction: Transaction, items: Sequence[Event]) -> None:
        for item in items:
            self.during(transaction, item)
            transaction.append(item)

    def rolled_back(self) -> None:
        self.rolled += 1

    def refused(self, item: Event, error: Exception) -> Event:
        self.refusals.append(type(error).__name__)
        return msgspec.structs.replace(item, lane=None, body=b"null", raw=b"null")

    def committed(self, items: Sequence[Event], events: Sequence[Event]) -> None:
        self.stored.extend(stored.seq for stored in events)


@contextmanager
def journal(folder: Path, settings: WriterSettings = FAST) -> Iterator[Writer]:
    writer = Writer(folder / "j.db", site="fab1", gateway="pc", settings=settings)
    writer.open()
    try:
        yield writer
    finally:
        writer.close()


def commit(writer: Writer, items: list[Event]) -> ListFeed:
    feed = ListFeed(items)
    writer._store(feed, feed.take(0))
    return feed


def read(writer: Writer, after: int = 0, limit: int = 1000, wanted: Filter | None = None) -> list[Event]:
    reader = Reader(writer.path, threads=1)
    try:
        return [p.event for p in reader.call(lambda c: reader.page(c, after, limit, wanted or Filter())).events]
    finally:
        reader.close()


def test_numbers_are_contiguous_and_never_used_again(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        assert commit(writer, [event(n) for n in range(3)]).stored == [1, 2, 3]
    with journal(
        tmp_path, WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=0))
    ) as writer:
        assert writer._retention.step(writer._open, full=True)
        assert read(writer) == []
    with journal(tmp_path) as writer:
        assert writer.head == 3
        assert commit(writer, [event(9)]).stored == [4]


def test_a_batch_with_a_bad_item_is_halved_down_to_it(tmp_path: Path) -> None:
    items = [event(n) for n in range(50)]
    items[31].lane = 2**70
    with journal(tmp_path) as writer:
        feed = commit(writer, items)
        assert feed.refusals == ["OverflowError"]
        assert feed.stored == list(range(1, 51))
        assert [e.body for e in read(writer)][31] == b"null"


def test_a_failing_step_is_a_bad_item_too(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        feed = ListFeed([event(n) for n in range(4)])

        def step(_: Transaction, item: Event) -> None:
            if item.body.startswith(b'{"n":2,'):
                raise KeyError("x")

        feed.during = step
        writer._store(feed, feed.take(0))
        assert feed.refusals == ["KeyError"]
        assert len(feed.stored) == 4


def test_one_process_owns_the_folder(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        writer.lock.describe(url="http://127.0.0.1:1")
        found = owner(writer.path)
        assert found is not None
        assert found["url"] == "http://127.0.0.1:1"
        code = (
            "import sys; from pathlib import Path; from gateway.journal.lock import Lock\n"
            "try: Lock(Path(sys.argv[1]))\n"
            "except Exception as e: print(type(e).__name__, e)"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, str(writer.path)], capture_output=True, text=True, check=True
        )
        assert said.stdout.startswith("JournalBusy")
        with pytest.raises(JournalBusy):
            Writer(writer.path, site="", gateway="", settings=FAST).open()
    assert owner(tmp_path / "j.db") is None


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"hello, this is not a database at all" * 100)
    with pytest.raises(JournalError, match="not a database"), journal(tmp_path):
        pass


def test_a_journal_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        writer._open.exec_driver_sql("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="later Lineside"), journal(tmp_path):
        pass


def test_the_journal_id_stays_with_the_file(tmp_path: Path) -> None:
    with journal(tmp_path / "a") as one, journal(tmp_path / "b") as two:
        assert one.journal != two.journal
        first = one.journal
    with journal(tmp_path / "a") as again:
        assert again.journal == first


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    made = event(1)
    with journal(tmp_path) as writer:
        commit(writer, [made])
        (got,) = read(writer)
    assert got == msgspec.structs.replace(made, also_units=())


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


def test_a_full_disk_stalls_without_loss_and_goes_on(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(0)])
        pages = writer._open.exec_driver_sql("PRAGMA page_count").scalar_one()
        writer._open.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        feed = ListFeed([event(n, size=3000) for n in range(1, 30)])
        stored = threading.Thread(target=lambda: writer._store(feed, feed.take(0)), name="writer")
        stored.start()
        try:
            for _ in range(1000):
                if writer.stall is not None:
                    break
                stored.join(0.01)
            assert writer.stall is not None
            assert "full" in writer.stall.reason
            assert feed.stored == []
        finally:
            make_room = writer._make_room

            def more() -> None:
                make_room()
                writer._open.exec_driver_sql("PRAGMA max_page_count=1000000")

            writer._make_room = more  # type: ignore[method-assign]
            stored.join(10)
        assert feed.stored == list(range(2, 31))
        assert writer.stall is None


def test_filters_select(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        names = ["CFX.Heartbeat", "CFX.Production.WorkStarted", "CFX.Production.WorkCompleted", "CFX.Production.X_Y"]
        commit(writer, [event(n, name=names[n % 4]) for n in range(12)])

        def seqs(**fields: Choice) -> list[int]:
            wanted = Filter(**fields)  # type: ignore[arg-type]
            found = [e.seq for e in read(writer, wanted=wanted)]
            assert found == [e.seq for e in read(writer) if wanted.accepts(e)]
            return found

        assert seqs(message=Choice(("CFX.Production.*",))) == [2, 3, 4, 6, 7, 8, 10, 11, 12]
        assert seqs(message=Choice(unwanted=("CFX.Heartbeat",))) == [2, 3, 4, 6, 7, 8, 10, 11, 12]
        assert seqs(message=Choice(("CFX.Production.X_*",))) == [4, 8, 12]
        assert seqs(station=Choice(("L1.s0", "L1.s1"), ("L1.s1",))) == [1, 4, 7, 10]
        assert seqs(line=Choice(("L2",))) == []
        assert seqs(origin=Choice(("native",))) == []
        assert seqs(origin=Choice(unwanted=("native",))) == list(range(1, 13))


def test_a_page_looks_at_a_bounded_number_of_positions(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(100)])
        reader = Reader(writer.path, threads=1, scan=10)
        page = reader.call(lambda c: reader.page(c, 0, 100, Filter(line=Choice(("none",)))))
        reader.close()
        assert (page.events, page.next, page.more, page.head) == ([], 10, True, 100)


def test_a_damaged_journal_stalls_and_refuses_nothing(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])
        failures = [DatabaseError("INSERT", None, Exception("database disk image is malformed")) for _ in range(3)]

        def step(_: Transaction, item: Event) -> None:
            if failures:
                raise failures.pop()

        feed.during = step
        writer._store(feed, feed.take(0))
        assert feed.refusals == []
        assert feed.stored == [1]
        assert writer.stall is None


def test_what_cannot_even_be_refused_ends_the_writer(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])

        def step(_: Transaction, item: Event) -> None:
            raise KeyError("a defect of ours")

        feed.during = step
        with pytest.raises(KeyError):
            writer._store(feed, feed.take(0))


def test_the_ballast_is_kept_for_when_there_is_something_to_delete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=1 << 20, retention=RetentionLimits(bytes=1 << 30))
    with journal(tmp_path, settings) as writer:
        ballast = tmp_path / "j.db.ballast"
        assert ballast.stat().st_blocks * 512 >= 1 << 20, "real blocks, not a hole"
        commit(writer, [event(n) for n in range(100)])
        writer._make_room()
        assert ballast.exists()
        writer._retention = Retention(RetentionLimits(bytes=0))
        during: list[bool] = []
        monkeypatch.setattr(writer, "_empty_wal", lambda: during.append(ballast.exists()))
        writer._make_room()
        assert during[0], "what the WAL holds must not eat it up"
        assert during[1:]
        assert not any(during[1:]), "deleting has its room"
        assert ballast.exists(), "there is room for it again"
        assert read(writer) == []


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


def test_a_page_is_one_snapshot(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(100)])
        reader = Reader(writer.path, threads=1)

        def work(connection: Connection) -> list[int]:
            first = reader.page(connection, 10, 1, Filter())
            Retention(RetentionLimits(bytes=0, rows=50)).step(writer._open)
            again = reader.page(connection, 10, 1, Filter())
            return [placed.event.seq for page in (first, again) for placed in page.events]

        assert reader.call(work) == [11, 11]
        with pytest.raises(CursorGone):
            reader.call(lambda connection: reader.page(connection, 10, 1, Filter()))
        reader.close()


def test_a_reader_does_not_hold_up_commits(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, checkpoint_bytes=1, truncate_bytes=1)
    with journal(tmp_path, settings) as writer:
        commit(writer, [event(0)])
        reader = Reader(writer.path, threads=1)

        def work(connection: Connection) -> float:
            reader.page(connection, 0, 1, Filter())
            commit(writer, [event(1)])
            started = time.monotonic()
            writer._maintain()
            return time.monotonic() - started

        assert reader.call(work) < 2.0, "a checkpoint waits for readers only a moment"
        reader.close()
