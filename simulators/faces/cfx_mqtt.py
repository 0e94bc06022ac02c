"""The MQTT face of a simulated CFX machine.

CFX defines no MQTT transport; this is how the machines in the field do it whose messages a RabbitMQ bridges: the
topic is the AMQP subject with slashes for dots (`Vendor/Model/Serial/CFX/Production/WorkStarted`), the payload the
envelope, QoS 1, nothing retained.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.core.errors import NotConnected
from gateway.transport.mqtt import Options, PublishRefused, session
from simulators.outbox import Outbox, Outgoing, Send, Taken, forward, ignore


def topic(handle: str, name: str) -> str:
    """Where a message called `name` of the machine `handle` is published."""
    return f"{handle}.{name}".replace(".", "/")


class CfxMqttFace(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and sending of one machine.

    host, port: of the broker. retry_s: pause after every failure. window: messages on their way at once.
    """

    handle: str
    host: str
    port: int = 1883
    retry_s: float = 1.0
    window: int = 20
    connect_timeout_s: float = 5.0

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        """Publishes what comes into the outbox until cancelled, through every failure of the broker."""
        await forward(outbox, self._connect, name=self.handle, retry_s=self.retry_s, window=self.window, taken=taken)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Send]:
        # A clean session: what was not confirmed is sent again from the outbox, and we subscribe to nothing.
        options = Options(
            host=self.host,
            port=self.port,
            client_id=self.handle,
            clean=True,
            connect_timeout_s=self.connect_timeout_s,
            window=self.window,
        )
        async with session(options, name=self.handle) as broker:

            async def send(outgoing: Outgoing) -> None:
                try:
                    await broker.publish(topic(outgoing.source, outgoing.name), outgoing.payload, qos=1)
                except PublishRefused as error:
                    raise NotConnected(str(error)) from error

            yield send
