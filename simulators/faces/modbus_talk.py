"""What is said over one connection to simulated Modbus units, or on their serial line."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, cast

from gateway.transport.modbus_server import Malformed, Request, ServerFraming
from simulators.faces.modbus_bank import FUNCTIONS, Bank
from simulators.faces.modbus_faults import Faults, Reply, reply

ILLEGAL_ADDRESS, UNIT_DOES_NOT_ANSWER = 2, 11
"""Exception codes (MODBUS Application Protocol V1.1b3, 7)."""

_SILENCE_S = 0.05
"""What comes after such a silence begins a new message: the 3.5 characters, and what the operating system adds."""

Kind = Literal["tcp", "rtu"]


class Bus:
    """The units of one bus and what is wrong with them. asked: requests that were understood, by unit."""

    def __init__(self, units: Mapping[int, Bank], kind: Kind, seed: int) -> None:
        self.units = dict(units)
        self.kind = kind
        self.faults = Faults(seed)
        self.asked: Counter[int] = Counter()

    def reply(self, framing: ServerFraming, request: Request) -> Reply | None:
        self.asked[request.unit] += 1
        table = FUNCTIONS.get(request.function)
        bank = self.units.get(request.unit)
        data: bytes | int | None
        if bank is None:
            if self.kind == "rtu":
                return None  # nobody is there to answer
            data = UNIT_DOES_NOT_ANSWER
        elif request.problem or table is None:
            data = request.problem
        else:
            data = bank.read(table, request.start, request.count)
        if data is None:
            data = ILLEGAL_ADDRESS
        return reply(framing, request, data, self.faults.meeting(request, table), self.faults)


class Talk:
    """Takes what comes in and says what is to be said, when it is to be. cut: ends the connection at once."""

    def __init__(self, bus: Bus, write: Callable[[bytes], None], cut: Callable[[], None], *, listening: bool) -> None:
        self._bus = bus
        self._listening = listening
        self._unheard = b""
        self._write = write
        self._cut = cut
        self._framing = ServerFraming(bus.kind)
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._free_at: dict[int, float] = {}  # by unit: when its last answer is out
        self._timers: set[asyncio.TimerHandle] = set()
        self._held: list[bytes] = []

    def listen(self, wanted: bool) -> None:
        """Understand what comes, or leave it lying until it is wanted again."""
        self._listening = wanted
        if wanted and self._unheard:
            data, self._unheard = self._unheard, b""
            self.take(data)

    def take(self, data: bytes) -> None:
        if not self._listening:
            self._unheard += data
            return
        now = self._loop.time()
        if self._bus.kind == "rtu" and now - self._heard_at > _SILENCE_S:
            self._framing = ServerFraming("rtu")
        self._heard_at = now
        try:
            for request in self._framing.feed(data):
                made = self._bus.reply(self._framing, request)
                if made is not None:
                    self._send(request.unit, made)
        except Malformed:
            self._cut()

    def _send(self, unit: int, made: Reply) -> None:
        if made.drop:
            self._cut()
            return
        now = self._loop.time()
        at = max(now + made.delay_s, self._free_at.get(unit, 0.0))
        if at <= now:
            self._say(made)
            return
        self._free_at[unit] = at  # a unit does one thing after the other

        def due() -> None:
            self._timers.discard(timer)
            self._say(made)

        timer = self._loop.call_at(at, due)
        self._timers.add(timer)

    def _say(self, made: Reply) -> None:
        if made.held:
            self._held.append(made.data)
            return
        self._write(b"".join((made.data, *self._held)))
        self._held.clear()

    def end(self) -> None:
        """Nothing more is said."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class Connection(asyncio.Protocol):
    """One over TCP. among: where it is to be found while it lasts."""

    def __init__(self, bus: Bus, among: set[Connection], *, listening: bool) -> None:
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._talk = Talk(bus, self._write, self.cut, listening=listening)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        self._talk.take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)
        self._talk.end()

    def listen(self, wanted: bool) -> None:
        self._talk.listen(wanted)

    def cut(self) -> None:
        """At once, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


class LineTalk:
    """On a serial line, by its file descriptor. It cannot be cut; what nobody takes from it is lost."""

    def __init__(self, bus: Bus, number: int) -> None:
        self._number = number
        self._talk = Talk(bus, self._write, lambda: None, listening=True)
        asyncio.get_running_loop().add_reader(number, self._read)

    def listen(self, wanted: bool) -> None:
        self._talk.listen(wanted)

    def end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._number)
        self._talk.end()

    def _read(self) -> None:
        try:
            data = os.read(self._number, 4096)
        except OSError:  # nothing there after all, or a port that was pulled out
            return
        if data:
            self._talk.take(data)

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._number, data)
