"""Messages into the gateway's own tables, with SQLAlchemy Core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, create_engine, insert
from sqlalchemy.pool import StaticPool

from gateway.journal import schema


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
            *(f"DROP INDEX {index}" for index in schema.SUPERSEDED),
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
