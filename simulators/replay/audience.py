"""Whether anybody hears what a machine says that keeps nothing: on text lines, on Hermes' vertical channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from simulators.replay.actor import Unplayable

_LOOK_S = 0.01
"""Connections tell nobody here; it is looked."""


class Audience:
    """there: whether somebody is connected now. Having waited once in vain, it does not wait again until somebody came."""

    def __init__(self, there: Callable[[], bool], patience_s: float, *, place: str) -> None:
        self._there = there
        self._patience_s = patience_s
        self._place = place
        self._given_up = False

    async def met(self) -> None:
        """Returns when somebody is there."""
        while not self._there():  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        self._given_up = False

    async def needed(self) -> None:
        """The same, for something that is to be said. Raises Unplayable when nobody came."""
        if self._there():
            self._given_up = False
            return
        if not self._given_up:
            try:
                async with asyncio.timeout(self._patience_s):
                    await self.met()
                return
            except TimeoutError:
                self._given_up = True
        raise Unplayable(f"nobody is connected to {self._place}")
