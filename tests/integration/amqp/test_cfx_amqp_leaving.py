"""Machines that go away, and what they sent before."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from gateway.transport.amqp_client import connect
from gateway.transport.amqp_message import AmqpMessage, encode
from gateway.transport.amqp_sender import Outcome
from tests.integration.amqp.peers import (
    endpoint,
    engines,
    listening,
    machine,
    notice,
    take,
    until,
)


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
