"""What an MQTT connection has read and nobody has taken yet, within a bound of bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind

_OVERHEAD = 512
"""About what a message takes up beside its topic and payload, so that empty ones fill the inbox too."""

_TURN = 256
"""Messages handed over before others have a turn on the event loop, when the reader never waits."""

_TOGETHER, _TOGETHER_BYTES = 64, 1 << 20
"""Messages handed over in one step: they count here no more, and with the gateway only as each is taken."""


class Inbox(AsyncIterator[Delivery | Notice]):
    """Filled by callbacks, emptied by one task that iterates.

    limit: bytes beyond which `pause` is called; `resume` when half of them are free again. lossless: while False it
    never pauses, and drops what comes unacknowledged beyond the limit; an OVERFLOW notice stands where it would have
    been. dropped: how many these were. held: bytes in it.
    """

    def __init__(self, limit: int, *, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.lossless = True
        self.paused = False
        self.dropped = 0
        self.held = 0
        self._limit = limit
        self._pause = pause
        self._resume = resume
        self._items: deque[Delivery | Notice] = deque()
        self._overflow = 0  # dropped since the last notice
        self._end: str | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._turn = 0

    def put(self, delivery: Delivery) -> None:
        """Always takes it, or drops it as said above. Call `settle` after the last one of a read."""
        if not (self.lossless or delivery.acknowledged) and (self._overflow or self.held > self._limit):
            self._overflow += 1
            return
        self._items.append(delivery)
        self.held += _cost(delivery)

    def note(self, notice: Notice) -> None:
        self._items.append(notice)

    def settle(self) -> None:
        """A read is done: stop reading if that was too much, and let the reader go on."""
        if self.lossless and not self.paused and self._end is None and self.held > self._limit:
            self.paused = True
            self._pause()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self, why: str, *, discard: bool = False) -> None:
        """Nothing more will come: NotConnected with these words follows what is still in it."""
        if self._end is None:
            self._end = why
        if discard:
            self._items.clear()
            self.held = 0
        self.settle()

    def __aiter__(self) -> AsyncIterator[Delivery | Notice]:
        return self

    async def __anext__(self) -> Delivery | Notice:
        await self._some()
        return self._next()

    async def together(self) -> Notice | Sequence[Delivery]:
        """As gateway.core.adapter.Together says."""
        await self._some()
        first = self._next()
        if isinstance(first, Notice):
            return first
        deliveries, enough = [first], self.held - _TOGETHER_BYTES
        while self._items and len(deliveries) < _TOGETHER and self.held > enough:
            if isinstance(item := self._items[0], Notice):
                break
            self._next()
            deliveries.append(item)
        return deliveries

    async def _some(self) -> None:
        """Until there is something to hand over."""
        if self._turn >= _TURN:
            self._turn = 0
            await asyncio.sleep(0)
        while not self._items:
            if self._end is not None:
                raise NotConnected(self._end)
            self._turn = 0
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _next(self) -> Delivery | Notice:
        self._turn += 1
        item = self._items.popleft()
        if isinstance(item, Delivery):
            self.held -= _cost(item)
            if (self.paused or self._overflow) and self.held <= self._limit // 2:
                self._relieve()
        return item

    def _relieve(self) -> None:
        if self._overflow:
            self.dropped += self._overflow
            self.note(Notice(kind=NoticeKind.OVERFLOW, at=times.now(), count=self._overflow))
            self._overflow = 0
        if self.paused and self._end is None:
            self.paused = False
            self._resume()


def _cost(delivery: Delivery) -> int:
    frame = delivery.frame
    return len(frame.payload) + len(frame.channel) + _OVERHEAD
