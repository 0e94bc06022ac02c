"""From the moment at which a machine's event is due to its arrival at an SSE subscriber, at a steady rate.

Open loop: events are due at fixed times, whatever became of those before, and latency counts from when they were due. By
itself (`python -m tests.benchmarks.latency`) it feeds ingest, over a journal with `synchronous = full`; `measure` takes any
way to publish, such as a broker.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import uvloop

from gateway.journal.writer import WriterSettings
from tests.build import bench
from tests.integration.api_server import numbered, serving

_NUMBER = re.compile(rb'"Number":([0-9]+)')

Publish = Callable[[int], Awaitable[None]]
"""Sends one event whose body has `Number`, and returns when it is on its way."""


async def measure(publish: Publish, host: str, port: int, *, rate: float = 500, seconds: float = 10) -> dict[str, Any]:
    """Publish numbers 0, 1, … at `rate` per second; answers percentiles of the latency in milliseconds.

    Raises TimeoutError when events have not arrived 30 s after the last was due.
    """
    count = int(rate * seconds)
    arrived: list[float] = [0.0] * count
    reader, writer = await asyncio.open_connection(host, port, limit=64 << 20)
    writer.write(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\nid: ")

    async def follow() -> None:
        left = count
        while left:
            event = await reader.readuntil(b"\n\n")
            at = time.perf_counter()
            found = _NUMBER.search(event)
            if found is not None:
                assert arrived[int(found[1])] == 0.0, f"event {found[1]!r} came twice"
                arrived[int(found[1])] = at
                left -= 1

    following = asyncio.create_task(follow(), name="subscriber")
    start = time.perf_counter() + 0.1
    due = [start + number / rate for number in range(count)]
    late = 0.0
    try:
        for number in range(count):
            if (pause := due[number] - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            late = max(late, time.perf_counter() - due[number])
            await publish(number)
        async with asyncio.timeout(30):
            await following
    finally:
        following.cancel()
        writer.close()
    latencies = sorted(1000 * (at - when) for at, when in zip(arrived, due, strict=True))
    return {
        "events": count,
        "rate": rate,
        "milliseconds": {
            "p50": latencies[count // 2],
            "p99": latencies[min(count - 1, count * 99 // 100)],
            "max": latencies[-1],
        },
        "publisher_late_ms": 1000 * late,
        "target": 50.0,
    }


async def _alone(rate: float, seconds: float) -> dict[str, Any]:
    settings = WriterSettings(synchronous="full", ballast_bytes=0)
    with TemporaryDirectory() as folder:
        async with bench(Path(folder), writer=settings) as made, serving(made) as running:

            async def publish(number: int) -> None:
                await made.give(number, numbered(number))

            return await measure(publish, "127.0.0.1", running.port, rate=rate, seconds=seconds)


def run(rate: float = 500, seconds: float = 10) -> dict[str, Any]:
    """`milliseconds`: p50, p99 and the worst, from due to arrived."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found: dict[str, Any] = runner.run(_alone(rate, seconds))
        return found


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(run())).decode())
