"""The listener against our own client and against raw sockets: what it takes, refuses, bounds and forgets."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import cproton
import pytest

from adapters.cfx_amqp import CfxAmqpAdapter
from gateway.core.errors import DecodeError, NotConnected
from gateway.core.frame import NoticeKind
from gateway.core.observation import CfxMessage
from gateway.transport.amqp_client import connect
from gateway.transport.amqp_links import Outcome
from gateway.transport.amqp_message import AmqpMessage, encode
from gateway.transport.sasl import AMQP_HEADER, SASL_HEADER
from gateway.transport.tls import client_context
from gateway.transport.users import hash_password
from tests.integration.amqp.peers import endpoint, envelope, listening, machine, notice, take, until
from tests.servers.certificates import Certificates

HASH = hash_password("right")


def engines(adapter: CfxAmqpAdapter) -> list[Any]:
    assert adapter._listener is not None
    return [connection.engine for connection in adapter._listener.connections if connection.engine is not None]


async def raw(adapter: CfxAmqpAdapter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert adapter.port is not None
    return await asyncio.open_connection("127.0.0.1", adapter.port)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other end closes."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


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


def unread(engine: Any) -> int:
    """Bytes that proton holds for us, unread."""
    return int(next(iter(engine.receivers.values())).link.session.incoming_bytes)


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
    monkeypatch.setattr("gateway.transport.amqp_links.encode", lambda message: message.body)
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


def send_regardless(sender: Any, count: int) -> None:
    """Deliveries with the bodies A, B, … as raw frames, whatever credit there is."""
    frames = b""
    for number in range(count):
        # transfer: handle 0, delivery-id, one byte of delivery-tag, message-format 0, unsettled; then a Data section
        body = (
            bytes.fromhex("005314 c0 09 05 43 52") + bytes([number]) + b"\xa0\x01" + bytes([number + 65]) + b"\x43\x42"
        )
        payload = bytes.fromhex("005375a001") + bytes([number + 65])
        size = 8 + len(body) + len(payload)
        frames += size.to_bytes(4) + b"\x02\x00\x00\x00" + body + payload
    sender.engine._owner._socket.write(frames)


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


async def test_what_a_machine_sent_before_it_went_is_handed_over() -> None:
    adapter = listening()
    async with adapter.connect() as items:
        async with connect(endpoint(adapter), machine()) as client:
            sender = await client.sender("x")
            outcome = sender.post(AmqpMessage(body=b"last"))
            await until(lambda: sum(engine.outstanding for engine in engines(adapter)) == 1)
        with pytest.raises(NotConnected):
            await outcome
        assert (await notice(items)).kind is NoticeKind.PEER_UP
        (delivery,) = await take(items, 1)
        assert (await notice(items)).kind is NoticeKind.PEER_DOWN
        delivery.ack()  # to nobody


async def test_machines_that_come_and_go_while_nothing_is_stored() -> None:
    """They send the same again each time. What is kept of the gone is bounded, and who is there now is served."""
    adapter = listening(buffer_bytes=100_000)
    async with adapter.connect() as items:
        inbox: Any = items
        for _ in range(20):
            async with connect(endpoint(adapter), machine()) as client:
                sender = await client.sender("x")
                for number in range(3):
                    sender.post(AmqpMessage(body=bytes([number]) * 10_000))
                await until(lambda: sum(engine.outstanding for engine in engines(adapter)) == 3)
            await until(lambda: not engines(adapter))
        # Each time is three messages and two notices, some 35 kB: two times fit. Of the others nothing is left.
        assert inbox._leftover <= 100_000
        assert sum(item.message is not None for item in inbox._items) == 6
        assert len(inbox._items) == 6 + 2 * 2
        async with connect(endpoint(adapter), machine("now")) as client:
            outcome = (await client.sender("x")).post(AmqpMessage(body=b"now"))
            deliveries = await take(items, 7)
            assert deliveries[-1].frame.payload == b"now"
            assert inbox._leftover == 0
            deliveries[-1].ack()
            assert (await outcome).outcome is Outcome.ACCEPTED


async def test_a_machine_that_came_and_went_unseen_is_no_news() -> None:
    adapter = listening()
    async with adapter.connect() as items:
        for _ in range(5):
            async with connect(endpoint(adapter), machine("brief")) as client:
                await client.sender("x")
            await until(lambda: not engines(adapter))
        async with connect(endpoint(adapter), machine("stays")):
            assert (await notice(items)).peer == "stays"


async def test_what_was_sent_settled_and_found_no_room_is_told() -> None:
    adapter = listening(buffer_bytes=5_000)
    async with adapter.connect() as items:
        async with connect(endpoint(adapter), machine()) as client:
            sender = await client.sender("x")
            for _ in range(3):
                delivery = sender.link.delivery(sender.link.delivery_tag())
                sender.link.stream(encode(AmqpMessage(body=b"x" * 3_000)))
                delivery.settle()
            client.connection.touch()
            await until(lambda: sum(engine.outstanding for engine in engines(adapter)) >= 2)
        assert (await notice(items)).kind is NoticeKind.PEER_UP
        overflow = await notice(items)
        assert (overflow.kind, overflow.peer) == (NoticeKind.OVERFLOW, "A.B.C")
        assert overflow.count >= 2
        assert (await notice(items)).kind is NoticeKind.PEER_DOWN


async def test_an_acknowledgement_given_before_leaving_still_goes_out() -> None:
    adapter = listening()
    async with adapter.connect() as items:
        client = connect(endpoint(adapter), machine())
        opened = await client.__aenter__()
        outcome = (await opened.sender("x")).post(AmqpMessage(body=b"last"))
        (delivery,) = await take(items, 1)
        delivery.ack()
    try:
        assert (await outcome).outcome is Outcome.ACCEPTED
    finally:
        await client.__aexit__(None, None, None)


@pytest.fixture
def users(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "cfx-users").write_text(f"m1:{HASH}:A.B.C,D.E.F\nm2:{HASH}\nclient:certificate:P.N.P\n")
    return {"auth": {"users": f"file:{tmp_path / 'cfx-users'}"}}


async def test_plain(users: dict[str, Any]) -> None:
    adapter = listening(**users)
    async with adapter.connect() as items:
        async with connect(endpoint(adapter, "m1", "right"), machine()) as client:
            (await client.sender("x")).post(AmqpMessage(body=b"1"))
            (delivery,) = await take(items, 1)
            assert (delivery.principal, delivery.handles) == ("m1", frozenset({"A.B.C", "D.E.F"}))
        for user, password in (("m1", "wrong"), ("nobody", "right"), ("client", ""), ("m1", "")):
            with pytest.raises(NotConnected, match="user or password refused"):
                async with connect(endpoint(adapter, user, password), machine()):
                    pass
        with pytest.raises(NotConnected, match="not ANONYMOUS"):
            async with connect(endpoint(adapter), machine()):
                pass
        reader, writer = await raw(adapter)
        writer.write(AMQP_HEADER)
        assert await ended(reader) == b""
        writer.close()
        await until(lambda: adapter.refused.total() == 6)
        assert adapter.refused["not authenticated"] == 4


async def test_passwords_are_tried_one_at_a_time_from_one_address(users: dict[str, Any]) -> None:
    """While one wrong password waits for its answer, other connections of that address wait for theirs."""
    adapter = listening(**users, refusal_delay_s=30, handshake_timeout_s=60)
    async with adapter.connect():
        assert adapter._listener is not None
        door = adapter._listener._door
        tries = [asyncio.create_task(_log_in(adapter), name=f"try {number}") for number in range(5)]
        await until(lambda: door._queues.get("127.0.0.1", (None, 0))[1] == 5)
        lock = door._queues["127.0.0.1"][0]
        await until(lock.locked)
        assert not any(task.done() for task in tries)
    assert len([await task for task in tries]) == 5
    assert door._queues == {}


async def _log_in(adapter: CfxAmqpAdapter) -> str:
    try:
        async with connect(endpoint(adapter, "m1", "wrong"), machine(handshake_timeout_s=60.0)):
            return "in"
    except NotConnected as error:
        return str(error)


async def test_tls_and_client_certificates(users: dict[str, Any], pki: Certificates) -> None:
    server = {"cert": str(pki.server.cert), "key": str(pki.server.key)}
    trusting = client_context(ca=pki.ca)
    certified = client_context(ca=pki.ca, cert=pki.client.cert, key=pki.client.key)
    adapter = listening(tls=server, **users)
    async with adapter.connect() as items:
        async with connect(endpoint(adapter, "m1", "right"), machine(), tls=trusting) as client:
            (await client.sender("x")).post(AmqpMessage(body=b"1"))
            (delivery,) = await take(items, 1)
            assert delivery.principal == "m1"
        with pytest.raises(NotConnected, match="refused"):
            async with connect(endpoint(adapter, "m1", "wrong"), machine(), tls=trusting):
                pass
        with pytest.raises(NotConnected):
            async with connect(endpoint(adapter, "m1", "right"), machine()):
                pass
    adapter = listening(tls=server | {"client_ca": str(pki.ca)}, **users)
    async with adapter.connect() as items:
        peer = endpoint(adapter)
        external = type(peer)(host=peer.host, port=peer.port, external=True)
        async with connect(external, machine(), tls=certified) as client:
            (await client.sender("x")).post(AmqpMessage(body=b"1"))
            (delivery,) = await take(items, 1)
            assert (delivery.principal, delivery.handles) == ("client", frozenset({"P.N.P"}))
        with pytest.raises(NotConnected):
            async with connect(external, machine(), tls=trusting):
                pass


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        os.urandom(64),
        b"AMQP\x00\x00\x09\x01",
        SASL_HEADER + b"\x00" * 64,
        AMQP_HEADER + b"\x00\x00\x00\x03garbage" * 9,
        AMQP_HEADER + b"\xff" * 64,
        AMQP_HEADER + bytes.fromhex("00000011 02000000 005310 c0 04 01 a1 01 ff"),
    ],
    ids=["http", "random", "0-9-1", "sasl", "frame", "huge", "name"],
)
async def test_garbage_is_closed_and_counted(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    adapter = listening()
    async with adapter.connect() as items:
        reader, writer = await raw(adapter)
        writer.write(said)
        await ended(reader)
        writer.close()
        await until(lambda: adapter.refused.total() == 1)
        async with connect(endpoint(adapter), machine()) as client:
            (await client.sender("x")).post(AmqpMessage(body=b"1"))
            await take(items, 1)
    assert caplog.records == []


@pytest.mark.parametrize(
    "said", [b"", SASL_HEADER, AMQP_HEADER, SASL_HEADER[:4]], ids=["nothing", "sasl", "amqp", "half"]
)
async def test_silence_is_closed(said: bytes) -> None:
    adapter = listening(handshake_timeout_s=0.05)
    async with adapter.connect():
        reader, writer = await raw(adapter)
        writer.write(said)
        await ended(reader)
        writer.close()
        await until(lambda: adapter.refused["handshake timeout"] == 1)
        listener = adapter._listener
        assert listener is not None
        await until(lambda: not listener.connections)


async def test_a_frozen_peer_is_dropped() -> None:
    """It opened, it sent, and from then on it neither sends a heartbeat nor reads."""
    adapter = listening(idle_timeout_s=0.2)
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("x")
        sender.post(AmqpMessage(body=b"1"))
        await take(items, 1)
        assert client.connection._ticker is not None
        client.connection._ticker.cancel()
        down = await notice(items)
        assert down.kind is NoticeKind.PEER_DOWN
        assert "idle" in down.detail or "timeout" in down.detail
        client.connection.abort("done")


async def test_a_peer_that_reads_nothing_does_not_hold_us() -> None:
    """Leaving is bounded by the close timeout even when a peer answers nothing any more."""
    adapter = listening(close_timeout_s=0.1)
    with socket.socket() as peer:
        async with adapter.connect():
            assert adapter.port is not None
            peer.connect(("127.0.0.1", adapter.port))
            peer.sendall(AMQP_HEADER + bytes.fromhex("00000010 02000000 005310 c0 03 01 a1 00"))
            listener = adapter._listener
            assert listener is not None
            await until(lambda: any(connection.peer is not None for connection in listener.connections))
        assert adapter.port is None


async def test_a_peer_that_leaves_its_answers_unread_does_not_hold_us() -> None:
    """Our writing to it has stopped when we leave: 40 MB of replies against full socket buffers."""
    adapter = listening(close_timeout_s=0.1)
    async with asked(adapter) as (client, delivery):
        client.connection._socket.pause_reading()
        for _ in range(40):
            delivery.reply(b"x" * 1_000_000)
        listener = adapter._listener
        assert listener is not None
        (connection,) = listener.connections
        await until(lambda: not connection._writable)


@asynccontextmanager
async def asked(adapter: CfxAmqpAdapter) -> AsyncIterator[tuple[Any, Any]]:
    """A machine with a question open; the adapter is left first."""
    async with AsyncExitStack() as machines:
        async with asyncio.timeout(15), adapter.connect() as items:
            client = await machines.enter_async_context(connect(endpoint(adapter), machine()))
            await client.receiver("replies", durable=False)
            (await client.sender("x")).post(AmqpMessage(body=b"?", reply_to="replies"))
            (delivery,) = await take(items, 1)
            yield client, delivery
        client.connection.abort("done")


async def test_a_port_that_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NotConnected, match=f"cannot listen on 127.0.0.1:{port}"):
            async with listening(listen=f"127.0.0.1:{port}").connect():
                pass


async def test_a_users_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="cfx-users"):
        async with listening(auth={"users": f"file:{tmp_path / 'cfx-users'}"}).connect():
            pass


async def test_connections_and_links_are_bounded() -> None:
    adapter = listening(max_connections=2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(adapter.connect())
        client = await stack.enter_async_context(connect(endpoint(adapter), machine("1")))
        await stack.enter_async_context(connect(endpoint(adapter), machine("2")))
        with pytest.raises(NotConnected):
            async with connect(endpoint(adapter), machine("3")):
                pass
        assert adapter.refused["too many connections"] == 1
        for number in range(64):
            await client.sender(f"x{number}")
        with pytest.raises(NotConnected, match="no more links"):
            await client.sender("one more")


async def test_links_that_come_and_go_leave_nothing() -> None:
    """The SDK's keep-alive closes and opens its links every minute, for weeks."""
    adapter = listening()
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        for number in range(100):
            sender = await client.sender("x", name=f"link-{number}")
            outcome = sender.post(AmqpMessage(body=b"1"))
            (delivery,) = await take(items, 1)
            if number % 2:
                delivery.ack()
                await outcome
            client.connection.links()._forget(sender, "closed by the test")
            client.connection.touch()
            await until(lambda: not any(engine.receivers for engine in engines(adapter)))
            delivery.ack()
        (engine,) = engines(adapter)
        await until(lambda: (engine.used, engine.outstanding) == (0, 0))
        assert engine._connection.link_head(0) is None


