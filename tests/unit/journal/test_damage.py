"""Damaged journals, real ones: found, and put aside."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalError
from gateway.journal import bodies, fault, first_look
from gateway.journal.aside import suspect_path
from gateway.journal.database import reader_engine
from gateway.journal.first_look import JournalDamaged
from gateway.journal.integrity import Finding, contents, examine
from gateway.journal.retention import RetentionLimits
from gateway.journal.salvage import due
from gateway.journal.writer import WriterSettings
from tests.unit.journal.damaged import (
    EVENTS,
    WHOLE,
    Spoil,
    aside,
    cut,
    first_page,
    header,
    ids,
    index,
    leaf,
    salvaged,
    unclean,
    zero,
)
from tests.unit.journal.feed import ListFeed, commit, event, journal
from tests.unit.journal.pages import PAGE, leaves, spoil

# -- what counts as damage


def test_a_sound_journal_is_sound(sound: Path) -> None:
    assert examine(sound, thorough=True) == Finding(True)


@pytest.mark.parametrize("thorough", [True, False])
def test_damage_is_found(sound: Path, thorough: bool) -> None:
    spoil(sound, leaves(sound, "event")[5])
    assert examine(sound, thorough=thorough).problems


def test_only_the_thorough_look_compares_indexes(sound: Path) -> None:
    page = leaves(sound, "event_id")[1]
    with sound.open("r+b") as file:
        file.seek(page * PAGE - 4)
        file.write(b"\x01\x02\x03\x04")
    assert examine(sound, thorough=True).problems


def test_a_look_ends_in_time(sound: Path) -> None:
    assert examine(sound, thorough=False, seconds=0.0) == Finding(False)
    assert examine(sound, thorough=True, stopped=lambda: True) == Finding(False)


def test_a_file_that_cannot_be_read_says_nothing_about_damage(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        examine(tmp_path / "none.db", thorough=False)
    assert [fault.error_code(error) for error in _io_errors()] == [10, 13]
    assert not any(map(fault.is_damage, _io_errors()))


def _io_errors() -> Iterator[DatabaseError]:
    for code in (266, 13):  # SQLITE_IOERR_READ, SQLITE_FULL
        inner = Exception("disk")
        inner.sqlite_errorcode = code  # type: ignore[attr-defined]
        yield DatabaseError("SELECT", None, inner)


def test_a_page_that_the_disk_does_not_give_is_no_damage(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's check reports an unreadable page like a damaged one; only the code in it differs."""

    class Said:
        def scalars(self) -> Said:
            return self

        def all(self) -> list[str]:
            return ["Tree 5 page 7: unable to get the page. error code=266"]

    monkeypatch.setattr(Connection, "exec_driver_sql", lambda *_: Said())
    with pytest.raises(JournalError, match="cannot be read"):
        examine(sound, thorough=True)


def test_a_dictionary_that_the_disk_does_not_give_is_no_damage(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for lost in both its places, it would cost the whole journal its place."""
    engine = reader_engine(sound, connections=1)
    with engine.connect() as connection:
        monkeypatch.setattr(Connection, "exec_driver_sql", lambda *_: _raise(next(_io_errors())))
        with pytest.raises(DatabaseError, match="disk"):
            bodies.dictionary(connection, 1)
        monkeypatch.undo()
    engine.dispose()


def _raise(error: Exception) -> None:
    raise error


# -- at the start


@pytest.mark.parametrize("damage", [zero, header, first_page, cut])
def test_what_cannot_be_opened_makes_way_at_once(sound: Path, tmp_path: Path, damage: Spoil) -> None:
    damage(sound)
    spoiled = sound.read_bytes()
    with journal(tmp_path) as writer:
        assert commit(writer, [event(7)]).stored == [1], "machines are heard"
        assert aside(sound).read_bytes() == spoiled


@pytest.mark.parametrize("damage", [leaf, index])
def test_damage_behind_the_first_pages_is_found_after_a_kill(sound: Path, tmp_path: Path, damage: Spoil) -> None:
    old = contents(sound).journal
    unclean(sound)
    damage(sound)
    with journal(tmp_path) as writer:
        assert writer.journal != old
        assert writer.marks() == {"plant": 1234, "other": 5}, "what was not heard since is a gap"
        assert aside(sound).exists()


def test_after_a_clean_stop_nothing_is_looked_at(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []

    def seen(path: Path, **_: object) -> Finding:
        looked.append(path)
        return Finding(True)

    monkeypatch.setattr(first_look, "examine", seen)
    with journal(tmp_path):
        pass
    assert looked == []
    unclean(sound)
    looked.clear()
    with journal(tmp_path):
        assert looked == [sound]


def test_what_doctor_found_is_looked_at_whatever_it_takes(sound: Path, tmp_path: Path) -> None:
    leaf(sound)
    with journal(tmp_path) as writer:
        assert writer.head == EVENTS, "a clean stop, and nothing that a start reads"
    suspect_path(sound).touch()
    with journal(tmp_path) as writer:
        assert writer.head == 0
    assert aside(sound).exists()
    assert not suspect_path(sound).exists()


def test_what_never_was_a_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"a letter to the plant manager " * 1000)
    with pytest.raises(JournalError, match="not a database"), journal(tmp_path):
        pass
    assert (tmp_path / "j.db").read_bytes().startswith(b"a letter")
    assert due(tmp_path / "j.db") == []


def test_a_failing_disk_puts_nothing_aside(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unclean(sound)

    def fails(*_: object, **__: object) -> Finding:
        raise JournalError(f"cannot be read: {errno.EIO}")

    monkeypatch.setattr(first_look, "examine", fails)
    with journal(tmp_path) as writer:
        assert writer.head == EVENTS
        assert due(sound) == []


# -- while it runs


def test_damage_under_a_running_gateway(sound: Path, tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        old = writer.journal
        spoil(sound, *leaves(sound, "event_id"))
        writer._open.exec_driver_sql("PRAGMA shrink_memory")
        with pytest.raises(JournalDamaged):
            commit(writer, [event(EVENTS + n) for n in range(50)])
        assert writer.journal != old, "the new one has begun"
    with journal(tmp_path) as again:
        assert commit(again, [event(EVENTS + n) for n in range(50)]).stored == list(range(1, 51))
        assert again.marks() == {"plant": 1234}
        assert ids(salvaged(sound)) == WHOLE


def test_damage_that_retention_meets(sound: Path, tmp_path: Path) -> None:
    settings = WriterSettings(synchronous="normal", ballast_bytes=0, retention=RetentionLimits(bytes=1, check_s=0.0))
    spoil(sound, *leaves(sound, "event")[:3])
    with journal(tmp_path, settings) as writer:
        with pytest.raises(JournalDamaged):
            writer._maintain()
        assert aside(sound).exists()


def test_a_false_alarm_is_looked_at_once(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(first_look, "confirmed", lambda path, stopped: looks.append(path))
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])
        inner = Exception("database disk image is malformed")
        inner.sqlite_errorcode = 11  # type: ignore[attr-defined]
        failures = [DatabaseError("INSERT", None, inner) for _ in range(3)]

        def step(*_: object) -> None:
            if failures:
                raise failures.pop()

        feed.during = step
        writer._store(feed, [event(EVENTS)])
        assert looks == [sound]
        assert feed.stored == [EVENTS + 1]
