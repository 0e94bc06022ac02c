"""The AMQP 1.0 message format (OASIS AMQP 1.0 part 3, section 3.2): sections to bytes and back. Sans I/O.

Own code in place of proton's `Message`: it decodes only what decides something, which is most of the time per message,
and it says why bytes are no message instead of leaving them half read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

import msgspec

from gateway.transport import amqp_types as types
from gateway.transport.amqp_types import MalformedError

MessageId = str | int | bytes | UUID
"""The four types of a message-id or correlation-id; an answer carries it back in the type it came in."""

HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES = 0x70, 0x71, 0x72, 0x73
APPLICATION_PROPERTIES, DATA, SEQUENCE, VALUE, FOOTER = 0x74, 0x75, 0x76, 0x77, 0x78

_NONE: Mapping[str, str | int | bool | None] = {}


class AmqpMessage(msgspec.Struct, kw_only=True, gc=False):
    """A message with the fields that CFX uses (FACTS of the SDK: every one of these is sent by it).

    delivery_count: failed attempts so far as the sender knows them. first_acquirer: None when the header leaves it
    out. creation_time: milliseconds since the epoch.
    """

    body: bytes
    durable: bool = True
    first_acquirer: bool | None = None
    delivery_count: int = 0
    message_id: MessageId | None = None
    to: str | None = None
    subject: str | None = None
    reply_to: str | None = None
    correlation_id: MessageId | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    creation_time: int | None = None
    application_properties: Mapping[str, str | int | bool | None] = _NONE


def encode(message: AmqpMessage) -> bytes:
    """With one Data section. The properties section is always there: the CFX SDK cannot read a message without."""
    header = [types.boolean(message.durable)]
    if message.first_acquirer is not None or message.delivery_count:
        acquirer = types.null() if message.first_acquirer is None else types.boolean(message.first_acquirer)
        header += [types.null(), types.null(), acquirer, types.uint(message.delivery_count)]
    properties = [
        _id(message.message_id),
        types.null(),
        _text(message.to),
        _text(message.subject),
        _text(message.reply_to),
        _id(message.correlation_id),
        _symbol(message.content_type),
        _symbol(message.content_encoding),
        types.null(),
        types.null() if message.creation_time is None else types.timestamp(message.creation_time),
    ]
    parts = [
        types.described(HEADER, types.listing(header)),
        types.described(PROPERTIES, types.listing(properties)),
    ]
    if message.application_properties:
        pairs = [(types.string(key), _simple(value)) for key, value in message.application_properties.items()]
        parts.append(types.described(APPLICATION_PROPERTIES, types.mapping(pairs)))
    parts.append(types.described(DATA, types.binary(message.body)))
    return b"".join(parts)


def _text(value: str | None) -> bytes:
    return types.null() if value is None else types.string(value)


def _symbol(value: str | None) -> bytes:
    return types.null() if value is None else types.symbol(value)


def _id(value: MessageId | None) -> bytes:
    if value is None:
        return types.null()
    if isinstance(value, str):
        return types.string(value)
    if isinstance(value, int):
        return types.ulong(value)
    return types.binary(value) if isinstance(value, bytes) else types.uuid(value)


def _simple(value: str | int | bool | None) -> bytes:
    if value is None or isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return types.boolean(value)
    return b"\x81" + value.to_bytes(8, signed=True)


def decode(raw: bytes, *, truncated: bool = False, applications: bool = False) -> AmqpMessage:
    """Read a message. Its body is the Data sections joined, or an amqp-value that holds a string or binary.

    The SDK sends one Data section and refuses any other body; we take what can only mean one thing. `truncated`: these
    are the first bytes of a longer message, and so may the last Data section be. `applications`: read the
    application properties too; the envelope repeats them, so receiving does without. Raises MalformedError.
    """
    message = AmqpMessage(body=b"", durable=False)
    body: list[bytes] = []
    found = False
    pos, size = 0, len(raw)
    while pos < size:
        if raw[pos : pos + 2] == b"\x00\x53" and pos + 2 < size:  # as all peers write it
            code = raw[pos + 2]
            pos += 3
        else:
            code, pos = _section(raw, pos)
        if code == DATA:
            found = True
            part, pos = _data(raw, pos, truncated)
            body.append(part)
        elif code == HEADER:
            end = types.extent(raw, pos)[2]
            message.durable, message.first_acquirer, message.delivery_count = _header(raw[pos:end])
            pos = end
        elif code == PROPERTIES:
            pos = _properties(raw, pos, message)
        elif code == APPLICATION_PROPERTIES and applications:
            value, pos = types.read(raw, pos)
            message.application_properties = _applications(value)
        elif code in (DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, APPLICATION_PROPERTIES, FOOTER):
            pos = types.extent(raw, pos)[2]
        elif code == VALUE:
            found = True
            value, pos = types.read(raw, pos)
            body.append(_value(value))
        else:
            raise MalformedError("an amqp-sequence body" if code == SEQUENCE else f"section 0x{code:x}")
    if not found:
        raise MalformedError("no body")
    message.body = body[0] if len(body) == 1 else b"".join(body)
    return message


def _section(raw: bytes, pos: int) -> tuple[int, int]:
    if raw[pos : pos + 2] == b"\x00\x80" and pos + 10 <= len(raw):
        return int.from_bytes(raw[pos + 2 : pos + 10]), pos + 10
    raise MalformedError(f"no section at byte {pos}")


def _data(raw: bytes, pos: int, truncated: bool) -> tuple[bytes, int]:
    code = raw[pos] if pos < len(raw) else 0
    if code == 0xB0 and pos + 5 <= len(raw):
        begin = pos + 5
        end = begin + int.from_bytes(raw[pos + 1 : begin])
    elif code == 0xA0 and pos + 2 <= len(raw):
        begin = pos + 2
        end = begin + raw[pos + 1]
    else:
        raise MalformedError(f"data section at byte {pos} is not binary")
    if end > len(raw):
        if not truncated:
            raise MalformedError(f"data section at byte {pos} is longer than the message")
        end = len(raw)
    return raw[begin:end], end


@lru_cache(maxsize=64)
def _header(encoded: bytes) -> tuple[bool, bool | None, int]:
    """Durable, first-acquirer, delivery-count. Cached: a peer's headers are all the same few bytes."""
    value, _ = types.read(encoded, 0)
    if not isinstance(value, list):
        raise MalformedError("header is no list")
    fields = [*value, None, None, None, None, None]
    first = fields[3] if isinstance(fields[3], bool) else None
    count = fields[4] if isinstance(fields[4], int) else 0
    return fields[0] is True, first, count


