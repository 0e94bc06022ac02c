"""The cfx-mqtt adapter against a real Mosquitto that is away, refuses, goes, stalls, or says too much."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
import uvloop

from gateway.core.errors import DecodeError, NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.transport import mqtt
from gateway.transport.mqtt_inbox import Inbox
from tests.integration.test_cfx_mqtt import VERSIONS, adapter, first, payloads, publish, take
from tests.servers.certificates import Certificates
from tests.servers.mosquitto import Mosquitto

pytestmark = pytest.mark.mosquitto

Start = Callable[..., Mosquitto]


async def lost(items: AsyncIterator[Delivery | Notice]) -> str:
    """Reads until the connection is lost; why that was."""
    async with asyncio.timeout(20):
        with pytest.raises(NotConnected) as caught:
            async for _ in items:
                pass
    return str(caught.value)


async def refused(broker: Mosquitto, **settings: object) -> str:
    """Why it does not let us in."""
    with pytest.raises(NotConnected) as caught:
        async with asyncio.timeout(20), adapter(broker, topics=["x"], **settings).connect():
            pass
    return str(caught.value)


# Away, and going


async def test_absent_broker(own_mosquitto: Mosquitto) -> None:
    own_mosquitto.stop()
    why = await refused(own_mosquitto)
    assert f"MQTT broker 127.0.0.1:{own_mosquitto.port}" in why
    assert "cannot connect: connection refused" in why


async def test_unknown_host(own_mosquitto: Mosquitto) -> None:
    assert "MQTT broker no.such.host.invalid" in await refused(own_mosquitto, host="no.such.host.invalid")


@pytest.mark.parametrize("how", ["stop", "kill"])
@VERSIONS
async def test_broker_goes_while_we_read(own_mosquitto: Mosquitto, how: str, version: str) -> None:
    source = adapter(own_mosquitto, topics=["x"], version=version)
    async with source.connect() as items:
        await first(items)
        reading = asyncio.create_task(lost(items), name="reading")
        getattr(own_mosquitto, how)()
        why = await reading
    assert f"MQTT broker 127.0.0.1:{own_mosquitto.port}" in why


async def test_frozen_broker_is_noticed(own_mosquitto: Mosquitto) -> None:
    async with adapter(own_mosquitto, topics=["x"], keepalive_s=0.2, close_timeout_s=0.2).connect() as items:
        await first(items)
        own_mosquitto.freeze()
        assert "silent for" in await lost(items)


async def test_quiet_broker_is_not_lost(own_mosquitto: Mosquitto) -> None:
    """Pings are answered: longer than the keep-alive without a message is no reason to give up."""
    async with adapter(own_mosquitto, topics=["x"], keepalive_s=0.1).connect() as items:
        await first(items)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(items)
        await publish(own_mosquitto, "x", ["still there"])
        assert payloads(await take(items, 1)) == ["still there"]


async def test_what_was_read_before_the_loss_is_handed_over(own_mosquitto: Mosquitto) -> None:
    async with adapter(own_mosquitto, topics=["x"]).connect() as items:
        await first(items)
        await publish(own_mosquitto, "x", ["one", "two", "three"])
        (one,) = await take(items, 1)
        own_mosquitto.kill()
        rest = await take(items, 2)
        assert payloads([one, *rest]) == ["one", "two", "three"]
        await lost(items)
        for delivery in (one, *rest):
            delivery.ack()  # nobody is there to hear it


async def test_comes_back_to_a_restarted_broker(own_mosquitto: Mosquitto) -> None:
    source = adapter(own_mosquitto, topics=["x"])
    async with source.connect() as items:
        await first(items)
        await publish(own_mosquitto, "x", ["one", "two"])
        (one, _) = await take(items, 2)
        one.ack()
        async with asyncio.timeout(20):
            await _published_and_acknowledged(own_mosquitto)
        await asyncio.to_thread(own_mosquitto.restart)
        await lost(items)
    async with source.connect() as items:
        kept = await first(items)
        assert isinstance(kept, Notice)
        assert kept.kind is NoticeKind.SESSION_KEPT
        (two,) = await take(items, 1, ack=True)
        assert (two.frame.payload, two.frame.redelivered) == (b"two", True)


async def _published_and_acknowledged(broker: Mosquitto) -> None:
    """The broker has handled what was sent to it before: it answers in the order in which it reads."""
    async with mqtt.session(mqtt.Options(host=broker.host, port=broker.port, clean=True)) as session:
        await session.publish("flush", b"")


async def test_broker_that_forgot_says_so(own_mosquitto: Mosquitto) -> None:
    source = adapter(own_mosquitto, topics=["x"])
    async with source.connect():
        pass
    own_mosquitto.kill()  # before it saved anything
    own_mosquitto.start()
    async with source.connect() as items:
        notice = await first(items)
    assert isinstance(notice, Notice)
    assert notice.kind is NoticeKind.SESSION_LOST


async def test_taken_over_by_another_client(mosquitto: Mosquitto) -> None:
    client_id = mosquitto.name("same")
    one, other = (adapter(mosquitto, topics=["x"], version="5", client_id=client_id) for _ in range(2))
    async with one.connect() as items, other.connect():
        why = await lost(items)
    assert f"another client has connected with client id '{client_id}'" in why


# Acknowledgements of another time


@VERSIONS
async def test_late_acknowledgement_means_nothing_to_the_next_connection(mosquitto: Mosquitto, version: str) -> None:
    """The broker uses the packet id again: an old delivery's `ack` must not acknowledge what has it now."""
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], version=version)
    async with source.connect() as items:
        await publish(mosquitto, topic, ["one"])
        (old,) = await take(items, 1)
    async with source.connect() as items:
        (new,) = await take(items, 1)
        old.ack()
        await _published_and_acknowledged(mosquitto)
    async with source.connect() as items:
        (again,) = await take(items, 1)
        assert payloads([old, new, again]) == ["one"] * 3
        again.ack()
    await publish(mosquitto, topic, ["two"])
    async with source.connect() as items:
        assert payloads(await take(items, 1)) == ["two"]


