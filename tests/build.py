"""Small builders that many tests share: CFX messages, deliveries, an ingest over a real journal, an adapter to feed it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.adapter import Basis
from gateway.core.errors import DecodeError
from gateway.core.event import UnitRef
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import NO_FACTS, CfxMessage, Facts, Kind, Observation
from gateway.core.telemetry import Telemetry
from gateway.core.times import now, parse_rfc3339
from gateway.ingest.ingest import Ingest
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.reader import Reader
from gateway.journal.retention import RetentionLimits
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer, WriterSettings

HANDLE = "SMTPlus.Model_21232.SN23123"
PNP1 = Station(id="L1.pnp1", line="L1", name="pnp1", machine_class="pick_and_place")


def message(
    unique_id: str | None,
    *,
    name: str = "CFX.Production.UnitsDeparted",
    source: str | None = HANDLE,
    timestamp: str | None = "2026-11-20T12:44:33.5+01:00",
    body: dict[str, Any] | None = None,
    facts: Facts = NO_FACTS,
    kind: Kind = Kind.EVENT,
    raw: bytes | None = None,
) -> CfxMessage:
    """As decoding would give it; `raw` defaults to a compact envelope of the other arguments."""
    content = {"$type": f"{name}, CFX", **(body or {})}
    envelope = {
        "MessageName": name,
        "Version": "2.1",
        "TimeStamp": timestamp,
        "UniqueID": unique_id,
        "Source": source,
        "Target": None,
        "RequestID": None,
        "MessageBody": content,
    }
    text = raw if raw is not None else json.dumps(envelope, separators=(",", ":")).encode()
    return CfxMessage(
        raw=text,
        text=text,
        digest=blake2b(text, digest_size=16).digest(),
        body=json.dumps(content, separators=(",", ":")).encode(),
        name=name,
        kind=kind,
        source=source,
        target=None,
        request_id=None,
        version="2.1",
        timestamp=timestamp,
        unique_id=unique_id,
        time=None if timestamp is None else parse_rfc3339(timestamp),
        local=None,
        coarse=False,
        facts=facts,
    )


def units(*ids: str) -> tuple[UnitRef, ...]:
    return tuple(UnitRef(id_, position) for position, id_ in enumerate(ids, 1))


class Acks:
    """Remembers which deliveries were acknowledged, in which order."""

    def __init__(self) -> None:
        self.order: list[int] = []

    def delivery(
        self, number: int, *, redelivered: bool = False, acknowledged: bool = True, payload: bytes = b"", **more: Any
    ) -> Delivery:
        frame = Frame(
            connection="broker",
            received=now(),
            channel="topic",
            payload=payload or str(number).encode(),
            redelivered=redelivered,
        )
        return Delivery(frame, lambda: self.order.append(number), acknowledged=acknowledged, **more)


class ScriptedAdapter:
    """Decodes a payload to whatever the test prepared for it; yields what the test puts into `inbox`."""

    def __init__(self, name: str = "broker", protocol: str = "cfx-mqtt") -> None:
        self.name = name
        self.protocol = protocol
        self.basis = Basis.DURABLE_BROKER
        self.meaning: dict[bytes, Sequence[Observation] | DecodeError] = {}
        self.inbox: asyncio.Queue[Delivery | Notice | Exception] = asyncio.Queue()
        self.refusals: list[Exception] = []
        self.connects = 0
        self.closed = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        self.connects += 1
        if self.refusals:
            raise self.refusals.pop(0)
        try:
            yield self._read()
        finally:
            self.closed += 1

    async def _read(self) -> AsyncIterator[Delivery | Notice]:
        while True:
            item = await self.inbox.get()
            if isinstance(item, Exception):
                raise item
            yield item

    def decode(self, frame: Frame) -> Sequence[Observation]:
        meaning = self.meaning[frame.payload]
        if isinstance(meaning, DecodeError):
            raise meaning
        return meaning


class Bench:
    """A journal with its writer thread, an ingest, a scripted adapter, a reader."""

    def __init__(self, folder: Path, settings: IngestSettings, writer: WriterSettings, stations: Stations) -> None:
        self.path = folder / "journal.db"
        self.writer = Writer(self.path, site="fab1", gateway="line1-pc", settings=writer)
        self.writer.open()
        self.telemetry = Telemetry()
        self.adapter = ScriptedAdapter()
        self.acks = Acks()
        self.ingest = Ingest(
            self.writer, stations, self.telemetry, settings, states=self.writer.states(), payload_cap=32 << 20
        )
        self.reader = Reader(self.path)
        self.line = self.ingest.line(self.adapter.name)

    async def give(self, number: int, *observations: Observation, **delivery: Any) -> bool:
        """Offer a delivery that decodes to these observations."""
        made = self.acks.delivery(number, **delivery)
        self.adapter.meaning[made.frame.payload] = observations
        return await self.ingest.offer(self.adapter, self.line, made)

    async def settled(self) -> None:
        """Everything offered so far is committed."""
        await self.ingest.store("test", "test", [])
        await until(lambda: all(frames == 0 for frames, _ in self.ingest.depth().values()))

    @asynccontextmanager
    async def stuck(self) -> AsyncIterator[None]:
        """Meanwhile the writer is busy with a commit that does not end."""
        entered, gate = threading.Event(), threading.Event()

        def effect(_: Transaction) -> None:
            entered.set()
            gate.wait(30)

        self.ingest.store("test", "test", [], effect=effect)
        await until(entered.is_set)
        try:
            yield
        finally:
            gate.set()

    def counter(self, name: str) -> float:
        """Sum of a counter over its labels."""
        return sum(
            sample.value
            for metric in self.telemetry.registry.collect()
            if metric.name == f"lineside_{name}"
            for sample in metric.samples
            if sample.name.endswith("_total")
        )


FAST = WriterSettings(
    synchronous="normal",
    ballast_bytes=0,
    stalled_retry_s=0.02,
    idle_s=0.05,
    retention=RetentionLimits(check_s=0.0),
)


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    settings: IngestSettings | None = None,
    writer: WriterSettings = FAST,
    stations: Stations | None = None,
) -> AsyncIterator[Bench]:
    """Running; stopped and closed at the end."""
    found = stations or Stations([PNP1], [Route(connection="broker", station=PNP1)], zone=ZoneInfo("UTC"))
    made = Bench(folder, settings or IngestSettings(), writer, found)
    made.ingest.start()
    try:
        yield made
    finally:
        made.reader.close()
        await made.ingest.stop()
        made.writer.close()


async def until(condition: Callable[[], object], *, timeout_s: float = 10.0) -> None:
    """Wait for something that happens elsewhere; fails with the condition's own words when it does not."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
