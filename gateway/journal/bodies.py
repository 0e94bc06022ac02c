"""Rows of events as they are kept when they are old: what they say, and what repeats it, in one zstd frame.

The frame holds the columns that mostly say again what the message says (units, transaction, the header of CFX), as a line
of JSON, then the message as received; in the row those columns are null. `compact` tells with which dictionary: without
one a message of 1 KB hardly gets smaller, for what it repeats is in the messages before it. Frames are of the usual kind
(RFC 8878) with their size and checksum, without the dictionary's id: the row has it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import zstandard
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from gateway.core.errors import JournalError
from gateway.journal import schema
from gateway.journal.fault import is_damage

LEVEL = 9
"""A sixth fewer bytes than level 3, for 20 µs more."""
_LARGEST = 1 << 30
"""SQLite's own limit of a value: a frame that claims more is damaged."""
_DIGEST = 32
_KEPT = 8
"""Dictionaries that one thread keeps ready."""

_AT = {column.name: place for place, column in enumerate(schema.event.columns)}
SEQ, COMPACT, RAW = _AT["seq"], _AT["compact"], _AT["raw"]
_BESIDE = ("stage", "work", "units", "cfx_version", "cfx_timestamp", "cfx_target", "cfx_request")
_PLACES = tuple(_AT[name] for name in _BESIDE)
_UNITS = _BESIDE.index("units")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str | None, str | None, msgspec.Raw, *[str | None] * 4]).decode  # type: ignore[misc]


class BodyDamaged(JournalError):
    """What an event says cannot be unpacked any more, or the dictionary is lost that it takes."""


def plain(row: Sequence[Any]) -> bytes:
    """What is compressed of a row of schema.event."""
    beside: list[Any] = [row[place] for place in _PLACES]
    units = beside[_UNITS]
    beside[_UNITS] = msgspec.Raw(b"null" if units is None else units.encode())
    raw: bytes = row[RAW]
    return _encode(beside) + b"\n" + raw


class Packer:
    """Compresses with one dictionary. Not for two threads at once."""

    def __init__(self, number: int, dictionary: bytes) -> None:
        self.number = number
        known = zstandard.ZstdCompressionDict(dictionary)
        known.precompute_compress(level=LEVEL)
        self._compressor = zstandard.ZstdCompressor(
            level=LEVEL, dict_data=known, write_checksum=True, write_dict_id=False
        )

    def size(self, text: bytes) -> int:
        """How many bytes a text takes."""
        return len(self._compressor.compress(text))

    def packed(self, row: Sequence[Any]) -> list[Any] | None:
        """The row with all of it compressed; None where that would take no fewer bytes."""
        text = plain(row)
        frame = self._compressor.compress(text)
        if len(frame) + _DIGEST >= len(text):
            return None
        found = list(row)
        for place in _PLACES:
            found[place] = None
        found[COMPACT] = row[COMPACT] | self.number << 1
        found[RAW] = frame
        return found


class Bodies:
    """Unpacks rows of one journal, on any thread."""

    def __init__(self) -> None:
        self._local = threading.local()

    def row(self, connection: Connection, row: Sequence[Any]) -> Sequence[Any]:
        """A row of schema.event, whatever follows in it, as it was before it was packed. Raises BodyDamaged."""
        compact = row[COMPACT]
        if compact < 2:
            return row
        try:
            beside, raw = self._unpack(connection, compact >> 1, row[RAW])
        except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError, MemoryError) as error:
            raise BodyDamaged(f"what event {row[SEQ]} says is damaged: {error}") from error
        found = list(row)
        for place, value in zip(_PLACES, beside, strict=True):
            found[place] = value
        found[COMPACT] = compact & 1
        found[RAW] = raw
        return found

    def _unpack(self, connection: Connection, number: int, frame: bytes) -> tuple[list[Any], bytes]:
        if not 0 <= zstandard.frame_content_size(frame) <= _LARGEST:
            raise ValueError("the frame does not say how long it is")
        text: bytes = self._decompressor(connection, number).decompress(frame, read_across_frames=False)
        line, _, raw = text.partition(b"\n")
        beside: list[Any] = list(_decode(line))
        units = bytes(beside[_UNITS])
        beside[_UNITS] = None if units == b"null" else units.decode()
        return beside, raw

    def _decompressor(self, connection: Connection, number: int) -> zstandard.ZstdDecompressor:
        kept: dict[int, zstandard.ZstdDecompressor] | None = getattr(self._local, "kept", None)
        if kept is None:
            kept = self._local.kept = {}
        found = kept.get(number)
        if found is None:
            data = dictionary(connection, number)
            if data is None:
                raise BodyDamaged(f"dictionary {number} is lost, and what the events say that it was used for")
            if len(kept) >= _KEPT:
                kept.pop(next(iter(kept)))
            found = kept[number] = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(data))
        return found


def dictionary(connection: Connection, number: int) -> bytes | None:
    """From the first of its copies that is sound; None when none is. Raises DatabaseError when they cannot be read."""
    for copy in copies(number):
        try:
            stored = connection.exec_driver_sql("SELECT data FROM dictionary_copy WHERE id = ?", (copy,)).scalar()
        except DatabaseError as error:
            if not is_damage(error):  # the disk fails: that says nothing about what is on it
                raise
            continue  # the other copy is on other pages; who looks for damage finds this one by itself
        if stored is not None and (data := unsealed(stored)) is not None:
            return data
    return None


def copies(number: int) -> tuple[int, int]:
    """Where a dictionary is kept, twice: one damaged page of it would cost what thousands of events say."""
    return 2 * number, 2 * number + 1


def sealed(data: bytes) -> bytes:
    """With its digest in front."""
    return hashlib.sha256(data).digest() + data


def unsealed(stored: bytes) -> bytes | None:
    """None when it is not what was sealed."""
    data = stored[_DIGEST:]
    return data if hashlib.sha256(data).digest() == stored[:_DIGEST] else None
