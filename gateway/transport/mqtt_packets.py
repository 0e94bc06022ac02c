"""Cutting a stream of bytes into MQTT control packets (MQTT 3.1.1 and 5.0, clauses 2.2 and 3.3).

PUBLISH is what a gateway receives all day, so it is read here, in a few microseconds; packets of any other kind come
out whole, for the library that keeps the conversation.
"""

from __future__ import annotations

from collections.abc import Callable

from paho.mqtt import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

LARGEST_CONTROL = 1 << 20
"""Bytes of a packet that is no PUBLISH. Real ones have a few dozen."""

_PUBLISH = 0x30
_KEPT_AHEAD = 128 << 10
"""Of an oversized PUBLISH: bytes kept, enough for its topic (at most 64 KiB) and a look at its payload."""

_LENGTHS = 1, 1 << 7, 1 << 14, 1 << 21


class Malformed(Exception):
    """The peer does not speak MQTT, or no longer does: nothing that follows in the stream can be trusted."""


OnPublish = Callable[[int, str, bytes, bytes, bytes, int], None]
"""Called with the first byte (flags), topic, packet id (two bytes, empty at QoS 0), properties (MQTT 5, without their
length), payload, and size of the payload on the wire. Size is above the length of the payload when only its beginning
was kept."""


class Splitter:
    """Feed it what the socket gave; it calls back for every packet that is complete, in order.

    largest: most bytes of a PUBLISH, beside its fixed header, that are kept; of a larger one the beginning is handed
    over and the rest thrown away as it comes, so that memory stays bounded and the message can still be named and
    acknowledged.
    """

    __slots__ = ("_control", "_five", "_largest", "_need", "_partial", "_publish", "_skip")

    def __init__(self, *, five: bool, largest: int, publish: OnPublish, control: Callable[[bytes], None]) -> None:
        self._five = five
        self._largest = largest
        self._publish = publish
        self._control = control
        self._partial = bytearray()  # the beginning of a packet
        self._need = 0  # how long it becomes; 0 while its length is not known
        self._skip = 0  # bytes after those that are thrown away

    def feed(self, data: bytes) -> None:
        """Raises Malformed; the stream is of no use then."""
        at = self._complete(data) if self._partial else 0
        end = len(data)
        publish = self._publish_packet
        while at < end:
            body = at + 1
            length = shift = 0
            while body < end:
                byte = data[body]
                body += 1
                length |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise Malformed("remaining length of more than four bytes")
            else:
                self._partial += data[at:]  # not even its length is here
                return
            stop = body + length
            if stop > end or length > self._largest:
                self._begin(data[at], body - at, length)
                at = self._take(data, at)
            elif data[at] & 0xF0 == _PUBLISH:
                publish(data, body, stop, data[at], length)
                at = stop
            else:
                self._control(data[at:stop])
                at = stop

    # A packet that is spread over several reads

    def _begin(self, first: int, header: int, length: int) -> None:
        """A packet begins of which not everything is here, or not everything will be kept."""
        keep = length
        if first & 0xF0 != _PUBLISH:
            if length > LARGEST_CONTROL:
                raise Malformed(f"a control packet of type {first >> 4} with {length} bytes")
        elif length > self._largest:
            keep = min(length, _KEPT_AHEAD)
        self._need = header + keep
        self._skip = length - keep

    def _complete(self, data: bytes) -> int:
        """Go on with the packet that has begun. Where in `data` the next one begins."""
        if self._need:
            return self._take(data, 0)
        at = 0
        partial = self._partial
        while at < len(data):
            partial.append(data[at])
            at += 1
            if len(partial) > 1 and partial[-1] < 0x80:
                length = sum((byte & 0x7F) * unit for byte, unit in zip(partial[1:], _LENGTHS, strict=False))
                self._begin(partial[0], len(partial), length)
                return self._take(data, at)
            if len(partial) > 4:
                raise Malformed("remaining length of more than four bytes")
        return at

    def _take(self, data: bytes, at: int) -> int:
        """From `at` on, what the packet still lacks. Where in `data` the next one begins."""
        missing = self._need - len(self._partial)
        if missing > 0:
            piece = data[at : at + missing]
            self._partial += piece
            at += len(piece)
            if len(piece) < missing:
                return at
        if self._skip:
            passed = min(self._skip, len(data) - at)
            self._skip -= passed
            at += passed
            if self._skip:
                return at
        packet, self._partial, self._need = self._partial, bytearray(), 0
        self._whole(packet)
        return at

    def _whole(self, packet: bytearray) -> None:
        first = packet[0]
        body = 2
        length = packet[1] & 0x7F
        while packet[body - 1] >= 0x80:
            length |= (packet[body] & 0x7F) << (7 * (body - 1))
            body += 1
        if first & 0xF0 == _PUBLISH:
            self._publish_packet(packet, body, len(packet), first, length)
        else:
            self._control(bytes(packet))

    # One packet

    def _publish_packet(self, data: bytes | bytearray, body: int, stop: int, first: int, length: int) -> None:
        """`data[body:stop]` is what is kept of the `length` bytes after the fixed header."""
        begin = body
        at = body + 2
        if at > stop:
            raise Malformed("PUBLISH without topic")
        body = at
        at += data[body - 2] << 8 | data[body - 1]
        # A protocol violation that no broker lets through; no reason to lose the message.
        topic = data[body:at].decode("utf-8", "backslashreplace")
        identifier = b""
        if first & 0x06:
            identifier = bytes(data[at : at + 2])
            at += 2
        properties = b""
        if self._five:
            size = shift = 0
            while True:
                if at >= stop:
                    raise Malformed("PUBLISH without properties")
                byte = data[at]
                at += 1
                size |= (byte & 0x7F) << shift
                if byte < 0x80:
                    break
                shift += 7
                if shift > 21:
                    raise Malformed("property length of more than four bytes")
            if size:
                properties = bytes(data[at : at + size])
                at += size
        payload_size = length - (at - begin)
        if payload_size < 0 or first & 0x06 == 0x06:
            raise Malformed("PUBLISH whose parts are longer than itself, or of QoS 3")
        if type(data) is bytes:
            payload = data[at:stop]
        else:
            with memoryview(data) as view:
                payload = bytes(view[at:stop])  # once; a slice of a bytearray would be a second copy
        self._publish(first, topic, identifier, properties, payload, payload_size)


def publish_properties(data: bytes) -> dict[str, str]:
    """Content type and content encoding that a publisher gave (MQTT 5), as `content_type` and `content_encoding`.

    MQTT 5 has no property of its own for the encoding (clause 3.3.2.3); it is the user property `content-encoding`
    by convention. Raises Malformed.
    """
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    try:
        found.unpack(variable(len(data)) + data)  # type: ignore[no-untyped-call]
    except (MQTTException, ValueError, IndexError, KeyError) as error:
        raise Malformed(f"properties of a PUBLISH: {error}") from error
    told: dict[str, str] = {}
    kind = getattr(found, "ContentType", None)
    if kind:
        told["content_type"] = kind
    for name, value in getattr(found, "UserProperty", ()):
        if name.lower().replace("_", "-") == "content-encoding":
            told["content_encoding"] = value
    return told


def variable(length: int) -> bytes:
    """As lengths are written (clause 2.2.3)."""
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)
