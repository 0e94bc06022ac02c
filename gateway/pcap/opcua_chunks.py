"""OPC UA messages out of the bytes of a connection without encryption (OPC 10000-6, 6.7 and 7.1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from gateway.pcap.reader import Unreadable

_KINDS = (b"HEL", b"ACK", b"ERR", b"RHE", b"OPN", b"MSG", b"CLO")
_BEGINNING = re.compile(b"MSG[FCA]")
_MOST_CHUNK = 1 << 24
_MOST_MESSAGE = 64 << 20
_PLAIN = b"#None"
_HEADER = 24
"""Of a MSG chunk: type and size, channel, token, sequence number, request."""


class Message(NamedTuple):
    """request: number that an answer has in common with its request. type: of the binary encoding, in namespace 0."""

    request: int
    type: int
    body: bytes


class Chunks:
    """One direction. told: what could not be read."""

    def __init__(self, told: Counter[str], *, joined: bool) -> None:
        self._told = told
        self._buffer = bytearray()
        self._parts: dict[int, bytearray] = {}
        self._lost = joined
        self._plain = False

    def missing(self) -> None:
        self._told["messages of which a part is missing"] += len(self._parts)
        self._buffer.clear()
        self._parts.clear()
        self._lost = True

    def feed(self, data: bytes) -> Iterator[Message]:
        """Raises Unreadable."""
        buffer = self._buffer
        buffer += data
        if self._lost and not self._found():
            return
        place = 0
        while len(buffer) - place >= 8:
            kind, size = bytes(buffer[place : place + 3]), int.from_bytes(buffer[place + 4 : place + 8], "little")
            if kind not in _KINDS or not 8 <= size <= _MOST_CHUNK:
                raise Unreadable("no OPC UA binary over TCP")
            if len(buffer) - place < size:
                break
            chunk = bytes(buffer[place : place + size])
            place += size
            if kind == b"OPN":
                self._open(chunk)
            elif kind == b"MSG" and size >= _HEADER:
                yield from self._message(chunk)
        del buffer[:place]

    def _found(self) -> bool:
        """In a stream with a gap: whether a chunk begins somewhere in what there is."""
        found = _BEGINNING.search(self._buffer)
        passed = found.start() if found else max(len(self._buffer) - 3, 0)
        self._told["bytes before the first message that is whole"] += passed
        del self._buffer[:passed]
        self._lost = found is None
        return found is not None

    def _open(self, chunk: bytes) -> None:
        length = int.from_bytes(chunk[12:16], "little")
        policy = chunk[16 : 16 + length]
        if not policy.endswith(_PLAIN):
            name = policy.rpartition(b"#")[2].decode(errors="replace")
            raise Unreadable(f"encrypted or signed (OPC UA, {name})")
        self._plain = True

    def _message(self, chunk: bytes) -> Iterator[Message]:
        request, final, body = int.from_bytes(chunk[20:24], "little"), chunk[3:4], chunk[_HEADER:]
        if not self._plain and request not in self._parts:
            # Without its beginning: what is not encrypted begins with a type of namespace 0.
            if body[:2] != b"\x01\x00":
                raise Unreadable("encrypted (OPC UA), or not to be read without its beginning")
            self._plain = True
        if final == b"A":
            self._parts.pop(request, None)
            return
        parts = self._parts.setdefault(request, bytearray())
        parts += body
        if len(parts) > _MOST_MESSAGE:
            raise Unreadable(f"a message of more than {_MOST_MESSAGE} bytes")
        if final == b"F":
            whole = bytes(self._parts.pop(request))
            if whole[:2] == b"\x01\x00":
                yield Message(request, int.from_bytes(whole[2:4], "little"), whole)
            else:
                self._told["messages of other types"] += 1
