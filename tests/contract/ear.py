"""Listening to an adapter alone, without the gateway behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from gateway.core.adapter import Adapter
from gateway.core.errors import DecodeError, NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.observation import Observation, Unreadable
from tests.build import until
from tests.contract.rig import Heard, Rig


class Ear:
    """One connection of an adapter, read in a task.

    deliveries, notices: what it gave. heard: what was in the deliveries. unreadable: how many parts of them nobody
    could read. lost: the NotConnected that ended it.
    """

    def __init__(self, rig: Rig, adapter: Adapter, *, ack: bool) -> None:
        self.connected = False
        self.deliveries: list[Delivery] = []
        self.notices: list[Notice] = []
        self.observations: list[Observation] = []
        self.heard: list[Heard] = []
        self.unreadable = 0
        self.lost: NotConnected | None = None
        self._rig = rig
        self._adapter = adapter
        self._ack = ack

    async def listen(self) -> None:
        """Until cancelled, or the connection is lost. Whatever else an adapter raises comes out here."""
        try:
            async with self._adapter.connect() as items:
                self.connected = True
                async for item in items:
                    self._take(item)
        except NotConnected as error:
            self.lost = error

    def _take(self, item: Delivery | Notice) -> None:
        if isinstance(item, Notice):
            self.notices.append(item)
            return
        self.deliveries.append(item)
        try:
            found = self._adapter.decode(item.frame)
        except DecodeError:
            self.unreadable += 1
        else:
            self.unreadable += sum(isinstance(each, Unreadable) for each in found)
            self.observations += found
            self.heard += self._rig.talk.heard(found)
        if self._ack:
            item.ack()

    def numbers(self, unit: int = 0) -> list[int]:
        """Heard of this machine, in order; what was heard again in a row counts once."""
        found = [each.number for each in self.heard if each.unit == unit]
        return [number for place, number in enumerate(found) if place == 0 or found[place - 1] != number]

    def told(self, kind: NoticeKind) -> list[Notice]:
        return [notice for notice in self.notices if notice.kind is kind]

    async def tell(self, *numbers: int, unit: int = 0, timeout_s: float = 10.0) -> None:
        """Let these happen, and wait until they are heard; one by one where only the newest can be seen."""
        for some in [[number] for number in numbers] if self._rig.conflates else [list(numbers)]:
            await self._rig.say(*some, unit=unit)
            await self.hears(*some, unit=unit, timeout_s=timeout_s)

    async def hears(self, *numbers: int, unit: int = 0, timeout_s: float = 10.0) -> None:
        wanted = set(numbers)
        try:
            await until(lambda: wanted <= set(self.numbers(unit)), timeout_s=timeout_s)
        except TimeoutError as error:
            raise AssertionError(
                f"{wanted} of {unit}: heard {self.heard}, lost {self.lost!r}, {self.notices}"
            ) from error

    async def notices_loss(self, timeout_s: float = 10.0) -> None:
        """The peer is gone, and the adapter says so in its way."""
        if self._rig.ends:
            await until(lambda: self.lost is not None, timeout_s=timeout_s)
        else:
            await until(lambda: self.told(NoticeKind.PEER_DOWN), timeout_s=timeout_s)


@asynccontextmanager
async def listening(rig: Rig, adapter: Adapter | None = None, *, ack: bool = True) -> AsyncIterator[Ear]:
    """Connected, and read while the block runs. Fails with what the adapter raised beside NotConnected."""
    ear = Ear(rig, adapter or rig.adapter(), ack=ack)
    task = asyncio.create_task(ear.listen(), name="ear")
    try:
        await until(lambda: ear.connected or task.done())
        if task.done():
            task.result()  # no need to wait for what cannot be heard
        yield ear
    finally:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