async def test_entering_again_and_nothing_left_behind() -> None:
    adapter = listening()
    folder = Path("/proc/self/fd")

    async def once() -> None:
        async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
            (await client.sender("x")).post(AmqpMessage(body=b"1"))
            (delivery,) = await take(items, 1)
            delivery.ack()
        with pytest.raises(NotConnected):
            await anext(items)
        delivery.ack()

    await once()  # the loop opens what it keeps
    descriptors = len(list(folder.iterdir()))
    for _ in range(5):
        await once()
    await until(lambda: len(list(folder.iterdir())) <= descriptors)
    gc.collect()
    assert cproton.retained_count() == 0


async def test_cancelled_while_reading() -> None:
    adapter = listening()

    async def read() -> None:
        async with adapter.connect() as items:
            async for _ in items:
                pass

    task = asyncio.create_task(read(), name="read")
    await until(lambda: adapter.port is not None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert adapter.port is None


async def test_the_recorded_bytes_of_the_sdk(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AMQPNetLite's own encoding, as delivery payloads: three envelopes, two of them distinct."""
    adapter = listening()
    monkeypatch.setattr("gateway.transport.amqp_links.encode", lambda message: message.body)
    found: list[Any] = []
    async with adapter.connect() as items, connect(endpoint(adapter), machine()) as client:
        sender = await client.sender("cfx")
        for file in sorted((shared / "cfx/wire-amqp").glob("*.bin")):
            outcome = sender.post(AmqpMessage(body=file.read_bytes()))
            (delivery,) = await take(items, 1)
            found += adapter.decode(delivery.frame)
            delivery.ack()
            assert (await outcome).outcome is Outcome.ACCEPTED
    assert len(found) == 3
    assert all(isinstance(message, CfxMessage) for message in found)
    assert len({(message.unique_id, message.digest) for message in found}) == 2
