"""The other side of Modbus, for simulated machines: bytes to requests and answers to bytes, without any I/O.

pymodbus does the framing here, which the client side does by itself: so the two are a check on each other.

    framing = ServerFraming("tcp")                  # or "rtu", on TCP and on serial lines alike; one per connection
    for request in framing.feed(data):
        function, start, count = request.function, request.start, request.count
        reply = framing.answer(request, values)     # register bytes high byte first, or packed bits
        reply = framing.refuse(request, 2)          # or an exception

An answer to another request than the one asked is made with `msgspec.structs.replace(request, transaction=…, unit=…)`;
bytes of a reply may be cut, changed, held back or sent twice as one likes.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from gateway.transport.modbus_frames import COILS, INPUT_REGISTERS, MOST_BITS, MOST_REGISTERS

_LONGEST = 260
"""Bytes of a Modbus TCP message; no RTU message is longer (Application Protocol V1.1b3, 4.1)."""


class Malformed(ValueError):
    """The stream cannot be understood any further; the connection is to be closed."""


class Request(msgspec.Struct, frozen=True):
    """pdu: function code and what belongs to it. transaction: 0 in RTU. start, count: 0 where the function has none."""

    unit: int
    transaction: int
    pdu: bytes

    @property
    def function(self) -> int:
        return self.pdu[0]

    @property
    def start(self) -> int:
        return int.from_bytes(self.pdu[1:3], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.pdu[3:5], "big")

    @property
    def problem(self) -> int:
        """The exception that the standard wants for what is wrong in the request itself: 1, 3, or 0 for nothing.

        Addresses that there are not (2) are for whoever has the registers to say.
        """
        if not COILS <= self.function <= INPUT_REGISTERS:
            return 1
        most = MOST_BITS if self.function < 3 else MOST_REGISTERS
        return 0 if len(self.pdu) == 5 and 1 <= self.count <= most else 3


class ServerFraming:
    """Of one connection. kind: `tcp` (MBAP header) or `rtu` (address and checksum)."""

    def __init__(self, kind: Literal["tcp", "rtu"]) -> None:
        decoder = DecodePDU(is_server=True)
        self._framer: FramerBase = FramerSocket(decoder) if kind == "tcp" else FramerRTU(decoder)
        self._kind = kind
        self._buffer = b""

    def feed(self, data: bytes) -> list[Request]:
        """The requests that these bytes complete. Raises Malformed (Modbus TCP only: on a line noise is normal)."""
        buffer = self._buffer + data
        found = []
        while buffer:
            if self._kind == "tcp" and buffer[2:4] not in (b"", b"\0", b"\0\0"):
                raise Malformed(f"protocol id {buffer[2:4].hex()} in place of 0000")
            used, unit, transaction, pdu = self._framer.decode(buffer)
            if used == 0:
                break
            buffer = buffer[used:]
            if pdu:
                found.append(Request(unit, transaction, pdu))
        if len(buffer) >= _LONGEST:
            if self._kind == "tcp":
                raise Malformed(f"a message of more than {_LONGEST} bytes")
            buffer = b""
        self._buffer = buffer
        return found

    def answer(self, request: Request, data: bytes) -> bytes:
        """To a read. data: two bytes a register, high byte first; or bits, the lowest address in the lowest bit."""
        return self._frame(request, bytes((request.function, len(data))) + data)

    def refuse(self, request: Request, code: int) -> bytes:
        """With a Modbus exception."""
        return self._frame(request, bytes((request.function | 0x80, code)))

    def _frame(self, request: Request, pdu: bytes) -> bytes:
        return self._framer.encode(pdu, request.unit, request.transaction)
