"""`/events/stream`: the journal as server-sent events, from any position on, without loss or repeat.

A reader close to the head is served from the tail: every commit is encoded once and its bytes are shared by all. Who is
further behind gets pages from the journal, encoded on the reader's thread, until the tail has what comes next. Both give
every event behind a position in order, so going from one to the other can neither skip nor repeat.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from itertools import accumulate

import msgspec
from starlette.types import Send

from gateway.api import cursor
from gateway.api.cursor import Cursor
from gateway.api.log import EventLog, Line
from gateway.api.outlet import PIECE, Readers, Stream, send_pieces
from gateway.api.places import EventFilter
from gateway.core.errors import CursorGone, JournalError
from gateway.core.event import Event
from gateway.journal.reader import check_position
from gateway.journal.tail import Chunk, Entry

logger = logging.getLogger("lineside.api")

_RETRY_MS = 1000
"""What browsers wait before they come back."""
_TURN_S = 0.0001
"""Each open reader adds this to the least time between two writes to one of them: a hundred readers share writes of up to
10 ms of events, instead of taking the event loop from the machines with a write to each for every event."""
_PAGE = 200
"""Events of one page from the journal: what a subscriber far behind may hold in memory."""
_STRETCH = 2000
"""Events looked at before others get their turn."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """Consecutive events as server-sent events. `ends[i]`: where the one numbered `first + i` ends."""

    first: int
    data: bytes
    ends: list[int]

    def from_(self, after: int, most: int) -> tuple[memoryview, int]:
        """What follows position `after`, whole events of at most `most` bytes but at least one; and the last position
        in it."""
        index = max(after + 1 - self.first, 0)
        start = self.ends[index - 1] if index else 0
        stop = max(bisect_right(self.ends, start + most), index + 1)
        return memoryview(self.data)[start : self.ends[stop - 1]], self.first + stop - 1


def sse(log: str, line: Line) -> bytes:
    """One event as it stands in the stream of the log with this id. The JSON has no line break, so it is one `data:`
    line."""
    return b"id: %b:%d\ndata: %b\n\n" % (log.encode(), line.position, line.json)


class EventStream(Stream):
    """Serves one subscriber.

    start: where to begin; None: at the head. body: False leaves the bodies out.
    """

    kind = "sse"
    media_type = "text/event-stream"

    def __init__(
        self,
        log: EventLog,
        readers: Readers,
        *,
        start: Cursor | None,
        wanted: EventFilter,
        body: bool,
        keepalive_s: float,
    ) -> None:
        super().__init__(readers, headers={"x-accel-buffering": "no"})
        self._log = log
        self._tail = log.tail
        self._start = start
        self._wanted = wanted
        self._everything = wanted.everything
        self._body = body
        self._share = "sse" if body else "sse without bodies"
        self._keepalive_s = keepalive_s
        self._position = 0
        self._waiting: list[bytes | memoryview] = []
        self._size = 0
        self._told = 0.0  # when the subscriber last got an id

    async def prepare(self) -> None:
        """Find the beginning, before anything is sent. Raises JournalError."""
        start = self._start
        if start is None:
            self._position = self._tail.head
            self._add(self._id_only())
            return
        oldest, head = await self._log.bounds()
        if start.journal is None:
            self._position = oldest - 1
            self._add(self._id_only())
            return
        try:
            self._position = start.within(self._log.id)
            check_position(self._position, oldest, head, exact=True)
        except CursorGone as gone:
            self._add(self._gap(str(start), gone.reason, oldest))
        else:
            self._add(self._id_only())

    async def write(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        tail = self._tail
        self._waiting.insert(0, b"retry: %d\n" % _RETRY_MS)
        while not tail.closed:
            left = self._told + self._keepalive_s - loop.time()
            if self._waiting:
                data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
                self._waiting, self._size = [], 0
                self._told = loop.time()
                await send_pieces(send, data)
            elif left <= 0:
                self._add(self._id_only())
                continue
            if tail.head <= self._position:
                if await tail.wait(self._position, max(left, 0)):
                    pause = self._told + self._readers.total * _TURN_S - loop.time()
                    if pause > 0:
                        await asyncio.sleep(pause)
                continue
            await asyncio.sleep(0)  # a send to a peer with room does not wait: the others get their turn here
            try:
                await self._collect()
            except JournalError as error:
                logger.warning("a stream ends: %s", error)
                return

    def _gap(self, asked: str, reason: str, oldest: int) -> bytes:
        """Say what cannot be had, and go on with the oldest."""
        self._position = oldest - 1
        to = self._cursor()
        body = msgspec.json.encode({"from": asked, "to": to, "reason": reason})
        return b"event: gap\nid: %b\ndata: %b\n\n" % (to.encode(), body)

    def _cursor(self) -> str:
        return cursor.write(self._log.id, self._position)

    def _id_only(self) -> bytes:
        return b"id: %b\n\n" % self._cursor().encode()

    # -- what comes next

    def _add(self, data: bytes | memoryview) -> None:
        self._waiting.append(data)
        self._size += len(data)

    async def _collect(self) -> None:
        """Move on by about one write, or by one stretch without anything wanted."""
        tail = self._tail
        far = self._position + _STRETCH
        while self._size < PIECE and self._position < min(tail.head, far):
            chunk = tail.following(self._position)
            if chunk is None:
                if not self._waiting:
                    await self._stored()
                return
            if self._everything:
                data, last = self._block(chunk).from_(self._position, PIECE - self._size)
                if self._waiting and self._size + len(data) > PIECE:
                    return
                self._add(data)
                self._position = last
            else:
                self._wanted_of(chunk)

    def _block(self, chunk: Chunk) -> Block:
        """All of the chunk, made once for all who want everything."""
        found = chunk.shared.get(self._share)
        if not isinstance(found, Block):
            frames = [self._frame(chunk, entry) for entry in chunk.entries]
            found = Block(chunk.first, b"".join(frames), list(accumulate(map(len, frames))))
            for entry in chunk.entries:
                chunk.shared.pop(f"{self._share} {entry.event.seq}", None)
            chunk.shared[self._share] = found
        return found

    def _frame(self, chunk: Chunk, entry: Entry) -> bytes | memoryview:
        """One event, as somebody has already made it, if anybody has."""
        seq = entry.event.seq
        block = chunk.shared.get(self._share)
        if isinstance(block, Block):
            return block.from_(seq - 1, 0)[0]
        frame = chunk.shared.get(f"{self._share} {seq}")
        if isinstance(frame, bytes):
            return frame
        return sse(self._log.id, Line(seq, self._log.line(entry.event, body=self._body)))

    def _here(self, event: Event) -> bool:
        place = self._log.place(event)
        return self._wanted.places.accepts(place.site, place.gateway)

    def _wanted_of(self, chunk: Chunk) -> None:
        somewhere = bool(self._wanted.places)
        for entry in chunk.matching(self._wanted, self._position):
            seq = entry.event.seq
            if somewhere and not self._here(entry.event):
                continue
            if self._size >= PIECE:
                self._position = seq - 1
                return
            frame = self._frame(chunk, entry)
            if isinstance(frame, bytes):
                chunk.shared[f"{self._share} {seq}"] = frame
            self._add(frame)
        self._position = chunk.last

    async def _stored(self) -> None:
        """The next page of the journal; its events go out before another one is read."""
        try:
            page = await self._log.page(self._position, _PAGE, self._wanted, exact=True, body=self._body)
            data, self._position = b"".join([sse(self._log.id, line) for line in page.lines]), page.next
        except CursorGone as gone:  # retention overtook this reader
            oldest, _ = await self._log.bounds()
            data = self._gap(self._cursor(), gone.reason, oldest)
        if data:
            self._add(data)
