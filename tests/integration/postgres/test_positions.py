"""Who reads the history by position while several gateways write it skips nothing, ever."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.core.event import Place
from gateway.journal.reader import Placed
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres
from tests.integration.postgres.journals import Line, asking, delivered, event, following, line

pytestmark = pytest.mark.postgres

EVENTS = 1700


async def _produce(of: Line) -> None:
    for start in range(0, EVENTS, 10):
        await of.put([event(number) for number in range(start, start + 10)])


async def _read(url: str, total: int) -> list[int]:
    """What a reader gets that asks for what is behind the last it has seen, as fast as it can."""
    found: list[int] = []
    async with asking(url) as connection:
        while len(found) < total:
            after = found[-1] if found else 0
            rows = await connection.fetch(
                "SELECT position FROM lineside.event WHERE position > $1 ORDER BY position LIMIT 100", after
            )
            found += [row["position"] for row in rows]
    return found


async def test_positions_appear_in_their_order(tmp_path: Path, database: str) -> None:
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(tmp_path / f"{n}.db", f"line{n}-pc")) for n in (1, 2, 3, 4)]
        for of in lines:
            await stack.enter_async_context(following(of, database, batch_events=7))
            await of.put([event(0)])
            await delivered(of, database)
        total = len(lines) * (EVENTS + 1)
        async with asyncio.timeout(60):
            seen, also, *_ = await asyncio.gather(_read(database, total), _read(database, total), *map(_produce, lines))
    assert seen == also == list(range(1, total + 1))


async def test_nobody_waits_for_a_gateways_network(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the server has answered one, it has let go of the lock of positions: a gateway that is lost or frozen in
    the middle of its batch holds up no other."""
    held: list[int] = []
    place = Place("8c1f02aa", "fab1", "line1-pc")
    sink = Postgres(PostgresSink(kind="postgres", name="plant", url=database))
    async with asking(database) as other, sink.connect(place) as session:

        def watched(method: Any) -> Any:
            async def call(*arguments: Any, **options: Any) -> Any:
                answer = await method(*arguments, **options)
                row = await other.fetchrow("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
                held.append(row["count"])
                return answer

            return call

        for name in ("execute", "fetchval", "copy_records_to_table"):
            monkeypatch.setattr(asyncpg.Connection, name, watched(getattr(asyncpg.Connection, name)))
        await session.take_events([Placed(event(1, seq=1), place)], 1)
        monkeypatch.undo()
        assert await other.fetchval("SELECT head FROM lineside.history") == 1
    assert len(held) >= 3
    assert not any(held)


async def test_the_test_of_their_order_would_notice(tmp_path: Path, database: str) -> None:
    """With numbers of a sequence, given without the lock, the same readers do skip: a number is visible when its
    transaction has ended, not when it was given."""
    async with asking(database) as one, asking(database) as other:
        await one.execute("CREATE SCHEMA lineside; CREATE TABLE lineside.event (position bigserial)")
        first, second = one.transaction(), other.transaction()
        await first.start()
        await one.execute("INSERT INTO lineside.event DEFAULT VALUES")
        await second.start()
        await other.execute("INSERT INTO lineside.event DEFAULT VALUES")
        await second.commit()
        seen = await _read(database, 1)
        await first.commit()
        assert seen == [2]
