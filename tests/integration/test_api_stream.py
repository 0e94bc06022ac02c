"""`/events/stream`: resume without loss or repeat, gaps, filters, slow and departed subscribers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from gateway.api.context import HttpSettings
from gateway.api.live import EventStream
from gateway.api.outlet import Readers
from gateway.api.places import EventFilter
from gateway.core.observation import Facts
from gateway.journal.tail import Tail
from gateway.journal.transaction import Transaction
from tests.build import FAST, bench, message, units
from tests.integration.api_server import Api, api, number_of, numbered, serving, stream, take, until

NATIVE = {"origin": "native"}


async def test_a_new_subscriber_starts_at_the_head_and_learns_where_that_is(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(numbered(0))
        head = running.bench.writer.head
        async with stream(running) as items:
            start = await anext(items)
            assert (start.id, start.data) == (f"{running.journal}:{head}", None)
            await running.publish(numbered(1))
            item = (await take(items, 1))[0]
            assert item.event is None
            assert item.id == f"{running.journal}:{head + 1}"
            assert item.json == (await running.get("/events", params={"after": start.id})).json()["events"][0]


async def test_the_oldest_is_where_after_0_begins(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(5)))
        async with stream(running, after="0", **NATIVE) as items:
            assert [number_of(item.json) for item in await take(items, 5)] == [0, 1, 2, 3, 4]


async def test_last_event_id_wins_over_after(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(5)))
        async with stream(running, last=f"{running.journal}:3", after="0") as items:
            assert (await take(items, 1))[0].json["seq"] == 4


async def test_subscribers_that_come_and_go_lose_and_repeat_nothing(tmp_path: Path) -> None:
    """Under concurrent writes, with a tail so short that they change between it and the journal all the time."""
    total = 1500
    draw = random.Random(7)
    async with short_tail(tmp_path, events=40) as running:

        async def publish() -> None:
            for start in range(0, total, 30):
                await running.publish(*(numbered(number) for number in range(start, start + 30)))

        async def follow() -> tuple[list[int], int]:
            seen: list[int] = []
            last: str | None = "0"
            connections = 0
            while len(seen) < total:
                connections += 1
                async with stream(running, last=last, **NATIVE) as items:
                    for item in await take(items, min(draw.randint(1, 200), total - len(seen))):
                        seen.append(number_of(item.json))
                        last = item.id
            return seen, connections

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(publish(), name="publish")
            readers = [group.create_task(follow(), name=f"reader {number}") for number in range(4)]
        for reader in readers:
            seen, connections = reader.result()
            assert seen == list(range(total))
            assert connections > 3


async def test_going_from_the_journal_to_the_tail_has_no_hole_and_no_repeat(tmp_path: Path) -> None:
    async with short_tail(tmp_path, events=10) as running:
        await running.publish(*(numbered(number) for number in range(300)))
        async with stream(running, after="0", **NATIVE) as items:
            await take(items, 1)
            await running.publish(*(numbered(number) for number in range(300, 600)))
            assert [number_of(item.json) for item in await take(items, 599)] == list(range(1, 600))


@contextlib.asynccontextmanager
async def short_tail(folder: Path, *, events: int, http: HttpSettings | None = None) -> Any:
    async with bench(folder, writer=FAST) as made:
        made.ingest.tail = Tail(made.writer.place, made.writer.head, events=events)
        async with serving(made, http) as running:
            yield running


async def test_twenty_subscribers_get_the_same_bytes(tmp_path: Path) -> None:
    total = 300
    async with api(tmp_path) as running:

        async def follow() -> bytes:
            got = b""
            path, params = "/api/v1/events/stream", {"after": "0"}
            async with running.client.stream("GET", path, params=params) as response:
                async for part in response.aiter_bytes():
                    got += part
                    if b'"Number":%d}' % (total - 1) in got and got.endswith(b"\n\n"):
                        break
            return got

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            readers = [group.create_task(follow(), name=f"reader {number}") for number in range(20)]
            await until(lambda: open_streams() == 20)
            for start in range(0, total, 10):
                await running.publish(*(numbered(number) for number in range(start, start + 10)))
        got = {reader.result().partition(b"id: " + running.journal.encode() + b":1\n")[2] for reader in readers}
        assert len(got) == 1
        assert got.pop().count(b"data: ") >= total
        entries = [entry for chunk in running.bench.ingest.tail.since(0) or [] for entry in chunk.entries]
        assert len(entries) >= total
        await until(lambda: open_streams() == 0)


def open_streams() -> int:
    return sum(task.get_name() == "sse reader" for task in asyncio.all_tasks())


@pytest.mark.parametrize("reason", ["expired", "foreign", "future"])
async def test_a_point_that_is_gone_is_a_gap_and_it_goes_on_with_the_oldest(tmp_path: Path, reason: str) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(6)))
        await forget(running, 3)
        asked = {"expired": f"{running.journal}:1", "foreign": "0badcafe:5", "future": f"{running.journal}:77"}[reason]
        for how in ({"last": asked}, {"after": asked}):
            async with stream(running, **how) as items:
                gap, first = await take(items, 2)
                assert gap.event == "gap"
                assert gap.json == {"from": asked, "to": f"{running.journal}:3", "reason": reason}
                assert gap.id == f"{running.journal}:3"
                assert (first.event, first.json["seq"]) == (None, 4)


async def test_a_subscriber_that_retention_overtakes_is_told_so(tmp_path: Path) -> None:
    async with short_tail(tmp_path, events=5) as running:
        sent: list[bytes] = []
        taken, may_go_on = asyncio.Event(), asyncio.Event()

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(bytes(message["body"]))
            taken.set()
            await may_go_on.wait()

        slow = EventStream(running.context.log, Readers(9), start=None, wanted=EventFilter(), body=True, keepalive_s=15)
        await slow.prepare()
        writing = asyncio.create_task(slow.write(send), name="slow reader")
        await taken.wait()
        for number in range(20):  # a commit each: the tail drops whole commits
            await running.publish(numbered(number))
        await forget(running, 12)
        may_go_on.set()
        await until(lambda: b'"seq":20' in b"".join(sent))
        writing.cancel()
        await asyncio.wait({writing})
        start, gap, *events = b"".join(sent).decode().split("\n\n")[:-1]
        journal = running.journal
        assert start == f"retry: 1000\nid: {journal}:0"
        body = f'{{"from":"{journal}:0","to":"{journal}:12","reason":"expired"}}'
        assert gap == f"event: gap\nid: {journal}:12\ndata: {body}"
        assert [event.partition("\n")[0] for event in events[:8]] == [f"id: {journal}:{seq}" for seq in range(13, 21)]


async def forget(running: Api, last: int) -> None:
    """What retention does."""

    def effect(transaction: Transaction) -> None:
        transaction._connection.exec_driver_sql("DELETE FROM event WHERE seq <= ?", (last,))

    await running.bench.ingest.store("test", "test", [], effect=effect)


async def test_an_idle_stream_says_where_it_is(tmp_path: Path) -> None:
    async with api(tmp_path, http=HttpSettings(keepalive_s=0.05)) as running, stream(running) as items:
        async with asyncio.timeout(10):
            for _ in range(3):
                item = await anext(items)
                assert (item.id, item.data, item.event) == (f"{running.journal}:0", None, None)


async def test_a_filtered_stream_says_how_far_it_looked(tmp_path: Path) -> None:
    http = HttpSettings(keepalive_s=0.05)
    async with api(tmp_path, http=http) as running, stream(running, station="L9.nobody") as items:
        await running.publish(*(numbered(number) for number in range(10)))
        head = f"{running.journal}:{running.bench.writer.head}"
        async with asyncio.timeout(10):
            async for item in items:
                assert item.data is None
                if item.id == head:
                    break


MIXED = [
    ("CFX.Production.WorkStarted", "A", 1),
    ("CFX.Production.WorkCompleted", "A", 1),
    ("cfx.production.workcompleted", "B", 2),
    ("CFX.Heartbeat", None, None),
    ("CFX.Production.UnitsDeparted", "A%", 2),
    ("CFX.ProductionX", "A_", 2),
]
FILTERS: list[dict[str, Any]] = [
    {},
    {"message": "CFX.Production.*"},
    {"message": "cfx.production.*"},
    {"message": ["CFX.Production.*", "!CFX.Production.WorkStarted"]},
    {"message": "!CFX.Heartbeat"},
    {"message": ["CFX.Heartbeat", "CFX.Production.WorkStarted"], "unit": "A"},
    {"unit": ["A", "B"]},
    {"unit": "!A"},
    {"unit": "A%"},
    {"unit": ["A", "A_"], "message": "!*Completed"},
    {"line": "L1", "station": "!L1.pnp1"},
    {"origin": "!gateway"},
    {"origin": "gateway"},
    {"station": "L1.*"},
    {"from": "2026-11-20T11:44:33.5Z", "to": "2026-11-20T11:44:36Z"},
    {"from": "2026-11-20T12:44:34+01:00", "message": "!CFX.Heartbeat"},
]


def mixed(count: int) -> list[Any]:
    draw = random.Random(3)
    made = []
    for number in range(count):
        name, unit, lane = MIXED[draw.randrange(len(MIXED))]
        facts = Facts(
            units=units(unit) if unit else (), lane=lane, transaction=None if lane is None else f"T{draw.randrange(9)}"
        )
        stamp = f"2026-11-20T12:44:3{draw.randrange(10)}.5+01:00"
        made.append(numbered(number, name=name, facts=facts, timestamp=stamp))
    return made


async def test_pages_exports_and_live_streams_agree_on_every_filter(tmp_path: Path) -> None:
    async with api(tmp_path, http=HttpSettings(keepalive_s=0.05)) as running:
        live: dict[int, list[dict[str, Any]]] = {number: [] for number in range(len(FILTERS))}
        marks = [asyncio.Event() for _ in FILTERS]
        goal: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def follow(number: int) -> None:
            async with stream(running, after="0", **FILTERS[number]) as items:
                async for item in items:
                    marks[number].set()
                    if item.data is not None:
                        live[number].append(item.json)
                    if goal.done() and item.id == goal.result():
                        return

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(len(FILTERS)):
                group.create_task(follow(number), name=f"filter {number}")
            for mark in marks:
                await mark.wait()
            messages = mixed(240)
            for start in range(0, len(messages), 16):
                await running.publish(*messages[start : start + 16])
            goal.set_result(f"{running.journal}:{running.bench.writer.head}")
        sizes = []
        for number, wanted in enumerate(FILTERS):
            page = (await running.get("/events", params={**wanted, "limit": 1000})).json()
            export = await running.get("/events", params=wanted, headers={"Accept": "application/x-ndjson"})
            lines = export.text.splitlines()
            assert page["events"] == live[number], f"live and stored differ for {wanted}"
            assert len(lines) == len(page["events"]) + 1
            assert all(str(event["seq"]) in line for event, line in zip(page["events"], lines, strict=False))
            sizes.append(len(page["events"]))
        assert min(sizes[:3]) > 0
        assert len(set(sizes)) > 6, "the filters are no test when they all take the same"


@contextlib.asynccontextmanager
async def deaf(running: Api, query: str = "") -> AsyncIterator[asyncio.StreamReader]:
    """A subscriber with small buffers that reads nothing until the test does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
    try:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        writer.write(b"GET /api/v1/events/stream%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % query.encode())
        await until(lambda: open_streams() == 1)
        yield reader
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_subscriber_that_stops_reading_is_cut(tmp_path: Path) -> None:
    """The others go on meanwhile, and what is kept for the slow one is bounded by what the kernel takes."""
    filling = "x" * 50_000
    async with api(tmp_path, http=HttpSettings(write_timeout_s=1.0)) as running, deaf(running, "?after=0") as reader:
        async with stream(running, after="0", **NATIVE) as healthy:

            async def publish() -> None:
                for number in range(200):
                    await running.publish(message(None, body={"Filling": filling, "Number": number}))

            publishing = asyncio.create_task(publish(), name="publish")
            assert [number_of(item.json) for item in await take(healthy, 200)] == list(range(200))
            await publishing
            await until(lambda: open_streams() == 1)
        await until(lambda: running.bench.counter("readers_cut") == 1)
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 16):
                got += part
        assert 0 < got.count(b'"Number":') < 200
        assert not got.endswith(b"\r\n0\r\n\r\n"), "a cut is not a regular end"


