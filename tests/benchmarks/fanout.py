"""How many events reach 100 SSE subscribers in a second, next to bare writes of the same events to as many connections.

A: our API; the events are published as commits are, and each is encoded once. B: `baselines.fanout`, which writes the
same events, encoded beforehand and joined. The subscribers are another process, and read alike. `python -m tests.benchmarks.fanout` prints it.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import msgspec
import uvloop

from gateway.core import times
from gateway.core.event import CfxHeader, Event, Origin, Place, encode
from gateway.journal.tail import Tail
from tests.benchmarks.baselines.fanout import coalesced
from tests.integration.api_server import api

T = TypeVar("T")

_LAST = b"the-last-event"
_COMMIT = 50
"""Events of one commit."""


def _events(count: int) -> list[Event]:
    found = []
    for number in range(1, count + 1):
        text = _LAST.decode() if number == count else "x" * 300
        body = msgspec.json.encode({"$type": "CFX.Production.UnitsDeparted, CFX", "Number": number, "Text": text})
        now = times.now()
        found.append(
            Event(
                id=str(uuid.UUID(int=number)),
                seq=number,
                time=now,
                received=now,
                line="L1",
                station="L1.pnp1",
                handle="SMTPlus.Model_21232.SN23123",
                message="CFX.Production.UnitsDeparted",
                origin=Origin.NATIVE,
                cfx=CfxHeader("2.1", None, None, None),
                body=body,
                raw=body,
            )
        )
    return found


# -- the subscribers, another process


class _Subscriber(asyncio.Protocol):
    def __init__(self, begun: Callable[[], None], done: Callable[[], None]) -> None:
        self._begun: Callable[[], None] | None = begun
        self._done = done
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(  # uvloop's is none by inheritance
            b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        if self._begun is not None:
            self._begun()
            self._begun = None
        end = self._end + data[-2048:]
        if _LAST in end:
            self._done()
        self._end = end[-64:]


async def _subscribe(port: int, subscribers: int) -> None:
    """Says `ready` when every one has got a first byte, `done` when every one has got the last event."""
    loop = asyncio.get_running_loop()
    waiting = {"ready": subscribers, "done": subscribers}
    over = asyncio.Event()

    def count(what: str) -> None:
        waiting[what] -= 1
        if waiting[what] == 0:
            print(what, flush=True)
            if what == "done":
                over.set()

    for _ in range(subscribers):
        await loop.create_connection(
            lambda: _Subscriber(lambda: count("ready"), lambda: count("done")), "127.0.0.1", port
        )
    await over.wait()


@asynccontextmanager
async def _subscribers(port: int, count: int) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.fanout",
        "subscribe",
        str(port),
        str(count),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# -- the two sides


async def _ours(events: list[Event], subscribers: int) -> float:
    with TemporaryDirectory() as folder:
        async with api(Path(folder)) as running, _subscribers(running.port, subscribers) as said:
            return await _published(running.context.ingest.tail, events, said)


async def _published(tail: Tail, events: list[Event], said: asyncio.StreamReader) -> float:
    start = time.perf_counter()
    for first in range(0, len(events), _COMMIT):
        tail.publish(events[first : first + _COMMIT])
        await asyncio.sleep(0)
    assert await said.readline() == b"done\n"
    return time.perf_counter() - start


async def _bare(events: list[bytes], subscribers: int) -> float:
    async with coalesced(events) as (port, go), _subscribers(port, subscribers) as said:
        start = time.perf_counter()
        go()
        assert await said.readline() == b"done\n"
        return time.perf_counter() - start


async def _measure(pairs: int, subscribers: int, count: int) -> dict[str, Any]:
    events = _events(count)
    ours: list[float] = []
    bare: list[float] = []
    place = Place("8c1f02aa", "fab1", "line1-pc")
    encoded = [b"id: %d\ndata: %b\n\n" % (event.seq, encode(event, place)) for event in events]
    for _ in range(pairs):
        ours.append(count * subscribers / await _ours(events, subscribers))
        bare.append(count * subscribers / await _bare(encoded, subscribers))
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    return {
        "subscribers": subscribers,
        "events": count,
        "bytes_mean": round(sum(map(len, encoded)) / count),
        "ratio": {"pairs": ratios, "median": median(ratios), "min": min(ratios), "max": max(ratios)},
        "events_per_second": {"api": round(median(ours)), "bare": round(median(bare))},
        "target": 0.3,
    }


def run(pairs: int = 5, subscribers: int = 100, count: int = 4000) -> dict[str, Any]:
    """`ratio`: our deliveries per second to those of bare writes, one per pair, with median and range."""
    return _run(_measure(pairs, subscribers, count))


def _run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


if __name__ == "__main__":
    if sys.argv[1:2] == ["subscribe"]:
        _run(_subscribe(int(sys.argv[2]), int(sys.argv[3])))
    else:
        print(msgspec.json.format(msgspec.json.encode(run())).decode())
