"""Machines that publish to an MQTT broker, as they were captured: the same payloads on the same topics, in order.

What cannot be repeated: the flag that says that the broker sends something again (DUP), which is the broker's own word, and
that a message had been kept by it (RETAIN).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.core.errors import NotConnected
from gateway.core.frame import Frame
from gateway.transport.mqtt import Options, PublishRefused, Session, session
from gateway.transport.mqtt_options import Version
from simulators.replay.actor import Role, Stage, Unplayable
from simulators.replay.broker import BehindBroker
from simulators.replay.sending import Say

log = logging.getLogger(__name__)

_ALONE_S = 0.05
"""Until a message that nobody was there for is published again."""


class MqttActor(BehindBroker):
    """Who subscribes shows with the first message: one that nobody takes is said again."""

    def __init__(self, role: Role, stage: Stage) -> None:
        super().__init__(role, stage)
        self._version: Version = "5"
        self._heard = False
        self._alone = asyncio.Lock()

    def _look(self, frame: Frame, peer: str | None) -> None:
        if "size" in frame.meta:
            raise Unplayable("of a message that was too large only the beginning was captured")

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Say]:
        async with AsyncExitStack() as stack:
            try:
                broker = await stack.enter_async_context(session(self._options(), name=self._name))
            except NotConnected:
                # Perhaps one that knows only the older MQTT, and does not tell whether anybody listens: the next attempt
                # is with the other of the two.
                self._version = "3.1.1" if self._version == "5" else "5"
                raise
            yield self._saying(broker)

    def _saying(self, broker: Session) -> Say:
        async def say(frame: Frame) -> None:
            async with self._alone:  # in order, also where the first has to be said again
                if not self._heard:
                    while not await _published(broker, frame):  # noqa: ASYNC110, brokers tell nobody
                        await asyncio.sleep(_ALONE_S)
                    self._heard = True
                    return
            await _published(broker, frame)

        return say

    def _options(self) -> Options:
        return Options(host=self._host, port=self._port, version=self._version, clean=True, connect_timeout_s=5.0)


async def _published(broker: Session, frame: Frame) -> bool:
    try:
        return await broker.publish(frame.channel, frame.payload, qos=1)
    except PublishRefused as error:  # it would be again
        log.warning("%s: left out: %s", frame.connection, error)
        return True
