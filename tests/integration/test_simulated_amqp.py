"""A simulated CFX machine's way over AMQP against our listener's transport, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.transport.amqp import Connection
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_listener import Access, Listener, listen
from gateway.transport.amqp_message import AmqpMessage, decode, encode
from simulators.faces.cfx import Way
from simulators.faces.cfx_amqp import CfxAmqpFace, message
from simulators.outbox import Outbox, Outgoing

HANDLE = "SMTPlus.Model_21232.SN23124"


def outgoing(number: int) -> Outgoing:
    envelope = json.dumps({"MessageName": "CFX.Production.WorkStarted", "Number": number}).encode()
    return Outgoing(HANDLE, "CFX.Production.WorkStarted", f"id-{number}", 1_795_176_000_123_456, envelope)


class Machinery:
    """The other side: keeps what it is sent, and takes it or not."""

    def __init__(self) -> None:
        self.messages: list[AmqpMessage] = []
        self.containers: list[str | None] = []
        self.address: list[str] = []
        self.accepting: Callable[[int], bool] = lambda number: True

    def opened(self, connection: Connection) -> None:
        self.containers.append(connection.peer)

    def received(self, connection: Connection, message: Received) -> None:
        assert message.message is not None
        self.messages.append(message.message)
        self.address.append(message.receiver.address)
        if self.accepting(len(self.messages)):
            message.accept()
        else:
            connection.abort("the test breaks the connection before the answer")

    def closed(self, connection: Connection) -> None:
        return None

    @property
    def numbers(self) -> list[int]:
        return [json.loads(gzip.decompress(each.body))["Number"] for each in self.messages]


@asynccontextmanager
async def listening(machinery: Machinery, port: int = 0) -> AsyncIterator[Listener]:
    options = Options(container_id="Lineside.Test")
    async with listen("127.0.0.1", port, options, Access(anonymous=True), machinery) as listener:
        yield listener


@asynccontextmanager
async def sending(way: Way, outbox: Outbox, taken: list[str] | None = None) -> AsyncIterator[None]:
    """Sends beside the block; a way that ends by itself cancels the block and says why."""

    def note(each: Outgoing) -> None:
        if taken is not None:
            taken.append(each.unique_id)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(way.run(outbox, note), name="way")
        yield
        task.cancel()


async def filled(count: int) -> Outbox:
    outbox = Outbox()
    for number in range(count):
        await outbox.put(outgoing(number))
    return outbox


def test_a_message_has_the_properties_that_the_sdk_sets() -> None:
    sent = decode(encode(message(outgoing(7))), applications=True)
    assert gzip.decompress(sent.body) == outgoing(7).payload
    assert sent.durable
    assert sent.message_id == "id-7"
    assert sent.to is None
    assert sent.subject == f"{HANDLE}.CFX.Production.WorkStarted"
    assert sent.reply_to == HANDLE
    assert sent.correlation_id is None
    assert sent.content_type == 'application/json; charset="utf-8"'
    assert sent.content_encoding == "gzip"
    assert sent.creation_time == 1_795_176_000_123
    assert sent.application_properties == {
        "cfx-topic": "CFX.Production",
        "cfx-message": "CFX.Production.WorkStarted",
        "cfx-handle": HANDLE,
        "cfx-target": None,
    }


def test_without_gzip_the_body_is_the_envelope() -> None:
    sent = message(outgoing(1), gzip=False)
    assert sent.body == outgoing(1).payload
    assert sent.content_encoding is None


async def test_messages_arrive_compressed_and_in_order() -> None:
    machinery, outbox, taken = Machinery(), await filled(20), list[str]()
    async with listening(machinery) as listener:
        way = CfxAmqpFace(handle=HANDLE, host="127.0.0.1", port=listener.port, address="node/x")
        async with sending(way, outbox, taken), asyncio.timeout(10):
            await outbox.empty()
    assert machinery.numbers == list(range(20))
    assert taken == [f"id-{number}" for number in range(20)]
    assert machinery.containers == [HANDLE]
    assert set(machinery.address) == {"node/x"}
    assert {each.content_encoding for each in machinery.messages} == {"gzip"}


@pytest.mark.parametrize("window", [1, 5])
async def test_a_message_is_kept_until_it_is_accepted(window: int) -> None:
    """The connection breaks on some messages before the answer: each is sent again, none is lost, order is kept."""
    machinery, outbox, taken = Machinery(), await filled(20), list[str]()
    machinery.accepting = lambda number: number not in (1, 2, 9, 15)
    async with listening(machinery) as listener:
        way = CfxAmqpFace(handle=HANDLE, host="127.0.0.1", port=listener.port, retry_s=0.01, window=window)
        async with sending(way, outbox, taken), asyncio.timeout(10):
            await outbox.empty()
    assert taken == [f"id-{number}" for number in range(20)]
    assert list(dict.fromkeys(machinery.numbers)) == list(range(20)), "first seen in order"
    assert len(machinery.numbers) >= 24
    # with several on their way one broken connection takes more than one of the four with it
    assert len(machinery.containers) == 5 if window == 1 else len(machinery.containers) > 2


async def test_it_waits_for_a_listener_that_comes_later_and_comes_back() -> None:
    machinery, outbox = Machinery(), Outbox()
    async with listening(machinery) as listener:
        port = listener.port
    way = CfxAmqpFace(handle=HANDLE, host="127.0.0.1", port=port, retry_s=0.01)
    async with sending(way, outbox), asyncio.timeout(10):
        await outbox.put(outgoing(0))
        assert len(outbox) == 1
        async with listening(machinery, port):
            await outbox.empty()
        await outbox.put(outgoing(1))
        async with listening(machinery, port):
            await outbox.empty()
    assert list(dict.fromkeys(machinery.numbers)) == [0, 1]
    assert len(machinery.containers) == 2
