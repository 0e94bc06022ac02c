"""Real input through real brokers into a gateway process: nothing lost, nothing twice, every byte as it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from proton.utils import BlockingConnection

from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome
from tests.daemon import Daemon, config
from tests.integration.corpus import Payload, official, packed_in, wrapped
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto
from tests.servers.rabbitmq import RabbitMq

QUEUE = "/queue/lineside"
MARKER = "Test.Marker.1"

pytestmark = pytest.mark.slow


class Mqtt:
    """A Mosquitto as the way in; `mosquitto_pub` publishes, each message on a connection of its own."""

    name = "mqtt"

    def __init__(self, broker: Mosquitto) -> None:
        self._broker = broker
        self._topic = broker.name("real")
        self.connection = f"""
[[connection]]
name = "{self.name}"
protocol = "cfx-mqtt"
host = "{broker.host}"
port = {broker.port}
client_id = "{broker.name("gateway")}"
topics = ["{self._topic}/#"]
"""

    def send(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self._broker.publish(f"{self._topic}/machine", payload)


class Rabbit:
    """A RabbitMQ as the way in: a queue behind its AMQP 1.0 plugin."""

    name = "amqp"

    def __init__(self, broker: RabbitMq, folder: Path) -> None:
        self._broker = broker
        self._vhost = broker.vhost()
        (folder / "password").write_text(broker.password)
        self.connection = f"""
[[connection]]
name = "{self.name}"
protocol = "cfx-amqp"
host = "{broker.host}"
port = {broker.port}
vhost = "{self._vhost}"
user = "{broker.user}"
password = "file:password"
addresses = ["{QUEUE}"]
"""

    def send(self, payloads: Sequence[bytes]) -> None:
        asyncio.run(self._send(payloads))

    async def _send(self, payloads: Sequence[bytes]) -> None:
        broker = self._broker
        peer = Endpoint(host=broker.host, port=broker.port, user=broker.user, password=broker.password)
        options = Options(container_id="machine", hostname=f"vhost:{self._vhost}")
        async with connect(peer, options) as client:
            sender = await client.sender(QUEUE, durable=True)
            sent = [sender.post(AmqpMessage(body=payload, content_type="application/json")) for payload in payloads]
            assert {(await outcome).outcome for outcome in sent} == {Outcome.ACCEPTED}


class Listener:
    """The gateway's own port; a machine made with proton's container writes the given bytes as the whole message."""

    name = "p2p"

    def __init__(self) -> None:
        self._port = free_port()
        self.connection = f"""
