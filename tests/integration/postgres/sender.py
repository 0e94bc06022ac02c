"""`python -m tests.integration.postgres.sender JOURNAL URL`: sends a journal that nobody writes any more.

For every line that it reads it forks a process that does so and says `connected PID`; when that has ended, it says
`ended CODE`. Forked, for to start a Python each time would take most of the time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway.core.event import Place
from gateway.journal.reader import Reader
from gateway.journal.tail import Tail
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.sink import Postgres
from gateway.sinks.source import Source


async def main(path: Path, url: str) -> None:
    reader = Reader(path, threads=1)
    _, head = await reader.bounds()
    tail = Tail(Place(reader.journal, "fab1", "line1-pc"), head)
    reader.close()
    sink = Postgres(PostgresSink(kind="postgres", name="plant", url=url, batch_events=10, batch_samples=30))
    source = Source(path, tail, sink.batch)
    async with sink.connect(tail.place) as session:
        print(f"connected {os.getpid()}", flush=True)
        more = True
        while more:
            events = await source.events(session.event)
            await session.take_events(events.events, events.upto)
            samples = await source.samples(session.sample)
            await session.take_samples(samples.samples, samples.upto)
            more = events.upto < events.head or samples.upto < samples.head
    source.close()


if __name__ == "__main__":
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
            os._exit(0)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)
