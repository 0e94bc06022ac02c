"""MQTT out of a network capture: what a broker sent to somebody who subscribed, or machines to the broker."""

from __future__ import annotations

from collections import Counter
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.reader import Context, Role, Unreadable
from gateway.transport.mqtt import frame_meta
from gateway.transport.mqtt_packets import Malformed, Splitter, variable
from gateway.transport.mqtt_topics import overlap

_CONNECT = 1
_TOPIC_ALIAS = 0x23
_BESIDE_PAYLOAD = 128 << 10
_FLAGS = {1: 0, 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 8: 2, 9: 0, 10: 2, 11: 0, 12: 0, 13: 0, 14: 0, 15: 0}
"""Low half of the first byte of a packet, by its type (MQTT 5.0, 2.1.3); a PUBLISH has its own."""


class MqttReader:
    """What a broker sends goes to whoever subscribed; a client that is a machine only publishes. The version is in the
    client's CONNECT, or, where that is not in the file, as configured."""

    def __init__(self, context: Context) -> None:
        settings: Any = context.settings
        self.told: Counter[str] = Counter()
        self.role = Role.OTHER
        self.client = ""
        self._emit = context.emit
        self._ours = settings.client_id or f"lineside-{context.gateway}-{settings.name}"
        self._filters = [_unshared(each) for each in settings.topics]
        self._largest = settings.max_payload_bytes + _BESIDE_PAYLOAD
        self._five = settings.version == "5"
        self._at: Micros = 0
        self._of_client = False
        self._aliases: dict[tuple[bool, int], str] = {}
        self._splitters = {True: self._splitter(), False: self._splitter()}
        self._lost = {True: context.joined, False: context.joined}

    def _splitter(self) -> Splitter:
        return Splitter(five=self._five, largest=self._largest, publish=self._published, control=self._control)

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        self._at, self._of_client = at, of_client
        if self._lost[of_client]:
            begin = _boundary(data)
            if begin is None:
                self.told["bytes before the first packet that is whole"] += len(data)
                return
            if begin:
                self.told["bytes before the first packet that is whole"] += begin
            data = data[begin:]
            self._lost[of_client] = False
        elif of_client and not self.client and data[:1] == b"\x10":
            self._connect(data)
        try:
            self._splitters[of_client].feed(data)
        except Malformed as error:
            self.told[f"no MQTT {'5' if self._five else '3.1.1'}: {error}"] += 1
            self._again(of_client)

    def missing(self, count: int, *, of_client: bool) -> None:
        self._again(of_client)

    def _again(self, of_client: bool) -> None:
        self._splitters[of_client] = self._splitter()
        self._lost[of_client] = True

    def _connect(self, data: bytes) -> None:
        """Of the first packet the version is needed before anything is read by it (3.1.2.2)."""
        at = 1
        while at < len(data) and data[at] & 0x80:
            at += 1
        name = int.from_bytes(data[at + 1 : at + 3])
        if data[at + 3 : at + 3 + name] not in (b"MQTT", b"MQIsdp") or len(data) < at + name + 4:
            raise Unreadable("no MQTT: it does not begin with CONNECT")
        five = data[at + 3 + name] == 5
        if five != self._five:
            self._five = five
            self._splitters = {True: self._splitter(), False: self._splitter()}

    def _control(self, packet: bytes) -> None:
        if packet[0] >> 4 == _CONNECT:
            self.client = _client_id(packet)
            if self.client == self._ours:
                self.role = Role.OURS

    def _published(
        self, first: int, topic: str, packet_id: bytes, properties: bytes, payload: bytes, size: int
    ) -> None:
        if self._five and properties:
            known = self._named(topic, properties)
            if known is None:
                self.told["messages whose topic was named before the file begins"] += 1
                return
            topic = known
        if self._of_client:
            if self.role is Role.OURS:
                return
            if not any(overlap(each, topic) for each in self._filters):
                self.told["messages of topics that are not subscribed to"] += 1
                return
            self.role = Role.MACHINE
            first &= ~0x01  # a broker says of old messages alone that it had kept them
        elif self.role is Role.MACHINE or not any(overlap(each, topic) for each in self._filters):
            self.told["messages to a machine, or of topics that are not subscribed to"] += 1
            return
        try:
            meta = frame_meta(first, properties, payload, size)
        except Malformed as error:
            self.told[f"a message that makes no sense: {error}"] += 1
            return
        wire = Wire(topic, payload, first & 0x08 != 0, meta, acknowledged=bool(packet_id))
        self._emit(self._at, wire)

    def _named(self, topic: str, properties: bytes) -> str | None:
        """By its alias (MQTT 5.0, 3.3.2.3.4)."""
        alias = _alias(properties)
        if alias is None:
            return topic
        if topic:
            self._aliases[self._of_client, alias] = topic
        return topic or self._aliases.get((self._of_client, alias))


def _alias(properties: bytes) -> int | None:
    if bytes((_TOPIC_ALIAS,)) not in properties:
        return None
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    try:
        found.unpack(variable(len(properties)) + properties)  # type: ignore[no-untyped-call]
    except (MQTTException, ValueError, IndexError, KeyError):
        return None
    alias = getattr(found, "TopicAlias", None)
    return alias if isinstance(alias, int) else None


def _client_id(packet: bytes) -> str:
    """Behind protocol name, level, flags, keep alive and, in version 5, properties (3.1.3.1)."""
    at = 1
    while packet[at] & 0x80:
        at += 1
    at += 1
    at += 2 + int.from_bytes(packet[at : at + 2])
    five, at = packet[at] == 5, at + 4
    if five:
        size = shift = 0
        while True:
            byte = packet[at]
            at, size, shift = at + 1, size | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        at += size
    length = int.from_bytes(packet[at : at + 2])
    return packet[at + 2 : at + 2 + length].decode(errors="replace")


def _unshared(text: str) -> str:
    return text.split("/", 2)[2] if text.startswith("$share/") else text


def _boundary(data: bytes) -> int | None:
    """Where packets begin in the middle of a stream: from there on one follows the other to the end of these bytes."""
    for begin in range(len(data)):
        if _is_packet(data, begin) and _chain(data, begin):
            return begin
    return None


def _chain(data: bytes, at: int) -> bool:
    whole = 0
    while at < len(data):
        if not _is_packet(data, at):
            return False
        size = shift = 0
        head = at + 1
        while True:
            if head >= len(data):
                return whole > 0
            byte = data[head]
            head, size, shift = head + 1, size | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
            if shift > 21:
                return False
        at = head + size
        whole += at <= len(data)
    return whole > 0


def _is_packet(data: bytes, at: int) -> bool:
    """Whether it may begin one, by its first bytes."""
    kind, flags = data[at] >> 4, data[at] & 0x0F
    if kind != 3:
        return _FLAGS.get(kind) == flags
    if flags & 0x06 == 0x06:
        return False
    head = at + 1
    while head < len(data) and data[head] & 0x80 and head < at + 4:
        head += 1
    length = int.from_bytes(data[head + 1 : head + 3])
    topic = data[head + 3 : head + 3 + length]
    return length > 0 and len(topic) == length and topic.isascii() and topic.decode("ascii").isprintable()
