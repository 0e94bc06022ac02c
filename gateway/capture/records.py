"""A file's records one after another, in bounded memory, up to where it ends or is damaged."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard
from mcap.exceptions import EndOfFile, McapError
from mcap.records import Chunk, McapRecord
from mcap.stream_reader import StreamReader, breakup_chunk

RECORD_LIMIT = 512 << 20
"""Of one record, and of one chunk when it is decompressed: nothing that we write comes near it."""


class Damage(msgspec.Struct, frozen=True):
    """What of a file could not be read. at: the byte where that begins. rest: nothing behind it can be read either.
    bytes: of the file that were passed over."""

    path: Path
    at: int
    reason: str
    rest: bool
    bytes: int = 0


class Records:
    """Of one file that is open. To `damage` goes what is met."""

    def __init__(self, path: Path, file: BinaryIO, size: int, damage: list[Damage] | None = None) -> None:
        self.path = path
        self.damage = [] if damage is None else damage
        self._file = file
        self._size = size
        self.sound = 8
        """Where the last whole record ended."""

    def __iter__(self) -> Iterator[McapRecord]:
        """With chunks as they are. Ends without the magic at the end being there when the file was not closed, which is
        told as damage of no bytes."""
        reader = StreamReader(self._file, emit_chunks=True, record_size_limit=RECORD_LIMIT).records
        while True:
            at = self._file.tell()
            try:
                record = next(reader, None)
            except Exception as error:  # noqa: BLE001  the library raises what its parts raise
                reason = "it was not closed" if at == self._size else words(error)
                self.damage.append(Damage(self.path, at, reason, rest=True, bytes=self._size - at))
                return
            if record is None:
                return
            self.sound = self._file.tell()
            yield record

    def inside(self, chunk: Chunk) -> list[McapRecord]:
        """Its records; none, and damage, when it is damaged."""
        at = self.sound
        try:
            return unpacked(chunk)
        except Exception as error:  # noqa: BLE001  as above
            self.skip(at - len(chunk.data), len(chunk.data), words(error))
            return []

    def skip(self, at: int, size: int, reason: str) -> None:
        """Something that is whole and makes no sense is passed over."""
        self.damage.append(Damage(self.path, at, reason, rest=False, bytes=size))


def unpacked(chunk: Chunk) -> list[McapRecord]:
    """Raises whatever is wrong with it; takes no more memory than RECORD_LIMIT."""
    if chunk.uncompressed_size > RECORD_LIMIT:
        raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes")
    if chunk.compression == "zstd":
        told = zstandard.get_frame_parameters(chunk.data).content_size
        if told not in (chunk.uncompressed_size, zstandard.CONTENTSIZE_UNKNOWN):
            raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes that says that it has {told}")
    found: list[McapRecord] = breakup_chunk(chunk, validate_crc=True)
    return found


def words(error: Exception) -> str:
    if isinstance(error, EndOfFile | struct.error):
        return "it ends in the middle of a record"
    known = isinstance(error, McapError | ValueError | EOFError) and str(error)
    return str(error) if known else f"{type(error).__name__}: {error}"
