"""How fast machines' messages come in over AMQP 1.0, against what proton gives to somebody who writes it by hand.

ours: the listener adapter (SASL, credit, budget, frames, notices). engine: proton's engine in an asyncio protocol,
messages decoded by proton. Both put the bodies into the same SQLite table, one commit (`synchronous=FULL`) for all that
has come meanwhile, and accept after it. container: proton's own event loop, which accepts without storing anything.
The sender is another process and the same for all three. `python -m tests.benchmarks.amqp` prints it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, cast

import proton
import uvloop
from proton.handlers import MessagingHandler
from proton.reactor import Container

from adapters.cfx_amqp import CfxAmqpAdapter, CfxAmqpConnection
from gateway.core.frame import Delivery
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_message import AmqpMessage
from tests.servers import free_port

CREDIT = 1000
"""Deliveries on their way, the same for all: with a commit in between it decides the rate of each."""

_BODY = json.dumps({"MessageName": "CFX.Production.WorkCompleted", "Filler": "x" * 950}).encode()


class Store:
    """Bodies in a table, many in one durable commit, on another thread than the event loop."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "bench.db", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute("CREATE TABLE body (seq INTEGER PRIMARY KEY, body BLOB)")

    def commit(self, bodies: Sequence[bytes]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany("INSERT INTO body (body) VALUES (?)", ((body,) for body in bodies))
        self._database.execute("COMMIT")

    def close(self) -> None:
        self._database.close()


async def _ours(port: int, count: int, store: Store, begin: Callable[[], None]) -> float:
    settings = {"protocol": "cfx-amqp", "name": "bench", "listen": f"127.0.0.1:{port}", "credit": CREDIT}
    adapter = CfxAmqpAdapter(CfxAmqpConnection.model_validate(settings), "bench")
    done, first = 0, 0.0
    waiting: list[Delivery] = []
    arrived = asyncio.Event()

    async def read() -> None:
        async for item in items:
            if isinstance(item, Delivery):
                waiting.append(item)
                arrived.set()

    async with adapter.connect() as items:
        begin()
        reading = asyncio.create_task(read(), name="read")
        while done < count:
            await arrived.wait()
            first = first or time.perf_counter()
            batch = waiting.copy()
            waiting.clear()
            arrived.clear()
            await asyncio.to_thread(store.commit, [delivery.frame.payload for delivery in batch])
            for delivery in batch:
                delivery.ack()
            done += len(batch)
        rate = count / (time.perf_counter() - first)
        await asyncio.sleep(0)  # the last acknowledgements leave
        reading.cancel()
    return rate


class _Engine(asyncio.Protocol):
    """What one writes by hand: push, events, pop."""

    def __init__(self, received: Callable[[_Engine, proton.Delivery, bytes], None]) -> None:
        self._received = received
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
        rest = memoryview(data)
        while rest:
            part = min(self._engine.capacity(), len(rest))
            if part <= 0:
                break
            self._engine.push(bytes(rest[:part]))
            rest = rest[part:]
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
                event.link.flow(CREDIT)
            elif kind == proton.Event.DELIVERY:
                delivery = event.delivery
                if delivery.readable and not delivery.partial:
                    link = delivery.link
                    raw = link.recv(delivery.pending)
                    link.advance()
                    self._message.decode(raw)
                    self._received(self, delivery, bytes(cast(bytes, self._message.body)))
            elif kind == proton.Event.CONNECTION_REMOTE_CLOSE:
                self._connection.close()
            self._collector.pop()
        while (size := self._engine.pending()) > 0:
            self._socket.write(self._engine.peek(size) or b"")
            self._engine.pop(size)


async def _engine(port: int, count: int, store: Store, begin: Callable[[], None]) -> float:
    waiting: list[tuple[_Engine, proton.Delivery, bytes]] = []
    arrived = asyncio.Event()

    def received(engine: _Engine, delivery: proton.Delivery, body: bytes) -> None:
        waiting.append((engine, delivery, body))
        arrived.set()

    server = await asyncio.get_running_loop().create_server(lambda: _Engine(received), "127.0.0.1", port)
    begin()
    done, first = 0, 0.0
    while done < count:
        await arrived.wait()
        first = first or time.perf_counter()
        batch = waiting.copy()
        waiting.clear()
        arrived.clear()
        await asyncio.to_thread(store.commit, [body for _, _, body in batch])
        link = batch[0][1].link
        for _, delivery, _ in batch:
            delivery.update(proton.Delivery.ACCEPTED)
            delivery.settle()
        link.flow(len(batch))
        batch[0][0].pump()
        done += len(batch)
    rate = count / (time.perf_counter() - first)
    server.close()
    return rate


class _Handler(MessagingHandler):
    """proton's own way: accepted when on_message returns."""

    def __init__(self, port: int, count: int, begin: Callable[[], None]) -> None:
        super().__init__(prefetch=CREDIT)
        self.rate = 0.0
        self._port, self._count, self._begin = port, count, begin
        self._done, self._first = 0, 0.0

    def on_start(self, event: Any) -> None:
        self._acceptor = event.container.listen(f"127.0.0.1:{self._port}")
        self._begin()

    def on_message(self, event: Any) -> None:
        self._first = self._first or time.perf_counter()
        bytes(event.message.body)
        self._done += 1
        if self._done == self._count:
            self.rate = self._count / (time.perf_counter() - self._first)

    def on_connection_closing(self, event: Any) -> None:
        self._acceptor.close()


def _container(port: int, count: int, begin: Callable[[], None]) -> float:
    handler = _Handler(port, count, begin)
    Container(handler).run()
    return handler.rate


async def _send(port: int, count: int) -> None:
    """The machine: pipelines as far as credit goes, and waits for every outcome."""
    message = AmqpMessage(
        body=_BODY, subject="A.B.C.CFX.Production.WorkCompleted", message_id="0e223e33-230e-4bf4-859d-2b4b5953147f"
    )
    peer = Endpoint(host="127.0.0.1", port=port)
    async with connect(peer, Options(container_id="A.B.C")) as client:
        sender = await client.sender("cfx")
        for outcome in [sender.post(message) for _ in range(count)]:
            await outcome


def _measure(kind: str, count: int) -> float:
    """Messages per second of one receiver."""
    port = free_port()
    senders: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        command = [sys.executable, "-m", "tests.benchmarks.amqp", "send", str(port), str(count)]
        senders.append(subprocess.Popen(command))

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        try:
            if kind == "container":
                # Its thread is its own: it would change the signal handlers of this one.
                rates: list[float] = []
                thread = threading.Thread(target=lambda: rates.append(_container(port, count, begin)), name="container")
                thread.start()
                thread.join()
                return rates[0]
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run((_ours if kind == "ours" else _engine)(port, count, store, begin))
        finally:
            for sender in senders:
                sender.kill()
                sender.wait()
            store.close()


def run(pairs: int = 5, count: int = 20_000) -> dict[str, Any]:
    """`ratio`: ours to engine; `container`: ours to proton's Container; each the median and range over the pairs, which
    are measured by turns. `per_second`: the medians."""
    rates: dict[str, list[float]] = {"ours": [], "engine": [], "container": []}
    for _ in range(pairs):
        for kind, found in rates.items():
            found.append(_measure(kind, count))

    def compared(other: str) -> dict[str, float]:
        ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[other], strict=True)]
        return {"median": median(ratios), "min": min(ratios), "max": max(ratios)}

    return {
        "name": "CFX/AMQP 1.0 point to point, accepted after commit",
        "ratio": compared("engine"),
        "container": compared("container"),
        "per_second": {kind: round(median(found)) for kind, found in rates.items()},
        "target": 0.7,
        "pairs": pairs,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        uvloop.run(_send(int(sys.argv[2]), int(sys.argv[3])))
    else:
        print(json.dumps(run(), indent=2))
