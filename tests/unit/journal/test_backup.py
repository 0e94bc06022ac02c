"""Backups and what is restored from them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.api.cursor import Cursor
from gateway.core.errors import CursorGone, JournalBusy, JournalError
from gateway.journal import backup as backups
from gateway.journal.aside import suspect_path, wal_path
from gateway.journal.backup import back_up, restore
from gateway.journal.copying import Pace
from gateway.journal.integrity import contents, examine
from gateway.journal.reader import Reader
from gateway.journal.retention import RetentionLimits
from gateway.journal.writer import Writer, WriterSettings
from tests.unit.journal.feed import commit, event, journal, read

PACE = Pace(pages=8, share=0.5, spare_bytes=0)


def _fill(writer: Writer, count: int, *, first: int = 0) -> None:
    for start in range(first, first + count, 50):
        commit(writer, [event(n, size=300) for n in range(start, min(start + 50, first + count))])


def _seqs(path: Path) -> list[int]:
    reader = Reader(path, threads=1)
    try:
        return reader.call(lambda c: list(c.exec_driver_sql("SELECT seq FROM event ORDER BY seq").scalars()))
    finally:
        reader.close()


def test_a_backup_has_what_was_committed_when_it_began(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 500)
        during: list[int] = []

        def more(done: int, total: int) -> None:
            during.append(writer.head)
            commit(writer, [event(writer.head, size=300)])

        made = back_up(writer.path, tmp_path / "b.db", PACE, more)
        assert len(during) > 5, "it came in several steps"
        assert writer.head == 500 + len(during), "the writer went on between them"
        assert made.wal_grown > 0
    assert _seqs(tmp_path / "b.db") == list(range(1, 501))
    holds = contents(tmp_path / "b.db")
    assert (holds.journal, holds.head, holds.events, holds.holes) == (writer.journal, 500, 500, 0)
    assert made.holds == holds
    assert made.bytes == (tmp_path / "b.db").stat().st_size
    assert examine(tmp_path / "b.db", thorough=True).problems == ()
    assert sorted(p.name for p in tmp_path.glob("b.db*")) == ["b.db"]


def test_under_load_all_that_was_committed_before_is_in_it(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 200)
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                commit(writer, [event(writer.head + n, size=300) for n in range(20)])

        thread = threading.Thread(target=load, name="writer")
        thread.start()
        try:
            for number in range(5):
                before = writer.head
                made = back_up(writer.path, tmp_path / f"{number}.db", PACE)
                assert before <= made.holds.head <= writer.head
                assert _seqs(made.path) == list(range(1, made.holds.head + 1))
        finally:
            stop.set()
            thread.join()


def test_a_backup_can_be_read_where_nothing_may_be_written(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 10)
        (tmp_path / "there").mkdir()
        made = back_up(writer.path, tmp_path / "there", PACE)
    assert made.path.parent == tmp_path / "there"
    assert made.path.read_bytes()[18:20] == b"\1\1", "no WAL is asked for"
    assert contents(made.path).events == 10
    assert list(made.path.parent.iterdir()) == [made.path], "reading it puts nothing beside it"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("mine")
    with journal(tmp_path) as writer, pytest.raises(JournalError, match="is there already"):
        back_up(writer.path, tmp_path / "b.db", PACE)
    assert (tmp_path / "b.db").read_text() == "mine"


def test_what_comes_while_it_is_made_is_not_overwritten_either(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 100)
        with pytest.raises(JournalError, match="is there already"):
            back_up(writer.path, tmp_path / "b.db", PACE, lambda done, total: (tmp_path / "b.db").touch())
    assert (tmp_path / "b.db").read_bytes() == b""
    assert list(tmp_path.glob("*.partial*")) == []


def test_it_gives_up_before_the_wal_fills_the_disk(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 500)
        with pytest.raises(JournalError, match="given up"):
            back_up(
                writer.path,
                tmp_path / "b.db",
                Pace(pages=8, wal_bytes=100_000, spare_bytes=0),
                lambda done, total: _fill(writer, 50, first=writer.head),
            )
        commit(writer, [event(writer.head)])
    assert list(tmp_path.glob("b.db*")) == []


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; SQLite hears the same of both."""
    with journal(tmp_path) as writer:
        _fill(writer, 1000)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            with pytest.raises(JournalError, match="cannot be copied"):
                back_up(writer.path, tmp_path / "b.db", PACE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        _fill(writer, 10, first=1000)
        assert list(tmp_path.glob("b.db*")) == []
        assert back_up(writer.path, tmp_path / "b.db", PACE).holds.events == 1010


def test_two_at_a_time_to_one_file(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 100)
        refused: list[str] = []

        def second(done: int, total: int) -> None:
            if not refused:
                with pytest.raises(JournalError) as caught:
                    back_up(writer.path, tmp_path / "b.db", PACE)
                refused.append(str(caught.value))

        assert back_up(writer.path, tmp_path / "b.db", PACE, second).holds.events == 100
        assert "somebody else" in refused[0]


def test_a_damaged_journal_makes_no_backup(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 500)
    with writer.path.open("r+b") as file:
        file.seek(-40 * 4096, os.SEEK_END)
        file.write(b"\xff" * 8192)
    with pytest.raises(JournalError, match="damaged"):
        back_up(writer.path, tmp_path / "b.db", PACE)
    assert list(tmp_path.glob("b.db*")) == []


# -- restore


def test_what_is_restored_is_another_journal(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 100)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
        _fill(writer, 30, first=100)
        old = Cursor(writer.journal, 100)
        with pytest.raises(JournalBusy):
            restore(made.path, writer.path)
    done = restore(made.path, writer.path)
    assert done.aside is not None
    assert sorted(p.name for p in tmp_path.glob("j.db*")) == sorted(["j.db", "j.db.lock", done.aside.name])
    assert _seqs(done.aside) == list(range(1, 131)), "the journal that was there is kept"
    with journal(tmp_path) as again:
        assert again.journal == done.journal != old.journal
        assert [e.seq for e in read(again)] == list(range(1, 101))
        assert again.head == done.head == 100
        assert commit(again, [event(500)]).stored == [101], "numbers have no hole; the id tells them apart"
        with pytest.raises(CursorGone, match="another journal"):
            old.within(again.journal)
    assert contents(tmp_path / "j.db").holes == 0
    assert _seqs(made.path) == list(range(1, 101)), "the backup is as it was"


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give a file away")
def test_an_administrator_restores_for_the_gateways_user(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 10)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
    for path in (writer.path, tmp_path / "j.db.lock"):
        os.chown(path, 12345, 12346)
    writer.path.chmod(0o640)
    restore(made.path, writer.path)
    found = writer.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o640)


