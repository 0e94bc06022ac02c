"""Messages on their way into a file, which are compressed together (MCAP specification 0, records Chunk and MessageIndex).

The library's own way of adding a message takes five times as long; everything that is written rarely goes through it.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Mapping
from typing import BinaryIO, Protocol

import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex

_MESSAGE = struct.Struct("<BQHIQQ")
_BLANK = bytes(_MESSAGE.size)
_OPCODE = int(Opcode.MESSAGE)  # to pack the enumeration itself takes longer
_HEAD = struct.Struct("<BQ")  # of any record: what it is, and how long
_CHUNK = struct.Struct("<QQQI")
_INDEX = struct.Struct("<BQHI")
_TEXT = struct.Struct("<I4sQ")
_COMPRESSION = b"zstd"
# The library's default of 3 makes a few percent less of them and takes a quarter longer.
_LEVEL = 1


class Packer(Protocol):
    """An encoder of msgspec's."""

    def encode_into(self, obj: object, buffer: bytearray, offset: int, /) -> None: ...


class Chunk:
    """Begun anew with each `write`. Of one thread."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._data = bytearray()
        self._index: dict[int, array[int]] = {}

    @property
    def size(self) -> int:
        """Bytes so far, before they are compressed."""
        return len(self._data)

    @property
    def counts(self) -> Mapping[int, int]:
        """Messages so far, by channel."""
        return {channel: len(index) // 2 for channel, index in self._index.items()}

    def add(
        self, channel: Channel, number: int, log_time: int, publish_time: int, what: object, packer: Packer
    ) -> None:
        """Times in nanoseconds. Raises what the packer raises, and then nothing was added."""
        data, index = self._data, self._index.get(channel.id)
        if index is None:
            index = self._index[channel.id] = array("Q")
            builder = RecordBuilder()
            channel.write(builder)
            data += builder.end()  # type: ignore[no-untyped-call]
        start = len(data)
        data += _BLANK
        try:
            packer.encode_into(what, data, -1)
        except BaseException:
            del data[start:]
            raise
        length = len(data) - start - _HEAD.size
        _MESSAGE.pack_into(data, start, _OPCODE, length, channel.id, number, log_time, publish_time)
        index.append(log_time)
        index.append(start)

    def write(self, file: BinaryIO) -> ChunkIndex:
        """Onto the file, with its index behind it. There must be a message in it."""
        times = [(min(index[::2]), max(index[::2])) for index in self._index.values()]
        first, last, size = min(times)[0], max(last for _, last in times), len(self._data)
        packed = self._compressor.compress(self._data)
        start = file.tell()
        length = _CHUNK.size + _TEXT.size + len(packed)
        file.write(_HEAD.pack(Opcode.CHUNK, length))
        file.write(_CHUNK.pack(first, last, size, zlib.crc32(self._data)))
        file.write(_TEXT.pack(len(_COMPRESSION), _COMPRESSION, len(packed)))
        file.write(packed)
        offsets: dict[int, int] = {}
        end = start + _HEAD.size + length
        at = end
        for channel, index in self._index.items():
            offsets[channel] = at
            words = index.tobytes()
            file.write(_INDEX.pack(Opcode.MESSAGE_INDEX, 6 + len(words), channel, len(words)))
            file.write(words)
            at += _INDEX.size + len(words)
        self._data, self._index = bytearray(), {}
        return ChunkIndex(
            chunk_length=end - start,
            chunk_start_offset=start,
            compression=_COMPRESSION.decode(),
            compressed_size=len(packed),
            message_end_time=last,
            message_index_length=at - end,
            message_index_offsets=offsets,
            message_start_time=first,
            uncompressed_size=size,
        )
