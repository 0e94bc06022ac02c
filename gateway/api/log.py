"""What `/events` reads: a log of events by position. A gateway's own journal is one, the plant's history another."""

from __future__ import annotations

from typing import Protocol

import msgspec
from sqlalchemy import Connection

from gateway.api.places import EventFilter
from gateway.core.event import Event, Place, encode
from gateway.journal.reader import Placed, Reader
from gateway.journal.tail import Tail


class Line(msgspec.Struct, frozen=True, gc=False):
    """An event's position and its JSON."""

    position: int
    json: bytes


class Lines(msgspec.Struct, frozen=True):
    """A page; `next` is the last position scanned, `more` whether there is more up to `head`."""

    lines: list[Line]
    next: int
    more: bool
    head: int


class EventLog(Protocol):
    """id: the first part of its cursors. tail: its live end, in which the `seq` of an event is its position here."""

    id: str
    tail: Tail

    async def bounds(self) -> tuple[int, int]:
        """(oldest position still there, head); oldest is head + 1 when there is none. Raises JournalError."""

    async def page(self, after: int, limit: int, wanted: EventFilter, *, exact: bool, body: bool) -> Lines:
        """What follows position `after`. `exact`: 0 is a position like any other. Raises CursorGone, JournalError."""

    async def event(self, id_: str) -> Placed | None:
        """One event by its id, canonical UUID text."""

    def line(self, event: Event, *, body: bool) -> bytes:
        """The JSON of an event of the tail."""

    def place(self, event: Event) -> Place:
        """Whose an event of the tail is."""


class JournalLog:
    """A gateway's own journal."""

    def __init__(self, reader: Reader, tail: Tail) -> None:
        self.id = reader.journal
        self.tail = tail
        self._reader = reader

    async def bounds(self) -> tuple[int, int]:
        return await self._reader.bounds()

    async def page(self, after: int, limit: int, wanted: EventFilter, *, exact: bool, body: bool) -> Lines:
        def work(connection: Connection) -> Lines:  # encoded on the reader's thread
            found = self._reader.page(connection, after, limit, wanted, exact=exact)
            lines = [
                Line(each.event.seq, encode(each.event, each.place, body=body))
                for each in found.events
                if wanted.places.accepts(each.place.site, each.place.gateway)
            ]
            return Lines(lines, found.next, found.more, found.head)

        return await self._reader.run(work)

    async def event(self, id_: str) -> Placed | None:
        return await self._reader.event(id_)

    def line(self, event: Event, *, body: bool) -> bytes:
        return encode(event, self.tail.place, body=body)

    def place(self, event: Event) -> Place:
        return self.tail.place
