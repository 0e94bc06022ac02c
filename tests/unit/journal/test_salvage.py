"""What can be read of a damaged journal is salvaged."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import JournalError
from gateway.journal import integrity
from gateway.journal.aside import wal_path
from gateway.journal.integrity import Finding, contents, examine
from gateway.journal.reader import Reader
from gateway.journal.salvage import Salvage, due, salvage, target_of
from tests.unit.journal.damaged import (
    EVENTS,
    WHOLE,
    Spoil,
    aside,
    cut,
    events_of,
    first_page,
    header,
    ids,
    index,
    leaf,
    salvaged,
    unclean,
    zero,
)
from tests.unit.journal.feed import commit, event, journal
from tests.unit.journal.pages import PAGE, leaves, pages_of, spoil


def _broken(tmp_path: Path, sound: Path, damage: Spoil) -> None:
    damage(sound)
    sound.rename(tmp_path / "j.db.corrupt-20261120T000000Z")
    if wal_path(sound).exists():
        wal_path(sound).rename(tmp_path / "j.db.corrupt-20261120T000000Z-wal")


@pytest.mark.parametrize("damage", [zero, header, first_page, index])
def test_all_is_salvaged_where_no_event_is_hurt(sound: Path, tmp_path: Path, damage: Spoil) -> None:
    before = sound.stat().st_size
    _broken(tmp_path, sound, damage)
    made = salvaged(sound)
    assert ids(made) == WHOLE
    assert examine(made, thorough=True) == Finding(True)
    assert (tmp_path / "j.db.corrupt-20261120T000000Z").stat().st_size == before, "it stays as it is"


def test_what_the_wal_holds_is_salvaged_too(sound: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.build import FAST; from gateway.journal.writer import Writer\n"
        "from tests.unit.journal.feed import commit, event\n"
        "writer = Writer(Path(sys.argv[1]), site='fab1', gateway='pc', settings=FAST); writer.open()\n"
        f"commit(writer, [event({EVENTS} + n) for n in range(10)])\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(sound)], check=False)
    _broken(tmp_path, sound, header)
    assert sorted(ids(salvaged(sound))) == list(range(1, EVENTS + 11))


def test_the_wal_of_a_file_without_a_first_page(sound: Path, tmp_path: Path) -> None:
    """Its own first page is not in the WAL, so the file cannot be opened, and the WAL says how long the file is."""
    unclean(sound)
    wal = wal_path(sound).read_bytes()
    assert b"\0\0\0\1" not in [wal[at : at + 4] for at in range(32, len(wal), 24 + PAGE)]
    _broken(tmp_path, sound, first_page)
    made = salvaged(sound)
    assert ids(made) == WHOLE
    assert dict(integrity.marks(made)) == {"plant": 1234, "other": 5}


def test_an_event_is_lost_only_with_its_page(sound: Path, tmp_path: Path) -> None:
    pages = leaves(sound, "event")
    _broken(tmp_path, sound, lambda path: spoil(path, pages[0], pages[40], pages[41], pages[-1]))
    made = salvaged(sound)
    found = ids(made)
    assert found.items() <= WHOLE.items()
    assert EVENTS - 30 < len(found) < EVENTS - 4
    assert examine(made, thorough=True) == Finding(True)
    assert contents(made).head == EVENTS


def test_an_event_whose_page_nothing_leads_to_any_more_is_found(sound: Path, tmp_path: Path) -> None:
    leading, last = pages_of(sound, "event")
    assert len(last) > 100
    _broken(tmp_path, sound, lambda path: spoil(path, *leading, last[17]))
    made = salvaged(sound)
    found = ids(made)
    assert found.items() <= WHOLE.items()
    assert EVENTS - 10 < len(found) < EVENTS, "only what was on the spoiled page is lost"
    assert examine(made, thorough=True) == Finding(True)
    assert _said(made)["lost"] == [[min(WHOLE.keys() - found), max(WHOLE.keys() - found)]]


def _said(made: Path) -> dict[str, Any]:
    """What the file says of itself."""
    reader = Reader(made, threads=1)
    said: str = reader.call(lambda c: c.exec_driver_sql("SELECT value FROM meta WHERE key = 'salvaged'").scalar_one())
    reader.close()
    found: dict[str, Any] = json.loads(said)
    return found


def test_an_event_longer_than_a_page_is_put_together(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n, size=size) for n in range(200) for size in (3000 + 97 * n,)])
    made = {e.seq: e for e in events_of(writer.path)}
    leading, _ = pages_of(writer.path, "event")
    _broken(tmp_path, writer.path, lambda path: spoil(path, *leading))
    assert {e.seq: e for e in events_of(salvaged(writer.path))} == made


def test_a_file_that_was_cut(sound: Path, tmp_path: Path) -> None:
    _broken(tmp_path, sound, cut)
    found = ids(salvaged(sound))
    assert found.items() <= WHOLE.items()
    assert len(found) > EVENTS // 4


def test_it_goes_on_beside_the_gateway_and_says_what_came_of_it(sound: Path, tmp_path: Path) -> None:
    _broken(tmp_path, sound, leaf)
    work = Salvage(sound)
    assert work.anything
    work.start()
    work._thread.join(60)
    ready, said, since = work.component()
    assert ready
    assert since is not None
    assert f"{len(ids(target_of(tmp_path / 'j.db.corrupt-20261120T000000Z')))} events" in said
    assert "lost: [(" in said
    work.stop()
    assert not Salvage(sound).anything, "it is done"


def test_what_was_stopped_begins_anew(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(tmp_path, sound, leaf)
    work = Salvage(sound)
    paused = threading.Event()

    def wait(_: float) -> bool:
        paused.set()
        return threading.Event.wait(work._stop)

    monkeypatch.setattr(work._stop, "wait", wait)
    work.start()
    assert paused.wait(30)
    work.stop()
    assert not target_of(aside(sound)).exists()
    assert list(tmp_path.glob("*.partial*")) == []
    assert len(ids(salvaged(sound))) > EVENTS - 20


def test_without_room_it_is_left_for_later(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _broken(tmp_path, sound, leaf)
    monkeypatch.setattr("gateway.journal.salvage._SPARE", 1 << 60)
    with pytest.raises(JournalError, match="make room"):
        salvage(aside(sound))
    assert due(sound) == [aside(sound)]
