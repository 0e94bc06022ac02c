"""The conversation with a broker, kept by paho-mqtt, without a socket: bytes come in by `feed`, go out by `write`.

paho's own loops block a thread or wake the event loop for every message, and its reading of a PUBLISH costs 20 µs
(3.1.1) to 40 µs (5). So here it only connects, subscribes, publishes and understands the answers; what the broker
publishes never passes through it. `Client._create_socket` is the one private name of paho that is used, which is why
pyproject.toml pins its version.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.transport.mqtt_options import Options
from gateway.transport.mqtt_packets import Malformed

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

_NO_ID_TAKEN = 0
_KEPT_UNLESS_KNOWN = 1  # MQTT 5, clause 3.8.3.1: retained messages only for a subscription that is new


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a CONNACK says that lets us in. Limits are the broker's, None where it names none (always in 3.1.1)."""

    session_present: bool
    keepalive_s: int | None = None
    receive_maximum: int | None = None
    largest_packet: int | None = None


class Listener(Protocol):
    """Who hears the broker's answers."""

    def welcomed(self, welcome: Welcome) -> None:
        """CONNACK: we are in."""

    def refused(self, code: str, told: str) -> None:
        """CONNACK: we are not. `told` is what the broker adds in words, or empty."""

    def granted(self, packet_id: int, codes: Sequence[ReasonCode]) -> None:
        """SUBACK, a code per filter: the granted QoS, or from 128 on why not."""

    def confirmed(self, packet_id: int, code: ReasonCode) -> None:
        """PUBACK; for QoS 0 as soon as it is written."""

    def dismissed(self, code: str, told: str) -> None:
        """The broker says that it is going to close the connection (MQTT 5)."""


class _Pipe:
    """What paho takes for its socket."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._packet = b""
        self._at = 0

    def put(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0

    def recv(self, buffer_size: int) -> bytes:
        piece = self._packet[self._at : self._at + buffer_size]
        if not piece:
            raise BlockingIOError
        self._at += len(piece)
        return piece

    def send(self, buffer: bytes | bytearray) -> int:
        self._write(bytes(buffer))
        return len(buffer)

    def close(self) -> None:
        self._packet = b""

    def fileno(self) -> int:
        return -1

    def setblocking(self, flag: bool) -> None:
        pass


class _Client(paho.Client):
    def __init__(self, pipe: _Pipe, options: Options) -> None:
        self._pipe = pipe
        five = options.version == "5"
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=None if five else options.clean,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )

    def _create_socket(self) -> SocketLike:
        return self._pipe


class Talk:
    """One conversation, from CONNECT to the end. Everything is called on one thread."""

    def __init__(self, options: Options, listener: Listener, write: Callable[[bytes], None]) -> None:
        self._options = options
        self._five = options.version == "5"
        self._listener = listener
        self._pipe = _Pipe(write)
        client = self._client = _Client(self._pipe, options)
        client.max_inflight_messages = 0  # the session itself counts what is under way
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect

    def connect(self) -> None:
        """Say CONNECT. Raises whatever `options.password` does."""
        options = self._options
        properties = None
        clean_start: bool | Literal[3] = paho.MQTT_CLEAN_START_FIRST_ONLY  # means nothing in 3.1.1
        if self._five:
            clean_start = options.clean
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0 if options.clean else options.session_expiry_s
            properties.ReceiveMaximum = options.receive_maximum
        self._client.username = options.user
        self._client.password = None if options.password is None else options.password()
        self._client.connect(
            options.host,
            options.port,
            keepalive=min(65_535, math.ceil(options.keepalive_s)),
            clean_start=clean_start,
            properties=properties,
        )

    def feed(self, packet: bytes) -> None:
        """A whole control packet of the broker; calls the listener. Raises Malformed."""
        if packet[0] == 0x20 and len(packet) == 4 and packet[3] == 1:
            # Unacceptable protocol version, in the form of 3.1.1. paho would answer it with an older version.
            self._listener.refused("Unsupported protocol version", "")
            return
        self._pipe.put(packet)
        code = self._client.loop_read()
        if code not in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_CONN_REFUSED):
            raise Malformed(f"a packet of type {packet[0] >> 4}: {paho.error_string(code)}")

    def subscribe(self, filters: Sequence[str], qos: int) -> int:
        """The packet id under which `granted` will come."""
        wanted: list[tuple[str, Any]] = [(text, self._wanted(qos)) for text in filters]
        _, packet_id = self._client.subscribe(wanted)
        return packet_id or _NO_ID_TAKEN

    def _wanted(self, qos: int) -> SubscribeOptions | int:
        return SubscribeOptions(qos, retainHandling=_KEPT_UNLESS_KNOWN) if self._five else qos

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> int:
        """The packet id under which `confirmed` will come, for QoS 1. Raises ValueError for a topic that is none."""
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise ValueError(f"cannot publish on {topic!r}: {paho.error_string(info.rc)}")
        return info.mid

    def disconnect(self) -> None:
        """Say DISCONNECT, which keeps the session if it is a persistent one."""
        self._client.disconnect()

    # paho's callbacks

    def _on_connect(
        self, client: Any, userdata: Any, flags: paho.ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._listener.refused(code.getName(), _told(properties))
            return
        self._listener.welcomed(
            Welcome(
                session_present=flags.session_present,
                keepalive_s=getattr(properties, "ServerKeepAlive", None),
                receive_maximum=getattr(properties, "ReceiveMaximum", None),
                largest_packet=getattr(properties, "MaximumPacketSize", None),
            )
        )

    def _on_subscribe(
        self, client: Any, userdata: Any, packet_id: int, codes: list[ReasonCode], properties: Properties
    ) -> None:
        self._listener.granted(packet_id, codes)

    def _on_publish(self, client: Any, userdata: Any, packet_id: int, code: ReasonCode, properties: Properties) -> None:
        self._listener.confirmed(packet_id, code)

    def _on_disconnect(
        self, client: Any, userdata: Any, flags: paho.DisconnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._listener.dismissed(code.getName(), _told(properties))


def _told(properties: Properties | None) -> str:
    """What the broker adds in words, and the other server that it may name."""
    said = [str(getattr(properties, name)) for name in ("ReasonString", "ServerReference") if hasattr(properties, name)]
    return ", ".join(repr(text) for text in said)
