"""Modbus as a client, of one bus: requests one after the other, and no late answer is ever taken for another one's.

A bus is what is reached over one TCP connection or serial port; many units may share it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.transport.modbus_frames import NoAnswer, Refused, check_read, data_size
from gateway.transport.modbus_wire import Serial, Tcp, Wire, open_wire

__all__ = ["Bus", "NoAnswer", "Refused", "Serial", "Tcp", "bus"]

GUARD_S = 0.05
"""Silence wanted, beside the 3.5 characters, on a line where something went wrong: USB converters hand over what came
in pieces of up to 16 ms, and the operating system adds its own."""


@asynccontextmanager
async def bus(options: Tcp | Serial, *, answer_timeout_s: float = 1.0, pause_s: float = 0.0) -> AsyncIterator[Bus]:
    """Open while the block runs. Raises NotConnected when the peer is absent, or the port is not there or in use.

    answer_timeout_s: from the request to the end of its answer; on a serial line the time that both travel comes on
    top. pause_s: least time from an answer to the next request.
    """
    made = Bus(options, answer_timeout_s=answer_timeout_s, pause_s=pause_s)
    try:
        await made.open()
        yield made
    finally:
        await made.close()


class Bus:
    """Its user queues: never more than one `read` at a time.

    After a time-out, or an answer that does not fit, nothing that still comes may count as the next answer. With Modbus
    TCP the connection is dropped and made again before the next request. RTU has no transaction number: the line (or
    a converter's, behind a new connection) must first be silent, and the same unit is not asked before an answer that
    is late by as much as `answer_timeout_s` would have come.
    """

    def __init__(self, options: Tcp | Serial, *, answer_timeout_s: float, pause_s: float) -> None:
        self.options = options
        self._timeout_s = answer_timeout_s
        self._pause_s = max(pause_s, options.silence_s)
        self._rtu = isinstance(options, Serial) or options.framing == "rtu"
        self._wire: Wire | None = None
        self._doubtful = False  # an answer may still be on its way
        self._late: dict[int, float] = {}  # by unit: until when (RTU)
        self._free_at = 0.0  # when the pause is over
        self._busy = False

    async def open(self) -> None:
        """Raises NotConnected."""
        self._wire = await open_wire(self.options)

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def read(self, unit: int, function: int, start: int, count: int) -> bytes:
        """What is in so many registers or bits (function 1 to 4) as it is in the answer.

        Registers: two bytes each, high byte first. Bits: packed, lowest address in the lowest bit. Raises Refused,
        NoAnswer, and NotConnected when the peer is gone and cannot be reached again at once.
        """
        check_read(unit, function, start, count)
        if self._busy:
            raise RuntimeError("a second request on the bus while one is on its way")
        self._busy = True
        try:
            wire = await self._ready(unit)
            return await self._ask(wire, unit, function, start, count)
        finally:
            self._busy = False

    async def _ask(self, wire: Wire, unit: int, function: int, start: int, count: int) -> bytes:
        timeout_s = self._timeout_s + self.options.travel_s(13 + data_size(function, count))
        settled = False
        try:
            answer = await wire.ask(unit, function, start, count, timeout_s=timeout_s)
            settled = True
        except Refused:
            settled = True
            raise
        finally:
            now = wire.heard_at if settled else time.monotonic()
            self._free_at = now + self._pause_s
            if not settled:
                self._doubtful = True
                self._late[unit] = now + self._timeout_s
        return answer

    async def _ready(self, unit: int) -> Wire:
        """A connection on which the next answer to come is the next request's."""
        wire = self._wire
        if wire is None or wire.lost is not None or self._stale(wire):
            await self.close()
            await self.open()
            wire = self._wire
        assert wire is not None
        if self._rtu or self._free_at > time.monotonic():
            await self._quiet(wire, unit)
        self._doubtful = wire.strayed = False
        return wire

    def _stale(self, wire: Wire) -> bool:
        if isinstance(self.options, Serial):
            return False  # opening it again would change nothing: the line is the same
        return self._doubtful or (wire.strayed and not self._rtu)

    async def _quiet(self, wire: Wire, unit: int) -> None:
        """The pause is over, and in RTU the line silent for long enough."""
        silence_s = self.options.silence_s + (GUARD_S if self._doubtful or wire.strayed else 0.0)
        began = time.monotonic()
        while True:
            now = time.monotonic()
            known = max(self._free_at, self._late.get(unit, 0.0))
            left = max(known, wire.heard_at + silence_s if self._rtu else 0.0) - now
            if left <= 0:
                self._late.pop(unit, None)
                return
            if known <= now and now - began > max(1.0, self._timeout_s):
                raise NoAnswer(f"{self.options.place}: the line is never silent")
            await asyncio.sleep(left)
