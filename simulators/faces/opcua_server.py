"""asyncua's server, as a machine's: on a port that it keeps, with connections that can be cut and held back, and off and on
again without a trace of its clients. It ends with all its tasks.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from asyncua import Server, ua
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol

from gateway.core import times
from gateway.core.errors import LinesideError
from gateway.core.times import Micros, to_datetime

_CLOCK_S = 0.1
_FIRST_SUBSCRIPTION = 77
_NOW = ua.NodeId(2258)
_START = ua.NodeId(2257)


class _Gate:
    """A transport that can hold back what is written."""

    def __init__(self, transport: asyncio.Transport, held: bool) -> None:
        self._transport = transport
        self._kept: list[bytes] | None = [] if held else None

    def write(self, data: bytes) -> None:
        if self._kept is None:
            self._transport.write(data)
        else:
            self._kept.append(bytes(data))

    def hold(self, held: bool) -> None:
        kept, self._kept = self._kept, [] if held else None
        if held and kept is not None:
            self._kept = kept
        elif kept:
            self._transport.write(b"".join(kept))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Talk(OPCUAProtocol):  # type: ignore[misc]
    """A connection. While it is held, what comes is kept too."""

    def __init__(self, listener: Listener, **more: Any) -> None:
        super().__init__(**more)
        self.gone = asyncio.Event()
        self._listener = listener
        self._gate: _Gate | None = None
        self._heard: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by inheritance
        self._gate = _Gate(cast(asyncio.Transport, transport), self._listener.held)
        super().connection_made(self._gate)

    def data_received(self, data: bytes) -> None:
        if self._listener.held:
            self._heard.append(data)
        else:
            super().data_received(data)

    def connection_lost(self, error: BaseException | None) -> None:
        super().connection_lost(error)
        self._listener.ended(self._task, self._activation_watchdog_task)
        self.gone.set()

    def hold(self, held: bool) -> None:
        if self._gate is not None:
            self._gate.hold(held)
        if not held:
            heard, self._heard = self._heard, []
            for data in heard:
                super().data_received(data)

    def cut(self) -> None:
        if self._gate is not None:
            self._gate.abort()


class Listener(BinaryServer):  # type: ignore[misc]
    """held: nothing is answered."""

    hostname: str
    port: int
    _server: asyncio.Server | None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held = False
        self._ending: set[asyncio.Task[Any]] = set()

    def _make_protocol(self) -> _Talk:
        return _Talk(
            self,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )

    def ended(self, *tasks: asyncio.Task[Any] | None) -> None:
        self._ending = {task for task in (*self._ending, *tasks) if task is not None and not task.done()}
        self.closing_tasks[:] = [task for task in self.closing_tasks if not task.done()]

    def hold(self, held: bool) -> None:
        self.held = held
        for talk in tuple(self.clients):
            talk.hold(held)

    async def listen(self, wanted: bool) -> None:
        """Takes connections, on the port that it has had; or no new ones."""
        if not wanted and self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)  # uvloop closes the socket in its next turn
        elif wanted and self._server is None:
            try:
                loop = asyncio.get_running_loop()
                server = await loop.create_server(self._make_protocol, self.hostname, self.port)
            except OSError as error:
                words = os.strerror(error.errno).lower() if error.errno is not None else str(error)
                raise LinesideError(f"cannot listen on {self.hostname}:{self.port}: {words}") from error
            self._server = server
            self.hostname, self.port = server.sockets[0].getsockname()[:2]

    async def cut(self) -> None:
        """Every connection, until nothing of it is left."""
        talks = tuple(self.clients)
        for talk in talks:
            talk.cut()
        for talk in talks:
            await talk.gone.wait()
        await self._close_tasks()
        if self._ending:
            await asyncio.wait(self._ending)

    async def start(self) -> None:
        await self.listen(True)

    async def stop(self) -> None:
        await self.listen(False)
        await self.cut()


class MachineServer(Server):  # type: ignore[misc]
    """clock_offset: microseconds that the machine's clock is ahead of this computer's. hidden: nodes that cannot be
    subscribed to or read, with the status that is said instead."""

    def __init__(self) -> None:
        # It formats every answer at INFO, and reports every client that goes without a word.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
        super().__init__()
        self.clock_offset: Micros = 0
        self.hidden: dict[ua.NodeId, int] = {}
        self.listener: Listener | None = None
        self._clock: asyncio.Task[None] | None = None
        self.disable_clock()
        self.iserver.bind_condition_methods = 1  # ConditionRefresh, with events of this severity
        space = self.iserver.aspace
        self._subscribed, self._read = space.add_datachange_callback, space.read_attribute_value
        space.add_datachange_callback, space.read_attribute_value = self._subscribe, self._look

    def _subscribe(self, node: ua.NodeId, *more: Any) -> Any:
        return (ua.StatusCode(self.hidden[node]), 0) if node in self.hidden else self._subscribed(node, *more)

    def _look(self, node: ua.NodeId, *more: Any) -> Any:
        return (
            ua.DataValue(StatusCode=ua.StatusCode(self.hidden[node]))
            if node in self.hidden
            else self._read(node, *more)
        )

    async def start(self) -> None:
        """Raises LinesideError."""
        await self._setup_server_nodes()
        await self.iserver.start()
        self.listener = Listener(self.iserver, self.endpoint.hostname, self.endpoint.port, self.limits)
        self.bserver = self.listener
        self.listener.set_policies(self._policies)
        self._clock = asyncio.create_task(self._tick(), name="clock of an OPC UA server")
        await self.listener.start()

    async def stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock
        await self.forget_clients()
        await super().stop()

    async def forget_clients(self) -> None:
        """Cuts connections and ends all sessions with what belongs to them, as a restart does."""
        if self.listener is not None:
            await self.listener.cut()
        for session in list(self.iserver._external_sessions.values()):
            waiting = session._timeout_task
            await session.close_session(True)
            if waiting is not None:
                await asyncio.wait([waiting])
        await self.forget_subscriptions()

    async def forget_subscriptions(self) -> None:
        """Those that there are, without a word to anybody."""
        service = self.iserver.subscription_service
        for each in list(service.subscriptions.values()):
            await each.stop()
        service.subscriptions.clear()

    async def turn_on(self) -> None:
        """After forget_clients, as a server that has just been started: it counts its subscriptions anew."""
        self.iserver.subscription_service._sub_id_counter = _FIRST_SUBSCRIPTION
        await self.show(_START, self.now())
        assert self.listener is not None
        await self.listener.listen(True)

    def now(self) -> datetime:
        """By the machine's clock."""
        return to_datetime(times.now() + self.clock_offset)

    async def show(self, node: ua.NodeId, at: datetime) -> None:
        value = ua.DataValue(ua.Variant(at, ua.VariantType.DateTime), SourceTimestamp=at, ServerTimestamp=at)
        await self.write_attribute_value(node, value)

    async def _tick(self) -> None:
        while True:
            await self.show(_NOW, self.now())
            await asyncio.sleep(_CLOCK_S)