def test_the_mark_of_a_backup_without_events_holds(tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=0))
    with journal(tmp_path / "a", settings) as writer:
        _fill(writer, 20)
        assert writer._retention.step(writer._open, full=True)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
    assert (made.holds.events, made.holds.head) == (0, 20)
    (tmp_path / "c").mkdir()
    done = restore(made.path, tmp_path / "c" / "j.db")
    assert done.aside is None
    with journal(tmp_path / "c") as again:
        assert commit(again, [event(1)]).stored == [21]


def test_a_journal_that_was_killed_is_kept_with_what_its_wal_holds(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 10)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
    killed(writer.path, 25)
    assert wal_path(writer.path).stat().st_size > 0
    done = restore(made.path, writer.path)
    assert done.aside is not None
    assert _seqs(done.aside) == list(range(1, 36))
    assert not wal_path(writer.path).exists()


def killed(path: Path, count: int) -> None:
    """Another process commits so many events, and is killed."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.unit.journal.feed import commit, event; from tests.build import FAST\n"
        "from gateway.journal.writer import Writer\n"
        "writer = Writer(Path(sys.argv[1]), site='fab1', gateway='pc', settings=FAST); writer.open()\n"
        "commit(writer, [event(1000 + n, size=300) for n in range(int(sys.argv[2]))])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(count)], check=False)


def test_a_damaged_backup_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 500)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
    with made.path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 4096)
    before = writer.path.read_bytes()
    with pytest.raises(JournalError, match="damaged and is not restored"):
        restore(made.path, writer.path)
    with pytest.raises(JournalError, match="the journal itself"):
        restore(writer.path, writer.path)
    assert writer.path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.glob("j.db*")) == ["j.db", "j.db.lock"]


def test_a_backup_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        writer._open.exec_driver_sql("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="later Lineside"):
        restore(writer.path, tmp_path / "other.db")


def test_a_damaged_journal_gives_way_to_its_backup(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 100)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
    writer.path.write_bytes(b"\xff" * 50_000)
    suspect_path(writer.path).touch()
    done = restore(made.path, writer.path)
    assert not suspect_path(writer.path).exists()
    assert done.aside is not None
    assert done.aside.read_bytes() == b"\xff" * 50_000
    with journal(tmp_path) as again:
        assert len(read(again)) == 100


@pytest.mark.parametrize("step", ["copy", "_begin", "settle", "_close"])
def test_a_restore_that_ends_halfway_changed_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with journal(tmp_path) as writer:
        _fill(writer, 100)
        made = back_up(writer.path, tmp_path / "b.db", PACE)
        _fill(writer, 50, first=100)
    inner = getattr(backups, step)

    def fails(*arguments: object) -> object:
        inner(*arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, step, fails)
    with pytest.raises(JournalError, match="No space left"):
        restore(made.path, writer.path)
    with journal(tmp_path) as again:
        assert (again.journal, again.head) == (writer.journal, 150)
        assert len(read(again)) == 150
    assert sorted(p.name for p in tmp_path.glob("j.db*")) == ["j.db", "j.db.lock"]
