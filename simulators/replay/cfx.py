"""Machines with CFX over AMQP 1.0, as they were captured: connecting to the gateway's listener, each under its own name, or
heard by way of a broker.

A broker that is not named is played too: a listener that gives whoever attaches to the captured addresses what was
received from them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self

from gateway.core.errors import NotConnected
from gateway.core.frame import Frame
from gateway.transport.amqp import Connection
from gateway.transport.amqp_client import Client, Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_listener import Access, Listener, listen
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome, Sender
from simulators.replay.actor import Actor, Role, Stage, Unplayable
from simulators.replay.address import LOOPBACK, free_port, spelt
from simulators.replay.broker import BehindBroker
from simulators.replay.sending import Say, Sending

log = logging.getLogger(__name__)

_LOOK_S = 0.02
_NOBODY = "machine"
"""Container-id of machines that gave none."""


def cfx_amqp(role: Role, stage: Stage) -> Actor:
    """The actor for either form of `cfx-amqp`."""
    if role.settings.get("listen") is not None:
        return MachinesActor(role, stage)
    return BrokerActor(role, stage) if role.at is None else QueuesActor(role, stage)


def message(frame: Frame, peer: str | None) -> AmqpMessage:
    """As it came, as far as it was captured. Raises Unplayable for a frame that is not all of a message."""
    meta = frame.meta
    if "undecodable" in meta:
        raise Unplayable("bytes that were no AMQP message")
    if meta.get("truncated"):
        raise Unplayable("of a message that was too large only the beginning was captured")
    return AmqpMessage(
        body=frame.payload,
        message_id=_text(meta.get("message_id")),
        subject=_text(meta.get("subject")),
        reply_to=peer or None,
        content_type='application/json; charset="utf-8"',
        content_encoding=_text(meta.get("content_encoding")),
        delivery_count=int(frame.redelivered),
    )


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)


async def _sent(sender: Sender, frame: Frame, peer: str | None) -> None:
    sent = await sender.send(message(frame, peer))
    if sent.outcome is Outcome.REJECTED:  # it would be again
        log.warning("%s: left out: %s", frame.connection, sent.condition)
    elif sent.outcome is not Outcome.ACCEPTED:
        raise NotConnected(f"a message was {sent.outcome}: {sent.condition}")


class MachinesActor:
    """Machines that connect to the gateway point to point. A port is chosen for it where none is named."""

    def __init__(self, role: Role, stage: Stage) -> None:
        self._role = role
        self._patience_s = stage.patience_s
        self._host, self._port = role.address or (LOOPBACK, free_port())
        self._machines: dict[str, Sending] = {}

    @property
    def addresses(self) -> Mapping[str, Any]:
        return {"listen": spelt(self._host, self._port)}

    @property
    def place(self) -> str:
        return f"connects to {spelt(self._host, self._port)}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._machines.values():
            await each.close()

    async def met(self) -> None:
        """Somebody listens there. Nothing is said to him yet."""
        while True:
            try:
                _, writer = await asyncio.open_connection(self._host, self._port)
            except OSError:
                await asyncio.sleep(_LOOK_S)
                continue
            writer.close()
            return

    async def play(self, frame: Frame, peer: str | None) -> None:
        message(frame, peer)  # what cannot be said is left out here, not in between
        machine = self._machines.get(peer or "")
        if machine is None:
            name = f"{self._role.connection} {peer or _NOBODY}"
            machine = self._machines[peer or ""] = Sending(name, partial(self._connect, peer), self._patience_s)
        await machine.put(frame)

    async def lose(self, station: str) -> None:
        handles = next((seat.handles for seat in self._role.seats if seat.station == station), ())
        for peer, machine in self._machines.items():
            if peer in handles or len(self._machines) == 1:
                await machine.empty()
                await machine.close()

    async def done(self) -> None:
        for each in self._machines.values():
            await each.empty()

    @asynccontextmanager
    async def _connect(self, peer: str | None) -> AsyncIterator[Say]:
        options = Options(container_id=peer or _NOBODY)
        async with connect(Endpoint(host=self._host, port=self._port), options) as client:
            yield _saying(client, peer)


class QueuesActor(BehindBroker):
    """A real broker, whose queues keep what is sent: what was received from an address is sent to it."""

    def _look(self, frame: Frame, peer: str | None) -> None:
        message(frame, peer)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Say]:
        endpoint = Endpoint(host=self._host, port=self._port)
        options = Options(container_id=f"replay-{self._role.connection}", hostname=self._vhost)
        async with connect(endpoint, options) as client:
            yield _saying(client, None, durable=bool(self._role.settings.get("durable", True)))

    @property
    def _vhost(self) -> str | None:
        name = self._role.settings.get("vhost")
        return None if name is None else f"vhost:{name}"


class BrokerActor:
    """The broker itself, for whoever connects and attaches to what was received from."""

    def __init__(self, role: Role, stage: Stage) -> None:
        self._role = role
        self._host = stage.host
        self._sources = frozenset(map(str, role.settings.get("addresses", ())))
        self._listener: Listener | None = None
        self._stack = AsyncExitStack()
        self._sending = Sending(f"replay {role.connection}", self._connect, stage.patience_s)

    @property
    def addresses(self) -> Mapping[str, Any]:
        assert self._listener is not None
        return {"host": self._host, "port": self._listener.port}

    @property
    def place(self) -> str:
        assert self._listener is not None
        return f"{spelt(self._host, self._listener.port)}, as a broker with {', '.join(sorted(self._sources))}"

    async def __aenter__(self) -> Self:
        options = Options(container_id=f"replay-{self._role.connection}")
        try:
            self._listener = await self._stack.enter_async_context(
                listen(self._host, 0, options, Access(anonymous=True), _Watcher())
            )
        except NotConnected as error:
            raise Unplayable(f"{self._role.connection}: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sending.close()
        await self._stack.aclose()

    async def met(self) -> None:
        """Somebody is attached to every address."""
        while not self._links().keys() >= self._sources:  # noqa: ASYNC110, engines tell nobody
            await asyncio.sleep(_LOOK_S)

    async def play(self, frame: Frame, peer: str | None) -> None:
        message(frame, peer)
        await self._sending.put(frame)

    async def lose(self, station: str) -> None:
        assert self._listener is not None
        await self._sending.empty()
        await self._sending.close()
        for connection in tuple(self._listener.connections):
            connection.abort("lost")

    async def done(self) -> None:
        await self._sending.empty()

    def _links(self) -> dict[str, Sender]:
        assert self._listener is not None
        engines = [each.engine for each in self._listener.connections if each.reason is None]
        senders = [sender for engine in engines if engine is not None for sender in engine.senders.values()]
        return {name: sender for sender in senders if sender.alive for name in sender.names}

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Say]:
        await self.met()

        async def say(frame: Frame) -> None:
            sender = self._links().get(frame.channel)
            if sender is None:
                raise NotConnected(f"nobody is attached to {frame.channel!r}")
            await _sent(sender, frame, None)

        yield say


class _Watcher:
    """Who attaches shows in the links; what is sent here is accepted and left."""

    def opened(self, connection: Connection) -> None:
        return None

    def received(self, connection: Connection, message: Received) -> None:
        message.accept()

    def closed(self, connection: Connection) -> None:
        return None


def _saying(client: Client, peer: str | None, *, durable: bool = False) -> Say:
    """On links that are attached when they are needed first."""
    senders: dict[str, Sender] = {}
    attaching = asyncio.Lock()

    async def say(frame: Frame) -> None:
        async with attaching:
            sender = senders.get(frame.channel)
            if sender is None:
                sender = senders[frame.channel] = await client.sender(
                    frame.channel, name=frame.channel or _NOBODY, durable=durable
                )
        await _sent(sender, frame, peer)

    return say
