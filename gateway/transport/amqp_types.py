"""AMQP 1.0 type system (OASIS AMQP 1.0 part 1): reading any value, writing the few that we send. Sans I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

MAX_DEPTH = 32
"""Nesting beyond this is refused: no message of our peers comes near, and recursion must end somewhere."""


class MalformedError(ValueError):
    """These bytes are no AMQP 1.0 encoding."""


class Described(NamedTuple):
    """A value with its descriptor, such as a message section or the list of a SASL frame."""

    descriptor: object
    value: object


# Bytes that follow the constructor, by its upper half (part 1, figure 1.2); the rest state their own size.
_FIXED = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}

_SIGNED = frozenset({0x51, 0x54, 0x55, 0x61, 0x71, 0x81, 0x83})
_UNSIGNED = frozenset({0x50, 0x52, 0x53, 0x60, 0x70, 0x80, 0x73})
_CONSTANT: Mapping[int, object] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0}


def extent(data: bytes, pos: int) -> tuple[int, int, int]:
    """Of the undescribed value at `pos`: its constructor, where its content begins and where it ends.

    Raises MalformedError when the content does not fit into `data`.
    """
    code = data[pos] if pos < len(data) else 0
    begin = pos + 1
    kind = code >> 4
    if kind in _FIXED:
        end = begin + _FIXED[kind]
    elif kind in (0xA, 0xC, 0xE):
        end = begin + 1 + (data[begin] if begin < len(data) else len(data))
        begin += 1
    elif kind in (0xB, 0xD, 0xF):
        end = begin + 4 + int.from_bytes(data[begin : begin + 4])
        begin += 4
    else:
        raise MalformedError(f"no AMQP type at byte {pos}")
    if end > len(data) or begin > end:
        raise MalformedError(f"value at byte {pos} is longer than the data")
    return code, begin, end


def read(data: bytes, pos: int, depth: int = 0) -> tuple[object, int]:
    """The value at `pos` and where the next begins.

    Symbols and strings are str, binary and decimals bytes, timestamps milliseconds since the epoch, lists and arrays
    list, maps dict. Raises MalformedError.
    """
    if depth > MAX_DEPTH:
        raise MalformedError(f"nested deeper than {MAX_DEPTH}")
    code = data[pos] if pos < len(data) else 0x40
    if code == 0xA1 and pos + 1 < len(data) and (end := pos + 2 + data[pos + 1]) <= len(data):
        return _text(data, pos + 2, end, "utf-8"), end  # a short string, as most values are: the straight way
    if code == 0:
        descriptor, pos = read(data, pos + 1, depth + 1)
        value, pos = read(data, pos, depth + 1)
        return Described(descriptor, value), pos
    code, begin, end = extent(data, pos)
    return _content(data, code, begin, end, depth), end


def _content(data: bytes, code: int, begin: int, end: int, depth: int) -> object:
    if code in _CONSTANT:
        return _CONSTANT[code]
    if code in (0xA1, 0xB1, 0xA3, 0xB3):
        return _text(data, begin, end, "ascii" if code in (0xA3, 0xB3) else "utf-8")
    if code in _UNSIGNED:
        return int.from_bytes(data[begin:end])
    if code in _SIGNED:
        return int.from_bytes(data[begin:end], signed=True)
    if code == 0x45:
        return []
    if code in (0xC0, 0xD0, 0xC1, 0xD1):
        items = _items(data, code, begin, end, depth)
        return items if code in (0xC0, 0xD0) else _pairs(items)
    return _rare(data, code, begin, end, depth)


def _text(data: bytes, begin: int, end: int, encoding: str) -> str:
    try:
        return data[begin:end].decode(encoding)
    except UnicodeDecodeError as error:
        raise MalformedError(f"text at byte {begin}: {error.reason}") from error


def _rare(data: bytes, code: int, begin: int, end: int, depth: int) -> object:
    content = data[begin:end]
    if code in (0xA0, 0xB0, 0x74, 0x84, 0x94):
        return content
    if code == 0x56:
        return content != b"\x00"
    if code == 0x72:
        return struct.unpack(">f", content)[0]
    if code == 0x82:
        return struct.unpack(">d", content)[0]
    if code == 0x98:
        return UUID(bytes=content)
    if code in (0xE0, 0xF0):
        return _array(data, code, begin, end, depth)
    raise MalformedError(f"unknown constructor 0x{code:02x}")


def _count(data: bytes, wide: bool, begin: int, end: int) -> tuple[int, int]:
    width = 4 if wide else 1
    if begin + width > end:
        raise MalformedError(f"no count at byte {begin}")
    return int.from_bytes(data[begin : begin + width]), begin + width


def _items(data: bytes, code: int, begin: int, end: int, depth: int) -> list[object]:
    count, pos = _count(data, code >= 0xD0, begin, end)
    items: list[object] = []
    # Every item takes at least a byte, so a count that lies ends here and not in a loop.
    for _ in range(min(count, end - pos + 1)):
        if pos >= end:
            raise MalformedError(f"list at byte {begin} holds fewer than its {count} items")
        item, pos = read(data, pos, depth + 1)
        items.append(item)
    if pos != end:
        raise MalformedError(f"list at byte {begin} does not end where it says")
    return items


def _pairs(items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise MalformedError("map with a key and no value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError as error:
        raise MalformedError("map with a compound key") from error


def _array(data: bytes, code: int, begin: int, end: int, depth: int) -> list[object]:
    count, pos = _count(data, code == 0xF0, begin, end)
    if pos >= end or data[pos] == 0:
        raise MalformedError("array without a plain element type")
    element = data[pos]
    pos += 1
    values: list[object] = []
    if element >> 4 == 0x4:
        if count > 65_535:  # elements without bytes of their own: nothing else bounds how many there are
            raise MalformedError(f"array of {count} constants")
        return [_content(data, element, pos, pos, depth)] * count
    for _ in range(count):
        if pos >= end:
            raise MalformedError(f"array at byte {begin} holds fewer than its {count} items")
        # Elements of an array share one constructor: put it in front of each to read them as plain values.
        size = _FIXED.get(element >> 4)
        width = 0 if size is not None else 1 if element >> 4 in (0xA, 0xC, 0xE) else 4
        span = size if size is not None else width + int.from_bytes(data[pos : pos + width])
        if pos + span > end:
            raise MalformedError(f"array at byte {begin} does not end where it says")
        values.append(read(bytes((element,)) + data[pos : pos + span], 0, depth + 1)[0])
        pos += span
    return values


def null() -> bytes:
    return b"\x40"


def boolean(value: bool) -> bytes:
    return b"\x41" if value else b"\x42"


def ubyte(value: int) -> bytes:
    return bytes((0x50, value))


def uint(value: int) -> bytes:
    return b"\x43" if value == 0 else bytes((0x52, value)) if value < 256 else b"\x70" + value.to_bytes(4)


def ulong(value: int) -> bytes:
    return b"\x44" if value == 0 else bytes((0x53, value)) if value < 256 else b"\x80" + value.to_bytes(8)


def timestamp(milliseconds: int) -> bytes:
    return b"\x83" + milliseconds.to_bytes(8, signed=True)


def uuid(value: UUID) -> bytes:
    return b"\x98" + value.bytes


def _sized(narrow: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((narrow, size)) + content if size < 256 else bytes((narrow + 0x10,)) + size.to_bytes(4) + content


def string(value: str) -> bytes:
    return _sized(0xA1, value.encode())


def symbol(value: str) -> bytes:
    return _sized(0xA3, value.encode("ascii"))


def binary(value: bytes) -> bytes:
    return _sized(0xA0, value)


def listing(items: Sequence[bytes]) -> bytes:
    """A list of values that are encoded already."""
    return b"\x45" if not items else _compound(0xC0, len(items), b"".join(items))


def mapping(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A map of encoded keys and values."""
    return _compound(0xC1, 2 * len(pairs), b"".join(key + value for key, value in pairs))


def _compound(narrow: int, count: int, content: bytes) -> bytes:
    if len(content) < 255 and count < 256:
        return bytes((narrow, len(content) + 1, count)) + content
    return bytes((narrow + 0x10,)) + (len(content) + 4).to_bytes(4) + count.to_bytes(4) + content


def symbols(values: Sequence[str]) -> bytes:
    """An array of symbols of at most 255 characters."""
    content = b"".join(bytes((len(value),)) + value.encode("ascii") for value in values)
    return b"\xf0" + (len(content) + 5).to_bytes(4) + len(values).to_bytes(4) + b"\xa3" + content


def described(code: int, value: bytes) -> bytes:
    """A value with the numeric descriptor of a standard type (below 256)."""
    return bytes((0x00, 0x53, code)) + value
