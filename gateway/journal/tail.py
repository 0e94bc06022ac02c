"""The journal's live end: what was just committed, shared by all who follow it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator

from gateway.core.event import Event, Place, encode
from gateway.journal.filter import Filter


class Entry:
    """A committed event and its JSON, made once when the first reader wants it."""

    __slots__ = ("_json", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._json: bytes | None = None

    def json(self, place: Place) -> bytes:
        if self._json is None:
            self._json = encode(self.event, place)
        return self._json


class Chunk:
    """The events of one commit, consecutive from `first` to `last`."""

    __slots__ = ("_entries", "_events", "first", "last", "shared", "size")

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self._entries: list[Entry] | None = None
        self.first = events[0].seq
        self.last = events[-1].seq
        self.size = sum(len(event.raw) for event in events)
        self.shared: dict[str, object] = {}
        """What readers of one kind made of this chunk, for all others of that kind; keys begin with its name."""

    def __len__(self) -> int:
        return len(self._events)

    @property
    def entries(self) -> list[Entry]:
        """Made when the first reader wants them: most commits of a gateway that nobody listens to never need any."""
        if self._entries is None:
            self._entries = [Entry(event) for event in self._events]
        return self._entries

    def matching(self, wanted: Filter, after: int) -> Iterator[Entry]:
        for entry in self.entries:
            if entry.event.seq > after and wanted.accepts(entry.event):
                yield entry


def _last(chunk: Chunk) -> int:
    return chunk.last


class Tail:
    """Lives on the event loop. Keeps the newest commits within `events` and `size` bytes for readers close to the head;
    who is further behind reads pages from the journal until it has caught up."""

    def __init__(self, place: Place, head: int, *, events: int = 20_000, size: int = 64 << 20) -> None:
        self.place = place
        self.head = head
        self._limit_events, self._limit_size = events, size
        self._chunks: deque[Chunk] = deque()
        self._events = 0
        self._size = 0
        self._moved = asyncio.Event()
        self.closed = False

    def publish(self, events: list[Event]) -> None:
        """Called once per commit, in order."""
        if not events:
            return
        chunk = Chunk(events)
        self._chunks.append(chunk)
        self._events += len(events)
        self._size += chunk.size
        while len(self._chunks) > 1 and (self._events > self._limit_events or self._size > self._limit_size):
            old = self._chunks.popleft()
            self._events -= len(old)
            self._size -= old.size
        self.head = chunk.last
        self._wake()

    def close(self) -> None:
        """No more events will come: waiting readers return."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def since(self, after: int) -> list[Chunk] | None:
        """Chunks with events behind `after`; empty at the head; None when that is older than what is kept here."""
        if after >= self.head:
            return []
        if not self._chunks or self._chunks[0].first > after + 1:
            return None
        found: list[Chunk] = []
        for chunk in reversed(self._chunks):
            if chunk.last <= after:
                break
            found.append(chunk)
        found.reverse()
        return found

    def following(self, after: int) -> Chunk | None:
        """The chunk that has the event behind `after`; None when that is older than what is kept, or not there yet.

        Taking one at a time, a slow reader holds on to one chunk, not to all that came since."""
        chunks = self._chunks
        if not chunks or after >= self.head or chunks[0].first > after + 1:
            return None
        if chunks[-1].first <= after + 1:
            return chunks[-1]
        return chunks[bisect_right(chunks, after, key=_last)]

    async def wait(self, after: int, timeout_s: float) -> bool:
        """Until the head is beyond `after` or the tail closes; False when the time ran out first."""
        if self.head > after or self.closed:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._moved.wait()
        except TimeoutError:
            return False
        return True