async def test_a_write_after_which_nothing_more_comes_is_cut_too(tmp_path: Path) -> None:
    """No further write would notice that the peer is stuck."""
    http = HttpSettings(write_timeout_s=0.3, keepalive_s=60)
    async with api(tmp_path, http=http) as running, deaf(running):
        await running.publish(message(None, body={"Filling": "x" * 12_000_000}))
        await until(lambda: open_streams() == 0)
        assert running.bench.counter("readers_cut") == 1


async def test_a_subscriber_that_leaves_is_forgotten_at_once(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        async with stream(running) as items:
            await anext(items)
            assert open_streams() == 1
        await until(lambda: open_streams() == 0)
        metrics = (await running.client.get("/metrics")).text
        assert 'lineside_subscribers_connections{kind="sse"} 0.0' in metrics


async def test_streams_end_at_once_and_regularly_when_the_gateway_stops(tmp_path: Path) -> None:
    async with bench(tmp_path, writer=FAST) as made:
        ended = asyncio.Event()

        async def follow(running: Api) -> None:
            async with stream(running) as items:
                async for _ in items:
                    ready.set()
            ended.set()  # httpx raises when a body is cut short

        ready = asyncio.Event()
        async with asyncio.timeout(10):
            async with serving(made) as running:
                task = asyncio.create_task(follow(running), name="reader")
                await ready.wait()
                server = next(task for task in asyncio.all_tasks() if task.get_name() == "http")
                server.cancel()
                await ended.wait()
                await task


async def test_more_readers_than_allowed_are_refused(tmp_path: Path) -> None:
    async with api(tmp_path, http=HttpSettings(readers=2)) as running:
        async with stream(running) as one, stream(running) as two:
            await anext(one)
            await anext(two)
            refused = await running.get("/events/stream")
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:lineside:problem:too-many-readers"
        await until(lambda: open_streams() == 0)
        async with stream(running) as again:
            await anext(again)
