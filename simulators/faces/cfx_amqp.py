"""The AMQP 1.0 face of a simulated CFX machine: point to point, in the manner of the CFX SDK.

It connects, attaches one sender link, and sends each stored message until it has been taken; the next one after
that, so that the order is kept through every failure. Properties are those that the SDK sets.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.core.errors import NotConnected
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome
from simulators.outbox import Outbox, Outgoing, Send, Taken, forward, ignore

_GZIP = 16 + zlib.MAX_WBITS


def gzipped(payload: bytes) -> bytes:
    """gzip without a time or name in it: the same payload gives the same bytes."""
    packer = zlib.compressobj(wbits=_GZIP)
    return packer.compress(payload) + packer.flush()


def message(outgoing: Outgoing, *, gzip: bool = True) -> AmqpMessage:
    """An event as the SDK encodes it: subject `{Source}.{MessageName}`, the routing facts as `cfx-*` properties."""
    return AmqpMessage(
        body=gzipped(outgoing.payload) if gzip else outgoing.payload,
        message_id=outgoing.unique_id,
        subject=f"{outgoing.source}.{outgoing.name}",
        reply_to=outgoing.source,
        content_type='application/json; charset="utf-8"',
        content_encoding="gzip" if gzip else None,
        creation_time=outgoing.at // 1000,
        application_properties={
            "cfx-topic": outgoing.name.rpartition(".")[0],
            "cfx-message": outgoing.name,
            "cfx-handle": outgoing.source,
            "cfx-target": None,
        },
    )


class CfxAmqpFace(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and sending of one machine.

    address: of the listener's node; a machine may be told any, so the default is a name that says what it is for.
    user, password: SASL PLAIN, without them ANONYMOUS. gzip: the SDK's default codec. retry_s: pause after every failure. window: messages on their way at once; the
    SDK sends one at a time.
    """

    handle: str
    host: str
    port: int = 5672
    address: str = "cfx"
    user: str | None = None
    password: str | None = None
    gzip: bool = True
    retry_s: float = 1.0
    window: int = 1
    connect_timeout_s: float = 5.0

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        """Sends what comes into the outbox until cancelled, through every failure of the listener."""
        await forward(outbox, self._connect, name=self.handle, retry_s=self.retry_s, window=self.window, taken=taken)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Send]:
        endpoint = Endpoint(host=self.host, port=self.port, user=self.user, password=self.password)
        options = Options(container_id=self.handle)
        async with connect(endpoint, options, connect_timeout_s=self.connect_timeout_s) as client:
            sender = await client.sender(self.address)

            async def send(outgoing: Outgoing) -> None:
                sent = await sender.send(message(outgoing, gzip=self.gzip))
                if sent.outcome is not Outcome.ACCEPTED:
                    raise NotConnected(f"{outgoing.name} was {sent.outcome}: {sent.condition}")

            yield send
