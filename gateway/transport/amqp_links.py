"""AMQP links on which we receive, and the deliveries on them. On proton's C functions."""

from __future__ import annotations

import asyncio
from typing import Protocol

import proton
from cproton import (
    PN_ACCEPTED,
    ffi,
    lib,
)

from gateway.transport.amqp_message import AmqpMessage, decode
from gateway.transport.amqp_sender import Sender, fail
from gateway.transport.amqp_types import MalformedError

OVERRUN = 2
"""How often the credit a peer may send. RabbitMQ 3.10 overruns it now and then (28 above 300 seen), so a little more is no
offence. Beyond this a broker is left unread until we have acknowledged, and a machine's connection ends."""


SCRATCH = 65_536
"""Bytes of a delivery that are read without taking memory for them first; C memory, which is handed on as it is."""


class Engine(Protocol):
    """What a link needs of its connection."""

    used: int
    scratch: object
    senders: dict[object, Sender]

    @property
    def credit(self) -> int: ...
    @property
    def max_message(self) -> int: ...
    @property
    def serving(self) -> bool: ...

    def touch(self) -> None: ...
    def over_budget(self) -> bool: ...
    def stall(self, receiver: Receiver) -> None: ...
    def accept(self, message: Received) -> None: ...
    def hand_over(self, message: Received) -> None: ...
    def violated(self, name: str, text: str) -> None: ...


def link_of(event: object) -> proton.Receiver | proton.Sender:
    """Of an event about a link."""
    link: proton.Receiver | proton.Sender = proton.Link.wrap(lib.pn_event_link(event))  # type: ignore[no-untyped-call]
    return link


def session_of(event: object) -> proton.Session:
    """Of an event about a session."""
    session: proton.Session = proton.Session.wrap(lib.pn_event_session(event))  # type: ignore[no-untyped-call]
    return session


class Received:
    """One complete delivery, unsettled until `accept`.

    message: None when the bytes are no AMQP message; then `problem` says why and `raw` are those bytes.
    size: of the whole delivery in bytes; truncated: no more than the first `held` of them were kept.
    settled: the peer sent it settled, so that it will not send it again whatever we say.
    """

    __slots__ = ("_delivery", "_done", "held", "message", "problem", "raw", "receiver", "settled", "size")

    def __init__(self, receiver: Receiver, delivery: object, raw: bytes, size: int) -> None:
        self.receiver = receiver
        self.size = size
        self.held = len(raw)
        self.raw = raw
        self.settled = bool(lib.pn_delivery_settled(delivery))
        self.problem: str | None = None
        self.message: AmqpMessage | None = None
        self._delivery = delivery
        self._done = False
        try:
            self.message = decode(raw, truncated=size > len(raw))
            self.raw = b""
        except MalformedError as error:
            self.problem = str(error)

    @property
    def truncated(self) -> bool:
        return self.size > self.held

    def accept(self) -> None:
        """Tell the peer that we own it. Does nothing the second time, and nothing once the link is gone."""
        if not self._done:
            self._done = True
            self.receiver.engine.accept(self)

    def settle(self) -> bool:
        """The disposition itself; only the engine calls it. False when the link is gone, and with it the delivery."""
        if not self.receiver.alive:
            return False
        lib.pn_delivery_update(self._delivery, PN_ACCEPTED)
        lib.pn_delivery_settle(self._delivery)
        self.receiver.unacknowledged -= 1
        self.receiver.owed += 1
        return True

    @property
    def can_reply(self) -> bool:
        """Whether the peer left a way back: an address to reply to, or a link of its own to receive on."""
        return bool(self.receiver.engine.senders) or (self.message is not None and self.message.reply_to is not None)

    def reply(self, body: bytes) -> None:
        """Answer on the peer's link for this reply-to, else on any it receives on; without one nobody listens.

        Uncompressed and with the request's correlation-id, as the CFX SDK's listener answers.
        """
        asked = self.message
        if asked is None:
            return
        senders = self.receiver.engine.senders.values()
        named = (sender for sender in senders if asked.reply_to is not None and asked.reply_to in sender.names)
        sender = next(named, None) or next(iter(senders), None)
        if sender is None:
            return
        correlation = asked.message_id if asked.correlation_id is None else asked.correlation_id
        content_type = 'application/json; charset="utf-8"'
        sender.answer(
            AmqpMessage(
                body=body,
                durable=False,
                to=asked.reply_to,
                correlation_id=correlation,
                content_type=content_type,
            )
        )