# By their places in the properties list (3.2.4): user-id, the times and the group are not kept.
_FIELDS = (
    "message_id",
    None,
    "to",
    "subject",
    "reply_to",
    "correlation_id",
    "content_type",
    "content_encoding",
    None,
    "creation_time",
)
_MESSAGE_ID, _CORRELATION_ID, _CREATION_TIME = 0, 5, 9


def _properties(raw: bytes, pos: int, message: AmqpMessage) -> int:
    code, begin, end = types.extent(raw, pos)
    if code == 0x45:
        return end
    if code not in (0xC0, 0xD0) or begin >= end:
        raise MalformedError("properties are no list")
    pos = begin + (4 if code == 0xD0 else 1)
    index = 0
    while pos < end:
        kind = raw[pos]
        if kind == 0x40:
            pos += 1
        else:
            value, pos = types.read(raw, pos)
            name = _FIELDS[index] if index < len(_FIELDS) else None
            if name is not None and (index != _CREATION_TIME if kind == 0xA1 else _fits(index, value)):
                setattr(message, name, value)
        index += 1
    if pos != end:
        raise MalformedError("properties do not end where they say")
    return end


def _fits(index: int, value: object) -> bool:
    if type(value) is str:
        return index != _CREATION_TIME
    if index in (_MESSAGE_ID, _CORRELATION_ID):
        return isinstance(value, int | bytes | UUID)
    return index == _CREATION_TIME and isinstance(value, int)


def _applications(value: object) -> Mapping[str, str | int | bool | None]:
    if not isinstance(value, dict):
        raise MalformedError("application properties are no map")
    return {
        key: item
        for key, item in value.items()
        if isinstance(key, str) and (item is None or isinstance(item, str | int))
    }


def _value(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise MalformedError(f"an amqp-value body that holds {type(value).__name__}")
