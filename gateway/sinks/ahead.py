"""Reading the next page while the destination is still taking this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

P = TypeVar("P")


class Ahead(Generic[P]):
    """One page at most is read ahead. What went wrong with it is raised when it is asked for."""

    def __init__(self, read: Callable[[int], Coroutine[Any, Any, P]]) -> None:
        self._read = read
        self._after = 0
        self._task: asyncio.Task[P] | None = None

    async def page(self, after: int) -> P:
        """What follows this position, read already or not."""
        if self._task is not None and self._after != after:
            await self._drop()
        task, self._task = self._task, None
        return await (self._read(after) if task is None else task)

    def start(self, after: int) -> None:
        """This page will be wanted next."""
        self._after = after
        self._task = asyncio.create_task(self._read(after), name=f"read ahead behind {after}")

    async def _drop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Nothing is read any more behind this."""
        try:
            yield
        finally:
            await self._drop()
