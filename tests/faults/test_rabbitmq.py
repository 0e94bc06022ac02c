"""A RabbitMQ that is stopped for longer than the back-off and started again, seen through AMQP 1.0."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome
from tests.daemon import config
from tests.faults.conftest import STATION, Make
from tests.faults.test_broker import gaps, links, past_the_cap, states, supervisor_lines
from tests.load import check_once, numbered, stored, wait_stored
from tests.servers.rabbitmq import RabbitMq

pytestmark = [pytest.mark.rabbitmq, pytest.mark.slow]

QUEUE = "/queue/lineside"


def over_amqp(broker: RabbitMq, password: Path) -> str:
    return f"""
[[connection]]
name = "source"
protocol = "cfx-amqp"
host = "{broker.host}"
port = {broker.port}
user = "{broker.user}"
password = "file:{password}"
addresses = ["{QUEUE}"]
"""


async def publish(broker: RabbitMq, numbers: Iterable[int]) -> None:
    """Returns when the broker has taken them all."""
    peer = Endpoint(host=broker.host, port=broker.port, user=broker.user, password=broker.password)
    async with connect(peer, Options(container_id="machine")) as client:
        sender = await client.sender(QUEUE, durable=True)
        sent = [sender.post(AmqpMessage(body=numbered(number).encode())) for number in numbers]
        assert {(await each).outcome for each in sent} == {Outcome.ACCEPTED}


async def test_stopped_for_longer_than_the_back_off_and_started(
    tmp_path: Path, own_rabbitmq: RabbitMq, make_daemon: Make
) -> None:
    """What it had sent and we could not acknowledge any more comes again and is known; nothing is lost, no gap."""
    password = tmp_path / "password"
    password.write_text(own_rabbitmq.password)
    daemon = make_daemon(config(tmp_path, connections=over_amqp(own_rabbitmq, password), stations=STATION))
    await asyncio.to_thread(daemon.start)
    await asyncio.to_thread(daemon.wait, lambda: states(daemon) == ["connected"])
    await publish(own_rabbitmq, range(100))
    await asyncio.to_thread(wait_stored, daemon, 100)
    os.kill(daemon.pid, signal.SIGSTOP)
    await publish(own_rabbitmq, range(100, 400))
    await asyncio.to_thread(own_rabbitmq.stop)
    os.kill(daemon.pid, signal.SIGCONT)
    await asyncio.to_thread(daemon.wait, lambda: states(daemon)[-1] == "down")
    await asyncio.to_thread(past_the_cap, daemon)
    await asyncio.to_thread(own_rabbitmq.start)
    await publish(own_rabbitmq, range(400, 500))
    await asyncio.to_thread(wait_stored, daemon, 500)
    check_once(stored(daemon), range(500))
    assert states(daemon) == ["connected", "down", "connected"]
    assert gaps(daemon) == []
    began, lost, back = supervisor_lines(daemon)
    assert (began, back) == ("connected", "connected")
    assert lost.endswith("trying again until it is back")
    assert links(daemon)[1]["Reason"] in lost
    assert daemon.get("/quarantine")["quarantine"] == []
