from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.errors import NotConnected
from simulators.outbox import Outbox, Outgoing, Send, forward


def message(number: int) -> Outgoing:
    return Outgoing("A.B.C", "CFX.Heartbeat", f"id-{number}", number, b"{}")


class Peer:
    """The other side. Fails as `plan` says: one entry for each message sent, True where it is taken."""

    def __init__(self, plan: list[bool] | None = None) -> None:
        self.plan = plan or []
        self.received: list[str] = []
        self.connects = 0
        self.refusing = False
        self.open = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Send]:
        self.connects += 1
        if self.refusing:
            raise NotConnected("refused")
        self.open += 1
        try:
            yield self.send
        finally:
            self.open -= 1

    async def send(self, message: Outgoing) -> None:
        await asyncio.sleep(0)
        if self.plan and not self.plan.pop(0):
            raise NotConnected("the connection broke")
        self.received.append(message.unique_id)


@asynccontextmanager
async def forwarding(outbox: Outbox, peer: Peer, taken: list[str], window: int = 1) -> AsyncIterator[None]:
    task = asyncio.create_task(
        forward(
            outbox,
            peer.connect,
            name="test",
            retry_s=0.0,
            window=window,
            taken=lambda each: taken.append(each.unique_id),
        ),
        name="forward",
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def filled(count: int) -> Outbox:
    outbox = Outbox()
    for number in range(count):
        await outbox.put(message(number))
    return outbox


ALL = [f"id-{number}" for number in range(10)]


async def test_everything_arrives_once_in_order() -> None:
    outbox, peer, taken = await filled(10), Peer(), list[str]()
    async with forwarding(outbox, peer, taken), asyncio.timeout(5):
        await outbox.empty()
    assert peer.received == taken == ALL
    assert peer.connects == 1
    assert peer.open == 0, "the connection is closed when forwarding stops"


@pytest.mark.parametrize("window", [1, 4])
async def test_what_was_not_taken_is_sent_again_on_a_new_connection(window: int) -> None:
    outbox, taken = await filled(10), list[str]()
    peer = Peer([True, True, False, True, True, False, False])
    async with forwarding(outbox, peer, taken, window), asyncio.timeout(5):
        await outbox.empty()
    assert taken == ALL
    assert set(peer.received) == set(ALL)
    if window == 1:
        assert peer.received == ALL
        assert peer.connects == 4
    else:
        assert len(peer.received) > len(ALL), "a message sent beside one that failed comes twice"


async def test_an_absent_peer_is_tried_until_it_is_there_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    outbox, peer, taken = await filled(10), Peer(), list[str]()
    peer.refusing = True
    with caplog.at_level(logging.INFO, "simulators.outbox"):
        async with forwarding(outbox, peer, taken), asyncio.timeout(5):
            while peer.connects < 5:
                await asyncio.sleep(0)
            assert len(outbox) == 10
            peer.refusing = False
            await outbox.empty()
    assert taken == ALL
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_cancelling_keeps_what_was_not_taken() -> None:
    outbox, peer, taken = await filled(3), Peer(), list[str]()
    peer.refusing = True
    async with forwarding(outbox, peer, taken), asyncio.timeout(5):
        while peer.connects < 2:
            await asyncio.sleep(0)
    assert [each.unique_id for each in await outbox.peek(10)] == ALL[:3]


async def test_a_full_outbox_makes_the_machine_wait() -> None:
    outbox = Outbox(limit=2)
    await outbox.put(message(0))
    await outbox.put(message(1))
    third = asyncio.create_task(outbox.put(message(2)), name="third")
    await asyncio.sleep(0)
    assert not third.done()
    await outbox.taken(1)
    async with asyncio.timeout(5):
        await third
    assert [each.at for each in await outbox.peek(10)] == [1, 2]


async def test_an_error_of_ours_is_not_hidden_by_trying_again() -> None:
    class Broken(Peer):
        async def send(self, message: Outgoing) -> None:
            raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        await forward(await filled(1), Broken().connect, name="test", retry_s=0.0, window=1)