# Not let in


@VERSIONS
async def test_passwords(new_mosquitto: Start, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = new_mosquitto(users={"line1": "right"})
    monkeypatch.setenv("MQTT_PASSWORD", "right")
    async with adapter(broker, topics=["x"], version=version, user="line1", password="env:MQTT_PASSWORD").connect():
        pass
    monkeypatch.setenv("MQTT_PASSWORD", "wrong-one")
    why = await refused(broker, version=version, user="line1", password="env:MQTT_PASSWORD")
    assert "wrong user name or password" in why
    assert "'line1'" in why
    assert "wrong-one" not in why
    assert "without a user name" in await refused(broker, version=version)
    monkeypatch.delenv("MQTT_PASSWORD")
    assert "MQTT_PASSWORD is not set" in await refused(broker, user="line1", password="env:MQTT_PASSWORD")


@VERSIONS
async def test_tls_with_client_certificate(new_mosquitto: Start, certificates: Certificates, version: str) -> None:
    broker = new_mosquitto(tls=certificates, client_certificate=True)
    ours = {"ca": str(certificates.ca), "cert": str(certificates.client.cert), "key": str(certificates.client.key)}
    big = b"0123456789abcdef" * (1 << 16)
    source = adapter(broker, topics=["x"], version=version, tls=ours, host="localhost", buffer_bytes="64KiB")
    async with source.connect() as items:
        context = source.settings.tls
        assert context is not None
        options = mqtt.Options(host="localhost", port=broker.port, clean=True, tls=context.context())
        async with mqtt.session(options) as session:
            sending = asyncio.gather(*(session.publish("x", big + b"%d" % number) for number in range(20)))
            got = await take(items, 20, ack=True)
            await sending
    assert [each.frame.payload for each in got] == [big + b"%d" % number for number in range(20)]
    without = {"ca": ours["ca"]}
    assert "certificate" in await refused(broker, version=version, tls=without)
    assert "certificate is not accepted" in await refused(broker, tls={**ours, "ca": str(certificates.other_ca)})
    assert "missing.pem" in await refused(broker, tls={**ours, "ca": "missing.pem"})
    async with adapter(broker, topics=["x"], tls={"verify": False, "cert": ours["cert"], "key": ours["key"]}).connect():
        pass


async def test_tls_and_clear_text_mistaken(new_mosquitto: Start, certificates: Certificates) -> None:
    broker = new_mosquitto(tls=certificates)
    assert "only with TLS?" in await refused(broker, connect_timeout_s=2)


# Too much


async def test_a_slow_reader_bounds_memory(mosquitto: Mosquitto) -> None:
    """40 MB for a reader that does not read: only the bound is held, the rest stays with the broker, in order."""
    topic, limit = mosquitto.name("topic"), 64 << 10
    source = adapter(mosquitto, topics=[topic], buffer_bytes=limit, receive_maximum=1000, version="5", keepalive_s=0.2)
    async with source.connect() as items:
        await first(items)
        inbox = cast(Inbox, items)
        options = mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True)
        async with mqtt.session(options) as session:
            await asyncio.gather(*(session.publish(topic, b"%6d" % number + bytes(100_000)) for number in range(400)))
        assert inbox.paused
        most = inbox.held
        got: list[int] = []
        async with asyncio.timeout(30):
            async for item in items:
                assert isinstance(item, Delivery)
                got.append(int(item.frame.payload[:6]))
                item.ack()
                most = max(most, inbox.held)
                if len(got) == 400:
                    break
    assert got == list(range(400))
    assert most <= limit + (256 << 10) + 101_000  # one read of the socket, and the message that was not whole yet


async def test_a_kept_session_may_bring_more_than_the_buffer_holds(mosquitto: Mosquitto) -> None:
    """The answer to SUBSCRIBE comes behind the backlog; connecting must not wait for it."""
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], buffer_bytes="64KiB", connect_timeout_s=5)
    async with source.connect():
        pass
    big = bytes(100_000)
    async with mqtt.session(mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True)) as session:
        await asyncio.gather(*(session.publish(topic, big) for _ in range(300)))
    async with source.connect() as items:
        got = await take(items, 300, ack=True)
        assert all(each.frame.payload == big for each in got)
        await publish(mosquitto, topic, ["and on"])
        assert payloads(await take(items, 1, ack=True)) == ["and on"]


