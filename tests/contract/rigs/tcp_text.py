"""tcp-text at a machine that speaks by itself, and at one that says what it has to say when it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from adapters.text import TextAdapter
from adapters.text_settings import TcpTextConnection
from gateway.ingest.stations import Stations
from tests.build import until
from tests.contract.relay import HOST, Relay, RelayFaults, relay
from tests.contract.rig import Entry
from tests.contract.rigs.text import BEGIN, END, GARBAGE, READY, Talk, profile

_BUFFER = 2 << 20


class _Machine:
    """asked: it keeps what it has to say until somebody asks, and then ends it with a line of its own."""

    def __init__(self, *, asked: bool) -> None:
        self.port = 0
        self._asked = asked
        self._kept = b""
        self._callers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._called, HOST, 0)
        self.port = int(server.sockets[0].getsockname()[1])
        try:
            yield
        finally:
            server.close()
            self.hang_up()
            await server.wait_closed()

    def hang_up(self) -> None:
        for caller in self._callers:
            caller.transport.abort()
        self._callers.clear()
        self._kept = b""

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers.add(writer)
        try:
            while await reader.readline():
                if self._asked:
                    writer.write(self._kept + READY)
                    self._kept = b""
        except OSError:
            pass
        finally:
            self._callers.discard(writer)
            writer.transport.abort()

    async def say(self, text: bytes) -> None:
        await until(lambda: self._callers)
        if self._asked:
            self._kept += text
            return
        for caller in self._callers:
            caller.write(text)
            await caller.drain()


class _Faults(RelayFaults):
    def __init__(self, between: Relay, rig: TcpTextRig, machine: _Machine) -> None:
        super().__init__(between, rig.adapter)
        self._machine = machine

    async def peer_down(self) -> None:
        await super().peer_down()
        self._machine.hang_up()


class TcpTextRig:
    """A relay is between the machine and us."""

    units = 1
    acknowledged = brokered = conflates = False
    ends = True
    prompt_s = 1.0
    most_bytes = _BUFFER + (1 << 20)

    def __init__(self, folder: Path, machine: _Machine, between: Relay, *, asked: bool) -> None:
        frame = 'ask = "?\\n"\nevery = "50ms"' if asked else ""
        self.gives_up_s = 1.8 if asked else 0.5
        self.talk = Talk(profile(folder, "tcp-text", frame=frame))
        self.faults = _Faults(between, self, machine)
        self._machine = machine
        self._settings: dict[str, Any] = {
            "protocol": "tcp-text",
            "name": "tester",
            "host": HOST,
            "port": between.port,
            "answer_timeout_s": 0.7,
            "buffer_bytes": _BUFFER,
        }

    def adapter(self) -> TextAdapter:
        return TextAdapter(TcpTextConnection(**self._settings), [self.talk.machine])

    def stations(self) -> Stations:
        return self.talk.stations("tester")

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        for number in numbers:
            await self._machine.say(self.talk.line(number, filler))

    async def garbage(self, unit: int = 0) -> None:
        await self.faults.quiet()  # on its own, or it would be one line among others
        await self._machine.say(GARBAGE)
        await self.faults.quiet()

    async def work_begins(self) -> None:
        await self._machine.say(BEGIN)

    async def work_ends(self) -> None:
        await self._machine.say(END)


@asynccontextmanager
async def _open(_: object, folder: Path, *, asked: bool) -> AsyncIterator[TcpTextRig]:
    machine = _Machine(asked=asked)
    async with machine.up(), relay(lambda: machine.port) as between:
        yield TcpTextRig(folder, machine, between, asked=asked)


RIGS = (
    Entry("tcp-text", partial(_open, asked=False)),
    Entry("tcp-text-asked", partial(_open, asked=True)),
)
