"""The AMQP 1.0 half of `load`: a machine that sends point to point.

proton opens the connection, the session and the link. From then on the transfers are bytes made beforehand, and of what
comes back only flow and disposition are looked at (AMQP 1.0, parts 2.7.4 and 2.7.6), so that the sender costs the
receiver as little of the machine as can be.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import proton

from tests.benchmarks.load import HOST, envelopes

Follow = Callable[[int, socket.socket, Callable[[int, int], int], Callable[[], int]], None]

_TURN = 64
_FLOW, _DISPOSITION, _ACCEPTED = 0x13, 0x15, 0x24
_FIXED = {0x40: None, 0x41: 1, 0x42: 0, 0x43: 0, 0x44: 0}
"""Values that are their own constructor: null, true, false, 0."""


def _transfer(number: int, message: bytes) -> bytes:
    """On channel 0, handle 0, unsettled; delivery id and tag are the number."""
    tag = struct.pack(">I", number)
    fields = b"\x43" + b"\x70" + tag + b"\xa0\x04" + tag + b"\x43" + b"\x42"
    body = b"\x00\x53\x14\xc0" + bytes([len(fields) + 1, 5]) + fields + message
    return struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body


def _values(frame: bytes, at: int, count: int) -> Iterator[int | None]:
    """The first fields of a list that are numbers, truth values or null."""
    for _ in range(count):
        kind = frame[at]
        if kind in _FIXED:
            yield _FIXED[kind]
            at += 1
        elif kind in (0x52, 0x53):
            yield frame[at + 1]
            at += 2
        elif kind == 0x70:
            yield struct.unpack_from(">I", frame, at + 1)[0]
            at += 5
        else:
            raise ValueError(f"constructor {kind:#x} where a number was expected")


class _Machine:
    """One link of one session; what the listener gives as credit and window decides how much is on its way."""

    def __init__(self, port: int) -> None:
        self.peer = socket.create_connection((HOST, port))
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted = 0
        self.limit = 0  # messages that may have been sent in all
        self._heard = b""
        engine, connection = proton.Transport(), proton.Connection()
        connection.container = "SMTPlus.Model_21232.SN00000"
        engine.sasl().allowed_mechs("ANONYMOUS")
        engine.bind(connection)
        connection.open()
        session = connection.session()
        session.open()
        link = session.sender("bench")
        link.target.address = "cfx"
        link.open()
        while link.credit == 0:
            while (size := engine.pending()) > 0:
                self.peer.sendall(engine.peek(size) or b"")
                engine.pop(size)
            engine.push(self.read())

    def read(self) -> bytes:
        """What came, after looking at it."""
        data = self.peer.recv(1 << 16)
        if not data:
            raise ConnectionError("the listener has closed")
        heard = self._heard + data
        at = 0
        while len(heard) - at >= 8:
            size = 8 if heard.startswith(b"AMQP", at) else int.from_bytes(heard[at : at + 4], "big")
            if len(heard) - at < size:
                break
            if size > 8 and heard[at + 5] == 0:  # no SASL frame, no heartbeat
                self._frame(heard[at : at + size])
            at += size
        self._heard = heard[at:]
        return data

    def _frame(self, frame: bytes) -> None:
        performative = frame[frame[4] * 4 + 2]
        at = frame[4] * 4 + 3
        at += 3 if frame[at] == 0xC0 else 9
        if performative == _FLOW:
            incoming, window, _, _, _, delivered, credit = _values(frame, at, 7)
            self.limit = min((incoming or 0) + (window or 0), (delivered or 0) + (credit or 0))
        elif performative == _DISPOSITION:
            _, first, last, *_ = _values(frame, at, 4)
            if bytes([0x53, _ACCEPTED]) not in frame[at:]:
                raise ValueError(f"a message is not accepted: {frame!r}")
            assert first is not None
            self.accepted += (first if last is None else last) - first + 1


def send(port: int, count: int, follow: Follow) -> None:
    """Every envelope as an SDK sends it, but not compressed: a data section, subject, message id."""
    message = proton.Message()
    transfers: list[bytes] = []
    for number, envelope in enumerate(envelopes(count)):
        message.clear()
        message.inferred = True
        message.subject, message.id, message.body = "cfx", f"{number:032x}", envelope
        transfers.append(_transfer(number, message.encode()))
    machine = _Machine(port)

    def post(first: int, stop: int) -> int:
        stop = min(stop, first + _TURN, machine.limit)
        if stop > first:
            machine.peer.setblocking(True)
            machine.peer.sendall(b"".join(transfers[first:stop]))
            machine.peer.setblocking(False)
        return max(stop, first)

    def receive() -> int:
        machine.read()
        return machine.accepted

    follow(count, machine.peer, post, receive)
