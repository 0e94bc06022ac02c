"""The writer's promises, with a feed that the test controls."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalBusy, JournalError
from gateway.core.event import Event
from gateway.journal.filter import Filter
from gateway.journal.lock import owner
from gateway.journal.reader import Reader
from gateway.journal.retention import Retention, RetentionLimits
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.build import FAST
from tests.unit.journal.feed import ListFeed, commit, event, journal, read


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
        monkeypatch.setattr(writer._wal, "empty", lambda connection: during.append(ballast.exists()))
        writer._make_room()
        assert during[0], "what the WAL holds must not eat it up"
        assert during[1:]
        assert not any(during[1:]), "deleting has its room"
        assert ballast.exists(), "there is room for it again"
        assert read(writer) == []


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


def test_how_far_a_source_was_read_is_stored_with_its_events_or_not_at_all(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])
        failures = [DatabaseError("COMMIT", None, Exception("disk I/O error"))]

        def step(transaction: Transaction, item: Event) -> None:
            transaction.save_position("files", "a.csv", b"offset 100" if failures else b"offset 200")
            if failures:
                raise failures.pop()

        feed.during = step
        assert writer._open.exec_driver_sql("SELECT count(*) FROM source_position").scalar() == 0
        writer._store(feed, feed.take(0))
        assert feed.rolled == 1
        assert writer._open.exec_driver_sql("SELECT * FROM source_position").all() == [
            ("files", "a.csv", b"offset 200")
        ]
