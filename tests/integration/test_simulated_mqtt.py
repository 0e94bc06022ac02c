"""The MQTT face of a simulated machine through a real Mosquitto, heard by a client that is not ours, and the demo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.transport.amqp_engine import Options as AmqpOptions
from gateway.transport.amqp_listener import Access, listen
from simulators.broker import LOOPBACK, Broker, Kind, private_broker
from simulators.demo import machines
from simulators.faces.cfx_mqtt import CfxMqttFace, topic
from simulators.model import demo_line
from simulators.outbox import Outbox, Outgoing
from tests.integration.test_simulated_amqp import Machinery, sending
from tests.servers import require

FIRST, SECOND = (machine.handle for machine in demo_line().machines)


@pytest.fixture
def installed() -> None:
    """Skips visibly without the programs; a failure in CI."""
    require("mosquitto", "mosquitto")
    require("mosquitto_sub", "mosquitto-clients")


def outgoing(number: int) -> Outgoing:
    envelope = json.dumps({"MessageName": "CFX.Production.WorkStarted", "Number": number}).encode()
    return Outgoing(FIRST, "CFX.Production.WorkStarted", f"id-{number}", number, envelope)


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
    assert topic(FIRST, "CFX.Production.WorkStarted") == "SMTPlus/Model_21232/SN23123/CFX/Production/WorkStarted"
    assert topic("A", "CFX.Heartbeat") == "A/CFX/Heartbeat"


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_every_message_is_published_once_in_order_at_qos_1(tmp_path: Path) -> None:
    outbox, taken = Outbox(), list[str]()
    for number in range(200):
        await outbox.put(outgoing(number))
    async with asyncio.timeout(20), private_broker(tmp_path) as broker, subscribed(broker) as subscriber:
        face = CfxMqttFace(handle=FIRST, host=broker.host, port=broker.port)
        async with sending(face, outbox, taken):
            numbers: list[object] = []
            while len(numbers) < 200:
                where, qos, said = await subscriber.next()
                if where != "probe":
                    assert (where, qos) == ("SMTPlus/Model_21232/SN23123/CFX/Production/WorkStarted", 1)
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
        face = CfxMqttFace(handle=FIRST, host=broker.host, port=broker.port, retry_s=0.01)
        async with sending(face, outbox, taken):
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


async def demo_for_both(broker: Broker) -> tuple[list[Outgoing], Machinery]:
    """The demo line at 200 times its speed until both machines have completed work; what was taken by whom."""
    machinery, taken = Machinery(), list[Outgoing]()
    worked: set[str] = set()
    done = asyncio.Event()

    def note(each: Outgoing) -> None:
        taken.append(each)
        if each.name == "CFX.Production.WorkCompleted":
            worked.add(each.source)
        if worked == {FIRST, SECOND}:
            done.set()

    options = AmqpOptions(container_id="Lineside.Test")
    async with listen(LOOPBACK, 0, options, Access(anonymous=True), machinery) as listener:
        demo = asyncio.create_task(
            machines((broker.host, broker.port), (LOOPBACK, listener.port), speed=200.0, stop_s=5.0, taken=note),
            name="demo",
        )
        waiting = asyncio.create_task(done.wait(), name="done")
        try:
            await asyncio.wait([demo, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            demo.cancel()
            with pytest.raises(asyncio.CancelledError):
                await demo
    return taken, machinery


def check_goodbye(taken: list[Outgoing]) -> None:
    for handle in (FIRST, SECOND):
        names = [each.name for each in taken if each.source == handle]
        assert names[0] == "CFX.EndpointConnected"
        assert names[-2:] == ["CFX.ResourcePerformance.StationOffline", "CFX.EndpointShuttingDown"]
        assert names.count("CFX.Production.WorkStarted") == names.count("CFX.Production.WorkCompleted") > 0


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_the_demo_line_speaks_both_protocols_and_says_goodbye(tmp_path: Path) -> None:
    async with asyncio.timeout(30), private_broker(tmp_path) as broker, subscribed(broker) as subscriber:
        taken, machinery = await demo_for_both(broker)
        heard: list[object] = []
        while not heard or heard[-1] != "CFX.EndpointShuttingDown":
            where, _, said = await subscriber.next()
            if where != "probe":
                heard.append(said["MessageName"])
                assert said["Source"] == FIRST
    check_goodbye(taken)
    assert heard == [each.name for each in taken if each.source == FIRST]
    sent = [each.message_id for each in machinery.messages]
    assert sent == [each.unique_id for each in taken if each.source == SECOND]


async def test_the_demo_line_runs_on_the_embedded_broker(tmp_path: Path) -> None:
    async with asyncio.timeout(60), private_broker(tmp_path, embedded=True) as broker:
        assert broker.kind is Kind.EMBEDDED
        taken, _ = await demo_for_both(broker)
    check_goodbye(taken)
