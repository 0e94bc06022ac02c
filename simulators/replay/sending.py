"""Frames on their way to somebody who acknowledges them: kept until taken, in order, and sent again after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

from gateway.core.frame import Frame
from simulators.outbox import Outbox, Outgoing, Send, forward
from simulators.replay.actor import Unplayable

_AHEAD = 64
"""Messages that are said and not yet taken: so many may be on their way at one time."""
_RETRY_S = 0.1

Say = Callable[[Frame], Awaitable[None]]
"""Returns when the other side has taken the frame. Raises NotConnected: it is said again on another connection."""


class _Said(Outgoing, frozen=True):
    frame: Frame


class Sending:
    """One connection to somebody. connect: makes it; raises NotConnected when nobody is there, which is tried again."""

    def __init__(self, name: str, connect: Callable[[], AbstractAsyncContextManager[Say]], patience_s: float) -> None:
        self._name = name
        self._connect = connect
        self._patience_s = patience_s
        self._outbox = Outbox(_AHEAD)
        self._task: asyncio.Task[None] | None = None
        self._given_up = False

    async def put(self, frame: Frame) -> None:
        """Returns when there is room for the next one. Raises Unplayable when nobody takes anything any more."""
        self.open()
        said = _Said(self._name, frame.channel, "", frame.received, frame.payload, frame)
        try:
            async with asyncio.timeout(0 if self._given_up and len(self._outbox) >= _AHEAD else self._patience_s):
                await self._outbox.put(said)
        except TimeoutError:
            self._given_up = True
            raise Unplayable(f"nobody takes messages from {self._name}") from None
        self._given_up = False

    async def empty(self) -> None:
        """Returns when all is taken, or nobody was there in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await self._outbox.empty()

    def open(self) -> None:
        """Connect, unless that is being done."""
        if self._task is None:
            self._task = asyncio.create_task(self._forward(), name=f"actor {self._name}")

    async def _forward(self) -> None:
        await forward(self._outbox, self._sender, name=self._name, retry_s=_RETRY_S, window=_AHEAD)

    def _sender(self) -> AbstractAsyncContextManager[Send]:
        return _Sender(self._connect())

    async def close(self) -> None:
        """The connection is closed. What was not taken stays, for the next one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Sender(AbstractAsyncContextManager[Send]):
    """The same connection for what stands in an outbox."""

    def __init__(self, connection: AbstractAsyncContextManager[Say]) -> None:
        self._connection = connection

    async def __aenter__(self) -> Send:
        say = await self._connection.__aenter__()

        async def send(outgoing: Outgoing) -> None:
            assert isinstance(outgoing, _Said)
            await say(outgoing.frame)

        return send

    async def __aexit__(self, *error: object) -> bool | None:
        return await self._connection.__aexit__(*error)  # type: ignore[arg-type]
