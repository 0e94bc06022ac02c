"""The plant's history as the API reads it, and its live end: what gateways add, as soon as the database says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence

from gateway.api.log import Line, Lines
from gateway.api.places import EventFilter
from gateway.core import times
from gateway.core.errors import CursorGone, JournalError, LinesideError
from gateway.core.event import Event, Place, encode
from gateway.core.times import Micros
from gateway.journal.filter import Filter
from gateway.journal.reader import Placed
from gateway.journal.tail import Tail
from gateway.sinks.postgres.reader import HistoryReader
from gateway.sinks.postgres.rows import HistoryEvent

log = logging.getLogger("lineside.serve")

_PAGE = 1000
_ALL = Filter()


class HistoryLog:
    """`gateway.api.log.EventLog` over a database. The events of its tail are `HistoryEvent`s."""

    def __init__(self, reader: HistoryReader, head: int) -> None:
        self.id = reader.id
        self.tail = Tail(Place(reader.id, "", ""), head)
        self._reader = reader

    async def bounds(self) -> tuple[int, int]:
        return await self._reader.bounds()

    async def page(self, after: int, limit: int, wanted: EventFilter, *, exact: bool, body: bool) -> Lines:
        places = wanted.places
        found = await self._reader.page(after, limit, wanted, site=places.site, gateway=places.gateway, exact=exact)
        lines = [Line(event.seq, self.line(event, body=body)) for event in found.events]
        return Lines(lines, found.next, found.more, found.head)

    async def event(self, id_: str) -> Placed | None:
        return await self._reader.event(id_)

    def line(self, event: Event, *, body: bool) -> bytes:
        assert isinstance(event, HistoryEvent)
        return encode(event.own(), event.place, body=body)

    def place(self, event: Event) -> Place:
        assert isinstance(event, HistoryEvent)
        return event.place


class Follow:
    """Keeps the tail of a log at its head. state, since, reason: for `/readyz`.

    The database tells of every commit that adds events; poll_s: how often it is looked for them in any case, since a
    connection may be lost without anybody noticing, and a standby tells nothing.
    """

    def __init__(self, history: HistoryLog, reader: HistoryReader, *, poll_s: float) -> None:
        self.ready = True
        self.since: Micros = times.now()
        self.reason = ""
        self._log = history
        self._reader = reader
        self._poll_s = poll_s

    async def run(self) -> None:
        """Until cancelled. Raises LinesideError when the history was replaced by another: its positions mean nothing
        any more, and whoever reads must hear that."""
        while True:
            try:
                await self._once()  # first of all: where one cannot listen, one can still look
                self._change(ready=True)
                told = asyncio.Event()
                async with self._reader.notices(told.set) as lasts:
                    while True:
                        await self._once()
                        self._change(ready=True)
                        if not lasts():
                            break
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(told.wait(), self._poll_s)
                        told.clear()
            except JournalError as error:
                self._change(ready=False, reason=str(error))
            await asyncio.sleep(self._poll_s)

    def _change(self, *, ready: bool, reason: str = "") -> None:
        if ready is not self.ready:
            self.since = times.now()
            if ready:
                log.info("the database is back")
            else:
                log.warning("%s; trying again until it is back", reason)
        self.ready, self.reason = ready, reason

    async def _once(self) -> None:
        tail = self._log.tail
        id_, head = await self._reader.now()
        if id_ != self._log.id or head < tail.head:
            raise LinesideError("the history was replaced by another one, or by an older copy; starting anew is safe")
        after = tail.head
        while after < head:
            try:
                page = await self._reader.page(after, _PAGE, _ALL, exact=True)
            except CursorGone as gone:  # a database that was away for very long: readers get a gap from their own pages
                if gone.reason != "expired":
                    raise
                oldest, _ = await self._reader.bounds()
                after = oldest - 1
                continue
            for run in _runs(page.events):
                tail.publish(run)
            after = page.next


def _runs(events: Sequence[HistoryEvent]) -> Iterator[list[Event]]:
    """As one piece of a tail has them, without holes: somebody may have deleted rows."""
    run: list[Event] = []
    for event in events:
        if run and event.seq != run[-1].seq + 1:
            yield run
            run = []
        run.append(event)
    if run:
        yield run
