"""IPC-HERMES-9852, vertical channel: a machine tells of boards that come in and go out, and which they are.

Payload of a frame: one message, from `<Hermes` to `</Hermes>`, as it came. Channel: the station. Metadata: `size`, where
the message was too large and the payload is only its beginning. See docs/hermes.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.hermes_messages import record
from adapters.hermes_settings import HermesConnection
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation
from gateway.profile.bound import Machine
from gateway.transport.hermes import MOST_BYTES, Malformed, parse
from gateway.transport.hermes_session import Options, session


class HermesAdapter:
    """One `[[connection]]` of protocol `hermes-vertical`; implements gateway.core.adapter.Adapter.

    gateway: its name, for what the machine sees of us. Raises ConfigError unless exactly one station is on it.
    """

    protocol = "hermes-vertical"
    basis = Basis.HEARTBEAT_ONLY
    """Nobody keeps what a machine tells while we are away."""

    def __init__(self, settings: HermesConnection, gateway: str, machines: Sequence[Machine]) -> None:
        if len(machines) != 1:
            raise ConfigError([f"{settings.name}: {len(machines)} stations are on it; allowed: one"])
        self.settings = settings
        self._machine = machines[0]
        self._options = Options(
            host=settings.host,
            port=settings.port,
            system_id=settings.system_id or f"lineside-{gateway}",
            connect_timeout_s=settings.connect_timeout_s,
            handshake_timeout_s=settings.handshake_timeout_s,
            alive_s=settings.alive_s,
            answer_timeout_s=settings.answer_timeout_s,
            buffer_bytes=settings.buffer_bytes,
        )

    @property
    def name(self) -> str:
        return self.settings.name

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering succeeds when the machine has said that it tracks boards."""
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        async with session(self._options, name=self.name, channel=self._machine.station) as opened:
            yield opened.inbox

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The board that has come or gone; nothing for any other message."""
        size = frame.meta.get("size")
        if size is not None:
            raise DecodeError("too-large", f"a message of {size} bytes; allowed: {MOST_BYTES}")
        try:
            found = record(parse(frame.payload), self._machine, frame.received, self.settings.first_transfer)
        except Malformed as error:
            raise DecodeError(error.reason, str(error)) from error
        return () if found is None else (found,)
