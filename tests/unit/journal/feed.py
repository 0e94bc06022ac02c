"""A journal and a feed that the test controls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.core.event import Event, Origin
from gateway.core.times import now
from gateway.journal.filter import Filter
from gateway.journal.reader import Reader
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings
from tests.build import FAST


def event(number: int, *, name: str = "CFX.Heartbeat", size: int = 10, at: int | None = None) -> Event:
    body = b'{"n":%d,"x":"%s"}' % (number, b"x" * size)
    time = now() if at is None else at
    return Event(
        id=str(uuid.UUID(int=number + 1)),
        time=time,
        received=time,
        message=name,
        origin=Origin.DERIVED,
        station=f"L1.s{number % 3}",
        line="L1",
        body=body,
        raw=body,
    )


class ListFeed:
    """Commits one list, in one batch, and records what the writer said."""

    def __init__(self, items: list[Event]) -> None:
        self.items = items
        self.stored: list[int] = []
        self.refusals: list[str] = []
        self.rolled = 0
        self.during: Callable[[Transaction, Event], None] = lambda transaction, item: None

    def take(self, wait_s: float) -> list[Event]:
        taken, self.items = self.items, []
        return taken

    def apply(self, transaction: Transaction, items: Sequence[Event]) -> None:
        for item in items:
            self.during(transaction, item)
            transaction.append(item)

    def rolled_back(self) -> None:
        self.rolled += 1

    def refused(self, item: Event, error: Exception) -> Event:
        self.refusals.append(type(error).__name__)
        return msgspec.structs.replace(item, lane=None, body=b"null", raw=b"null")

    def committed(self, items: Sequence[Event], events: Sequence[Event]) -> None:
        self.stored.extend(stored.seq for stored in events)


@contextmanager
def journal(folder: Path, settings: WriterSettings = FAST) -> Iterator[Writer]:
    writer = Writer(folder / "j.db", site="fab1", gateway="pc", settings=settings)
    writer.open()
    try:
        yield writer
    finally:
        writer.close()


def commit(writer: Writer, items: list[Event]) -> ListFeed:
    feed = ListFeed(items)
    writer._store(feed, feed.take(0))
    return feed


def read(writer: Writer, after: int = 0, limit: int = 1000, wanted: Filter | None = None) -> list[Event]:
    reader = Reader(writer.path, threads=1)
    try:
        return [p.event for p in reader.call(lambda c: reader.page(c, after, limit, wanted or Filter())).events]
    finally:
        reader.close()
