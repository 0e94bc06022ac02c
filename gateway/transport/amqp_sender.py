"""AMQP links on which we send, and what becomes of the messages. On proton's C functions."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from itertools import count
from typing import Protocol

import msgspec
import proton
from cproton import PN_ACCEPTED, PN_MODIFIED, PN_REJECTED, PN_RELEASED, lib, pn_delivery, pn_link_send

from gateway.core.errors import NotConnected
from gateway.transport.amqp_message import AmqpMessage, encode

MAX_REPLIES = 256
"""Replies that wait for a peer's credit, per link; more are dropped: it asked and does not listen."""

PIECE = 262_144
"""Of a longer message, so much is given to proton at once: with every frame, it moves all that it still has of one."""


class Changing(Protocol):
    """What a sender needs of its connection."""

    def touch(self) -> None:
        """There are local changes."""


class Outcome(StrEnum):
    """What became of a message that we sent (part 3, 3.4)."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RELEASED = "released"
    MODIFIED = "modified"


class Sent(msgspec.Struct, frozen=True):
    """The peer's word on a message. `condition`: its reason for a rejection, quoted."""

    outcome: Outcome
    condition: str | None = None


_OUTCOMES = {
    PN_ACCEPTED: Outcome.ACCEPTED,
    PN_REJECTED: Outcome.REJECTED,
    PN_RELEASED: Outcome.RELEASED,
    PN_MODIFIED: Outcome.MODIFIED,
}


class Sender:
    """A link on which we send."""

    def __init__(self, engine: Changing, link: proton.Sender, address: str) -> None:
        self.engine = engine
        self.link = link
        self.address = address
        self.names = frozenset({address})
        """Addresses that a reply-to may mean by this link."""
        self.alive = True
        self.dropped = 0
        """Replies that found no room."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._impl = link._impl
        self._tags = count(1)
        self._waiting: deque[tuple[bytes, asyncio.Future[Sent] | None]] = deque()
        self._sent: dict[object, asyncio.Future[Sent]] = {}
        self._open: object = None
        self._rest = memoryview(b"")
        """Of a message that has been begun, and its delivery."""
        self._reason = ""

    def attached(self) -> None:
        if self.link.remote_target.type != proton.Terminus.UNSPECIFIED and not self.ready.done():
            self.ready.set_result(None)

    def die(self, reason: str) -> None:
        self.alive = False
        self._reason = reason
        fail(self.ready, reason)
        for future in (*self._sent.values(), *(future for _, future in self._waiting)):
            if future is not None:
                fail(future, reason)
        self._sent.clear()
        self._waiting.clear()
        self._rest = memoryview(b"")

    def post(self, message: AmqpMessage) -> asyncio.Future[Sent]:
        """Send when the peer has given credit; the future has its word. In the order of the calls.

        The future fails with NotConnected when the link ends first: then nobody knows whether the message arrived.
        """
        future: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        if not self.alive:
            fail(future, self._reason)
            return future
        self._waiting.append((encode(message), future))
        self.flow()
        return future

    async def send(self, message: AmqpMessage) -> Sent:
        """`post`, and wait for the peer's word."""
        return await self.post(message)

    def answer(self, message: AmqpMessage) -> None:
        """Send without asking what became of it."""
        if not self.alive or len(self._waiting) >= MAX_REPLIES:
            self.dropped += 1
            return
        self._waiting.append((encode(message), None))
        self.flow()

    def flow(self) -> None:
        """There may be credit for what waits."""
        while self._waiting and self.alive and not self._rest and lib.pn_link_credit(self._impl) > 0:
            data, future = self._waiting.popleft()
            if future is not None and future.cancelled():
                continue
            delivery = self._open = pn_delivery(self._impl, next(self._tags).to_bytes(8))
            if future is not None:
                self._sent[delivery] = future
            self._give(memoryview(data))
            self.engine.touch()
        if not self._waiting and not self._rest and self.alive:
            lib.pn_link_drained(self._impl)  # gives credit back to a peer that asks for it; else it does nothing

    def go_on(self) -> None:
        """Give proton more of the message that has been begun, once it has sent what it had of it."""
        if self._rest and lib.pn_delivery_pending(self._open) == 0:
            self._give(self._rest)
            if not self._rest and self._open in self._sent:
                self.updated(self._open)
            self.flow()

    def _give(self, data: memoryview) -> None:
        piece, self._rest = data[:PIECE], data[PIECE:]
        pn_link_send(self._impl, piece)
        if self._rest:
            return
        lib.pn_link_advance(self._impl)
        if self._open not in self._sent and self.link.remote_snd_settle_mode != proton.Link.SND_UNSETTLED:
            lib.pn_delivery_settle(self._open)

    def updated(self, delivery: object) -> None:
        """The peer said something about a delivery. About one that it has not got whole it is heard when it has, or when it
        will take no more of it."""
        if not self.alive or not lib.pn_delivery_updated(delivery):
            return
        state, settled = lib.pn_delivery_remote_state(delivery), lib.pn_delivery_settled(delivery)
        outcome, begun = _OUTCOMES.get(state), bool(self._rest) and delivery == self._open
        if not settled and (begun or outcome is None):
            return
        future = self._sent.pop(delivery, None)
        if future is not None and not future.done():
            # Settled without a state: it gave up on saying (2.6.12), so the message counts as not delivered.
            future.set_result(Sent(outcome or Outcome.RELEASED, self._rejection(delivery, state)))
        if begun:
            self._rest = memoryview(b"")
            lib.pn_delivery_abort(delivery)
            self.flow()
        else:
            lib.pn_delivery_settle(delivery)
        self.engine.touch()

    def _rejection(self, delivery: object, state: int) -> str | None:
        if state != PN_REJECTED:
            return None
        wrapped = proton.Delivery.wrap(delivery)  # type: ignore[no-untyped-call]
        return describe(wrapped.remote.condition)


def fail(future: asyncio.Future[None] | asyncio.Future[Sent], reason: str) -> None:
    """End a future with NotConnected; nobody has to look at it."""
    if not future.done():
        future.set_exception(NotConnected(reason))
        future.exception()


def describe(condition: proton.Condition | None) -> str | None:
    """What a peer gave as its reason. Its words go to logs: quoted, and not all of them if there are many."""
    if condition is None:
        return None
    name = str(condition.name)[:80]
    return f"{name}: {condition.description[:400]!r}" if condition.description else name
