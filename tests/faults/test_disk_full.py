"""A disk that fills up: nothing is acknowledged that is not stored, and everything goes on when there is space again."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, config
from tests.faults.conftest import STATION, Make, journal, listening, over_mqtt
from tests.faults.disks import mounted
from tests.load import AmqpLoad, Follower, check_once, number_of, numbered, stored
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

MEGABYTE = 1 << 20
DISK = 48 * MEGABYTE
FILLER = 20_000
"""Bytes in each message, so that a disk is full before long."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", DISK) as folder:
        yield folder


def free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def fill(folder: Path, *, leave: int) -> Path:
    """A file of somebody else's that takes all but so many bytes."""
    path = folder / f"somebody-elses.{uuid.uuid4().hex}.log"
    with path.open("xb") as file:
        if (size := free(folder) - leave) > 0:
            os.posix_fallocate(file.fileno(), 0, size)
    return path


def components(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """What `/readyz` says, by component; empty when it does not answer."""
    status, body = daemon.ask("/readyz")
    return {} if status == 0 else {component["name"]: component for component in body["components"]}


def is_full(daemon: Daemon) -> bool:
    """It says so: not ready, and why."""
    found = components(daemon).get("journal", {})
    return not found.get("ready", True) and "full" in (found.get("reason") or "")


async def until(daemon: Daemon, condition: Any, *, timeout_s: float = 30.0) -> None:
    await asyncio.to_thread(daemon.wait, condition, timeout_s=timeout_s)


async def test_somebody_else_fills_the_disk_and_makes_room_again(
    tmp_path: Path, small_disk: Path, make_daemon: Make
) -> None:
    """Retention may delete nothing here: the gateway waits, and says so."""
    port = free_port()
    path = config(tmp_path, connections=listening(port), stations=STATION)
    journal(path, path=f'"{small_disk}/journal.db"', ballast='"4MB"')
    daemon = make_daemon(path)
    await asyncio.to_thread(daemon.start)
    ballast = small_disk / "journal.db.ballast"
    assert ballast.stat().st_blocks * 512 >= 4_000_000
    load = AmqpLoad(filler=FILLER)
    with Follower(daemon) as follower:
        async with load.connected(port):
            await load.put(100)
            await load.drained()
            other = fill(small_disk, leave=MEGABYTE)
            await load.put(1000)
            await until(daemon, lambda: is_full(daemon))
            assert daemon.status("/healthz") == 200
            assert components(daemon)["journal"]["state"] == "stalled"
            assert daemon.metric("lineside_journal_stalled_seconds") > 0
            assert ballast.exists()  # it is for retention, which may delete nothing here
            # Once smaller batches fit in no more either, nothing is stored and nothing accepted, try after try.
            await until(daemon, lambda: daemon.metric("lineside_journal_stalled_seconds") > 0.5)
            found, waiting = stored(daemon), len(load.taken)
            check_once(found, range(len(found)))  # readers go on reading
            await until(daemon, lambda: daemon.metric("lineside_journal_stalled_seconds") > 1.5)
            assert stored(daemon) == found
            assert len(load.taken) == waiting
            assert 100 <= waiting <= len(found) < 1100
            other.unlink()
            await until(daemon, lambda: daemon.status("/readyz") == 200)
            await load.drained()
        assert load.taken == list(range(1100))
        check_once(stored(daemon), range(1100))
        follower.wait(daemon, 1100)
        follower.check(range(1100))
    assert daemon.whole_log().count("nothing can be committed") == daemon.whole_log().count("commits go on after") > 0
    assert daemon.get("/quarantine")["quarantine"] == []
    assert daemon.stop() == 0


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_ended_and_started_on_a_full_disk(tmp_path: Path, small_disk: Path, make_daemon: Make, how: str) -> None:
    """It comes up and says what is the matter; what was acknowledged is there, the rest comes when there is room."""
    port = free_port()
    path = config(tmp_path, connections=listening(port), stations=STATION)
    journal(path, path=f'"{small_disk}/journal.db"', ballast='"4MB"')
    daemon = make_daemon(path)
    await asyncio.to_thread(daemon.start)
    load = AmqpLoad(filler=FILLER)
    async with load.connected(port):
        await load.put(100)
        await load.drained()
        other = fill(small_disk, leave=MEGABYTE)
        await load.put(400)
        await until(daemon, lambda: is_full(daemon))
        await asyncio.to_thread(getattr(daemon, how))
        taken = len(load.taken)
        assert 100 <= taken < 500
        rest = fill(small_disk, leave=0)
        daemon.launch()
        await until(daemon, lambda: is_full(daemon))
        assert not set(load.taken) - stored(daemon).keys()
        other.unlink()
        rest.unlink()
        await load.drained()
        await until(daemon, lambda: daemon.status("/readyz") == 200)
    check_once(stored(daemon), range(500))


@pytest.mark.mosquitto
def test_retention_makes_room(tmp_path: Path, small_disk: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    """The journal itself fills the disk, since a sink is away that may hold back more than there is. Retention is then run
    without waiting for it: the ballast gives it the room it needs. A subscriber that follows gets everything, each once."""
    topic = mosquitto.name("full")
    path = config(
        tmp_path,
        connections=over_mqtt(mosquitto, topic),
        stations=STATION,
    )
    journal(path, path=f'"{small_disk}/journal.db"', ballast='"8MB"', retention='{ bytes = "12MB" }')
    with path.open("a", encoding="utf-8") as file:
        file.write(f'[[sink]]\nname = "plant"\nkind = "postgres"\nurl = "postgresql://a@127.0.0.1:{free_port()}/b"\n')
    daemon = make_daemon(path)
    daemon.start()
    daemon.wait(lambda: daemon.metric("lineside_link_up") == 1)
    chunk, count = 200, 6000  # 120 MB, more than twice the disk
    with Follower(daemon) as follower:
        for first in range(0, count, chunk):
            numbers = range(first, first + chunk)
            mosquitto.publish(topic, [numbered(number, filler=FILLER) for number in numbers])
            follower.wait(daemon, first + chunk)
        follower.check(range(count))
    full = daemon.whole_log().count("nothing can be committed")
    assert full == daemon.whole_log().count("commits go on after") >= 2
    assert "full" in daemon.whole_log()
    assert daemon.status("/readyz") == 200
    left = [number_of(event) for event in daemon.events()]
    assert left == list(range(left[0], count))  # the newest, without a hole
    assert left[0] > 0
    there = len(list(daemon.events("origin=native&origin=gateway")))
    untaken = daemon.metric("lineside_retention_untaken_rows_total")
    assert untaken == daemon.metric("lineside_journal_head_events") - there, "what the sink has lost is known"
    assert daemon.get("/quarantine")["quarantine"] == []
    print(f"{full} times full, {len(left)} of {count} events left")
    assert daemon.stop() == 0
