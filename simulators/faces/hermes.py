"""The vertical face of a simulated machine, such as a magazine loader: supervisory systems connect, and hear of boards.

It is a server like any other of IPC-HERMES-9852: whoever describes itself and declares to track boards is told. Nobody
can change anything by it: what is no description, notification or sign of life is a protocol error.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar, cast

import msgspec

from gateway.core.times import to_datetime
from gateway.transport.hermes import Element, Framing, Malformed, Message, encode, parse
from simulators.faces.hermes_talk import (
    ALIVE,
    FEATURES,
    TRACKING,
    TRANSFERRED,
    Board,
    Fault,
    Faults,
    Passed,
    Trouble,
    description,
    moved,
    notification,
    spoilt,
)
from simulators.faces.modbus_line import FaceError
from simulators.faces.switches import Failing
from simulators.voices.voice import When


def _now() -> datetime:
    return datetime.now().astimezone()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """single: takes one supervisor only. clock: the machine's, in its local time."""

    machine_id: str = "Loader-1"
    version: str = "1.5"
    features: tuple[str, ...] = FEATURES
    single: bool = False
    clock: Callable[[], datetime] = _now


@asynccontextmanager
async def serve(
    machine: Machine, *, host: str = "127.0.0.1", port: int = 0, seed: int = 0
) -> AsyncIterator[HermesFace]:
    """Serves until the block is left; port 0 takes a free one. Raises FaceError. seed: of what faults draw."""
    face = HermesFace(machine, seed)
    try:
        await face.open(host, port)
        yield face
    finally:
        face.close()


class HermesFace(Failing[Fault]):
    """What happens at the machine, and the switches for faults. address: host and port, kept while it refuses."""

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine = machine
        self.faults = Faults(seed)
        self.address = ("", 0)
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def supervisors(self) -> int:
        """How many hear of boards."""
        return sum(each.tracked for each in self.connections)

    async def open(self, host: str, port: int) -> None:
        try:
            self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            words = os.strerror(error.errno).lower() if error.errno is not None else str(error)
            raise FaceError(f"cannot listen on {host}:{port}: {words}") from error
        self.address = self._server.sockets[0].getsockname()[:2]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def arrived(self, board: Board, *, lane: int = 1, transfer: int = TRANSFERRED) -> str:
        """A board is in the machine now. The time stamp, as sent."""
        return self._tell(moved("BoardArrived", self.machine.machine_id, board, lane, transfer))

    def departed(self, board: Board, *, lane: int = 1, transfer: int = TRANSFERRED) -> str:
        """It has left. The time stamp, as sent."""
        return self._tell(moved("BoardDeparted", self.machine.machine_id, board, lane, transfer))

    async def put(self, passed: Passed, when: When) -> None:
        """The same of what has happened at some virtual second, in the machine's local time."""
        at = to_datetime(when.instant(passed.at)).astimezone(self.machine.clock().tzinfo)
        machine_id = self.machine.machine_id
        self._tell(moved(passed.name, machine_id, passed.board, passed.lane, passed.transfer), at)

    def notify(self, code: int, severity: int, text: str) -> None:
        """Tells all supervisors."""
        message = encode(Message(self.stamp(), notification(code, severity, text)))
        for each in tuple(self.connections):
            each.say(message)

    def stamp(self, at: datetime | None = None) -> str:
        """Of now, if nothing else is given."""
        return (at or self.machine.clock()).isoformat(timespec="milliseconds")[:23]

    def _tell(self, content: Element, at: datetime | None = None) -> str:
        message = Message(self.stamp(at), content)
        pieces = spoilt(message, self.faults.meeting())
        for each in [each for each in self.connections if each.tracked]:
            if pieces is None:
                each.cut()
                continue
            for piece in pieces:
                each.say(piece)
        return message.timestamp or ""

    async def begin(self, fault: Fault) -> None:
        """From now on."""
        self.faults.add(fault)
        await self._apply()

    async def end(self, fault: Fault | None = None) -> None:
        """That one is over; without one, all are."""
        if fault is None:
            self.faults.clear()
        else:
            self.faults.remove(fault)
        await self._apply()

    def drop(self) -> None:
        """Cuts every connection now."""
        for each in tuple(self.connections):
            each.cut()

    async def _apply(self) -> None:
        refused = self.faults.lasts(Trouble.REFUSE)
        if refused and self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn
        elif not refused and self._server is None:
            await self.open(*self.address)
        if not self.faults.lasts(Trouble.STALL):
            for each in tuple(self.connections):
                each.wake()


class _Connection(asyncio.Protocol):
    """One supervisor. tracked: it hears of boards."""

    def __init__(self, face: HermesFace) -> None:
        self.tracked = False
        self._face = face
        self._described = False
        self._framing = Framing()
        self._unheard = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        face = self._face
        if face.faults.lasts(Trouble.OCCUPIED) or (face.machine.single and face.connections):
            self._end(2, 2, "there is a supervisor already")
            return
        face.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._face.faults.lasts(Trouble.STALL):
            self._unheard += data
            return
        for piece in self._framing.feed(data):
            try:
                content = None if piece.size is not None else parse(piece.data).content
            except Malformed:
                content = None
            if content is None:
                self._end(1, 1, "not understood")
                return
            self._take(content)

    def connection_lost(self, exc: Exception | None) -> None:
        self.tracked = False
        self._face.connections.discard(self)

    def wake(self) -> None:
        """The machine goes on after a stall."""
        data, self._unheard = self._unheard, b""
        if data:
            self.data_received(data)

    def say(self, data: bytes) -> None:
        if self._transport is not None and not self._face.faults.lasts(Trouble.STALL):
            self._transport.write(data)

    def cut(self) -> None:
        """At once, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, content: Element) -> None:
        machine = self._face.machine
        if content.name == "CheckAlive":
            if content.get("Type") == "1" and ALIVE in machine.features:
                self._answer(Element("CheckAlive", {"Type": "2", "Id": content.attributes.get("Id", "")}))
        elif content.name == "SupervisoryServiceDescription" and not self._described:
            self._described = True
            untracked = self._face.faults.lasts(Trouble.UNTRACKED)
            features = tuple(each for each in machine.features if not (untracked and each == TRACKING))
            theirs = content.child("SupportedFeatures")
            self._answer(description(machine.machine_id, machine.version, features))
            self.tracked = TRACKING in features and theirs is not None and theirs.child(TRACKING) is not None
        elif content.name != "Notification":
            self._end(1, 1, f"{content.name} is not expected")

    def _answer(self, content: Element) -> None:
        self.say(encode(Message(self._face.stamp(), content)))

    def _end(self, code: int, severity: int, text: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._answer(notification(code, severity, text))
            self._transport.close()
