"""Several gateways into one database that goes away, and a gateway that does: the counts agree exactly."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.integration.postgres.journals import Line, asking, delivered, event, following, line, sample, until
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.postgres

EVENTS = 3000
SAMPLES = 6000
KILLED = 1000
"""Events of the journal whose sender is killed; twice as many samples."""


async def _produce(of: Line) -> None:
    """In many commits, and for as long as the whole test takes."""
    for start in range(0, EVENTS, 20):
        numbers = range(start, start + 20)
        await of.put([event(number) for number in numbers], [sample(number) for number in [*numbers, *numbers]])
        await asyncio.sleep(0.02)  # stands for the time that machines take


async def _counts(url: str, journal: str) -> tuple[object, ...]:
    async with asking(url) as connection:
        row = await connection.fetchrow(
            "SELECT count(*), count(DISTINCT seq), min(seq), max(seq), count(DISTINCT position) FROM lineside.event "
            "WHERE journal = $1",
            journal,
        )
        return tuple(row)


async def test_three_gateways_and_a_database_that_is_stopped_and_killed(tmp_path: Path, own_postgres: Postgres) -> None:
    url = own_postgres.database()
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(tmp_path / f"{n}.db", f"line{n}-pc")) for n in (1, 2, 3)]
        sinks = [
            await stack.enter_async_context(following(of, url, batch_events=70, batch_samples=200)) for of in lines
        ]
        work = asyncio.gather(*(_produce(of) for of in lines))
        for how in (own_postgres.stop, own_postgres.kill, own_postgres.stop, own_postgres.kill):
            taken = sum(of.metric("events_total") for of in lines)
            await until(lambda taken=taken: sum(of.metric("events_total") for of in lines) > taken + 300)  # type: ignore[misc]
            await asyncio.to_thread(how)
            await until(lambda: all(of.metric("up") == 0 for of in lines))
            await asyncio.to_thread(own_postgres.start)
        await work
        for of in lines:
            await delivered(of, url, timeout_s=60)
        await until(lambda: all(_sampled(own_postgres, url, of) == SAMPLES for of in lines), timeout_s=60)
        assert all(of.metric("connects_total") >= 5 for of in lines)
        assert [sink.reason for sink in sinks] == ["", "", ""]
        for of in lines:
            assert await _counts(url, of.writer.journal) == (EVENTS, EVENTS, 1, EVENTS, EVENTS)
        async with asking(url) as connection:
            head, count, last = await connection.fetchrow(
                "SELECT (SELECT head FROM lineside.history), count(DISTINCT position), max(position) FROM lineside.event"
            )
            assert head == count == last == 3 * EVENTS
            per_series = await connection.fetch(
                "SELECT s.gateway, count(*), count(DISTINCT n), max(n) FROM lineside.sample "
                "JOIN lineside.series s ON s.number = series GROUP BY 1"
            )
            assert sorted(map(tuple, per_series)) == [(f"line{n}-pc", SAMPLES, SAMPLES, SAMPLES) for n in (1, 2, 3)]


def _sampled(server: Postgres, url: str, of: Line) -> int:
    name = url.rpartition("/")[2]
    return int(server.sql(name, f"SELECT sample FROM lineside.journal WHERE id = '{of.writer.journal}'") or 0)


async def test_a_database_that_hangs(tmp_path: Path, own_postgres: Postgres) -> None:
    """What does not answer counts as lost, and nobody who wants to stop waits for it."""
    url = own_postgres.database()
    async with line(tmp_path / "a.db") as of:
        async with following(of, url, timeout_s=0.5, connect_timeout_s=0.5) as sink:
            await of.put([event(1)])
            await delivered(of, url)
            own_postgres.freeze()
            try:
                await of.put([event(2)])
                await until(lambda: "no answer in time" in sink.reason)
            finally:
                own_postgres.thaw()
            await delivered(of, url)
        async with asyncio.timeout(3), following(of, url):
            await delivered(of, url)
            own_postgres.freeze()
            await of.put([event(3)])
        own_postgres.thaw()
        async with following(of, url):
            await delivered(of, url)
        assert await _counts(url, of.writer.journal) == (3, 3, 1, 3, 3)


async def test_a_gateway_that_is_killed_again_and_again(tmp_path: Path, database: str) -> None:
    """Its process ends anywhere: before a commit, on the way to the server, behind the commit and before it hears of it."""
    draw = random.Random(7)
    async with line(tmp_path / "a.db") as of:
        for start in range(0, KILLED, 100):
            await of.put([event(number) for number in range(start, start + 100)], [sample(n) for n in range(200)])
        path, journal = of.path, of.writer.journal
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.postgres.sender", str(path), database],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as sender:
        try:
            while await asyncio.to_thread(_send, sender, draw.uniform(0.0, 0.15)):
                killed += 1
                assert killed < 500
        finally:
            sender.kill()
    assert killed >= 10
    assert await _counts(database, journal) == (KILLED, KILLED, 1, KILLED, KILLED)
    async with asking(database) as connection:
        row = await connection.fetchrow("SELECT count(*), count(DISTINCT n), max(n) FROM lineside.sample")
        assert tuple(row) == (2 * KILLED,) * 3


def _send(sender: subprocess.Popen[bytes], at_most_s: float) -> bool:
    """Let it send for so long and kill it; whether it was killed."""
    assert sender.stdin is not None
    assert sender.stdout is not None
    sender.stdin.write(b"go\n")
    word, pid = sender.stdout.readline().split()
    assert word == b"connected"
    if not select.select([sender.stdout], [], [], at_most_s)[0]:
        os.kill(int(pid), signal.SIGKILL)
    word, code = sender.stdout.readline().split()
    assert word == b"ended"
    assert int(code) in (0, -signal.SIGKILL)
    return int(code) != 0
