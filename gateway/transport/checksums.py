"""Checksums that machines put behind the text of a frame."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable
from functools import reduce
from operator import xor
from typing import Literal

import msgspec

Kind = Literal["xor", "sum", "crc16-modbus", "crc16-ccitt", "crc16-xmodem"]


def _modbus(data: bytes) -> int:
    """CRC-16 of Modbus: polynomial 8005 reflected, from FFFF (Serial Line V1.02, 6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


_SUMS: dict[Kind, tuple[int, Callable[[bytes], int]]] = {
    "xor": (1, lambda data: reduce(xor, data, 0)),
    "sum": (1, lambda data: sum(data) & 0xFF),
    "crc16-modbus": (2, _modbus),
    "crc16-ccitt": (2, lambda data: crc_hqx(data, 0xFFFF)),  # polynomial 1021, from FFFF
    "crc16-xmodem": (2, lambda data: crc_hqx(data, 0)),
}


class Checksum(msgspec.Struct, frozen=True, kw_only=True):
    """How a frame's text is summed up, and in which form the sum follows it.

    form: `byte` is the value itself (`crc16-modbus` low byte first, the other CRCs high byte first), `hex` its digits,
    in capitals or not. marks: which of STX and ETX are summed up with the text.
    """

    kind: Kind
    form: Literal["byte", "hex"] = "hex"
    marks: Literal["none", "etx", "both"] = "etx"

    @property
    def size(self) -> int:
        """Bytes that it takes on the wire."""
        return _SUMS[self.kind][0] * (2 if self.form == "hex" else 1)

    def of(self, data: bytes) -> bytes:
        """The checksum of these bytes, as it is on the wire; hexadecimal in capitals."""
        width, total = _SUMS[self.kind]
        order: Literal["little", "big"] = "little" if (self.kind, self.form) == ("crc16-modbus", "byte") else "big"
        value = total(data).to_bytes(width, order)
        return value.hex().upper().encode() if self.form == "hex" else value

    def fits(self, data: bytes, found: bytes) -> bool:
        """Whether `found` is the checksum of `data`."""
        return self.of(data) == (found.upper() if self.form == "hex" else found)
