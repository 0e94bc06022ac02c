"""The client form against a real RabbitMQ 3.10 with its AMQP 1.0 plugin."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from adapters.cfx_amqp import CfxAmqpAdapter, CfxAmqpConnection
from gateway.core.errors import NotConnected
from gateway.core.observation import CfxMessage
from gateway.core.secrets import Secret
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome
from tests.integration.amqp.peers import Rhea, envelope, machine, take, until
from tests.servers.rabbitmq import RabbitMq

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def password(tmp_path: Path, request: pytest.FixtureRequest) -> Secret:
    (tmp_path / "password").write_text(RabbitMq.password)
    return Secret(f"file:{tmp_path / 'password'}")


def adapter(broker: RabbitMq, vhost: str, password: Secret, **given: Any) -> CfxAmqpAdapter:
    base = {
        "protocol": "cfx-amqp",
        "name": "broker",
        "host": broker.host,
        "port": broker.port,
        "vhost": vhost,
        "addresses": ["/queue/lineside"],
        "user": broker.user,
        "password": password,
        "close_timeout_s": 1.0,
    }
    return CfxAmqpAdapter(CfxAmqpConnection.model_validate(base | given), "test")


async def publish(broker: RabbitMq, vhost: str, bodies: list[bytes], address: str = "/queue/lineside") -> None:
    peer = Endpoint(host=broker.host, port=broker.port, user=broker.user, password=broker.password)
    async with connect(peer, machine(hostname=f"vhost:{vhost}")) as client:
        sender = await client.sender(address, durable=True)
        outcomes = [sender.post(AmqpMessage(body=body, subject="A.B.C.CFX.Heartbeat")) for body in bodies]
        assert {(await outcome).outcome for outcome in outcomes} == {Outcome.ACCEPTED}


async def test_receives_in_order(rabbitmq: RabbitMq, password: Secret) -> None:
    vhost = rabbitmq.vhost()
    bodies = [envelope(number) for number in range(1000)]
    await publish(rabbitmq, vhost, bodies)
    async with adapter(rabbitmq, vhost, password).connect() as items:
        for start in range(0, 1000, 100):
            deliveries = await take(items, 100)
            assert [delivery.frame.payload for delivery in deliveries] == bodies[start : start + 100]
            assert not any(delivery.frame.redelivered for delivery in deliveries)
            assert {delivery.frame.channel for delivery in deliveries} == {"/queue/lineside"}
            assert all(delivery.reply is None for delivery in deliveries)
            for delivery in deliveries:
                delivery.ack()
    async with adapter(rabbitmq, vhost, password).connect() as items:
        await publish(rabbitmq, vhost, [b"next"])
        (delivery,) = await take(items, 1)
        while delivery.frame.payload != b"next":
            # Seen once of RabbitMQ 3.10: what it had not worked through when the connection was closed is not acknowledged.
            assert delivery.frame.redelivered
            assert delivery.frame.payload in bodies[-100:]
            delivery.ack()
            (delivery,) = await take(items, 1)


async def test_what_is_not_acknowledged_comes_again(rabbitmq: RabbitMq, password: Secret) -> None:
    vhost = rabbitmq.vhost()
    await publish(rabbitmq, vhost, [b"1", b"2", b"3"])
    async with adapter(rabbitmq, vhost, password).connect() as items:
        old = await take(items, 3)
        old[0].ack()
        await publish(rabbitmq, vhost, [b"4"])
        await take(items, 1)
    async with adapter(rabbitmq, vhost, password).connect() as items:
        again = await take(items, 3)
        assert [delivery.frame.payload for delivery in again] == [b"2", b"3", b"4"]
        assert all(delivery.frame.redelivered for delivery in again)
        for delivery in old:
            delivery.ack()  # of another connection: must mean nothing
    async with adapter(rabbitmq, vhost, password).connect() as items:
        third = await take(items, 3)
        assert [delivery.frame.payload for delivery in third] == [b"2", b"3", b"4"]


async def test_several_addresses(rabbitmq: RabbitMq, password: Secret) -> None:
    vhost = rabbitmq.vhost()
    await publish(rabbitmq, vhost, [b"a"], "/queue/a")
    await publish(rabbitmq, vhost, [b"b"], "/queue/b")
    async with adapter(rabbitmq, vhost, password, addresses=["/queue/a", "/queue/b"]).connect() as items:
        found = {delivery.frame.channel: delivery.frame.payload for delivery in await take(items, 2)}
    assert found == {"/queue/a": b"a", "/queue/b": b"b"}


async def test_a_topic_exchange_routes_by_subject(rabbitmq: RabbitMq, password: Secret) -> None:
    """FACTS of the SDK: its subject is `{Source}.{MessageName}`, and the plugin takes it as the routing key."""
    vhost = rabbitmq.vhost()
    source = "/exchange/amq.topic/#.CFX.Heartbeat"
    async with adapter(rabbitmq, vhost, password, addresses=[source]).connect() as items:
        await publish(rabbitmq, vhost, [b"x"], "/exchange/amq.topic")
        (delivery,) = await take(items, 1)
        assert (delivery.frame.channel, delivery.frame.payload) == (source, b"x")
        assert delivery.frame.meta["subject"] == "A.B.C.CFX.Heartbeat"


@pytest.mark.node
async def test_a_machine_that_is_not_ours(rabbitmq: RabbitMq, password: Secret, rhea: Rhea) -> None:
    messages = [rhea.message(envelope(number), pack=True) for number in range(20)]
    reader = adapter(rabbitmq, "/", password, addresses=["/amq/queue/of-rhea"], durable=False)
    await publish(rabbitmq, "/", [b"first"], "/queue/of-rhea")
    process = await rhea.start(
        rabbitmq.port, messages, user=rabbitmq.user, password=rabbitmq.password, address="/amq/queue/of-rhea"
    )
    async with reader.connect() as items:
        deliveries = await take(items, 21)
        for delivery in deliveries:
            delivery.ack()
    assert {line["event"] for line in await rhea.told(process)} >= {"open", "accepted"}
    sent = deliveries[1:]
    (decoded,) = zip(*(reader.decode(delivery.frame) for delivery in sent), strict=True)
    assert [each.raw for each in decoded if isinstance(each, CfxMessage)] == [envelope(number) for number in range(20)]


async def test_the_wrong_password(rabbitmq: RabbitMq, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    wrong = Secret(f"file:{tmp_path / 'wrong'}")
    with pytest.raises(NotConnected, match="user or password refused"):
        async with adapter(rabbitmq, rabbitmq.vhost(), wrong).connect():
            pass


async def test_what_does_not_exist(rabbitmq: RabbitMq, password: Secret) -> None:
    with pytest.raises(NotConnected, match=r"not-found.*no queue 'missing'"):
        async with adapter(rabbitmq, rabbitmq.vhost(), password, addresses=["/amq/queue/missing"]).connect():
            pass
    with pytest.raises(NotConnected, match="amqp:"):
        async with adapter(rabbitmq, "no-such-vhost", password).connect():
            pass


async def test_no_broker(rabbitmq: RabbitMq, password: Secret, unused_tcp_port: int) -> None:
    with pytest.raises(NotConnected, match=f"127.0.0.1:{unused_tcp_port}"):
        async with adapter(rabbitmq, "x", password, port=unused_tcp_port).connect():
            pass


async def test_credit_bounds_what_the_broker_sends(rabbitmq: RabbitMq, password: Secret) -> None:
    vhost = rabbitmq.vhost()
    await publish(rabbitmq, vhost, [b"%d" % number for number in range(50)])
    reader = adapter(rabbitmq, vhost, password, credit=10)
    async with reader.connect() as items:
        held = await take(items, 10)
        await publish(rabbitmq, vhost, [b"x"], "/queue/other")
        for delivery in held[:5]:
            delivery.ack()
        held = held[5:] + await take(items, 5)
        assert [delivery.frame.payload for delivery in held] == [b"%d" % number for number in range(5, 15)]


@pytest.mark.slow
async def test_the_broker_goes_and_comes_back(own_rabbitmq: RabbitMq, password: Secret) -> None:
    broker, vhost = own_rabbitmq, own_rabbitmq.vhost()
    await publish(broker, vhost, [b"1", b"2"])
    reader = adapter(broker, vhost, password)
    async with reader.connect() as items:
        first, _ = await take(items, 2)
        first.ack()
        await publish(broker, vhost, [b"3"])
        await take(items, 1)
        await asyncio.to_thread(broker.stop)
        with pytest.raises(NotConnected):
            await take(items, 1)
    with pytest.raises(NotConnected):
        async with reader.connect():
            pass
    await asyncio.to_thread(broker.start)
    async with reader.connect() as items:
        again = await take(items, 2)
        assert [delivery.frame.payload for delivery in again] == [b"2", b"3"]
        await asyncio.to_thread(broker.kill)
        with pytest.raises(NotConnected):
            await take(items, 1)


async def test_two_readers_share_nothing(rabbitmq: RabbitMq, password: Secret) -> None:
    one, two = rabbitmq.vhost(), rabbitmq.vhost()
    async with (
        adapter(rabbitmq, one, password).connect() as first,
        adapter(rabbitmq, two, password).connect() as second,
    ):
        await publish(rabbitmq, two, [b"2"])
        await publish(rabbitmq, one, [b"1"])
        assert (await take(first, 1))[0].frame.payload == b"1"
        assert (await take(second, 1))[0].frame.payload == b"2"


async def test_cancelled_while_it_connects(rabbitmq: RabbitMq, password: Secret) -> None:
    reader = adapter(rabbitmq, rabbitmq.vhost(), password)

    async def read() -> None:
        async with reader.connect() as items:
            await take(items, 1)

    for turns in range(12):
        task = asyncio.create_task(read(), name="read")
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await until(
        lambda: all(task is asyncio.current_task() or task.get_name() != "read" for task in asyncio.all_tasks())
    )
