"""Closing a file that a killed process left open."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import msgspec
from mcap.reader import make_reader
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    McapRecord,
    Message,
    MessageIndex,
    Metadata,
    MetadataIndex,
)

from gateway.capture.reading import CaptureError
from gateway.capture.records import Records, unpacked
from gateway.capture.summary import Summary


class Mended(msgspec.Struct, frozen=True):
    """messages: that are in the file. cut: bytes of the end that were no whole record. closed: it had been already."""

    messages: int
    cut: int = 0
    closed: bool = False


def mend(path: Path) -> Mended:
    """Cut off what is no whole record at its end, and write the index behind the rest. A file that is closed is left as it
    is. Raises CaptureError for one that is damaged before its end; OSError."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        records = Records(path, file, size)
        scan = _Scan()
        start = records.sound
        for record in records:
            if not scan.take(record, start, records.sound):
                raise CaptureError(f"{path}: damaged at byte {start}; it is left as it is")
            start = records.sound
        if not records.damage:
            return Mended(scan.summary.messages, closed=True)
        if not scan.summary.metadata:
            raise CaptureError(f"{path}: nothing in it is whole")
        end = scan.end or records.sound
        file.seek(end)
        file.truncate()
        scan.summary.write(file)
        file.flush()
        os.fsync(file.fileno())
        return Mended(scan.summary.messages, cut=size - end)


def messages(path: Path) -> int | None:
    """Of a closed file, without reading all of it; None when it is not closed."""
    with path.open("rb") as file:
        try:
            summary = make_reader(file).get_summary()
        except Exception:  # noqa: BLE001  the library raises what its parts raise
            return None
        return summary.statistics.message_count if summary is not None and summary.statistics is not None else None


class _Scan:
    """The summary of what is read again."""

    def __init__(self) -> None:
        self.summary = Summary()
        self.end = 0
        """Where the messages end and the summary begins, if it does."""

    def take(self, record: McapRecord, start: int, end: int) -> bool:
        """False for a damaged chunk."""
        summary = self.summary
        match record:
            case Metadata():
                summary.metadata.append(MetadataIndex(start, end - start, record.name))
            case Attachment():
                index = AttachmentIndex(
                    start, end - start, record.log_time, record.create_time, len(record.data), record.name, record.media_type
                )  # fmt: skip
                summary.attachments.append(index)
            case Chunk():
                return self._chunk(record, start, end)
            case DataEnd():
                self.end = start
            case MessageIndex() if summary.chunks:  # behind none it is of a chunk that is no longer one
                of = summary.chunks[-1]
                of.message_index_offsets[record.channel_id] = start
                of.message_index_length += end - start
        return True

    def _chunk(self, chunk: Chunk, start: int, end: int) -> bool:
        try:
            inside = unpacked(chunk)
        except Exception:  # noqa: BLE001  as above
            return False
        counts: Counter[int] = Counter()
        for each in inside:
            if isinstance(each, Channel):
                self.summary.channels[each.id] = each
            elif isinstance(each, Message):
                counts[each.channel_id] += 1
        index = ChunkIndex(
            chunk_length=end - start,
            chunk_start_offset=start,
            compression=chunk.compression,
            compressed_size=len(chunk.data),
            message_end_time=chunk.message_end_time,
            message_index_length=0,
            message_index_offsets={},
            message_start_time=chunk.message_start_time,
            uncompressed_size=chunk.uncompressed_size,
        )
        self.summary.add(index, counts)
        return True
