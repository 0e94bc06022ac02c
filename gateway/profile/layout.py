"""How values lie in registers: types, byte and word orders, bits (Modbus Application Protocol V1.1b3, 4.2 and 6).

Four orders are in use. With the bytes of a 32-bit value called A (highest) to D they are, on the wire: ABCD (both
`big`), CDAB (`word_order = "little"`), BADC (`byte_order = "little"`), DCBA (both). Swapping the bytes of every
register turns CDAB into DCBA and BADC into ABCD, so that two kinds of struct formats and one swap serve all.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Any

import msgspec

Raw = Any
"""What struct makes of the registers: int, float or bytes."""
Part = Any
"""What is meant by it: int, float or str; None where it means nothing."""

_CODES = {
    "bool": "H",
    "i16": "h",
    "u16": "H",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "u64": "Q",
    "f32": "f",
    "f64": "d",
    "bcd16": "H",
    "bcd32": "I",
}
_DIGITS = {"bcd16": 4, "bcd32": 8}
FLOATS = frozenset(("f32", "f64"))
INTEGERS = frozenset(("i16", "u16", "i32", "u32", "i64", "u64", "bcd16", "bcd32"))
BIT_TYPES = frozenset(("i16", "u16", "i32", "u32", "i64", "u64"))
"""Types of which bits may be taken."""


def words(type_: str, length: int | None) -> int:
    """Registers that a value has. length: of a string."""
    return length or 1 if type_ == "string" else struct.calcsize(_CODES[type_]) // 2


def limits(type_: str, width: int | None) -> tuple[int, int]:
    """Lowest and highest number of an integer type, or of a field of `width` bits of it."""
    if type_ in _DIGITS:
        return 0, 10 ** _DIGITS[type_] - 1
    size = width or (1 if type_ == "bool" else 16 * words(type_, None))
    return (-(1 << size - 1), (1 << size - 1) - 1) if type_.startswith("i") else (0, (1 << size) - 1)


class Layout(msgspec.Struct, frozen=True):
    """swapped: the bytes of each register change places first. code: format of struct, with the order of the bytes.

    part: what is meant by the number or the bytes that come out, None where it is just that. whole: its inverse.
    mask: the bits it has, where it does not have all.
    """

    words: int
    swapped: bool
    order: str
    code: str
    part: Callable[[Raw], Part] | None = None
    whole: Callable[[Part], Raw] | None = None
    mask: int | None = None

    def pack(self, part: Part) -> bytes:
        """Registers as on the wire. Raises ValueError when the part does not fit in them."""
        raw = part if self.whole is None else self.whole(part)
        try:
            data = struct.pack(self.order + self.code, raw)
        except (struct.error, OverflowError):
            raise ValueError(f"{part} does not fit") from None
        return swap(data) if self.swapped else data

    def mask_bytes(self) -> bytes:
        """Which bits of the registers are its own, as on the wire."""
        if self.mask is None:
            return b"\xff" * (2 * self.words)
        data = struct.pack(self.order + self.code, self.mask)
        return swap(data) if self.swapped else data


def swap(data: bytes) -> bytes:
    """The bytes of each register in the other order."""
    values = array("H", data)
    values.byteswap()
    return values.tobytes()


def layout(
    type_: str,
    *,
    word_order: str = "big",
    byte_order: str = "big",
    bits: tuple[int, int] | None = None,
    length: int | None = None,
    encoding: str = "ascii",
) -> Layout:
    """Of a value. bits: lowest and highest one."""
    count = words(type_, length)
    low_byte, low_word = byte_order == "little", word_order == "little"
    if type_ == "string":
        return Layout(count, low_byte, ">", f"{2 * count}s", _text(encoding), _padded(encoding, 2 * count))
    swapped, order = (False, low_byte) if count == 1 else (low_byte != low_word, low_word)
    place = (count, swapped, "<" if order else ">")
    if bits is not None:
        low, width = bits[0], bits[1] - bits[0] + 1
        part, whole = _field(low, width, signed=type_.startswith("i"))
        return Layout(*place, _CODES[type_].upper(), part, whole, ((1 << width) - 1) << low)
    if type_ in _DIGITS:
        return Layout(*place, _CODES[type_], _digits(_DIGITS[type_]), lambda number: int(str(number), 16))
    return Layout(*place, _CODES[type_])


def _field(low: int, width: int, *, signed: bool) -> tuple[Callable[[int], int], Callable[[int], int]]:
    mask = (1 << width) - 1
    sign = 1 << (width - 1)

    def part(raw: int) -> int:
        return raw >> low & mask

    def signed_part(raw: int) -> int:
        return ((raw >> low & mask) ^ sign) - sign

    def whole(part: int) -> int:
        if not (-sign <= part < sign if signed else 0 <= part <= mask):
            raise ValueError(f"{part} does not fit into {width} bits")
        return (part & mask) << low

    return (signed_part if signed else part), whole


def _digits(count: int) -> Callable[[int], int | None]:
    def part(raw: int) -> int | None:
        text = f"{raw:0{count}x}"
        return int(text) if text.isdecimal() else None

    return part


def _text(encoding: str) -> Callable[[bytes], str | None]:
    """Padding of NUL and blanks taken away. A text of which any part is unreadable or unprintable is none; so are
    registers that were never written (all ones, which would be letters in latin-1)."""

    def part(raw: bytes) -> str | None:
        bare = raw.strip(b"\0 ")
        if not bare:
            return ""
        if raw.count(0xFF) == len(raw):
            return None
        try:
            text = bare.decode(encoding)
        except UnicodeDecodeError:
            return None
        return text if text.isprintable() else None

    return part


def _padded(encoding: str, size: int) -> Callable[[str], bytes]:
    def whole(part: str) -> bytes:
        data = part.encode(encoding)  # UnicodeEncodeError is a ValueError
        if len(data) > size:
            raise ValueError(f"{part!r} has more than {size} bytes")
        return data.ljust(size, b"\0")

    return whole
