"""`/events` as NDJSON: all that matches up to the head of request time, in bounded memory."""

from __future__ import annotations

import logging

import msgspec
from sqlalchemy import Connection
from starlette.types import Send

from gateway.api import cursor
from gateway.api.outlet import Readers, Stream, send_pieces
from gateway.core.errors import CursorGone, JournalError
from gateway.core.event import encode
from gateway.journal.filter import Filter
from gateway.journal.reader import Reader

log = logging.getLogger("lineside.api")

_PAGE = 500
MEDIA_TYPE = "application/x-ndjson"


class Export(Stream):
    """after, head: the stretch of the journal that is looked through. limit: most events, None: all."""

    kind = "ndjson"
    media_type = MEDIA_TYPE

    def __init__(
        self,
        reader: Reader,
        readers: Readers,
        *,
        after: int,
        head: int,
        wanted: Filter,
        body: bool,
        limit: int | None,
        exact: bool,
    ) -> None:
        super().__init__(readers)
        self._reader = reader
        self._after, self._head = after, head
        self._wanted, self._body = wanted, body
        self._left = limit
        self._exact = exact

    async def write(self, send: Send) -> None:
        problem: str | None = None
        try:
            while self._after < self._head and self._left != 0:
                data, count, self._after = await self._reader.run(self._page)
                if self._left is not None:
                    self._left -= count
                await send_pieces(send, data)
        except CursorGone:
            problem = "cursor-gone"
        except JournalError as error:
            log.warning("an export ends early: %s", error)
            problem = "journal-unavailable"
        end: dict[str, object] = {
            "next": cursor.write(self._reader.journal, self._after),
            "complete": self._after >= self._head,
        }
        if problem is not None:
            end["problem"] = problem
        await send_pieces(send, msgspec.json.encode(end) + b"\n")

    def _page(self, connection: Connection) -> tuple[bytes, int, int]:
        limit = _PAGE if self._left is None else min(_PAGE, self._left)
        page = self._reader.page(connection, self._after, limit, self._wanted, exact=self._exact)
        lines = [
            encode(placed.event, placed.place, body=self._body)
            for placed in page.events
            if placed.event.seq <= self._head
        ]
        self._exact = True
        return b"".join(line + b"\n" for line in lines), len(lines), min(page.next, self._head)
