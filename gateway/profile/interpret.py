"""Every way in which raw registers can be read, for whoever has to find out how a machine means them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
"""Order of the bytes A (highest) to D (lowest) of a value in two registers: both big; low word first; bytes swapped in
each word; both."""

_WIDE = (("u32", ">I"), ("i32", ">i"), ("f32", ">f"))


class Reading(dict[str, str]):
    """What one register may mean, by the name of the type; `u32 CDAB` and the like with the register behind it."""


def readings(start: int, data: bytes) -> Iterator[tuple[int, Reading]]:
    """Address and meanings of each register. data: as on the wire, two bytes per register, high byte first."""
    for at in range(0, len(data) - 1, 2):
        found = Reading(_narrow(data[at : at + 2]))
        if at + 4 <= len(data):
            found |= _wide(data[at : at + 4])
        yield start + at // 2, found


def _narrow(word: bytes) -> Mapping[str, str]:
    value = int.from_bytes(word, "big")
    return {
        "hex": f"{value:04X}",
        "u16": str(value),
        "i16": str(int.from_bytes(word, "big", signed=True)),
        "bits": f"{value:016b}",
        "bcd": f"{value:04X}" if all(digit in "0123456789" for digit in f"{value:04X}") else "",
        "text": "".join(chr(byte) if 32 <= byte < 127 else "." for byte in word),
    }


def _wide(words: bytes) -> Mapping[str, str]:
    a, b, c, d = words
    orders = {"ABCD": (a, b, c, d), "CDAB": (c, d, a, b), "BADC": (b, a, d, c), "DCBA": (d, c, b, a)}
    return {
        f"{type_} {order}": f"{struct.unpack(format_, bytes(orders[order]))[0]:.7g}"
        if type_ == "f32"
        else str(struct.unpack(format_, bytes(orders[order]))[0])
        for type_, format_ in _WIDE
        for order in ORDERS
    }


def modicon(table: str, address: int) -> str:
    """The address as old manuals write it, counted from 1 with the table's digit in front: 30001 is input register 0."""
    digit = {"coil": 0, "discrete": 1, "input": 3, "holding": 4}[table]
    return f"{digit}{address + 1:04d}" if address < 9999 else f"{digit}{address + 1:05d}"
