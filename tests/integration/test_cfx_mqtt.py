"""The cfx-mqtt adapter against a real Mosquitto: what it promises when all goes well."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cfx_mqtt import CfxMqttAdapter, CfxMqttConnection
from gateway.core.adapter import Basis
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.observation import CfxMessage
from gateway.transport import mqtt
from tests.build import message
from tests.servers.mosquitto import Mosquitto

pytestmark = pytest.mark.mosquitto

VERSIONS = pytest.mark.parametrize("version", ["3.1.1", "5"])


def adapter(broker: Mosquitto, **settings: Any) -> CfxMqttAdapter:
    """Of a connection with a client id that nobody used before, unless told another one."""
    given: dict[str, Any] = {
        "protocol": "cfx-mqtt",
        "name": "plant",
        "host": broker.host,
        "port": broker.port,
        "client_id": broker.name("client"),
        **settings,
    }
    return CfxMqttAdapter(CfxMqttConnection.model_validate(given), "plant", "test")


async def take(items: AsyncIterator[Delivery | Notice], count: int, *, ack: bool = False) -> list[Delivery]:
    """The next `count` deliveries; notices are passed over."""
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        async for item in items:
            if isinstance(item, Delivery):
                found.append(item)
                if ack:
                    item.ack()
                if len(found) == count:
                    return found
    raise AssertionError("the iterator ended")


async def first(items: AsyncIterator[Delivery | Notice]) -> Delivery | Notice:
    async with asyncio.timeout(20):
        return await anext(items)


def payloads(deliveries: list[Delivery]) -> list[str]:
    return [each.frame.payload.decode() for each in deliveries]


async def publish(broker: Mosquitto, topic: str, lines: list[str] | bytes, **more: Any) -> None:
    await asyncio.to_thread(broker.publish, topic, lines, **more)


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1])
async def test_receives_in_order(mosquitto: Mosquitto, version: str, qos: int) -> None:
    topic = mosquitto.name("topic")
    lines = [f"message {number}" for number in range(500)]
    async with adapter(mosquitto, topics=[f"{topic}/#"], version=version).connect() as items:
        await publish(mosquitto, f"{topic}/CFX/Heartbeat", lines, qos=qos)
        got = await take(items, 500, ack=True)
    assert payloads(got) == lines
    assert {each.frame.channel for each in got} == {f"{topic}/CFX/Heartbeat"}
    assert {each.frame.connection for each in got} == {"plant"}
    assert {each.acknowledged for each in got} == {qos == 1}
    assert not any(each.frame.redelivered for each in got)
    assert all(each.frame.meta == {} for each in got)


async def test_subscribed_with_qos_0(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], qos=0)
    assert source.basis is Basis.HEARTBEAT_ONLY
    async with source.connect() as items:
        await publish(mosquitto, topic, ["one", "two"], qos=1)
        async with asyncio.timeout(20):
            got = [await anext(items), await anext(items)]  # no notice: there is no session that could be kept
    assert all(isinstance(each, Delivery) and not each.acknowledged for each in got)


@VERSIONS
async def test_nothing_is_acknowledged_by_itself(mosquitto: Mosquitto, version: str) -> None:
    """What was received and not acknowledged comes again to the next connection, marked; what was, does not."""
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], version=version)
    assert source.basis is Basis.DURABLE_BROKER
    lines = [f"message {number}" for number in range(40)]
    async with source.connect() as items:
        assert await first(items) == _is(NoticeKind.SESSION_LOST)
        await publish(mosquitto, topic, lines)
        got = await take(items, 40)
        for delivery in got[:15]:
            delivery.ack()
    async with source.connect() as items:
        assert await first(items) == _is(NoticeKind.SESSION_KEPT)
        again = await take(items, 25, ack=True)
    assert payloads(again) == lines[15:]
    assert all(each.frame.redelivered for each in again)
    await publish(mosquitto, topic, ["the next"])
    async with source.connect() as items:
        assert payloads(await take(items, 1)) == ["the next"]


@VERSIONS
async def test_session_keeps_what_is_published_while_away(mosquitto: Mosquitto, version: str) -> None:
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], version=version)
    async with source.connect():
        pass
    lines = [f"message {number}" for number in range(1500)]  # more than may be in flight
    await publish(mosquitto, topic, lines)
    async with source.connect() as items:
        assert await first(items) == _is(NoticeKind.SESSION_KEPT)
        got = await take(items, 1500, ack=True)
    assert payloads(got) == lines
    assert not any(each.frame.redelivered for each in got)


async def test_several_topics(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    wanted = [f"{topic}/a/#", f"{topic}/b", f"{topic}/+/c"]
    async with adapter(mosquitto, topics=wanted).connect() as items:
        for each in ("a", "a/x/y", "b", "b/no", "z/c", "end/c"):
            await publish(mosquitto, f"{topic}/{each}", each.encode())
        assert payloads(await take(items, 5, ack=True)) == ["a", "a/x/y", "b", "z/c", "end/c"]


async def test_what_overlapping_topics_give(mosquitto: Mosquitto) -> None:
    """As documented: Mosquitto delivers such a message once for each filter in MQTT 3.1.1."""
    topic = mosquitto.name("topic")
    async with adapter(mosquitto, topics=[f"{topic}/#", f"{topic}/a"]).connect() as items:
        await publish(mosquitto, f"{topic}/a", ["twice?"])
        await publish(mosquitto, f"{topic}/z", ["end"])
        got: list[str] = []
        while not got or got[-1] != "end":
            got += payloads(await take(items, 1, ack=True))
    assert got in (["twice?", "end"], ["twice?", "twice?", "end"])


@VERSIONS
async def test_retained_message_is_marked(mosquitto: Mosquitto, version: str) -> None:
    topic = mosquitto.name("topic")
    await publish(mosquitto, topic, b"old", retain=True)
    source = adapter(mosquitto, topics=[topic], version=version)
    async with source.connect() as items:
        (old,) = await take(items, 1, ack=True)
        await publish(mosquitto, topic, b"new")
        (new,) = await take(items, 1, ack=True)
    assert (old.frame.payload, old.frame.meta) == (b"old", {"retain": 1})
    assert (new.frame.payload, new.frame.meta) == (b"new", {})


async def test_any_payload_comes_through(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    sent = [b"", b"\0", b"\xff" * 127, b"x" * 16_383, os.urandom(3 << 20), b"end"]
    async with adapter(mosquitto, topics=[topic], max_payload_bytes="4MiB").connect() as items:
        for each in sent:
            await publish(mosquitto, topic, each)
        got = [each.frame.payload for each in await take(items, 6, ack=True)]
    assert got == sent


async def test_decodes_an_envelope(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("SMTPlus")
    envelope = message("1d598538-95b3-4e92-a376-1f1907ae5ffd").raw
    source = adapter(mosquitto, topics=[f"{topic}/#"])
    async with source.connect() as items:
        await publish(mosquitto, f"{topic}/CFX/Production/UnitsDeparted", envelope)
        (delivery,) = await take(items, 1, ack=True)
    (observation,) = source.decode(delivery.frame)
    assert isinstance(observation, CfxMessage)
    assert observation.raw == envelope
    assert observation.unique_id == "1d598538-95b3-4e92-a376-1f1907ae5ffd"
    assert source.decode(delivery.frame) == [observation]


async def test_says_in_mqtt_5_that_the_payload_is_gzip(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    # fmt: off
    command = ["mosquitto_pub", "-h", mosquitto.host, "-p", str(mosquitto.port), "-V", "mqttv5", "-q", "1", "-t", topic,
               "-D", "publish", "user-property", "Content-Encoding", "gzip", "-D", "publish", "content-type",
               "application/json", "-m", "{}"]
    # fmt: on
    async with adapter(mosquitto, topics=[topic], version="5").connect() as items:
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0
        (delivery,) = await take(items, 1, ack=True)
    assert delivery.frame.meta == {"content_encoding": "gzip", "content_type": "application/json"}
    assert delivery.frame.payload == b"{}"


async def test_two_connections_share_nothing(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    one, other = (adapter(mosquitto, topics=[topic]) for _ in range(2))
    async with one.connect() as ones:
        async with other.connect() as others:
            await publish(mosquitto, topic, ["first"])
            assert payloads(await take(ones, 1)) == ["first"]
            assert payloads(await take(others, 1, ack=True)) == ["first"]
        await publish(mosquitto, topic, ["second"])
        assert payloads(await take(ones, 1, ack=True)) == ["second"]
    async with other.connect() as others:
        assert payloads(await take(others, 1)) == ["second"]
    async with one.connect() as ones:
        assert payloads(await take(ones, 1)) == ["first"]  # "second" was acknowledged there


@VERSIONS
async def test_publishes(mosquitto: Mosquitto, version: str) -> None:
    """Our own publishing: in order, many at once, and only back when the broker has it."""
    topic = mosquitto.name("topic")
    lines = [f"message {number}" for number in range(2000)]
    options = mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True, version=version)  # type: ignore[arg-type]
    async with adapter(mosquitto, topics=[topic]).connect() as items:
        async with mqtt.session(options) as session:
            await asyncio.gather(*(session.publish(topic, line.encode()) for line in lines))
            await session.publish(topic, b"at most once", qos=0)
        got = await take(items, 2001, ack=True)
    assert payloads([each for each in got if each.acknowledged]) == lines
    assert payloads([each for each in got if not each.acknowledged]) == ["at most once"]


async def test_publishing_on_no_topic_is_an_error(mosquitto: Mosquitto) -> None:
    async with mqtt.session(mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True, window=1)) as session:
        for wrong in ("", "a/#"):
            with pytest.raises(ValueError, match="topic"):
                await session.publish(wrong, b"")
        async with asyncio.timeout(10):
            await session.publish("window/is/free/again", b"")


async def test_leaves_nothing_behind(mosquitto: Mosquitto) -> None:
    """No descriptor and no task, after an orderly end, after a cancelled reader, and after a cancelled connect."""
    source = adapter(mosquitto, topics=[mosquitto.name("topic")])

    async def read(entered: asyncio.Event) -> None:
        async with source.connect() as items:
            await first(items)
            entered.set()
            await anext(items)

    async def once() -> None:
        async with source.connect():
            pass
        entered = asyncio.Event()
        reading = asyncio.create_task(read(entered), name="reading")
        await entered.wait()
        reading.cancel()
        connecting = asyncio.create_task(read(asyncio.Event()), name="connecting")
        await asyncio.wait([connecting], timeout=0.0001)
        connecting.cancel()
        outcomes = await asyncio.gather(reading, connecting, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in outcomes)

    await once()
    before = _descriptors()
    for _ in range(5):
        await once()
    assert _descriptors() == before


async def test_after_leaving_there_is_nothing_to_read(mosquitto: Mosquitto) -> None:
    async with adapter(mosquitto, topics=["x"]).connect() as items:
        pass
    with pytest.raises(NotConnected, match="closed by us"):
        await anext(items)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class _Is:
    def __init__(self, kind: NoticeKind) -> None:
        self._kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Notice) and other.kind is self._kind and other.at > 0

    def __repr__(self) -> str:
        return f"a notice {self._kind}"

    __hash__ = None  # type: ignore[assignment]


def _is(kind: NoticeKind) -> _Is:
    return _Is(kind)
