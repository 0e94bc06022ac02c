"""What the benchmarks compare with: written by hand in the plainest way that is fast, in one file, to be reviewed.

What receives messages is a process, `python -m tests.benchmarks.baselines NAME …`; it says `ready` when messages may
come. Where they go into a journal, its tables and indexes are the gateway's own (`gateway.journal.schema`) and every
column is filled with the same; everything else is the bare library. Each function says what was reported of its path
elsewhere, on a machine like this.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
import proton
import uvloop
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from proton.handlers import MessagingHandler
from proton.reactor import Container
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.pool import StaticPool

from gateway.journal import schema
from tests.benchmarks.load import HOST, mqtt_connect, mqtt_subscribe

COUNTER = struct.Struct("<QQdd")
BATCH = 1000
"""Messages of one commit, as in the gateway."""
CREDIT = 1000
"""AMQP deliveries on their way: the same for all, as it decides the rate of each."""

# Messages per second that were reported for these paths, measured once with other messages on a machine like this.
REPORTED = {"mqtt": 14_000, "mqtt-raw": 33_000, "amqp-engine": 11_000, "amqp-container": 11_000, "fanout": 271_000}


# -- messages into the journal


class Unit(msgspec.Struct):
    UnitIdentifier: str
    PositionNumber: int
    Status: str


class Body(msgspec.Struct):
    TransactionID: str
    Units: list[Unit]
    Lane: int | None = None


class Envelope(msgspec.Struct):
    MessageName: str
    Version: str
    TimeStamp: datetime
    UniqueID: UUID
    Source: str
    Target: str | None
    RequestID: str | None
    MessageBody: Body


_decoder = msgspec.json.Decoder(Envelope)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Journal:
    """SQLAlchemy Core inserts into the gateway's tables, one durable commit for a batch."""

    def __init__(self, path: Path) -> None:
        from pysqlite3 import dbapi2

        engine = create_engine(
            "sqlite://",
            module=dbapi2,
            creator=lambda: dbapi2.connect(str(path), isolation_level=None, check_same_thread=False),
            poolclass=StaticPool,
        )
        self._connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        run = self._connection.exec_driver_sql
        for statement in (
            "PRAGMA page_size=4096",
            "PRAGMA auto_vacuum=INCREMENTAL",
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA cache_size=-65536",
            *schema.MIGRATIONS[0].split(";\n"),
        ):
            if statement.strip():
                run(statement).close()
        self._seq = 0
        self._names: dict[str, dict[Any, int]] = {"place": {}, "message": {}, "unit": {}}
        self._event = insert(schema.event).prefix_with("OR IGNORE")

    def _number(self, table: str, key: str, rows: list[dict[str, Any]], **values: Any) -> int:
        known = self._names[table]
        number = known.get(key)
        if number is None:
            number = known[key] = len(known) + 1
            rows.append({"id": number, **values})
        return number

    def commit(self, messages: list[tuple[bytes, int]]) -> None:
        """Payloads with the time at which each was received."""
        events: list[dict[str, Any]] = []
        links: list[dict[str, int]] = []
        places: list[dict[str, Any]] = []
        names: list[dict[str, Any]] = []
        units: list[dict[str, Any]] = []
        for raw, received in messages:
            envelope = _decoder.decode(raw)
            body = envelope.MessageBody
            self._seq += 1
            at = raw.find(b'"MessageBody":') + 14
            place = self._number(
                "place",
                envelope.Source,
                places,
                site="fab1",
                gateway="pc",
                line="L1",
                station="pnp",
                handle=envelope.Source,
            )
            events.append(
                {
                    "seq": self._seq,
                    "id": envelope.UniqueID.bytes,
                    "time": (envelope.TimeStamp - _EPOCH) // _MICROSECOND,
                    "received": received,
                    "place": place,
                    "message": self._number("message", envelope.MessageName, names, name=envelope.MessageName),
                    "origin": 0,
                    "quality": 0,
                    "offset_ms": None,
                    "lane": body.Lane,
                    "stage": None,
                    "work": body.TransactionID,
                    "revises": None,
                    "copy_of": None,
                    "units": msgspec.json.encode(
                        [(unit.UnitIdentifier, unit.PositionNumber, "unit", unit.Status) for unit in body.Units]
                    ).decode(),
                    "cfx_version": envelope.Version,
                    "cfx_timestamp": None,
                    "cfx_target": envelope.Target,
                    "cfx_request": envelope.RequestID,
                    "digest": blake2b(raw, digest_size=16).digest(),
                    "compact": 1,
                    "body_at": at,
                    "body_size": len(raw) - 1 - at,
                    "raw": raw,
                }
            )
            for unit in body.Units:
                number = self._number("unit", unit.UnitIdentifier, units, name=unit.UnitIdentifier)
                links.append({"seq": self._seq, "unit": number})
        connection = self._connection
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for table, rows in ((schema.place, places), (schema.message, names), (schema.unit, units)):
            if rows:
                connection.execute(insert(table), rows)
        connection.execute(self._event, events)
        if links:
            connection.execute(insert(schema.event_unit), links)
        connection.exec_driver_sql("COMMIT")