class Receiver:
    """A link on which the peer sends."""

    def __init__(self, engine: Engine, link: proton.Receiver, address: str) -> None:
        self.engine = engine
        self.link = link
        self.address = address
        self.alive = True
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.unacknowledged = 0
        self.owed = 0
        self.partial: bytearray | None = None
        """The beginning of a delivery of which more is to come."""
        self._size = 0
        self._impl = link._impl
        self._batch = max(1, engine.credit // 4)

    def attached(self) -> None:
        """The peer's Attach has come. One without a source announces the Detach that says why."""
        if self.link.remote_source.type != proton.Terminus.UNSPECIFIED and not self.ready.done():
            self.ready.set_result(None)
            self.grant(self.engine.credit)

    def die(self, reason: str) -> None:
        self.alive = False
        if self.partial is not None:
            self.engine.used -= len(self.partial)
            self.partial = None
        fail(self.ready, reason)

    def grant(self, credit: int) -> None:
        lib.pn_link_flow(self._impl, credit)
        self.engine.touch()

    def replenish(self) -> None:
        """Credit goes back in lots, so that a slow trickle does not cost a frame for every message."""
        if self.alive and (self.owed >= self._batch or self.unacknowledged == 0):
            lib.pn_link_flow(self._impl, self.owed)
            self.owed = 0

    def drain(self) -> None:
        """Take all that has arrived, as far as the budget of the connection goes."""
        engine, impl = self.engine, self._impl
        scratch = engine.scratch
        most = OVERRUN * engine.credit
        while self.alive and (delivery := lib.pn_link_current(impl)):
            if engine.over_budget() or (self.unacknowledged >= most and not engine.serving):
                engine.stall(self)
                return
            taken = lib.pn_link_recv(impl, scratch, SCRATCH)
            if taken == 0:
                return  # more is to come, and none of it is here
            if taken < 0 and lib.pn_delivery_aborted(delivery):
                self._abort(delivery)
                continue
            chunk = ffi.unpack(scratch, taken) if taken > 0 else b""
            if taken == SCRATCH:
                chunk += self._rest(lib.pn_delivery_pending(delivery))
            if lib.pn_delivery_partial(delivery):
                self._keep(chunk)
                return
            lib.pn_link_advance(impl)
            self._complete(delivery, chunk)

    def _rest(self, waiting: int) -> bytes:
        """Of a delivery with more bytes than the scratch takes."""
        memory = ffi.new("char[]", waiting)
        return bytes(ffi.buffer(memory, max(lib.pn_link_recv(self._impl, memory, waiting), 0)))

    def _keep(self, chunk: bytes) -> None:
        if self.partial is None:
            self.partial = bytearray()
            self._size = 0
        kept = chunk[: self.engine.max_message - len(self.partial)]
        self.partial += kept
        self._size += len(chunk)
        self.engine.used += len(kept)

    def _complete(self, delivery: object, chunk: bytes) -> None:
        engine = self.engine
        if self.partial is None and len(chunk) <= engine.max_message:
            raw, size = chunk, len(chunk)
            engine.used += size
        else:
            self._keep(chunk)
            assert self.partial is not None
            raw, size = bytes(self.partial), self._size
            self.partial = None
        self.unacknowledged += 1
        if self.unacknowledged > OVERRUN * engine.credit and engine.serving:
            engine.used -= len(raw)
            # proton counts credit down and below zero without a word.
            engine.violated("amqp:link:transfer-limit-exceeded", "more deliveries than credit")
            return
        engine.hand_over(Received(self, delivery, raw, size))

    def _abort(self, delivery: object) -> None:
        """The peer takes back a delivery that it had begun: it never was, and its credit is used up."""
        lib.pn_delivery_settle(delivery)
        if self.partial is not None:
            self.engine.used -= len(self.partial)
            self.partial = None
        self.grant(1)
