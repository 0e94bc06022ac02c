"""What the benchmarks compare with, written by hand in the plainest way that is fast: one file, to be reviewed.

Each is a process: `python -m tests.benchmarks.baselines NAME …`. The journal's tables and indexes are the gateway's own
(`gateway.journal.schema`), filled as the gateway fills them; everything else is the bare library.
"""

from __future__ import annotations

import os
import queue
import sqlite3
import struct
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.pool import StaticPool

from gateway.journal import schema

HOST = "127.0.0.1"
BATCH = 1000


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
                "place", envelope.Source, places, site="fab1", gateway="pc", line="L1", station="pnp", handle=envelope.Source
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


def _client(port: int, name: str, topic: str) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=paho.MQTTv311, manual_ack=True
    )
    client.on_connect = lambda *_: client.subscribe(topic, 1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect(HOST, port, keepalive=600)
    return client


def _pubacks(batch: list[paho.MQTTMessage]) -> bytes:
    return b"".join([struct.pack(">BBH", 0x40, 2, message.mid) for message in batch])


def mqtt_single(port: int, name: str, topic: str, path: Path) -> None:
    """paho's loop, a commit whenever nothing more is there or a batch is full, then all its PUBACKs in one write."""
    journal = Journal(path)
    client = _client(port, name, topic)
    batch: list[paho.MQTTMessage] = []
    client.on_message = lambda _client, _data, message: batch.append(message)
    while True:
        before = len(batch)
        client.loop(0.0 if batch else 0.05)
        if batch and (len(batch) == before or len(batch) >= BATCH):
            now = time.time_ns() // 1000
            journal.commit([(message.payload, now) for message in batch])
            client.socket().sendall(_pubacks(batch))
            batch.clear()


def mqtt_threads(port: int, name: str, topic: str, path: Path) -> None:
    """paho's loop on its thread, the commits on another."""
    journal = Journal(path)
    client = _client(port, name, topic)
    waiting: queue.SimpleQueue[paho.MQTTMessage] = queue.SimpleQueue()
    client.on_message = lambda _client, _data, message: waiting.put(message)

    def write() -> None:
        while True:
            batch = [waiting.get()]
            while len(batch) < BATCH and not waiting.empty():
                batch.append(waiting.get())
            now = time.time_ns() // 1000
            journal.commit([(message.payload, now) for message in batch])
            client.socket().sendall(_pubacks(batch))

    threading.Thread(target=write, daemon=True).start()
    client.loop_forever()


if __name__ == "__main__":
    if len(sys.argv) > 6:
        sys.setswitchinterval(float(sys.argv[6]))
    {"single": mqtt_single, "threads": mqtt_threads}[sys.argv[1]](int(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5]))