class Counter:
    """Messages so far, in a file that another process reads; and how many there were first, and the time of both."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY)
        self._count = self._first = 0
        self._begun = 0.0

    def add(self, count: int) -> None:
        now = time.perf_counter()
        self._count += count
        if not self._first:
            self._first, self._begun = count, now
        os.pwrite(self._file, COUNTER.pack(self._count, self._first, self._begun, now), 0)


# -- MQTT


def mqtt(port: int, client_id: str, topic: str, path: Path) -> None:
    """paho with its own loop: a commit whenever nothing more is there or a batch is full, then its PUBACKs in one write.

    In one thread. With the commits on another (and a switch interval of 0.5 ms) it was faster in four of six pairs and
    slower in two; neither is clearly the better.
    """
    journal = Journal(path)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=paho.MQTTv311, manual_ack=True
    )
    batch: list[paho.MQTTMessage] = []

    def subscribe(*_: object) -> None:
        client.subscribe(topic, 1)

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _client, _data, message: batch.append(message)
    client.connect(HOST, port, keepalive=600)
    while True:
        before = len(batch)
        client.loop(0.0 if batch else 0.05)
        if batch and (len(batch) == before or len(batch) >= BATCH):
            now = time.time_ns() // 1000
            journal.commit([(bytes(message.payload), now) for message in batch])
            peer = cast(socket.socket, client.socket())
            peer.sendall(b"".join([struct.pack(">BBH", 0x40, 2, message.mid) for message in batch]))
            batch.clear()


def mqtt_raw(port: int, client_id: str, topic: str, path: Path) -> None:
    """A socket that reads as much of each PUBLISH as it must to acknowledge it: what the broker itself can do."""
    counter = Counter(path)
    peer = mqtt_connect(port, client_id, clean=False)
    mqtt_subscribe(peer, topic)
    print("ready", flush=True)
    rest = b""
    while True:
        data = rest + peer.recv(1 << 18)
        at, end = 0, len(data)
        acks: list[bytes] = []
        while end - at > 4:
            body, length, shift = at + 1, 0, 0
            while True:
                byte = data[body]
                body += 1
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            if body + length > end:
                break
            if data[at] & 0xF0 == 0x30:
                behind = body + 2 + (data[body] << 8 | data[body + 1])
                acks.append(b"\x40\x02" + data[behind : behind + 2])
            at = body + length
        rest = data[at:]
        peer.sendall(b"".join(acks))
        counter.add(len(acks))


# -- AMQP 1.0


class _Engine(asyncio.Protocol):
    """proton's engine behind a socket of asyncio: push, events, pop."""

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
                event.link.flow(CREDIT)
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


async def amqp_engine(port: int, path: Path) -> None:
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

    await asyncio.get_running_loop().create_server(lambda: _Engine(received), HOST, port)
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


class _Handler(MessagingHandler):
    """proton's own way: accepted when on_message returns, nothing stored."""

    def __init__(self, port: int, path: Path) -> None:
        super().__init__(prefetch=CREDIT)
        self._port, self._counter = port, Counter(path)

    def on_start(self, event: Any) -> None:
        event.container.listen(f"{HOST}:{self._port}")
        print("ready", flush=True)

    def on_message(self, event: Any) -> None:
        bytes(event.message.body)
        self._counter.add(1)


# -- reading an envelope


class _Dated(msgspec.Struct):
    MessageName: str
    Version: str
    TimeStamp: datetime
    UniqueID: UUID
    Source: str | None
    Target: str | None
    RequestID: str | None
    MessageBody: dict[str, Any]


_dated = msgspec.json.Decoder(_Dated)


def decode(payload: bytes) -> object:
    """msgspec's typed decode with date-time and UUID, the body as dict; `json.format`; one digest."""
    text = msgspec.json.format(payload, indent=-1)
    return _dated.decode(payload), blake2b(text, digest_size=16).digest()


if __name__ == "__main__":
    name, at, *rest = sys.argv[1:]
    if name == "mqtt":
        mqtt(int(at), rest[0], rest[1], Path(rest[2]))
    elif name == "mqtt-raw":
        mqtt_raw(int(at), rest[0], rest[1], Path(rest[2]))
    elif name == "amqp-engine":
        uvloop.run(amqp_engine(int(at), Path(rest[0])))
    elif name == "amqp-container":
        Container(_Handler(int(at), Path(rest[0]))).run()
