"""Who the listener lets in, and what it makes of peers that do not speak AMQP: closed, counted, forgotten."""

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
from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from gateway.core.observation import CfxMessage
from gateway.transport.amqp_client import connect
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome
from gateway.transport.sasl import AMQP_HEADER, SASL_HEADER
from gateway.transport.tls import client_context
from gateway.transport.users import hash_password
from tests.integration.amqp.peers import (
    ended,
    endpoint,
    engines,
    listening,
    machine,
    notice,
    raw,
    take,
    until,
)
from tests.servers.certificates import Certificates

HASH = hash_password("right")
OPEN = bytes.fromhex("00000010 02000000 005310 c0 03 01 a1 00")
"""The shortest there is: an empty container-id."""


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
            peer.sendall(AMQP_HEADER + OPEN)
            listener = adapter._listener
            assert listener is not None
            await until(lambda: any(connection.peer is not None for connection in listener.connections))
        assert adapter.port is None


async def test_a_peer_that_opens_while_we_leave_does_not_hold_us() -> None:
    """Its Open crosses our Close, which it never answers."""
    adapter = listening(close_timeout_s=0.3)
    with socket.socket() as peer:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(adapter.connect())
            assert adapter.port is not None
            peer.connect(("127.0.0.1", adapter.port))
            peer.sendall(AMQP_HEADER)
            listener = adapter._listener
            assert listener is not None
            await until(lambda: any(connection.engine is not None for connection in listener.connections))
            (connection,) = listener.connections
            leaving = asyncio.create_task(stack.aclose())
            await until(lambda: connection._awaiting_close)
            peer.sendall(OPEN)
            async with asyncio.timeout(5):
                await leaving
        assert connection.peer is None


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
    monkeypatch.setattr("gateway.transport.amqp_sender.encode", lambda message: message.body)
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