[[connection]]
name = "{self.name}"
protocol = "cfx-amqp"
listen = "127.0.0.1:{self._port}"
"""

    def send(self, messages: Sequence[bytes]) -> None:
        connection = BlockingConnection(f"amqp://127.0.0.1:{self._port}", timeout=20)
        try:
            link = connection.create_sender("lineside").link
            for number, message in enumerate(messages):
                delivery = link.delivery(f"delivery-{number}")
                link.stream(message)
                link.advance()
                connection.wait(lambda delivery=delivery: delivery.remote_state != 0)  # type: ignore[misc]
                assert delivery.remote_state == delivery.ACCEPTED
                delivery.settle()
        finally:
            connection.close()


Way = Mqtt | Rabbit | Listener


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """A gateway with one station, which takes whatever comes in on any of these ways."""
    daemons: list[Daemon] = []

    def started(*ways: Way) -> Daemon:
        sources = "".join(f'[[line.station.source]]\nconnection = "{way.name}"\n' for way in ways)
        path = config(
            tmp_path,
            connections="".join(way.connection for way in ways),
            stations=f'[[line.station]]\nname = "all"\n{sources}',
        )
        daemon = Daemon(path)
        daemons.append(daemon)
        daemon.start()
        return daemon

    yield started
    for daemon in daemons:
        daemon.close()


def marker(number: int) -> bytes:
    """An envelope that is not part of what is counted: once it is stored, so is all that was sent before it."""
    return wrapped(f"marker {number}", "CFX.Heartbeat", b'{"HeartbeatFrequency":"00:01:00"}', MARKER)[1]


def native(daemon: Daemon) -> list[dict[str, Any]]:
    """All that machines said, without the markers."""
    return [event for event in daemon.events() if event["handle"] != MARKER]


def quarantined(daemon: Daemon) -> list[dict[str, Any]]:
    page = daemon.get("/quarantine?limit=1000")
    assert not page["more"]
    return list(page["quarantine"])


def deliver(daemon: Daemon, way: Way, payloads: Sequence[bytes], number: int) -> None:
    """Returns when all of it, sent before marker `number`, has been stored."""
    end = marker(number)
    unique_id = json.loads(end)["UniqueID"]
    way.send([*payloads, end])
    daemon.wait(lambda: daemon.status(f"/api/v1/events/{unique_id}") == 200, timeout_s=60)


def proven_acknowledged(daemon: Daemon, way: Way, number: int) -> None:
    """A broker gives whatever was not acknowledged to the next process, and before anything newer: nothing comes."""
    before = len(list(daemon.events("origin=native")))
    assert daemon.stop() == 0
    daemon.start()
    deliver(daemon, way, [], number)
    assert len(list(daemon.events("origin=native"))) == before + 1
    assert daemon.metric("lineside_duplicates_total") == 0


def check_events(daemon: Daemon, expected: dict[str, bytes]) -> None:
    """Each of these once, in contiguous numbers, with its bytes as they were sent; and nothing else."""
    found = [event["id"] for event in native(daemon)]
    assert sorted(found) == sorted(expected)
    for id_ in found:
        assert daemon.raw(f"/events/{id_}/raw") == expected[id_], id_
    numbers = [event["seq"] for event in daemon.events("")]
    assert numbers == list(range(1, len(numbers) + 1))


def check_quarantine(daemon: Daemon, source: str, expected: list[Payload]) -> None:
    """Each of these once, with its bytes and a reason; and nothing else from this source."""
    entries = [entry for entry in quarantined(daemon) if entry["source"] == source]
    assert all(entry["count"] == 1 and entry["reason"] == "bad-json" and entry["detail"] for entry in entries)
    found = [daemon.raw(f"/quarantine/{entry['id']}/raw") for entry in entries]
    assert sorted(found) == sorted(payload.data for payload in expected)


@pytest.fixture
def files(shared: Path) -> list[Payload]:
    """Every official file: 102 envelopes of the SDK and 228 examples, 11 of which are no JSON."""
    found = official(shared)
    assert len(found) == 102 + 228
    return found


@pytest.fixture
def readable(files: list[Payload]) -> dict[str, bytes]:
    """By UniqueID."""
    found = {payload.id: payload.data for payload in files if payload.id is not None}
    assert len(found) == 319, "no two envelopes share a UniqueID"
    return found


@pytest.fixture
def unreadable(files: list[Payload]) -> list[Payload]:
    found = [payload for payload in files if payload.id is None]
    assert len(found) == 11
    return found


@pytest.fixture
def amqp_files(shared: Path) -> list[bytes]:
    """Encoded AMQP messages: the plain one with one envelope, then the compressed one with two."""
    return [path.read_bytes() for path in sorted((shared / "cfx" / "wire-amqp").glob("*.bin"), reverse=True)]


@pytest.fixture
def packed(amqp_files: list[bytes]) -> dict[str, bytes]:
    """The envelopes in them by UniqueID: three, of which one comes twice."""
    envelopes = [envelope for file in amqp_files for envelope in packed_in(file)]
    assert len(envelopes) == 3
    found = {json.loads(envelope)["UniqueID"]: envelope for envelope in envelopes}
    assert len(found) == 2
    assert len(set(envelopes)) == 2
    return found


@pytest.mark.mosquitto
def test_every_official_file_through_mosquitto(
    start: Callable[..., Daemon],
    mosquitto: Mosquitto,
    files: list[Payload],
    readable: dict[str, bytes],
    unreadable: list[Payload],
) -> None:
    way = Mqtt(mosquitto)
    daemon = start(way)
    deliver(daemon, way, [payload.data for payload in files], 1)
    check_events(daemon, readable)
    check_quarantine(daemon, way.name, unreadable)
    assert daemon.metric("lineside_duplicates_total") == 0
    proven_acknowledged(daemon, way, 2)


@pytest.mark.rabbitmq
def test_every_official_file_through_rabbitmq(
    start: Callable[..., Daemon],
    tmp_path: Path,
    rabbitmq: RabbitMq,
    files: list[Payload],
    readable: dict[str, bytes],
    unreadable: list[Payload],
) -> None:
    way = Rabbit(rabbitmq, tmp_path)
    daemon = start(way)
    deliver(daemon, way, [payload.data for payload in files], 1)
    check_events(daemon, readable)
    check_quarantine(daemon, way.name, unreadable)
    assert daemon.metric("lineside_duplicates_total") == 0
    proven_acknowledged(daemon, way, 2)


def test_recorded_amqp_messages_into_the_listener(
    start: Callable[..., Daemon], amqp_files: list[bytes], packed: dict[str, bytes]
) -> None:
    """Three envelopes, two of them distinct. The machine's `accepted` says that they are stored."""
    way = Listener()
    daemon = start(way)
    way.send(amqp_files)
    check_events(daemon, packed)
    assert quarantined(daemon) == []
    assert daemon.metric("lineside_duplicates_total") == 1


@pytest.mark.mosquitto
@pytest.mark.rabbitmq
def test_all_ways_at_once_into_one_journal(
    start: Callable[..., Daemon],
    tmp_path: Path,
    mosquitto: Mosquitto,
    rabbitmq: RabbitMq,
    files: list[Payload],
    readable: dict[str, bytes],
    unreadable: list[Payload],
    amqp_files: list[bytes],
    packed: dict[str, bytes],
) -> None:
    """Each event once, whichever way it came first.

    Two brokers bring the same 319 envelopes and the listener 3, that is 641 for 319 + 2 events; so 320 are copies.
    """
    ways = mqtt, rabbit, listener = Mqtt(mosquitto), Rabbit(rabbitmq, tmp_path), Listener()
    daemon = start(*ways)
    payloads = [payload.data for payload in files]
    with ThreadPoolExecutor(3) as pool:
        sending = [
            pool.submit(deliver, daemon, mqtt, payloads, 1),
            pool.submit(deliver, daemon, rabbit, payloads, 2),
            pool.submit(listener.send, amqp_files),
        ]
        for sent in sending:
            sent.result()
    check_events(daemon, readable | packed)
    for way in (mqtt, rabbit):
        check_quarantine(daemon, way.name, unreadable)
    assert len(quarantined(daemon)) == 22
    assert daemon.metric("lineside_duplicates_total") == 2 * 319 + 3 - 321 == 320
    assert daemon.metric("lineside_ids_reused_total") == 0
    assert daemon.metric("lineside_possible_copies_total") == 0
