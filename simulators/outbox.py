"""Store and forward: what a machine has said and nobody has taken yet.

As in the CFX SDK a message is stored first, sent in order, and forgotten only when the other side has taken it; here
in memory, for a simulated machine that is killed was never there.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from gateway.core.errors import NotConnected
from gateway.core.times import Micros

log = logging.getLogger(__name__)


class Outgoing(msgspec.Struct, frozen=True):
    """A CFX message on its way. payload: the envelope; unique_id: its UniqueID; at: its TimeStamp."""

    source: str
    name: str
    unique_id: str
    at: Micros
    payload: bytes


class Outbox:
    """First in, first out, at most `limit` messages: then `put` waits, and the machine with it."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._messages: deque[Outgoing] = deque()
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._messages)

    async def put(self, message: Outgoing) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._messages) < self._limit)
            self._messages.append(message)
            self._changed.notify_all()

    async def peek(self, most: int) -> list[Outgoing]:
        """The oldest messages, at least one and at most `most`; they stay."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._messages) > 0)
            return list(itertools.islice(self._messages, most))

    async def taken(self, count: int) -> None:
        """The other side has the `count` oldest."""
        async with self._changed:
            for _ in range(count):
                self._messages.popleft()
            self._changed.notify_all()

    async def empty(self) -> None:
        """Waits until everything has been taken."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._messages)


Send = Callable[[Outgoing], Awaitable[None]]
"""Returns when the other side has taken the message; raises NotConnected when it did not."""

Taken = Callable[[Outgoing], None]


def ignore(message: Outgoing) -> None:
    """For those who do not want to know what was taken."""


async def forward(
    outbox: Outbox,
    connect: Callable[[], AbstractAsyncContextManager[Send]],
    *,
    name: str,
    retry_s: float,
    window: int,
    taken: Taken = ignore,
) -> None:
    """Sends what is in the outbox, in order, for ever; connects again `retry_s` after every failure.

    Up to `window` messages are on their way at once. After a failure all that were not taken are sent again, those
    whose answer was lost with them: the receiver sees them twice, under the same UniqueID. `connect` raises
    NotConnected. `taken` hears of every message once, in order.
    """
    failing = False
    while True:
        try:
            async with connect() as send:
                failure: BaseException | None = None
                while failure is None:
                    batch = await outbox.peek(window)
                    done, failure = await _send_all(send, batch)
                    for message in batch[:done]:
                        taken(message)
                    await outbox.taken(done)
                    if done and failing:
                        log.info("%s: connected again, %d messages waiting", name, len(outbox))
                        failing = False
                raise failure
        except NotConnected as error:
            if not failing:
                log.warning("%s: %s; trying again every %g s, keeping messages meanwhile", name, error, retry_s)
                failing = True
        await asyncio.sleep(retry_s)


async def _send_all(send: Send, batch: list[Outgoing]) -> tuple[int, BaseException | None]:
    """Sends them at once. How many from the first on were taken with none missing between, and what went wrong."""
    tasks = [asyncio.create_task(_one(send, each), name=f"send {each.name}") for each in batch]
    try:
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in tasks:
            task.cancel()
    for number, outcome in enumerate(outcomes):
        if outcome is not None:
            return number, outcome
    return len(batch), None


async def _one(send: Send, message: Outgoing) -> None:
    await send(message)
