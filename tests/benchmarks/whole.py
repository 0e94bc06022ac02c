"""The gateway as a process under a steady load: how late a subscriber hears of an event, and what idling costs."""

from __future__ import annotations

import asyncio
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import uvloop

from tests.benchmarks import latency
from tests.benchmarks.intake import cpu_s
from tests.benchmarks.load import HOST, mqtt_connect, mqtt_packet, mqtt_text
from tests.benchmarks.row import Row, say
from tests.daemon import Daemon, config
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

_SMALL, _LARGE = "SMTPlus.Model_21232.SN00001", "SMTPlus.Model_4711.SN00002"
_LARGE_BYTES = 10_000_000
_LARGE_EVERY_S = 20.0


def _envelope(name: str, source: str, unique: UUID, body: str) -> bytes:
    stamp = datetime.now(UTC).isoformat(timespec="microseconds")
    return (
        f'{{"MessageName":"{name}","Version":"2.1","TimeStamp":"{stamp}","UniqueID":"{unique}","Source":"{source}",'
        f'"Target":null,"RequestID":null,"MessageBody":{{"$type":"{name}, CFX",{body}}}}}'
    ).encode()


def _inspection(seed: int) -> bytes:
    """A UnitsInspected of 10 MB: two boards with some twenty thousand measurements each."""
    one = (
        '{"UniqueIdentifier":"%d","InspectionName":"R%d","TestStartTime":"2026-11-20T12:44:34Z","Result":"Passed",'
        '"Measurements":[{"$type":"CFX.Structures.NumericMeasurement, CFX","MeasurementName":"Height",'
        '"MeasuredValue":0.1234,"ExpectedValue":0.12,"Result":"Passed"}]}'
    )
    each = _LARGE_BYTES // 2 // len(one % (10_000, 10_000))
    units = ",".join(
        f'{{"UnitIdentifier":"PNL{seed}-{place}","UnitPositionNumber":{place},"OverallResult":"Passed","Inspections":['
        + ",".join(one % (number, number) for number in range(10_000, 10_000 + each))
        + "]}"
        for place in (1, 2)
    )
    body = f'"TransactionID":"{UUID(int=seed)}","InspectionMethod":"AOI","InspectedUnits":[{units}]'
    return _envelope("CFX.Production.TestAndInspection.UnitsInspected", _LARGE, UUID(int=seed, version=4), body)


async def _late(
    broker: Mosquitto, daemon: Daemon, topic: str, *, seconds: float, large: bool, seed: int
) -> dict[str, Any]:
    """Percentiles, with the publisher on a socket of its own; a large message at once and then every 20 s."""
    chance = random.Random(seed)
    peer = mqtt_connect(broker.port, broker.name("small"), clean=True)
    peer.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=peer)
    payloads = (
        [_inspection(seed * 100 + number + 1) for number in range(1 + int(seconds // _LARGE_EVERY_S))] if large else []
    )

    async def swallow() -> None:
        while await reader.read(1 << 16):
            pass

    async def inspect() -> None:
        for payload in payloads:
            await asyncio.to_thread(publish_large, payload)
            await asyncio.sleep(_LARGE_EVERY_S)

    def publish_large(payload: bytes) -> None:
        with mqtt_connect(broker.port, broker.name("large"), clean=True) as other:
            other.sendall(mqtt_packet(0x32, mqtt_text(topic) + struct.pack(">H", 1) + payload))
            other.recv(4)

    async def publish(number: int) -> None:
        unique = UUID(int=chance.getrandbits(128), version=4)
        body = f'"PrimaryIdentifier":"PNL{seed}-{number}","Number":{number},"UnitCount":0,"Units":[],"Filler":"{"x" * 500}"'
        payload = _envelope("CFX.Production.UnitsDeparted", _SMALL, unique, body)
        writer.write(mqtt_packet(0x32, mqtt_text(topic) + struct.pack(">H", number % 65_535 + 1) + payload))

    tasks = [asyncio.create_task(swallow(), name="pubacks"), asyncio.create_task(inspect(), name="inspection")]
    try:
        _, port = daemon.url.removeprefix("http://").split(":")
        return await latency.measure(publish, HOST, int(port), seconds=seconds)
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


def late(runs: int, seconds: float, large_seconds: float) -> list[Row]:
    """p99 from due to arrived at 500 events/s, through Mosquitto, alone and beside large messages."""
    found: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        broker = Mosquitto(folder / "broker")
        broker.start()
        topic = broker.name("late")
        stations = "\n".join(
            f'[[line.station]]\nname = "{name}"\nclass = "aoi"\nsource = {{ connection = "m", handle = ["{handle}"] }}'
            for name, handle in (("small", _SMALL), ("large", _LARGE))
        )
        connection = f'[[connection]]\nname = "m"\nprotocol = "cfx-mqtt"\nhost = "{HOST}"\nport = {broker.port}\ntopics = ["{topic}"]'
        daemon = Daemon(config(folder, connections=connection, stations=stations))
        try:
            daemon.start()
            for number in range(runs):
                for large in (False, True):
                    length = large_seconds if large else seconds
                    work = _late(broker, daemon, topic, seconds=length, large=large, seed=2 * number + large)
                    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                        one = runner.run(work)
                    found[large].append(one)
                    times = one["milliseconds"]
                    say(
                        f"latency {number + 1}/{runs}{' beside 10 MB' if large else ''}: p50 {times['p50']:.1f} ms, "
                        f"p99 {times['p99']:.1f}, worst {times['max']:.1f}, publisher late {one['publisher_late_ms']:.1f}"
                    )
        finally:
            daemon.close()
            broker.stop()
    return [
        Row(
            what="event due to SSE subscriber, 500/s, full" + (", beside 10 MB every 20 s" if large else ""),
            a="p99",
            b=f"p50 {sorted(one['milliseconds']['p50'] for one in each)[len(each) // 2]:.1f} ms, "
            f"worst {max(one['milliseconds']['max'] for one in each):.0f} ms",
            values=tuple(one["milliseconds"]["p99"] for one in each),
            unit="ms",
            target=("below", 200.0 if large else 50.0),
        )
        for large, each in found.items()
    ]


def _resident(pid: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def idle(seconds: float) -> list[Row]:
    """The demo at life's speed: gateway and its simulated machines, one process; Mosquitto is another."""
    url = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--listen", url, "--speed", "1", "--seed", "1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not _stations(url):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the demo did not start")
            time.sleep(0.1)
        time.sleep(min(5.0, seconds))  # start-up is over
        before, start = cpu_s(process.pid), time.monotonic()
        most = 0.0
        while time.monotonic() < start + seconds:
            time.sleep(0.5)
            most = max(most, _resident(process.pid))
        used = (cpu_s(process.pid) - before) / (time.monotonic() - start) * 100
        stations = _stations(url)
    finally:
        process.terminate()
        process.wait(20)
    what = f"idle demo line ({stations} stations, machines in the same process)"
    return [
        Row(what=f"{what}, processor", a="of one core", b="", values=(used,), unit="%", target=("below", 10.0)),
        Row(what=f"{what}, memory", a="resident, most", b="", values=(most,), unit="MB", target=("below", 200.0)),
    ]


def _stations(url: str) -> int:
    """How many a gateway has; 0 while it does not answer."""
    with suppress(OSError), urllib.request.urlopen(f"http://{url}/api/v1/stations", timeout=2) as answer:
        return len(json.loads(answer.read())["stations"])
    return 0
