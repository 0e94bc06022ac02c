"""`/events` as NDJSON: all that matches up to the head of request time, in bounded memory."""

from __future__ import annotations

import logging

import msgspec
from starlette.types import Send

from gateway.api import cursor
from gateway.api.log import EventLog
from gateway.api.outlet import Readers, Stream, send_pieces
from gateway.api.places import EventFilter
from gateway.core.errors import CursorGone, JournalError

logger = logging.getLogger("lineside.api")

_PAGE = 500
MEDIA_TYPE = "application/x-ndjson"


class Export(Stream):
    """after, head: the stretch of the journal that is looked through. limit: most events, None: all."""

    kind = "ndjson"
    media_type = MEDIA_TYPE

    def __init__(
        self,
        log: EventLog,
        readers: Readers,
        *,
        after: int,
        head: int,
        wanted: EventFilter,
        body: bool,
        limit: int | None,
        exact: bool,
    ) -> None:
        super().__init__(readers)
        self._log = log
        self._after, self._head = after, head
        self._wanted, self._body = wanted, body
        self._left = limit
        self._exact = exact

    async def write(self, send: Send) -> None:
        problem: str | None = None
        try:
            while self._after < self._head and self._left != 0:
                data, count, self._after = await self._page()
                if self._left is not None:
                    self._left -= count
                await send_pieces(send, data)
        except CursorGone:
            problem = "cursor-gone"
        except JournalError as error:
            logger.warning("an export ends early: %s", error)
            problem = "journal-unavailable"
        end: dict[str, object] = {
            "next": cursor.write(self._log.id, self._after),
            "complete": self._after >= self._head,
        }
        if problem is not None:
            end["problem"] = problem
        await send_pieces(send, msgspec.json.encode(end) + b"\n")

    async def _page(self) -> tuple[bytes, int, int]:
        limit = _PAGE if self._left is None else min(_PAGE, self._left)
        page = await self._log.page(self._after, limit, self._wanted, exact=self._exact, body=self._body)
        lines = [line.json for line in page.lines if line.position <= self._head]
        self._exact = True
        return b"".join(line + b"\n" for line in lines), len(lines), min(page.next, self._head)