@VERSIONS
async def test_leaving_amid_a_flood_loses_no_acknowledgement(mosquitto: Mosquitto, version: str) -> None:
    """Closing a socket with unread bytes makes the broker's TCP forget what we sent last. So we let it finish."""
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], buffer_bytes="64KiB", version=version)
    async with source.connect():
        pass
    async with mqtt.session(mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True)) as session:
        await asyncio.gather(*(session.publish(topic, b"%05d" % n + bytes(10_000)) for n in range(1000)))
    for number in range(0, 400, 40):
        async with source.connect() as items:
            got = await take(items, 40)
            assert [int(each.frame.payload[:5]) for each in got] == list(range(number, number + 40))
            for delivery in got:
                delivery.ack()


async def test_too_much_of_qos_0_is_dropped_and_told(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], qos=0, buffer_bytes="20kB")
    async with source.connect() as items:
        inbox = cast(Inbox, items)
        async with mqtt.session(mqtt.Options(host=mosquitto.host, port=mosquitto.port, clean=True)) as session:
            await asyncio.gather(*(session.publish(topic, b"%03d" % number + bytes(997)) for number in range(200)))
            got: list[bytes] = []
            told = 0
            async with asyncio.timeout(20):
                async for item in items:
                    if isinstance(item, Notice):
                        assert item.kind is NoticeKind.OVERFLOW
                        told += item.count
                        await session.publish(topic, b"end")
                    elif item.frame.payload == b"end":
                        break
                    else:
                        got.append(item.frame.payload[:3])
    assert got == sorted(got)
    assert len(got) + told == 200
    assert told == inbox.dropped > 100


async def test_too_long_a_payload_is_named_and_stops_nothing(mosquitto: Mosquitto) -> None:
    topic = mosquitto.name("topic")
    source = adapter(mosquitto, topics=[topic], max_payload_bytes="1MiB")
    sent = [b"before", b"y" * (1 << 20), b"z" * 5_000_000, b"after"]
    async with source.connect() as items:
        for each in sent:
            await publish(mosquitto, topic, each)
        before, fits, beyond, after = await take(items, 4, ack=True)
    assert payloads([before, after]) == ["before", "after"]
    assert fits.frame.payload == sent[1]
    assert beyond.frame.meta == {"size": 5_000_000}
    assert beyond.frame.channel == topic
    assert 1000 < len(beyond.frame.payload) <= 128 << 10
    assert set(beyond.frame.payload) == {ord("z")}
    with pytest.raises(DecodeError) as caught:
        source.decode(beyond.frame)
    assert caught.value.reason == "too-large"
    assert "5000000" in str(caught.value)
    async with source.connect() as items:  # it was acknowledged and does not come again
        await publish(mosquitto, topic, ["next"])
        assert payloads(await take(items, 1)) == ["next"]


# Publishing


async def test_publishing_fails_when_the_broker_goes(own_mosquitto: Mosquitto) -> None:
    """Those under way, and those that wait for a place in the window."""
    options = mqtt.Options(host=own_mosquitto.host, port=own_mosquitto.port, clean=True, window=3, close_timeout_s=0.2)
    async with mqtt.session(options) as session:
        await session.publish("x", b"")
        own_mosquitto.freeze()
        tasks = [asyncio.create_task(session.publish("x", b""), name=f"publish {n}") for n in range(10)]
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        assert not done
        own_mosquitto.kill()
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, NotConnected) for each in outcomes)
        with pytest.raises(NotConnected):
            await session.publish("x", b"", qos=0)


# The daemon's event loop


def test_on_uvloop(mosquitto: Mosquitto, new_mosquitto: Start, certificates: Certificates) -> None:
    """What differs between event loops: pausing, TLS, closing. In a thread, as the test's own loop is another."""
    secure = new_mosquitto(tls=certificates)

    async def exchange(broker: Mosquitto, tls: dict[str, str] | None) -> None:
        topic = broker.name("topic")
        source = adapter(
            broker, topics=[topic], buffer_bytes="64KiB", tls=tls, host="localhost" if tls else "127.0.0.1"
        )
        context = None if source.settings.tls is None else source.settings.tls.context()
        options = mqtt.Options(host=source.settings.host, port=broker.port, clean=True, tls=context)
        async with source.connect() as items, mqtt.session(options) as session:
            sending = asyncio.gather(*(session.publish(topic, b"%d " % n + bytes(50_000)) for n in range(200)))
            got = await take(items, 200, ack=True)
            await sending
        assert [int(each.frame.payload.split()[0]) for each in got] == list(range(200))

    async def all_of_it() -> None:
        await exchange(mosquitto, None)
        await exchange(secure, {"ca": str(certificates.ca)})
        reading = adapter(secure, topics=["x"], tls={"ca": str(certificates.ca)}, close_timeout_s=0.2)
        async with reading.connect() as items:
            await first(items)
            secure.kill()
            await lost(items)

    failures: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(all_of_it())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    if failures:
        raise failures[0]
