"""Sending without a socket, to a peer that is proton's own engine."""

from __future__ import annotations

import proton
import pytest

from gateway.transport.amqp_engine import Engine, Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import PIECE, Outcome, Sender


class Owner:
    def touch(self) -> None:
        return None

    def opened(self, peer: str) -> None:
        return None

    def received(self, message: Received) -> None:
        raise AssertionError("nothing is sent to us")

    def ended(self, reason: str) -> None:
        raise AssertionError(reason)


class Peer:
    """Takes as much as the window of its session holds, until that is read."""

    def __init__(self) -> None:
        self.engine = Engine(Options(container_id="us", max_frame_size=16_384), Owner(), serving=False)
        self.transport, self.connection = proton.Transport(), proton.Connection()
        self.transport.max_frame_size = 16_384
        self.transport.bind(self.connection)
        self.connection.open()

    def attach(self, credit: int) -> tuple[Sender, proton.Receiver]:
        sender = self.engine.sender("x", name=None, durable=False)
        self.exchange()
        session = self.connection.session_head(proton.Endpoint.REMOTE_ACTIVE)
        assert session is not None
        session.incoming_capacity = 4 * 16_384
        session.open()
        link = self.connection.link_head(proton.Endpoint.REMOTE_ACTIVE)
        assert isinstance(link, proton.Receiver)
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.open()
        link.flow(credit)
        self.exchange()
        return sender, link

    def exchange(self) -> None:
        """Until neither has anything to say."""
        moved = True
        while moved:
            moved = False
            for chunk in self.engine.pending():
                rest = bytes(chunk)
                while rest:
                    size = self.transport.capacity()
                    self.transport.push(rest[:size])
                    rest = rest[size:]
                moved = True
            while (size := self.transport.pending()) > 0:
                data = self.transport.peek(size) or b""
                self.transport.pop(size)
                self.engine.push(data)
                moved = True


@pytest.mark.parametrize("settled", [True, False])
async def test_a_word_on_a_message_that_is_not_whole_yet(settled: bool) -> None:
    """It is heard when the message is whole, or at once from a peer that takes no more of it: the rest is then not sent.
    The next message follows."""
    peer = Peer()
    sender, link = peer.attach(2)
    body = bytes(3 * PIECE)
    outcomes = [sender.post(AmqpMessage(body=each)) for each in (body, b"after")]
    peer.exchange()
    first = link.current
    assert first is not None
    assert first.partial
    first.update(proton.Delivery.REJECTED)
    if settled:
        first.settle()
    peer.exchange()
    assert outcomes[0].done() is settled
    read = 0
    while not settled and (first.partial or first.pending):
        read += len(link.recv(1 << 20) or b"")
        peer.exchange()
    if not settled:
        assert read > len(body)
        link.advance()
    peer.exchange()
    assert (await outcomes[0]).outcome is Outcome.REJECTED
    assert link.current is not None
    assert b"after" in (link.recv(1000) or b"")
    link.current.update(proton.Delivery.ACCEPTED)
    peer.exchange()
    assert (await outcomes[1]).outcome is Outcome.ACCEPTED
