"""The Modbus face of simulated machines: a server of one bus, over TCP or on a serial line, with several units.

It is a server like any other: whatever reads Modbus can talk to it. Machines are read here, never written: a function
that writes is an illegal function. A unit that there is not answers nothing in RTU; over Modbus TCP exception 11, as
from a converter that does not hear it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import ClassVar

import msgspec

from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus_bank import Bank
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.faces.modbus_line import FaceError, opened
from simulators.faces.modbus_talk import Bus, Connection, Kind, LineTalk
from simulators.faces.switches import Failing


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """port: 0 takes a free one. framing: `rtu` is what a converter from TCP to a serial line passes on."""

    host: str = "127.0.0.1"
    port: int = 0
    framing: Kind = "tcp"


@asynccontextmanager
async def serve(place: Listen | Serial, units: Mapping[int, Bank], *, seed: int = 0) -> AsyncIterator[ModbusFace]:
    """Serves until the block is left. Raises FaceError. seed: of what faults draw."""
    bus = Bus(units, "rtu" if isinstance(place, Serial) else place.framing, seed)
    async with AsyncExitStack() as stack:
        if isinstance(place, Serial):
            line = LineTalk(bus, stack.enter_context(opened(place)))
            stack.callback(line.end)
            face = ModbusFace(place.port, None, bus, line)
        else:
            server = _Server(place, bus)
            stack.callback(server.end)
            await server.refuse(False)
            host, port = server.address
            face = ModbusFace(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", server.address, bus, server)
        yield face


class ModbusFace(Failing[Fault]):
    """The switches of a bus that is being served.

    place: where, for people. address: host and port; None of a serial line.
    """

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, place: str, address: tuple[str, int] | None, bus: Bus, end: _Server | LineTalk) -> None:
        self.place = place
        self.address = address
        self._bus = bus
        self._end = end

    @property
    def asked(self) -> Mapping[int, int]:
        """How many requests came, by unit; whether or not they were answered."""
        return self._bus.asked

    async def begin(self, fault: Fault) -> None:
        """From now on. Raises ValueError for what cannot happen on this kind of bus."""
        on_a_line = self.address is None and fault.trouble in (Trouble.REFUSE, Trouble.DROP)
        if on_a_line or (self._bus.kind == "rtu" and fault.trouble is Trouble.WRONG_TRANSACTION):
            raise ValueError(f"{fault.trouble} cannot happen on {self.place}")
        self._bus.faults.add(fault)
        await self._apply()

    async def end(self, fault: Fault | None = None) -> None:
        """That one is over; without one, all are."""
        if fault is None:
            self._bus.faults.clear()
        else:
            self._bus.faults.remove(fault)
        await self._apply()

    def drop(self) -> None:
        """Cuts every connection now. On a serial line there is nothing to cut."""
        if isinstance(self._end, _Server):
            self._end.drop()

    async def _apply(self) -> None:
        faults = self._bus.faults
        for unit, bank in self._bus.units.items():
            bank.frozen = faults.lasts(Trouble.FREEZE, unit)
        self._end.listen(not faults.lasts(Trouble.STALL))
        if isinstance(self._end, _Server):
            await self._end.refuse(faults.lasts(Trouble.REFUSE))


class _Server:
    """Takes connections. The address is kept while they are refused."""

    def __init__(self, place: Listen, bus: Bus) -> None:
        self._bus = bus
        self._listening = True
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        if place.port:
            _bound(place.host, place.port, shared=False).close()  # somebody else's would go unnoticed later
        self._kept = _bound(place.host, place.port)
        self.address: tuple[str, int] = self._kept.getsockname()[:2]

    async def refuse(self, refused: bool) -> None:
        if refused and self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn
        elif not refused and self._server is None:
            sock = _bound(*self.address)
            self._server = await asyncio.get_running_loop().create_server(self._connected, sock=sock)

    def _connected(self) -> Connection:
        return Connection(self._bus, self._connections, listening=self._listening)

    def listen(self, wanted: bool) -> None:
        self._listening = wanted
        for connection in tuple(self._connections):
            connection.listen(wanted)

    def drop(self) -> None:
        for connection in tuple(self._connections):
            connection.cut()

    def end(self) -> None:
        if self._server is not None:
            self._server.close()
        self.drop()
        self._kept.close()


def _bound(host: str, port: int, *, shared: bool = True) -> socket.socket:
    """Not yet listening, so connections are refused. shared: with other sockets of this user that want the same."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
            made.bind(address)
        except OSError:
            made.close()
            raise
    except OSError as error:
        words = os.strerror(error.errno).lower() if error.errno is not None else str(error)
        raise FaceError(f"cannot listen on {host}:{port}: {words}") from error
    return made
