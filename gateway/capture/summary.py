"""What stands at the end of a closed file, so that nobody has to read it all to find something (MCAP specification 0)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    AttachmentIndex,
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    McapRecord,
    MetadataIndex,
    Statistics,
    SummaryOffset,
)

MAGIC = struct.pack("<8B", 137, 77, 67, 65, 80, 48, 13, 10)
_FOOTER = struct.Struct("<BQQQ")


class Summary:
    """Collected while a file is written, or read again."""

    def __init__(self) -> None:
        self.attachments: list[AttachmentIndex] = []
        self.metadata: list[MetadataIndex] = []
        self.chunks: list[ChunkIndex] = []
        self.channels: dict[int, Channel] = {}
        self._messages: Counter[int] = Counter()

    def add(self, chunk: ChunkIndex, counts: Mapping[int, int]) -> None:
        """counts: its messages by channel."""
        self.chunks.append(chunk)
        self._messages.update(counts)

    @property
    def messages(self) -> int:
        return self._messages.total()

    def write(self, file: BinaryIO) -> None:
        """The end of the file."""
        file.write(_bytes([DataEnd(0)]))
        start = file.tell()
        pieces: list[bytes] = []
        offsets: list[SummaryOffset] = []
        at = start
        for group, records in self._groups():
            data = _bytes(records)
            if data:
                offsets.append(SummaryOffset(group_opcode=group, group_start=at, group_length=len(data)))
                pieces.append(data)
                at += len(data)
        pieces.append(_bytes(offsets))
        data = b"".join(pieces)
        crc = zlib.crc32(_FOOTER.pack(Opcode.FOOTER, 20, start, at), zlib.crc32(data))
        file.write(data)
        file.write(_bytes([Footer(summary_start=start, summary_offset_start=at, summary_crc=crc)]))
        file.write(MAGIC)

    def _groups(self) -> Iterable[tuple[int, Sequence[McapRecord]]]:
        statistics = Statistics(
            attachment_count=len(self.attachments),
            channel_count=len(self.channels),
            channel_message_counts=dict(self._messages),
            chunk_count=len(self.chunks),
            message_count=self.messages,
            message_end_time=max((chunk.message_end_time for chunk in self.chunks), default=0),
            message_start_time=min((chunk.message_start_time for chunk in self.chunks), default=0),
            metadata_count=len(self.metadata),
            schema_count=0,
        )
        yield Opcode.CHANNEL, list(self.channels.values())
        yield Opcode.STATISTICS, [statistics]
        yield Opcode.CHUNK_INDEX, self.chunks
        yield Opcode.ATTACHMENT_INDEX, self.attachments
        yield Opcode.METADATA_INDEX, self.metadata


def _bytes(records: Sequence[McapRecord]) -> bytes:
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    data: bytes = builder.end()  # type: ignore[no-untyped-call]
    return data
