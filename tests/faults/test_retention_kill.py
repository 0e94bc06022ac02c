"""kill -9 while retention removes, and while an old journal is brought up to date."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.journal import database, event_state
from gateway.journal.holders import Loss
from gateway.journal.schema import MIGRATIONS
from tests.faults.retaining_writer import BATCH, MIGRATING, SETTINGS, WORK, held
from tests.faults.test_kill import seed
from tests.unit.journal.feed import commit, event, journal


def _killed_after(command: list[str], lines: int, draw: random.Random) -> list[str]:
    """What the process said, which was killed some moment after it had said so many lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.retaining_writer", *command], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.strip())
        if len(said) == lines:
            sum(range(draw.randint(0, 300_000)))  # some moment within the next ten milliseconds or so
            process.kill()
    process.stdout.close()
    process.wait()
    return said


def _losses(path: Path) -> tuple[int, int]:
    """(head, events that were lost by the sink that is away) of a journal; every number is accounted for."""
    with journal(path.parent, SETTINGS) as writer:
        connection = writer._open
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        holder = held(writer)
        writer.holders.settle(connection)
        lost: Loss | None = holder.lost("events")
        count = connection.exec_driver_sql("SELECT count(*) FROM event").scalar_one()
        assert writer.head % BATCH == 0, "a commit is whole"
        assert count + (0 if lost is None else lost.count) == writer.head, "it is there, or it was noted as lost"
        gone = event_state.events_gone(connection)
        works = connection.exec_driver_sql(
            "SELECT count(*) FROM event e JOIN message m ON m.id = e.message WHERE m.name = ?", (WORK,)
        ).scalar_one()
        assert works == writer.head // 5 - gone // 5, "behind what is gone as a whole, only heartbeats are missing"
        for orphans in (
            "SELECT count(*) FROM event_unit WHERE seq NOT IN (SELECT seq FROM event)",
            "SELECT count(*) FROM unit WHERE id NOT IN (SELECT unit FROM event_unit)",
        ):
            assert connection.exec_driver_sql(orphans).scalar() == 0
        remembered = connection.exec_driver_sql("SELECT count(*) FROM dedup").scalar_one()
        assert remembered <= writer.head - count
        return writer.head, 0 if lost is None else lost.count


@pytest.mark.slow
def test_kill_during_retention(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    draw = random.Random(seed())
    last, lost = 0, 0
    for _ in range(5):
        said = _killed_after(["retain", str(path)], draw.randint(10, 60), draw)
        head, now_lost = _losses(path)
        assert head >= int(said[-1]), "what was committed is there"
        assert now_lost >= lost
        assert head > last
        last, lost = head, now_lost
    print(last, lost)
    assert lost > 1000, "nothing was removed"
    assert path.stat().st_size < 4_000_000


def test_kill_during_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first schema. Whatever moment it is: the file is of some version, whole, and opens."""
    draw = random.Random(seed())
    with monkeypatch.context() as before:
        before.setattr(database, "MIGRATIONS", MIGRATIONS[:1])
        with journal(tmp_path / "old") as writer:
            connection = writer._open
            connection.exec_driver_sql("INSERT INTO quarantine SELECT 1,'s',NULL,'c','r','d',x'00',1,1,1,1,x'00'")
    many = 40
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        for number in range(many):
            shutil.copy(tmp_path / "old" / "j.db", folder / f"{number:02}.db")
        said = _killed_after(["migrate", str(folder)], draw.randint(1, many - 5), draw)
        assert len(said) < many, "it was not killed"
        versions = set()
        for name in sorted({*said[-2:], f"{many - 1}.db"}):
            (folder / name).rename(folder / "j.db")
            for suffix in ("-wal", "-shm"):
                if (beside := folder / (name + suffix)).exists():
                    beside.rename(folder / f"j.db{suffix}")
            with journal(folder, MIGRATING) as writer:
                versions.add(writer._open.exec_driver_sql("PRAGMA user_version").scalar_one())
                assert writer._open.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
                assert writer._open.exec_driver_sql("SELECT count(*) FROM quarantine").scalar() == 1
                assert commit(writer, [event(1)]).stored == [1]
            (folder / "j.db").unlink()
        assert versions == {len(MIGRATIONS)}
