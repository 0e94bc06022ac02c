"""Backup, restore and damage with real processes: under load, killed, and seen through the API."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.journal.integrity import contents, examine
from tests.daemon import Daemon, config
from tests.faults.conftest import STATION, Make, listening
from tests.faults.test_kill import seed
from tests.load import AmqpLoad, check_once, number_of, stored
from tests.servers import free_port
from tests.unit.journal.pages import leaves, spoil

KILLS = 8


def command(path: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", arguments[0], "-c", str(path), *map(str, arguments[1:])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lineside(path: Path, *arguments: str | Path, status: int = 0) -> Any:
    """What a command prints as JSON; what it complains about when `status` is not 0."""
    process = command(path, *arguments, "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == status, f"{arguments}: exit status {process.returncode}: {out}{err}"
    return json.loads(out) if status == 0 else out + err


def seqs(path: Path, journal: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "events", "-c", str(path), "--journal", str(journal)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_backup_under_load_and_restore(tmp_path: Path, make_daemon: Make) -> None:
    port = free_port()
    path = config(tmp_path, connections=listening(port), stations=STATION)
    daemon = make_daemon(path)
    await asyncio.to_thread(daemon.start)
    load = AmqpLoad(filler=2000)
    async with load.connected(port, per_second=400):
        while len(load.taken) < 300:
            await asyncio.sleep(0.02)
        taken = list(load.taken)
        made = await asyncio.to_thread(lineside, path, "backup", tmp_path / "b.db")
        sound = await asyncio.to_thread(lineside, path, "doctor")
        assert sound["owner"] == daemon.pid
        assert sound["problems"] == []
        after = len(load.taken)
    assert after > len(taken), "machines were heard meanwhile"
    events = await asyncio.to_thread(seqs, path, tmp_path / "b.db")
    assert [event["seq"] for event in events] == list(range(1, made["head"] + 1))
    native = [number_of(event) for event in events if event["origin"] == "native"]
    assert native == list(range(len(native))), "the state of one moment"
    assert len(native) >= len(taken), "all that was acknowledged before it began"

    head = await asyncio.to_thread(lambda: daemon.get("/events?limit=1")["head"])
    said = await asyncio.to_thread(lineside, path, "restore", tmp_path / "b.db", status=1)
    assert f"in use by process {daemon.pid}" in said
    assert await asyncio.to_thread(daemon.stop) == 0
    done = await asyncio.to_thread(lineside, path, "restore", tmp_path / "b.db")
    await asyncio.to_thread(daemon.start)
    status, problem = await asyncio.to_thread(daemon.ask, f"/api/v1/events?after={head}")
    assert status == 410
    assert problem["reason"] == "foreign"
    assert problem["head"].split(":")[0] == done["journal"] != head.split(":")[0]
    found = await asyncio.to_thread(stored, daemon)
    assert sorted(found) == native
    newest = await asyncio.to_thread(lambda: list(daemon.events("")))
    assert [event["seq"] for event in newest] == list(range(1, len(newest) + 1)), "numbers go on without a hole"
    assert {event["journal"] for event in newest} == {done["journal"]}, "and none means two events"
    assert len(await asyncio.to_thread(seqs, path, Path(done["aside"]))) >= after, "what was there is kept"


def _kills(draw: random.Random, start: Callable[[], subprocess.Popen[str]], check: Callable[[], bool]) -> list[bool]:
    """Run it to the end once to learn how long it takes; then kill it at random moments of that."""
    begun = time.monotonic()
    process = start()
    _, err = process.communicate()
    assert process.returncode == 0, err
    took = time.monotonic() - begun
    check()
    found = []
    for _ in range(KILLS):
        process = start()
        try:
            process.wait(draw.uniform(0.4, 0.95) * took)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        found.append(check())
    return found


def _fill(path: Path, count: int) -> None:
    code = (
        "import sys, uuid; from pathlib import Path; from msgspec.structs import replace\n"
        "from gateway.journal.writer import Writer, WriterSettings; from tests.unit.journal.feed import commit, event\n"
        "writer = Writer(Path(sys.argv[1]), site='f', gateway='g', settings=WriterSettings(ballast_bytes=0))\n"
        "writer.open()\n"
        "for start in range(writer.head, writer.head + int(sys.argv[2]), 500):\n"
        "    made = [event(n, size=2000) for n in range(start, start + 500)]\n"
        "    commit(writer, [replace(each, id=str(uuid.uuid5(uuid.NAMESPACE_OID, each.id))) for each in made])\n"
        "writer.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(count)], check=True)


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(tmp_path: Path) -> None:
    path = config(tmp_path, connections=listening(free_port()), stations=STATION)
    _fill(tmp_path / "journal.db", 10_000)
    made = tmp_path / "b.db"

    def check() -> bool:
        there = made.exists()
        if there:
            assert examine(made, thorough=True).problems == ()
            assert contents(made).events == 10_000
            made.unlink()
        return there

    found = _kills(random.Random(seed()), lambda: command(path, "backup", made), check)
    print(f"{KILLS} kills, {sum(found)} after it was there")
    assert not all(found), "no kill came in time"
    lineside(path, "backup", made)
    assert check()
    assert list(tmp_path.glob("b.db*")) == []


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_one_journal_or_the_other(tmp_path: Path) -> None:
    path = config(tmp_path, connections=listening(free_port()), stations=STATION)
    journal = tmp_path / "journal.db"
    _fill(journal, 5000)
    lineside(path, "backup", tmp_path / "b.db")
    _fill(journal, 1000)
    known = {contents(journal).journal: 6000}

    def check() -> bool:
        assert examine(journal, thorough=True).problems == ()
        there = contents(journal)
        restored = there.journal not in known
        assert there.events == known.setdefault(there.journal, 5000)
        kept = {contents(each).events for each in tmp_path.glob("journal.db.replaced-*Z")}
        assert there.events == 6000 or 6000 in kept, "the journal that was there is under one of the names"
        return restored

    found = _kills(random.Random(seed()), lambda: command(path, "restore", tmp_path / "b.db"), check)
    print(f"{KILLS} kills, {sum(found)} after it was done")
    assert not all(found), "no kill came in time"
    lineside(path, "restore", tmp_path / "b.db")
    check()
    assert not (tmp_path / "journal.db.restoring").exists()


async def test_a_gateway_on_a_journal_that_is_damaged_under_it(tmp_path: Path, make_daemon: Make) -> None:
    """It begins a new one by itself, and acknowledges nothing that is not stored."""
    port = free_port()
    path = config(tmp_path, connections=listening(port), stations=STATION)
    daemon = make_daemon(path)
    _fill(tmp_path / "journal.db", 5000)
    await asyncio.to_thread(daemon.start)
    head = await asyncio.to_thread(lambda: daemon.get("/events?limit=1")["head"])
    spoil(tmp_path / "journal.db", *leaves(tmp_path / "journal.db", "event_id"))
    load = AmqpLoad(filler=2000)
    async with load.connected(port):
        await load.put(500)
        await load.drained()
    now = await asyncio.to_thread(lambda: daemon.get("/events?limit=1")["head"])
    assert now.split(":")[0] != head.split(":")[0]
    check_once(await asyncio.to_thread(stored, daemon), range(500))
    assert load.taken == list(range(500))
    (salvaged,) = await asyncio.to_thread(_wait_salvaged, daemon, tmp_path)
    old = await asyncio.to_thread(seqs, path, salvaged)
    assert [event["seq"] for event in old if event["origin"] == "derived"] == list(range(1, 5001))
    assert "was put aside as" in daemon.whole_log()
    assert await asyncio.to_thread(daemon.stop) == 0


def _wait_salvaged(daemon: Daemon, folder: Path) -> list[Path]:
    def done() -> list[dict[str, Any]]:
        components = daemon.ask("/readyz")[1]["components"]
        return [each for each in components if each["name"] == "salvage" and "events of" in (each["reason"] or "")]

    daemon.wait(done)
    assert daemon.status("/readyz") == 200
    return [each for each in folder.glob("journal.db.salvaged-*") if each.name.endswith("Z")]
