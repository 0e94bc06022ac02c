"""What was read and not yet handed over: bounded, in order, with the error that ended it behind the last."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from gateway.core.frame import Delivery, Notice

_LITTLE = 200
"""Bytes that anything costs."""


class Buffer:
    """most: bytes. waiting: somebody waits for room. stirred: set when somebody does, and at the end."""

    def __init__(self, most: int, stirred: asyncio.Event) -> None:
        self._most = most
        self._stirred = stirred
        self._held = 0
        self._items: deque[tuple[Delivery | Notice, int]] = deque()
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._error: BaseException | None = None
        self.waiting = False

    @property
    def filled(self) -> bool:
        return bool(self._items)

    async def put(self, item: Delivery | Notice) -> None:
        """Waits for room; something larger than all of it is taken alone."""
        size = _LITTLE + (len(item.frame.payload) if isinstance(item, Delivery) else 0)
        try:
            while self._items and self._held + size > self._most:
                self.waiting = True
                self._stirred.set()
                self._room.clear()
                await self._room.wait()
        finally:
            self.waiting = False
        self._held += size
        self._items.append((item, size))
        self._ready.set()

    def fail(self, error: BaseException) -> None:
        """Nothing more comes. The first to say so counts."""
        self._error = self._error or error
        self._stirred.set()
        self._ready.set()

    def check(self) -> None:
        """Raises what has ended it."""
        if self._error is not None:
            raise self._error

    async def items(self) -> AsyncGenerator[Delivery | Notice]:
        while True:
            while self._items:
                item, size = self._items.popleft()
                self._held -= size
                self._room.set()
                yield item
            self.check()
            self._ready.clear()
            await self._ready.wait()
