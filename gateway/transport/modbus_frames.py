"""Modbus reads as bytes, without any I/O: what a request looks like, and which answer fits it.

Two ways of framing: the MBAP header of Modbus TCP (MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3) and
address with checksum, RTU (MODBUS over Serial Line V1.02, 2.5.1). Of pymodbus comes the checksum alone: its framers
are made to find any message in a stream, take an answer with transaction id 0 for every request, wait for ever behind
a wrong protocol id, and need 19 µs to understand what is recognised here, as the only answer that fits, in 0.5 µs.
"""

from __future__ import annotations

import struct
from typing import Protocol

from pymodbus.framer import FramerRTU

from gateway.core.errors import LinesideError

COILS, DISCRETE_INPUTS, HOLDING_REGISTERS, INPUT_REGISTERS = 1, 2, 3, 4
"""The functions that read (MODBUS Application Protocol V1.1b3, 6.1 to 6.4)."""

MOST_REGISTERS, MOST_BITS = 125, 2_000
"""In one request, by the same clauses."""

_PDU = struct.Struct(">BBHH")
_ADU = struct.Struct(">HHHBBHH")


class Refused(LinesideError):
    """The unit, or a gateway before it, answered with an exception.

    `code`: 1 illegal function, 2 illegal data address, 3 illegal data value, 4 device failure, 5 acknowledge, 6 busy,
    8 parity error, 10 no path to the unit, 11 the unit does not answer its gateway (Application Protocol, 7).
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class NoAnswer(LinesideError):
    """No answer in time, or one that is not the answer to what was asked. What was meant by it is not known."""


def data_size(function: int, count: int) -> int:
    """Bytes that reading so many takes in an answer: two a register, eight bits a byte."""
    return (count + 7) // 8 if function in (COILS, DISCRETE_INPUTS) else 2 * count


def check_read(unit: int, function: int, start: int, count: int) -> None:
    """Raises ValueError for a request that nobody could answer."""
    if not COILS <= function <= INPUT_REGISTERS:
        raise ValueError(f"function {function} does not read; allowed: 1 to 4")
    most = MOST_BITS if function in (COILS, DISCRETE_INPUTS) else MOST_REGISTERS
    if not (0 <= unit <= 255 and 1 <= count <= most and 0 <= start <= 65_536 - count):
        raise ValueError(
            f"{count} at {start} of unit {unit}: allowed are 1 to {most} within 0 to 65535, units 0 to 255"
        )


class Framing(Protocol):
    """Of one connection, with one request on its way at a time.

    excess: bytes came behind the answer, which nobody asked for.
    """

    @property
    def excess(self) -> bool: ...

    def ask(self, unit: int, function: int, start: int, count: int) -> bytes:
        """The request's bytes. From here on `take` looks for its answer, and what came before is forgotten."""

    def take(self, data: bytes) -> bytes | None:
        """The data of the answer (as Application Protocol 6.1 to 6.4 has them) when these bytes complete it, else None.

        Raises Refused, and NoAnswer as soon as it is clear that no answer can follow.
        """


class TcpFraming:
    """Modbus TCP. All must fit: transaction, protocol, length, unit, function, byte count; else the stream is lost."""

    def __init__(self) -> None:
        self.excess = False
        self._transaction = 0
        self._buffer = b""
        self._good = b""
        self._bad = b""
        self._whole = 0

    def ask(self, unit: int, function: int, start: int, count: int) -> bytes:
        transaction = self._transaction = self._transaction % 0xFFFF + 1
        size = data_size(function, count)
        request = _ADU.pack(transaction, 0, 6, unit, function, start, count)
        self._good = request[:4] + bytes((0, size + 3, unit, function, size))
        self._bad = request[:4] + bytes((0, 3, unit, function | 0x80))
        self._whole = size + 9
        self._buffer = b""
        self.excess = False
        return request

    def take(self, data: bytes) -> bytes | None:
        if self._buffer:
            data = self._buffer + data
        if data.startswith(self._good) and len(data) >= self._whole:
            self.excess = len(data) > self._whole
            return data[9 : self._whole]
        if data.startswith(self._bad) and len(data) >= 9:
            self.excess = len(data) > 9
            raise Refused(data[8])
        if not (self._good.startswith(data[:9]) or self._bad.startswith(data[:8])):
            raise NoAnswer(f"the answer begins with {data[:9].hex(' ')}; expected: {self._good.hex(' ')}")
        self._buffer = data
        return None


class RtuFraming:
    """RTU. What stands before the answer is passed over: noise, an echo of the request, what another unit says late.

    An answer carries nothing that ties it to its request but unit, function and length: whoever gave up on one has to
    let the line fall silent before the next request.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._good = b""
        self._bad = b""
        self._whole = 0

    @property
    def excess(self) -> bool:
        return bool(self._buffer)

    def ask(self, unit: int, function: int, start: int, count: int) -> bytes:
        size = data_size(function, count)
        self._good = bytes((unit, function, size))
        self._bad = bytes((unit, function | 0x80))
        self._whole = size + 5
        self._buffer = b""
        request = _PDU.pack(unit, function, start, count)
        return request + checksum(request)

    def take(self, data: bytes) -> bytes | None:
        buffer = self._buffer + data
        at = 0
        while len(buffer) - at >= 3:
            if buffer.startswith(self._good, at):
                answer = buffer[at : at + self._whole]
                if len(answer) < self._whole:
                    break
                self._check(answer)
                self._buffer = buffer[at + self._whole :]
                return answer[3:-2]
            if buffer.startswith(self._bad, at):
                answer = buffer[at : at + 5]
                if len(answer) < 5:
                    break
                self._check(answer)
                self._buffer = buffer[at + 5 :]
                raise Refused(answer[2])
            at += 1
        self._buffer = buffer[at:]
        return None

    def _check(self, answer: bytes) -> None:
        if checksum(answer[:-2]) != answer[-2:]:
            self._buffer = b""
            raise NoAnswer(f"an answer with a wrong checksum: {answer[:16].hex(' ')} ({len(answer)} bytes)")


def checksum(message: bytes) -> bytes:
    """CRC-16 as it follows an RTU message: low byte first (Serial Line, 6.2.2)."""
    return FramerRTU.compute_CRC(message).to_bytes(2, "big")
