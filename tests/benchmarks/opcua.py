"""OPC UA data changes into the journal, next to asyncua's publish loop with a callback that only counts.

Both read the same publish responses, encoded beforehand: what a server of one machine with 100 values sends that looks ten
times between two publications. A: the adapter's publisher, decoding, class, and the journal with `synchronous=FULL`, until the
last commit; every change is a sample of its own, and afterwards the journal has each once. B: asyncua alone, the fastest
way it has. No socket is between: what a network costs, it costs both.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import uvloop
from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer as Bytes
from asyncua.ua.ua_binary import struct_to_binary

from adapters.opcua import OpcUaAdapter
from adapters.opcua_buffer import Buffer
from adapters.opcua_items import Watch
from adapters.opcua_publish import Publisher
from adapters.opcua_settings import OpcUaConnection
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.frame import Delivery
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.writer import WriterSettings
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Machine
from gateway.profile.load import load
from tests.benchmarks.row import Row, against, say
from tests.build import Bench, bench, until

REPORTED = 75_000
"""Notifications a second of a batch callback, against a C server: with its network, which is not here."""
NODES, LOOKS = 100, 10
_PER = NODES * LOOKS
_FIRST = datetime(2026, 11, 20, tzinfo=UTC)
_HEAD = 'class = "generic"\nprotocol = "opcua"\nmodels = ["B"]\nevidence = { level = "example" }\n[subscribe.all]\npublish = "1s"\n'


class _Canned:
    """In place of a connection: each publish request is answered with the next response, and none with nothing."""

    def __init__(self, responses: Sequence[bytes]) -> None:
        self._left = iter(responses)

    async def _send_request(self, request: Any, timeout: float | None = None, kind: Any = None) -> Bytes:
        for response in self._left:
            await asyncio.sleep(0)
            return Bytes(response)
        await asyncio.Event().wait()
        raise AssertionError


class _Session:
    """What the publisher uses of adapters.opcua_session.Session."""

    def __init__(self, services: UaSession) -> None:
        self.services = services


def _responses(count: int, *, apart: bool) -> list[bytes]:
    """Of `count` changes. No value of a node is that of the one before it. apart: no two of them at the same time."""
    found = []
    for number in range(count // _PER):
        items = [
            ua.MonitoredItemNotification(
                ClientHandle=node + 1,
                Value=ua.DataValue(
                    ua.Variant(150.0 + node + (number * LOOKS + look) % 97 / 10, ua.VariantType.Double),
                    SourceTimestamp=(
                        at := _FIRST
                        + timedelta(milliseconds=100 * (number * LOOKS + look), microseconds=10 * node * apart)
                    ),
                    ServerTimestamp=at,
                ),
            )
            for look in range(LOOKS)
            for node in range(NODES)
        ]
        message = ua.NotificationMessage(
            SequenceNumber=number + 1,
            PublishTime=_FIRST,
            NotificationData=[ua.DataChangeNotification(MonitoredItems=items)],
        )
        response = ua.PublishResponse()
        response.Parameters = ua.PublishResult(SubscriptionId=1, MoreNotifications=False, NotificationMessage=message)
        found.append(struct_to_binary(response))
    return found


async def _asyncua(responses: Sequence[bytes], count: int) -> float:
    session = UaSession(_Canned(responses))
    seen = 0
    done = asyncio.Event()

    async def batch(result: ua.PublishResult) -> None:
        nonlocal seen
        for data in result.NotificationMessage.NotificationData:
            seen += len(data.MonitoredItems)
        if seen >= count:
            done.set()

    session._subscription_callbacks[1] = batch
    begun = time.perf_counter()
    publishing = asyncio.create_task(session._publish_loop())
    await done.wait()
    took = time.perf_counter() - begun
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    return took


def _bound(folder: Path) -> Bound:
    path = folder / "bench.toml"
    signals = (f'[signal."x.v{number}"]\nnode = "i={number}"\nexample = 1.0\n' for number in range(NODES))
    path.write_text(_HEAD + "".join(signals), encoding="utf-8")
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES["generic"].vocabulary, loaded.name, written=loaded.written)


async def _gateway(responses: Sequence[bytes], count: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bound = _bound(folder)
        station = Station(id="L1.m", line="L1", name="m", setup=set_up("L1.m", CLASSES["generic"], bound))
        stations = Stations([station], [Route(connection="m", station=station)], zone=ZoneInfo("UTC"))
        async with bench(folder, writer=WriterSettings(), stations=stations) as behind:
            took = await _into(behind, bound, responses, count)
            _check(behind, count)
    return took


async def _into(behind: Bench, bound: Bound, responses: Sequence[bytes], count: int) -> float:
    settings = OpcUaConnection.model_validate({"protocol": "opcua", "name": "m", "url": "opc.tcp://127.0.0.1:4840"})
    adapter = OpcUaAdapter(settings, [Machine(station="L1.m", bound=bound)])
    assert bound.nodes is not None
    watch = Watch("L1.m", bound.nodes.subscriptions[0])
    watch.id, watch.nodes = 1, {number + 1: f"i={number}" for number in range(NODES)}
    buffer = Buffer(settings.buffer_bytes, asyncio.Event())
    session: Any = _Session(UaSession(_Canned(responses)))
    publisher = Publisher(
        "m", session, {1: watch}, buffer, most=settings.publishes, progress=None, proven=asyncio.Event()
    )
    line = behind.ingest.line("m")
    left = len(responses)
    begun = time.perf_counter()
    publishing = asyncio.create_task(publisher.run())
    async for item in buffer.items():
        assert isinstance(item, Delivery)
        assert await behind.ingest.offer(adapter, line, item)
        left -= 1
        if not left:
            break
    await until(lambda: behind.counter("samples_stored") >= count, timeout_s=120)
    took = time.perf_counter() - begun
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    return took


def _check(behind: Bench, count: int) -> None:
    stored = behind.counter("samples_stored")
    if stored != count:
        raise RuntimeError(f"{stored} samples of {count} are there")


def run(pairs: int, count: int) -> list[Row]:
    """About so many changes; all of a machine's values change together, as a controller has them, or each by itself."""
    return [_compared(pairs, count, apart=apart) for apart in (False, True)]


def _compared(pairs: int, count: int, *, apart: bool) -> Row:
    responses = _responses(count, apart=apart)
    count = len(responses) * _PER
    rates: dict[str, list[float]] = {"gateway": [], "asyncua": []}
    sides = [("gateway", _gateway), ("asyncua", _asyncua)]
    for pair in range(pairs):
        for name, work in sides:
            rates[name].append(count / uvloop.run(work(responses, count)))
        say(f"opcua {pair + 1}/{pairs}: " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items()))
        sides.reverse()  # nobody always goes first
    how = "each at a time of its own" if apart else f"{NODES} at a time"
    return against(
        f"OPC UA data changes into the journal, {how}",
        rates["gateway"],
        rates["asyncua"],
        names=("gateway", "asyncua's batch callback"),
        target=("at least", 0.4),
        reported=REPORTED,
    )
