"""A broker that goes and comes back, with what it kept for us or without; and packet ids that it uses again."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.cfx_mqtt import CfxMqttAdapter, CfxMqttConnection
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.ingest.settings import IngestSettings
from gateway.journal.filter import Choice, Filter
from gateway.journal.transaction import Transaction
from gateway.supervisor.links import Link, LinkState
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from gateway.transport import mqtt
from tests.build import Bench, bench, until
from tests.daemon import HANDLE, Daemon, config
from tests.faults.conftest import STATION, Make, over_mqtt
from tests.load import check_once, numbered, stored, wait_stored
from tests.servers.mosquitto import Mosquitto

pytestmark = pytest.mark.mosquitto

TOPIC = "line"


def gateway_on(folder: Path, broker: Mosquitto, make: Make) -> Daemon:
    daemon = make(config(folder, connections=over_mqtt(broker, TOPIC), stations=STATION))
    daemon.start()
    daemon.wait(lambda: states(daemon) == ["connected"])
    return daemon


def links(daemon: Daemon) -> list[dict[str, Any]]:
    return [event["body"] for event in daemon.events("origin=gateway&message=Lineside.LinkChanged")]


def states(daemon: Daemon) -> list[str]:
    return [body["NewState"] for body in links(daemon)]


def gaps(daemon: Daemon) -> list[dict[str, Any]]:
    return [event["body"] for event in daemon.events("origin=gateway&message=Lineside.ObservationGap")]


def supervisor_lines(daemon: Daemon) -> list[str]:
    """What the log says of the connection, without time and level."""
    mark = "lineside.supervisor: source: "
    return [line.partition(mark)[2] for line in daemon.log().splitlines() if mark in line]


def past_the_cap(daemon: Daemon) -> None:
    """So many attempts have failed that the pauses between them grow no more."""
    begun = daemon.metric("lineside_connect_failures_total")
    # 0.05 s doubles four times to the cap of 0.5 s; two more came after it.
    daemon.wait(lambda: daemon.metric("lineside_connect_failures_total") >= begun + 7)


def test_stopped_for_longer_than_the_back_off_and_started(
    tmp_path: Path, own_mosquitto: Mosquitto, make_daemon: Make
) -> None:
    """The session was kept: what was sent meanwhile comes, nothing comes twice, and there is no gap."""
    daemon = gateway_on(tmp_path, own_mosquitto, make_daemon)
    own_mosquitto.publish(TOPIC, [numbered(number) for number in range(100)])
    wait_stored(daemon, 100)
    os.kill(daemon.pid, signal.SIGSTOP)  # it will find these read or in the socket, and nobody to acknowledge them to
    own_mosquitto.publish(TOPIC, [numbered(number) for number in range(100, 400)])
    own_mosquitto.stop()
    os.kill(daemon.pid, signal.SIGCONT)
    daemon.wait(lambda: states(daemon)[-1] == "down")
    past_the_cap(daemon)
    assert daemon.status("/healthz") == 200
    own_mosquitto.start()
    own_mosquitto.publish(TOPIC, [numbered(number) for number in range(400, 500)])
    wait_stored(daemon, 500)
    check_once(stored(daemon), range(500))
    assert states(daemon) == ["connected", "down", "connected"]
    assert gaps(daemon) == []
    assert daemon.get("/gaps")["gaps"] == []
    began, lost, back = supervisor_lines(daemon)
    assert (began, back) == ("connected", "connected")
    assert lost.startswith(f"MQTT broker 127.0.0.1:{own_mosquitto.port}: ")
    assert lost.endswith("trying again until it is back")
    assert links(daemon)[1]["Reason"] in lost


def test_a_broker_that_lost_what_it_kept_is_a_gap(tmp_path: Path, own_mosquitto: Mosquitto, make_daemon: Make) -> None:
    daemon = gateway_on(tmp_path, own_mosquitto, make_daemon)
    own_mosquitto.publish(TOPIC, [numbered(number) for number in range(10)])
    wait_stored(daemon, 10)
    assert gaps(daemon) == []
    own_mosquitto.stop()
    (own_mosquitto.folder / "mosquitto.db").unlink()
    daemon.wait(lambda: states(daemon)[-1] == "down")
    own_mosquitto.start()
    daemon.wait(lambda: states(daemon)[-1] == "connected")
    daemon.wait(lambda: len(gaps(daemon)) == 2)
    own_mosquitto.publish(TOPIC, [numbered(number) for number in range(10, 20)])
    wait_stored(daemon, 20)
    check_once(stored(daemon), range(20))
    opened, closed = gaps(daemon)
    assert [opened["State"], closed["State"]] == ["opened", "closed"]
    assert opened["GapId"] == closed["GapId"]
    assert [opened["Cause"], opened["Basis"], closed["Recovered"]] == ["session-lost", "durable-broker", "no"]
    last = list(daemon.events())[9]["received"]
    assert opened["From"] == last  # the last that was heard before it
    assert closed["To"] > last
    (gap,) = daemon.get("/gaps")["gaps"]
    assert gap["station"] == "L1.pnp1"


def test_killed_and_started_again_and_again(tmp_path: Path, own_mosquitto: Mosquitto, make_daemon: Make) -> None:
    """A broker that dies without a word: one line each time it is lost, one each time it is back."""
    daemon = gateway_on(tmp_path, own_mosquitto, make_daemon)
    for number in range(3):
        own_mosquitto.kill()
        daemon.wait(lambda: states(daemon)[-1] == "down")
        own_mosquitto.start()
        daemon.wait(lambda: states(daemon)[-1] == "connected")
        own_mosquitto.publish(TOPIC, [numbered(number)])
        wait_stored(daemon, number + 1)
    assert states(daemon) == ["connected"] + ["down", "connected"] * 3
    words = ["back" if line == "connected" else "lost" for line in supervisor_lines(daemon)]
    assert words == ["back"] + ["lost", "back"] * 3


# A packet id that is used again


class Recorded(CfxMqttAdapter):
    """Remembers the acknowledgement packet of each delivery: type, length, packet id."""

    def __init__(self, broker: Mosquitto) -> None:
        settings = {"protocol": "cfx-mqtt", "name": "broker", "host": broker.host, "port": broker.port}
        super().__init__(CfxMqttConnection.model_validate({**settings, "topics": [TOPIC]}), "broker", "test")
        self.answers: list[bytes] = []

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        return self._recorded()

    @asynccontextmanager
    async def _recorded(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        async with super().connect() as items:
            yield self._each(items)

    async def _each(self, items: AsyncIterator[Delivery | Notice]) -> AsyncIterator[Delivery | Notice]:
        async for item in items:
            if isinstance(item, Delivery):
                assert isinstance(item.ack, partial)
                self.answers.append(item.ack.args[0])
            yield item


@asynccontextmanager
async def supervised(b: Bench, adapter: CfxMqttAdapter) -> AsyncIterator[Link]:
    """The adapter under the supervisor, as in the gateway, which adds nothing of its own while time passes."""
    settings = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.1, tick_s=60.0)
    supervisor = Supervisor([adapter], b.ingest, b.telemetry, settings, marks={})
    running = asyncio.create_task(supervisor.run(), name="supervisor")
    try:
        link = supervisor.links[adapter.name]
        await until(lambda: link.state is not LinkState.DOWN)
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def kept_by(broker: Mosquitto, client_id: str) -> list[bytes]:
    """What the broker still holds for this client. Acknowledges nothing but what this itself has sent."""
    found: list[bytes] = []
    options = mqtt.Options(host=broker.host, port=broker.port, client_id=client_id, clean=False)
    async with asyncio.timeout(20), mqtt.session(options) as session:
        await session.subscribe([TOPIC])
        await session.publish(TOPIC, b"end")  # comes back behind what was kept
        async for item in session.inbox:
            if isinstance(item, Notice):
                assert item.kind is NoticeKind.SESSION_KEPT
            elif item.frame.payload == b"end":
                item.ack()
                break
            else:
                found.append(item.frame.payload)
        await session.publish("flush", b"")  # so that the broker has read the acknowledgement
    return found


async def events(b: Bench) -> list[bytes]:
    page = await b.reader.events(0, 100, Filter(origin=Choice(("native",))))
    return [placed.event.raw for placed in page.events]


async def test_a_packet_id_used_again_acknowledges_nothing_uncommitted(
    tmp_path: Path, own_mosquitto: Mosquitto
) -> None:
    """The old message is committed while a new one has its packet id and is not: the new one stays with the broker."""
    adapter = Recorded(own_mosquitto)
    old, new = numbered(1).encode(), numbered(2).encode()
    source = f"broker {HANDLE}"
    entered, gate = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        entered.set()
        gate.wait(30)

    async with bench(tmp_path, settings=IngestSettings(batch_events=1)) as b:  # each in a commit of its own
        async with supervised(b, adapter) as link:
            async with b.stuck():
                await asyncio.to_thread(own_mosquitto.publish, TOPIC, old)
                await until(lambda: b.ingest.depth().get(source, (0, 0))[0] == 1)
                b.ingest.store("test", "test", [], effect=hold)  # sources take turns: this comes before the new one
                line = b.ingest.lines["broker"]
                await asyncio.to_thread(own_mosquitto.kill)  # it forgets us, and numbers from the beginning again
                await until(lambda: line.closed)
                await asyncio.to_thread(own_mosquitto.start)
                await until(lambda: b.ingest.lines["broker"] is not line and link.state is not LinkState.DOWN)
                await asyncio.to_thread(own_mosquitto.publish, TOPIC, new)
                await until(lambda: b.ingest.depth()[source][0] == 2)
            await until(lambda: entered.is_set() and b.ingest.depth()[source][0] == 1)
            assert await events(b) == [old]  # committed, and if anything it is acknowledged by now
            assert adapter.answers[0] == adapter.answers[1]
        assert await kept_by(own_mosquitto, adapter.client_id) == [new]
        gate.set()
        await b.settled()
        assert await events(b) == [old, new]
        async with supervised(b, adapter):
            await until(lambda: b.counter("duplicates") == 1)
            await b.settled()
        assert await events(b) == [old, new]
        assert await kept_by(own_mosquitto, adapter.client_id) == []
