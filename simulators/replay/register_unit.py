"""The registers of one unit as they were captured, poll by poll. Pure but for its timer.

What a frame changes becomes visible at once, between two rounds of reading: requests that together read a poll see one frame.
And not before somebody has read what the frames before it have changed, of whatever poll of the unit: so he sees every state,
in the order in which they were captured, however fast they come. A round is over when all was read that the frames have told,
or when something is read again: not everybody reads all of it.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gateway.profile.bound import Block, Table
from simulators.faces.modbus_bank import Bank, packed
from simulators.replay.actor import Unplayable

_AHEAD = 32
"""Frames that may wait to be shown."""
_NOT_ASKED_AGAIN = (-2, -3)
"""Illegal address and value: who knows that a unit refuses these does not ask again."""

Cells = Mapping[int, int]
"""By address what is there; a negative number is the exception with which it is refused."""


def cells(blocks: Sequence[Block]) -> tuple[Table, dict[int, int]]:
    """Of one poll. Raises Unplayable for none, or of several tables."""
    tables = {block.table for block in blocks}
    if len(tables) != 1:
        raise Unplayable("it does not hold one poll")
    found: dict[int, int] = {}
    for block in blocks:
        found.update(zip(range(block.start, block.start + block.count), _contents(block), strict=True))
    return tables.pop(), found


def _contents(block: Block) -> Sequence[int]:
    if block.exception:
        return [-block.exception] * block.count
    if block.table.bits:
        bits = int.from_bytes(block.data, "little")
        return [bits >> place & 1 for place in range(block.count)]
    return struct.unpack(f">{block.count}H", block.data)


class _Part:
    """What one poll has told. needed: addresses of which a round consists. read: those of this one. unread: something of it
    has changed since the last one was over. alone: nobody reads it."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.first, self.last = 0xFFFF, 0
        self.needed: set[int] = set()
        self.read: set[int] = set()
        self.unread = False
        self.alone = False

    def told(self, contents: Cells) -> None:
        self.first, self.last = min(self.first, *contents), max(self.last, *contents)
        self.needed |= {at for at, value in contents.items() if value not in _NOT_ASKED_AGAIN}
        self.needed -= {at for at, value in contents.items() if value in _NOT_ASKED_AGAIN}
        self.unread = not self.alone

    def touches(self, table: Table, asked: range) -> bool:
        return table is self.table and asked.start <= self.last and asked.stop > self.first

    def holds(self, asked: range) -> bool:
        return self.first <= asked.start and asked.stop <= self.last + 1

    def begin(self, asked: range) -> None:
        if not self.read.isdisjoint(asked):
            self.over()

    def end(self, answered: set[int]) -> None:
        self.alone = False
        self.read |= answered & self.needed
        if self.read >= self.needed:
            self.over()

    def over(self) -> None:
        self.read.clear()
        self.unread = False


class Unit(Bank):
    """patience_s: real seconds that something waits to be read. away: it says nothing, nothing of it can be read."""

    def __init__(self, patience_s: float) -> None:
        super().__init__()
        self._patience_s = patience_s
        self._limit_s = patience_s
        self.away = False
        self._shown: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self._parts: dict[str, _Part] = {}
        self._waiting: deque[tuple[str, Table, Cells]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stirred = asyncio.Event()

    @property
    def told(self) -> bool:
        """There is anything to be read."""
        return bool(self._parts)

    def knows(self, channel: str) -> bool:
        return channel in self._parts

    def now(self, channel: str, table: Table, contents: Cells) -> None:
        """At once, whether or not anybody has read what was there."""
        part = self._parts.setdefault(channel, _Part(table))
        part.over()
        part.told(contents)
        self._shown[table].update(contents)

    def then(self, channel: str, table: Table, contents: Cells) -> None:
        """When what was there has been read."""
        self._waiting.append((channel, table, contents))
        self._go_on()

    async def room(self) -> None:
        """Returns when not too many frames wait."""
        while len(self._waiting) >= _AHEAD:
            await self._stir()

    async def empty(self) -> None:
        """Returns when all is shown and read, or the time for it is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limit_s):
                while self._waiting or any(part.unread for part in self._parts.values()):
                    await self._stir()

    async def _stir(self) -> None:
        self._stirred.clear()
        await self._stirred.wait()

    def back(self, within_s: float) -> None:
        """It can be read again; who has known it as silent may take so long until he asks it again."""
        self.away = False
        self._limit_s = within_s

    def close(self) -> None:
        """Nothing goes on by itself any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- read by somebody

    def read(self, table: Table, start: int, count: int) -> bytes | int | None:
        if self.away:
            return None
        self._limit_s = self._patience_s
        asked = range(start, start + count)
        parts = self._concerned(table, asked)
        for part in parts:
            part.begin(asked)
        self._go_on()
        contents = self._shown[table]
        found = [contents.get(at) for at in asked]
        values = [value for value in found if value is not None]
        refusals = [value for value in found if value is None or value < 0]
        # Refused is the whole of it, of which only what is the reason for it has been told.
        told = asked if not refusals else [at for at in asked if contents.get(at, 0) < 0]
        for part in parts:
            part.end(set(told))
        self._go_on()
        self._stirred.set()
        if refusals:
            return None if refusals[0] is None else -refusals[0]
        return packed(table, values)

    def _concerned(self, table: Table, asked: range) -> list[_Part]:
        """One poll may read what is also in another: then the one that fits best is read, if any fits."""
        touched = [part for part in self._parts.values() if part.touches(table, asked)]
        fitting = [part for part in touched if part.holds(asked)]
        return [min(fitting, key=lambda part: part.last - part.first)] if fitting else touched

    # -- shown

    def _go_on(self) -> None:
        before = len(self._waiting)
        while self._waiting:
            channel, table, contents = self._waiting[0]
            shown = self._shown[table]
            if any(shown.get(at) != value for at, value in contents.items()):
                part = self._parts.get(channel)
                if any(each.unread for each in self._parts.values()) or (part is not None and part.read):
                    break
                self.now(channel, table, contents)
            self._waiting.popleft()
        if len(self._waiting) != before:
            self.close()
            self._stirred.set()
        if self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._alone)

    def _alone(self) -> None:
        """Nobody has read it in time: it is not waited for again before somebody does."""
        self._timer = None
        for part in self._parts.values():
            part.alone = part.alone or part.unread
            part.over()
        self._go_on()
        self._stirred.set()
