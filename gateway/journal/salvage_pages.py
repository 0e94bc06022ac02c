"""Rows found on their own pages, where the pages that lead to them are damaged (SQLite, "Database File Format", 1.5, 2.1)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

_PAGE = 4096
_LEAF = 13
_HEADER = 100
_MOST = _PAGE - 35
_LEAST = (_PAGE - 12) * 32 // 255 - 23
"""What of a row that is longer than _MOST is at least on its own page."""
_LONGEST = 1 << 30
_PAGES = 512
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)

Wanted = Callable[[int], bool]


def rows_on_pages(
    path: Path, columns: int, wanted: Wanted, pause: Callable[[float], None]
) -> Iterator[tuple[int, list[Any]]]:
    """Number and values of each wanted row with so many columns, in the order of the file. A page may be left over from
    earlier, so a number may come twice, and one that retention had removed may come back. Raises OSError.

    pause: called after so many pages with the seconds that they took.
    """
    begun = time.monotonic()
    with path.open("rb") as file:
        number = 0
        while len(page := file.read(_PAGE)) == _PAGE:
            number += 1
            if number % _PAGES == 0:
                pause(time.monotonic() - begun)
                begun = time.monotonic()
            start = _HEADER if number == 1 else 0
            if page[start] != _LEAF:
                continue
            at = file.tell()
            for cell in range(int.from_bytes(page[start + 3 : start + 5])):
                place = int.from_bytes(page[start + 8 + 2 * cell : start + 10 + 2 * cell])
                try:
                    found = _cell(file, page, place, columns, wanted)
                except (IndexError, struct.error, UnicodeDecodeError, ValueError):
                    continue
                if found is not None:
                    yield found
            file.seek(at)


def _cell(file: BinaryIO, page: bytes, place: int, columns: int, wanted: Wanted) -> tuple[int, list[Any]] | None:
    size, place = _varint(page, place)
    number, place = _varint(page, place)
    if not wanted(number) or not 0 < size < _LONGEST:
        return None
    if size <= _MOST:
        payload = page[place : place + size]
    else:
        here = _LEAST + (size - _LEAST) % (_PAGE - 4)
        here = here if here <= _MOST else _LEAST
        payload = page[place : place + here]
        further = int.from_bytes(page[place + here : place + here + 4])
        parts = [payload]
        missing = size - here
        while missing > 0 and further:
            file.seek((further - 1) * _PAGE)
            more = file.read(_PAGE)
            parts.append(more[4 : 4 + min(missing, _PAGE - 4)])
            missing -= _PAGE - 4
            further = int.from_bytes(more[:4])
        payload = b"".join(parts)
    if len(payload) != size:
        return None
    values = _record(payload)
    return (number, values) if len(values) == columns else None


def _record(payload: bytes) -> list[Any]:
    end, place = _varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    values = []
    for kind in kinds:
        size = _SIZES[kind] if kind < 10 else (kind - 12) // 2
        data = payload[place : place + size]
        if len(data) != size:
            raise ValueError("a value reaches beyond its row")
        values.append(_value(kind, data))
        place += size
    if place != len(payload):
        raise ValueError("a row is longer than its values")
    return values


def _value(kind: int, data: bytes) -> Any:
    if kind == 0:
        return None
    if kind == 7:
        return struct.unpack(">d", data)[0]
    if kind in (8, 9):
        return kind - 8
    if kind < 7:
        return int.from_bytes(data, signed=True)
    if kind < 12:
        raise ValueError("a kind of value that there is not")
    return data.decode() if kind % 2 else data


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    return value << 8 | data[place], place + 1
