"""AMQP 1.0 listeners: proton's engine into the journal, and its Container, which stores nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import proton
from proton.handlers import MessagingHandler
from proton.reactor import Container

from tests.benchmarks.baselines.counter import Counter
from tests.benchmarks.baselines.journal import Journal
from tests.benchmarks.load import HOST


class _Engine(asyncio.Protocol):
    """proton's engine behind a socket of asyncio: push, events, pop."""

    def __init__(self, received: Callable[[_Engine, proton.Delivery, bytes], None], credit: int) -> None:
        self._received = received
        self._credit = credit
        self._engine = proton.Transport(proton.Transport.SERVER)
        self._connection = proton.Connection()
        self._collector = proton.Collector()
        self._message = proton.Message()
        self._connection.collect(self._collector)
        self._engine.sasl().allowed_mechs("ANONYMOUS")
        self._engine.bind(self._connection)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        while data:
            part = min(self._engine.capacity(), len(data))
            if part <= 0:
                break
            self._engine.push(data[:part])
            data = data[part:]
            self.pump()

    def pump(self) -> None:
        while (peeked := self._collector.peek()) is not None:
            event: Any = peeked  # its attributes are there for the kinds of event that have them
            kind = event.type
            if kind == proton.Event.CONNECTION_REMOTE_OPEN:
                self._connection.open()
            elif kind == proton.Event.SESSION_REMOTE_OPEN:
                event.session.open()
            elif kind == proton.Event.LINK_REMOTE_OPEN:
                event.link.source.copy(event.link.remote_source)
                event.link.target.copy(event.link.remote_target)
                event.link.open()
                event.link.flow(self._credit)
            elif kind == proton.Event.DELIVERY:
                delivery = event.delivery
                if delivery.readable and not delivery.partial:
                    link = delivery.link
                    raw = link.recv(delivery.pending)
                    link.advance()
                    self._message.decode(raw)
                    self._received(self, delivery, bytes(cast(bytes, self._message.body)))
            self._collector.pop()
        while (size := self._engine.pending()) > 0:
            self._socket.write(self._engine.peek(size) or b"")
            self._engine.pop(size)


async def amqp_engine(port: int, credit: int, path: Path) -> None:
    """proton's engine on asyncio (uvloop), a commit for all that a turn of the loop brought, then `accepted`.

    The commit is on the loop's thread: on another one it was slower, as the inserts and the loop want the interpreter
    both.
    """
    journal = Journal(path)
    waiting: list[tuple[_Engine, proton.Delivery, bytes]] = []
    arrived = asyncio.Event()

    def received(engine: _Engine, delivery: proton.Delivery, body: bytes) -> None:
        waiting.append((engine, delivery, body))
        arrived.set()

    await asyncio.get_running_loop().create_server(lambda: _Engine(received, credit), HOST, port)
    print("ready", flush=True)
    while True:
        await arrived.wait()
        batch = waiting.copy()
        waiting.clear()
        arrived.clear()
        now = time.time_ns() // 1000
        journal.commit([(body, now) for _, _, body in batch])
        link = batch[0][1].link
        for _, delivery, _ in batch:
            delivery.update(proton.Delivery.ACCEPTED)
            delivery.settle()
        link.flow(len(batch))
        batch[0][0].pump()


class _Unstored(MessagingHandler):
    """proton's own way: accepted when on_message returns, nothing stored."""

    def __init__(self, port: int, credit: int, path: Path) -> None:
        super().__init__(prefetch=credit)
        self._port, self._counter = port, Counter(path)

    def on_start(self, event: Any) -> None:
        event.container.listen(f"{HOST}:{self._port}")
        print("ready", flush=True)

    def on_message(self, event: Any) -> None:
        bytes(event.message.body)
        self._counter.add(1)


def amqp_container(port: int, credit: int, path: Path) -> None:
    """proton's Container with its handler."""
    Container(_Unstored(port, credit, path)).run()
