"""A simulated CFX machine's way over MQTT through a real Mosquitto, heard by a client that is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.broker import Broker, Kind, private_broker
from simulators.faces.cfx_mqtt import CfxMqttFace, topic
from simulators.outbox import Outbox, Outgoing
from tests.integration.test_simulated_amqp import sending
from tests.servers import require

HANDLE = "Example.Spi.SN2001"


@pytest.fixture
def installed() -> None:
    """Skips visibly without the programs; a failure in CI."""
    require("mosquitto", "mosquitto")
    require("mosquitto_sub", "mosquitto-clients")


def outgoing(number: int) -> Outgoing:
    envelope = json.dumps({"MessageName": "CFX.Production.WorkStarted", "Number": number}).encode()
    return Outgoing(HANDLE, "CFX.Production.WorkStarted", f"id-{number}", number, envelope)


class Subscriber:
    """mosquitto_sub on everything, with a session of its own: it hears what was said while it was away."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self) -> tuple[str, int, dict[str, object]]:
        """Topic, QoS and payload of the next message."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "mosquitto_sub has ended"
        where, qos, payload = line.split(b" ", 2)
        return where.decode(), int(qos), json.loads(payload)


@asynccontextmanager
async def subscribed(broker: Broker) -> AsyncIterator[Subscriber]:
    """Subscribed when entered: a message of our own that came back says so."""
    address = ["-h", broker.host, "-p", str(broker.port)]
    process = await asyncio.create_subprocess_exec(
        *("mosquitto_sub", *address, "-t", "#", "-q", "1", "-F", "%t %q %p", "-i", "ears", "-c"),
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    try:
        subscriber = Subscriber(process)
        heard = asyncio.create_task(subscriber.next(), name="probe")
        while not heard.done():
            probe = await asyncio.create_subprocess_exec(
                "mosquitto_pub", *address, "-t", "probe", "-m", "{}", "-q", "1"
            )
            await probe.wait()
            await asyncio.wait([heard], timeout=0.05)
        yield subscriber
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def test_the_topic_is_the_subject_with_slashes() -> None:
    assert topic(HANDLE, "CFX.Production.WorkStarted") == "Example/Spi/SN2001/CFX/Production/WorkStarted"
    assert topic("A", "CFX.Heartbeat") == "A/CFX/Heartbeat"


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_every_message_is_published_once_in_order_at_qos_1(tmp_path: Path) -> None:
    outbox, taken = Outbox(), list[str]()
    for number in range(200):
        await outbox.put(outgoing(number))
    async with asyncio.timeout(20), private_broker(tmp_path) as broker, subscribed(broker) as subscriber:
        way = CfxMqttFace(handle=HANDLE, host=broker.host, port=broker.port)
        async with sending(way, outbox, taken):
            numbers: list[object] = []
            while len(numbers) < 200:
                where, qos, said = await subscriber.next()
                if where != "probe":
                    assert (where, qos) == ("Example/Spi/SN2001/CFX/Production/WorkStarted", 1)
                    numbers.append(said["Number"])
            await outbox.empty()
    assert numbers == list(range(200))
    assert taken == [f"id-{number}" for number in range(200)]


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_it_waits_for_a_broker_that_comes_later_and_comes_back(tmp_path: Path) -> None:
    """The same broker process twice on one port, and none before, between and after."""
    outbox, taken = Outbox(), list[str]()
    async with asyncio.timeout(20):
        async with private_broker(tmp_path) as broker:
            pass
        way = CfxMqttFace(handle=HANDLE, host=broker.host, port=broker.port, retry_s=0.01)
        async with sending(way, outbox, taken):
            for number in range(2):
                await outbox.put(outgoing(number))
                assert len(taken) == number
                process = await asyncio.create_subprocess_exec(
                    require("mosquitto", "mosquitto"),
                    "-c",
                    str(tmp_path / "mosquitto.conf"),
                    stderr=asyncio.subprocess.DEVNULL,
                )
                try:
                    await outbox.empty()
                finally:
                    process.terminate()
                    await process.wait()
    assert taken == ["id-0", "id-1"]


async def test_messages_reach_the_embedded_broker(tmp_path: Path) -> None:
    """It is what a demo has where no other is installed: all are confirmed, in order."""
    outbox, taken = Outbox(), list[str]()
    for number in range(50):
        await outbox.put(outgoing(number))
    async with asyncio.timeout(20), private_broker(tmp_path, embedded=True) as broker:
        assert broker.kind is Kind.EMBEDDED
        way = CfxMqttFace(handle=HANDLE, host=broker.host, port=broker.port)
        async with sending(way, outbox, taken):
            await outbox.empty()
    assert taken == [f"id-{number}" for number in range(50)]
