"""IPC-CFX over MQTT: the machines publish their envelopes to a broker, and we subscribe.

Payload of a frame: the MQTT payload as received. Channel: the topic, which is only routing; what counts is in the
envelope. See docs/cfx-mqtt.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from adapters.cfx_mqtt_settings import CfxMqttConnection
from gateway.cfx import envelope
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice
from gateway.core.observation import Observation
from gateway.transport import mqtt

__all__ = ["CfxMqttAdapter", "CfxMqttConnection"]


class CfxMqttAdapter:
    """One `[[connection]]` of protocol `cfx-mqtt`; implements gateway.core.adapter.Adapter.

    name: of the connection. gateway: name of the gateway, which is part of the client id.
    """

    protocol = "cfx-mqtt"

    def __init__(self, settings: CfxMqttConnection, name: str, gateway: str) -> None:
        self.settings = settings
        self.client_id = settings.client_id or f"lineside-{gateway}-{name}"
        self._name = name
        self._limits = envelope.Limits(frame=settings.max_payload_bytes, payload=settings.max_payload_bytes)

    @property
    def name(self) -> str:
        return self._name

    @property
    def basis(self) -> Basis:
        """With QoS 1 the broker keeps what is published while we are away; with QoS 0 nobody does."""
        return Basis.DURABLE_BROKER if self.settings.qos else Basis.HEARTBEAT_ONLY

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        try:
            options = self._options()
        except ConfigError as error:
            # A file with a password or a certificate that cannot be used now may be there at the next attempt.
            raise NotConnected("; ".join(error.problems)) from error
        async with mqtt.session(options, name=self._name) as session:
            await session.subscribe(self.settings.topics, self.settings.qos)
            yield session.inbox

    def _options(self) -> mqtt.Options:
        settings = self.settings
        password = None if settings.password is None else settings.password.reveal()
        return mqtt.Options(
            host=settings.host,
            port=settings.effective_port,
            client_id=self.client_id,
            version=settings.version,
            clean=settings.qos == 0,
            user=settings.user,
            password=None if password is None else lambda: password,
            tls=None if settings.tls is None else settings.tls.context(),
            session_expiry_s=settings.session_expiry_s,
            receive_maximum=settings.receive_maximum,
            keepalive_s=settings.keepalive_s,
            connect_timeout_s=settings.connect_timeout_s,
            close_timeout_s=settings.close_timeout_s,
            buffer_bytes=settings.buffer_bytes,
            largest_payload=settings.max_payload_bytes,
        )

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The envelopes of one payload: one, or an array of them."""
        size = frame.meta.get("size")
        if size is not None:
            raise DecodeError("too-large", f"a payload of {size} bytes; allowed: {self.settings.max_payload_bytes}")
        # Only gzip is told on: the reader looks for itself where the publisher says nothing or something else.
        encoding = frame.meta.get("content_encoding")
        gzip = True if isinstance(encoding, str) and encoding.lower() == "gzip" else None
        return envelope.read(frame.payload, limits=self._limits, gzip=gzip)
