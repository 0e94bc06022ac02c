"""The listener against our own client: what it takes, how it is acknowledged, what it bounds."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from gateway.core.errors import DecodeError, NotConnected
from gateway.core.frame import NoticeKind
from gateway.core.observation import CfxMessage
from gateway.transport.amqp_client import connect
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import PIECE, Outcome
from tests.integration.amqp.peers import (
    endpoint,
    engines,
    envelope,
    listening,
    machine,
    notice,
    send_regardless,
    take,
    unread,
    until,
)


async def test_a_machine_sends_and_is_acknowledged_only_when_we_say_so() -> None:
    adapter = listening()
    async with (
        adapter.connect() as items,
        connect(endpoint(adapter), machine()) as client,
    ):
        up = await notice(items)
        assert (up.kind, up.peer) == (NoticeKind.PEER_UP, "A.B.C")
        sender = await client.sender("lineside")
        outcome = sender.post(AmqpMessage(body=envelope(1), subject="A.B.C.CFX.Heartbeat", message_id="m1"))
        (delivery,) = await take(items, 1)
        frame = delivery.frame
        assert (frame.connection, frame.channel, frame.payload) == ("p2p", "lineside", envelope(1))
        assert frame.meta == {"subject": "A.B.C.CFX.Heartbeat", "message_id": "m1"}
        assert not frame.redelivered
        assert delivery.acknowledged
        assert (delivery.principal, delivery.handles) == (None, frozenset())
        (message,) = adapter.decode(frame)
        assert isinstance(message, CfxMessage)
        # A second message's way there and back proves that no outcome of the first was on its way.
        second = sender.post(AmqpMessage(body=envelope(2)))
        (other,) = await take(items, 1)
        other.ack()
        assert (await second).outcome is Outcome.ACCEPTED
        assert not outcome.done()
        delivery.ack()
        delivery.ack()
        assert (await outcome).outcome is Outcome.ACCEPTED
        assert sum(engine.used for engine in engines(adapter)) == 0


async def test_order_and_every_byte_of_many() -> None:
    adapter = listening(credit=50)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        outcomes = [sender.post(AmqpMessage(body=b"%d:" % number * (number % 97))) for number in range(1000)]
        for start in range(0, 1000, 10):
            deliveries = await take(items, 10)
            expected = [b"%d:" % number * (number % 97) for number in range(start, start + 10)]
            assert [delivery.frame.payload for delivery in deliveries] == expected
            for delivery in deliveries:
                delivery.ack()
        assert {(await outcome).outcome for outcome in outcomes} == {Outcome.ACCEPTED}


async def test_long_messages_are_sent_in_pieces_and_arrive_whole() -> None:
    """proton moves all that it holds of a message with every frame: 40 MB at once kept the event loop for 8 s."""
    adapter = listening()
    long = [random.Random(number).randbytes(3_000_000 + number) for number in range(3)]
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        outcomes = []
        for body in long:
            outcomes += [sender.post(AmqpMessage(body=each)) for each in (body, body[:10])]
            assert sender.link.session.outgoing_bytes == PIECE
        for body in long:
            first, second = await take(items, 2)
            assert first.frame.payload == body
            assert second.frame.payload == body[:10]
            first.ack()
            second.ack()
        assert {(await outcome).outcome for outcome in outcomes} == {Outcome.ACCEPTED}


async def test_a_connection_that_ends_within_a_long_message() -> None:
    adapter = listening()
    async with adapter.connect():
        async with connect(endpoint(adapter), machine()) as client:
            sender = await client.sender("x")
            outcomes = [sender.post(AmqpMessage(body=bytes(8_000_000))) for _ in range(2)]
        for outcome in outcomes:
            with pytest.raises(NotConnected):
                await outcome


async def test_delivery_count_means_redelivered() -> None:
    adapter = listening()
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        sender.post(AmqpMessage(body=b"a", delivery_count=1))
        sender.post(AmqpMessage(body=b"b", first_acquirer=False))
        first, second = await take(items, 2)
        assert first.frame.redelivered
        assert not second.frame.redelivered


async def test_two_machines_and_their_coming_and_going() -> None:
    adapter = listening()
    async with adapter.connect() as items:
        async with connect(endpoint(adapter), machine("M1")) as one, connect(endpoint(adapter), machine("M2")) as two:
            assert {(await notice(items)).peer, (await notice(items)).peer} == {"M1", "M2"}
            first = (await one.sender("a")).post(AmqpMessage(body=b"1"))
            (from_one,) = await take(items, 1)
            second = (await two.sender("b")).post(AmqpMessage(body=b"2"))
            (from_two,) = await take(items, 1)
            assert (from_one.frame.channel, from_two.frame.channel) == ("a", "b")
            from_two.ack()
            assert (await second).outcome is Outcome.ACCEPTED
            assert not first.done()
            # One more connection of M1, as the SDK makes for a request, is no news, nor is its end.
            async with connect(endpoint(adapter), machine("M1")) as again:
                await again.sender("c")
        down = [await notice(items), await notice(items)]
        assert [(item.kind, item.peer) for item in down] == [
            (NoticeKind.PEER_DOWN, "M2"),
            (NoticeKind.PEER_DOWN, "M1"),
        ]


async def test_credit_bounds_what_is_read() -> None:
    adapter = listening(credit=7)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        outcomes = [sender.post(AmqpMessage(body=b"%d" % number)) for number in range(30)]
        deliveries = await take(items, 7)
        (engine,) = engines(adapter)
        assert engine.outstanding == 7
        assert len(sender._waiting) == 23
        for delivery in deliveries:
            delivery.ack()
        for _ in range(23):
            (delivery,) = await take(items, 1)
            assert engine.outstanding <= 7
            delivery.ack()
        assert {(await outcome).outcome for outcome in outcomes} == {Outcome.ACCEPTED}


async def test_a_buffer_of_bytes_bounds_what_is_read() -> None:
    """Ten messages of 1 MB and a buffer of 2 MB: reading stops, the peer is stopped, and nothing is lost."""
    adapter = listening(buffer_bytes=2_000_000, max_frame_bytes=65_536)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        outcomes = [sender.post(AmqpMessage(body=bytes([number]) * 1_000_000)) for number in range(30)]
        held = await take(items, 2)
        (engine,) = engines(adapter)
        await until(lambda: bool(engine._stalled))
        assert engine.used < 3_100_000
        await client.sender("other")  # its answer proves that all that was sent before has been read from the socket
        assert unread(engine) > 1_000_000
        assert unread(engine) <= engine.options.window_bytes + 65_536
        for delivery in held:
            delivery.ack()
        for number in range(2, 30):
            (delivery,) = await take(items, 1)
            assert delivery.frame.payload == bytes([number]) * 1_000_000
            assert engine.used < 3_100_000
            delivery.ack()
        assert {(await outcome).outcome for outcome in outcomes} == {Outcome.ACCEPTED}


async def test_a_message_above_the_limit_is_quarantined_and_acknowledged() -> None:
    adapter = listening(max_message_bytes=10_000)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        big = sender.post(AmqpMessage(body=b"x" * 500_000, subject="s"))
        small = sender.post(AmqpMessage(body=envelope()))
        first, second = await take(items, 2)
        assert first.frame.meta["truncated"] == 1
        assert first.frame.meta["subject"] == "s"
        assert int(first.frame.meta["size"]) > 500_000
        assert 9_000 < len(first.frame.payload) <= 10_000
        with pytest.raises(DecodeError) as raised:
            adapter.decode(first.frame)
        assert raised.value.reason == "too-large"
        assert len(adapter.decode(second.frame)) == 1
        first.ack()
        second.ack()
        assert {(await big).outcome, (await small).outcome} == {Outcome.ACCEPTED}


async def test_bytes_that_are_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = listening()
    monkeypatch.setattr("gateway.transport.amqp_sender.encode", lambda message: message.body)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        outcome = sender.post(AmqpMessage(body=b"\x00\x53\x75 no data"))
        (delivery,) = await take(items, 1)
        assert delivery.frame.payload == b"\x00\x53\x75 no data"
        with pytest.raises(DecodeError) as raised:
            adapter.decode(delivery.frame)
        assert raised.value.reason == "bad-amqp"
        delivery.ack()
        assert (await outcome).outcome is Outcome.ACCEPTED


async def test_an_aborted_delivery_never_was() -> None:
    adapter = listening(credit=1)
    async with adapter.connect() as items, connect(endpoint(adapter), machine(max_frame_size=512)) as client:
        sender = await client.sender("x")
        delivery = sender.link.delivery("half")
        sender.link.stream(b"\x00\x53\x75\xb0" + b"x" * 5_000)
        client.connection.touch()
        await until(lambda: any(r.partial for engine in engines(adapter) for r in engine.receivers.values()))
        delivery.abort()
        client.connection.touch()
        whole = sender.post(AmqpMessage(body=b"whole"))
        (received,) = await take(items, 1)
        assert received.frame.payload == b"whole"
        received.ack()
        assert (await whole).outcome is Outcome.ACCEPTED
        (engine,) = engines(adapter)
        assert engine.used == 0


async def test_far_more_than_the_credit_ends_a_machines_connection() -> None:
    adapter = listening(credit=3)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        await until(lambda: sender.link.credit == 3)
        send_regardless(sender, 9)
        await take(items, 6)
        await until(lambda: client.lost is not None)
        assert "transfer-limit-exceeded" in str(client.lost)


async def test_a_broker_that_overruns_our_credit_is_left_unread_and_loses_nothing() -> None:
    """RabbitMQ 3.10 does so now and then. Played by our listener, which sends frames past its own engine."""
    adapter = listening()
    waiting: asyncio.Queue[Any] = asyncio.Queue()

    class Reader:
        def opened(self, connection: Any) -> None: ...
        def received(self, connection: Any, message: Any) -> None:
            waiting.put_nowait(message)

        def closed(self, connection: Any) -> None: ...

    async with adapter.connect(), connect(endpoint(adapter), machine(credit=3), Reader()) as client:
        receiver = await client.receiver("queue", durable=False)
        (engine,) = engines(adapter)
        send_regardless(next(iter(engine.senders.values())), 20)
        await until(lambda: bool(client.connection.links()._stalled))
        assert waiting.qsize() == 6
        async with asyncio.timeout(20):
            for number in range(20):
                message = await waiting.get()
                assert message.message.body == b"%c" % (number + 65)
                assert receiver.unacknowledged <= 6
                message.accept()
        assert client.lost is None


async def test_replies_go_back_on_the_link_that_was_named() -> None:
    adapter = listening()
    replies: asyncio.Queue[Any] = asyncio.Queue()

    class Requester:
        def opened(self, connection: Any) -> None: ...
        def received(self, connection: Any, message: Any) -> None:
            message.accept()
            replies.put_nowait((message.receiver.address, message.message))

        def closed(self, connection: Any) -> None: ...

    async with adapter.connect() as items, connect(endpoint(adapter), machine(), Requester()) as client:
        await client.receiver("other", durable=False)
        await client.receiver("A.B.C-guid", durable=False)
        sender = await client.sender("gateway")
        sender.post(
            AmqpMessage(body=b"?", reply_to="A.B.C-guid", correlation_id="REQUEST-1", message_id="command-request")
        )
        (delivery,) = await take(items, 1)
        assert delivery.reply is not None
        delivery.reply(b"answer")
        delivery.ack()
        async with asyncio.timeout(20):
            address, message = await replies.get()
        assert address == "A.B.C-guid"
        assert (message.body, message.correlation_id, message.to) == (b"answer", "REQUEST-1", "A.B.C-guid")
        assert message.content_encoding is None
        # Without a name, or with one that nobody receives on: on any link of this connection.
        sender.post(AmqpMessage(body=b"?", message_id=5))
        (delivery,) = await take(items, 1)
        assert delivery.reply is not None
        delivery.reply(b"again")
        async with asyncio.timeout(20):
            _, message = await replies.get()
        assert (message.body, message.correlation_id) == (b"again", 5)
    delivery.reply(b"too late")


async def test_no_way_back_no_reply() -> None:
    adapter = listening()
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        (await client.sender("x")).post(AmqpMessage(body=b"?"))
        (delivery,) = await take(items, 1)
        assert delivery.reply is None
