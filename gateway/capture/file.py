"""Writing one file of a capture."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from mcap.data_stream import RecordBuilder
from mcap.records import Attachment, AttachmentIndex, Channel, Header, Metadata, MetadataIndex

from gateway.capture.chunk import Chunk, Packer
from gateway.capture.form import (
    PROFILE,
    PROFILES,
    SITE,
    STATES,
    VERSION,
    About,
    ChannelKind,
    Gone,
    Known,
    Remembered,
    Site,
    Wire,
    checksum,
)
from gateway.capture.summary import MAGIC, Summary
from gateway.core.event import Event
from gateway.core.frame import Delivery
from gateway.core.times import Micros

_packer = msgspec.msgpack.Encoder()
_text = msgspec.json.Encoder()
_SEQUENCES = 1 << 32
_ROW = [name for name in Event.__struct_fields__ if name not in ("raw", "also_units")]
"""Of an event. What was received is in the frame, and the last is no part of it."""
assert Event.__struct_fields__[: len(_ROW)] == tuple(_ROW), "what is left out must come last"


class CaptureFile:
    """Not for several threads. What was written reaches the disk with `flush`, and with `close` the index behind it; a file
    that was not closed can be read up to its last whole chunk."""

    def __init__(
        self,
        path: Path,
        about: About,
        site: Site,
        profiles: Mapping[str, bytes],
        states: Mapping[str, Remembered],
        *,
        number: int = 1,
        chunk_bytes: int = 1 << 20,
    ) -> None:
        """number: of the first message. Raises OSError; FileExistsError when there is such a file."""
        self.path = path
        self.number = number
        self._chunk_bytes = chunk_bytes
        self._chunk = Chunk()
        self._summary = Summary()
        self._channels: dict[tuple[ChannelKind, str], Channel] = {}
        # Of what came in, by connection alone: to look the kind up too takes 0.1 µs a frame.
        self._heard: dict[str, Channel] = {}
        self._file: BinaryIO = path.open("xb")
        try:
            self._begin(about, site, profiles, states)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, about: About, site: Site, profiles: Mapping[str, bytes], states: Mapping[str, Remembered]) -> None:
        builder = RecordBuilder()
        Header(PROFILE, f"lineside {about.made_by}").write(builder)
        self._file.write(MAGIC + builder.end())  # type: ignore[no-untyped-call]
        attachments = [(SITE, "application/json", msgspec.json.encode(site))]
        attachments += [(f"{PROFILES}{name}.toml", "application/toml", text) for name, text in sorted(profiles.items())]
        attachments.append((STATES, "application/msgpack", _packer.encode(states)))
        facts = {"version": str(VERSION)}
        facts |= {name: str(value) for name, value in msgspec.to_builtins(about).items()}
        facts |= {f"sum:{name}": str(zlib.crc32(data)) for name, _, data in attachments}
        start = self._file.tell()
        Metadata(PROFILE, facts | {"sum": str(checksum(facts))}).write(builder)
        self._file.write(builder.end())  # type: ignore[no-untyped-call]
        self._summary.metadata.append(MetadataIndex(start, self._file.tell() - start, PROFILE))
        for name, kind, data in attachments:
            self._attach(about.began * 1000, name, kind, data)
        self._sync()

    def _attach(self, at: int, name: str, kind: str, data: bytes) -> None:
        builder = RecordBuilder()
        Attachment(at, at, name, kind, data).write(builder)
        start = self._file.tell()
        self._file.write(builder.end())  # type: ignore[no-untyped-call]
        length = self._file.tell() - start
        self._summary.attachments.append(AttachmentIndex(start, length, at, at, len(data), name, kind))

    @property
    def size(self) -> int:
        """Bytes in the file; what is in the chunk that is being filled comes on top."""
        return self._file.tell()

    @property
    def waiting(self) -> bool:
        """Whether there is something that `flush` would write."""
        return self._chunk.size > 0

    def frame(
        self, connection: str, protocol: str, wire: Wire, *, received: Micros, at: Micros, out: bool = False
    ) -> None:
        """received: when its frame was; for what we sent, when that was."""
        self._frame(ChannelKind.OUT if out else ChannelKind.IN, connection, protocol, wire, received, at)

    def delivery(self, protocol: str, delivery: Delivery, at: Micros) -> None:
        """Its frame, and what else `Wire` has of it."""
        frame = delivery.frame
        channel = self._heard.get(frame.connection)
        if channel is None:
            channel = self._channel(ChannelKind.IN, frame.connection, "msgpack", {"protocol": protocol})
        handles = delivery.handles
        wire = (
            frame.channel,
            frame.payload,
            frame.redelivered,
            frame.meta,
            delivery.peer,
            delivery.principal,
            tuple(handles) if handles else (),
            delivery.acknowledged,
        )
        self._message(channel, frame.received, at, wire, _packer)

    def _frame(
        self, kind: ChannelKind, connection: str, protocol: str, wire: object, received: Micros, at: Micros
    ) -> None:
        channel = self._channels.get((kind, connection))
        if channel is None:
            channel = self._channel(kind, connection, "msgpack", {"protocol": protocol})
        self._message(channel, received, at, wire, _packer)

    def events(self, events: Sequence[Event], *, at: Micros, own: bool = False) -> None:
        """Of one commit."""
        kind = ChannelKind.OWN if own else ChannelKind.EVENT
        channel = self._channels.get((kind, "rows"))
        if channel is None:
            channel = self._channel(kind, "rows", "msgpack", {"fields": " ".join(_ROW)})
        astuple, end = msgspec.structs.astuple, len(_ROW)
        self._message(channel, events[0].received, at, [astuple(event)[:end] for event in events], _packer)

    def event(self, document: bytes, *, received: Micros, at: Micros, own: bool) -> None:
        """As JSON: for whoever makes a capture of events that are documents already."""
        kind = ChannelKind.OWN if own else ChannelKind.EVENT
        channel = self._channels.get((kind, "")) or self._channel(kind, "", "json")
        self._message(channel, received, at, msgspec.Raw(document), _text)

    def known(self, known: Known, *, at: Micros) -> None:
        self._message(self._own(ChannelKind.KNOWN), at, at, known, _packer)

    def hole(self, gone: Gone, *, at: Micros) -> None:
        """What is written behind it begins from its states."""
        self._message(self._own(ChannelKind.HOLE), at, at, gone, _packer)

    def _own(self, kind: ChannelKind) -> Channel:
        return self._channels.get((kind, "")) or self._channel(kind, "", "msgpack")

    def _message(self, channel: Channel, received: Micros, at: Micros, what: object, packer: Packer) -> None:
        # MCAP's times have no sign: what is dated before 1970 is only ever a clock of ours that was not set.
        log_time = received * 1000 if received > 0 else 0
        publish_time = at * 1000 if at > 0 else 0
        self._chunk.add(channel, self.number % _SEQUENCES, log_time, publish_time, what, packer)
        self.number += 1
        if self._chunk.size >= self._chunk_bytes:
            self._write_chunk()

    def _channel(self, kind: ChannelKind, connection: str, encoding: str, facts: Mapping[str, str] = {}) -> Channel:
        frames = kind in (ChannelKind.IN, ChannelKind.OUT)
        made = Channel(
            id=len(self._channels) + 1,
            topic=connection if frames else f"lineside:{kind}",
            message_encoding=encoding,
            metadata={"kind": kind.value, "connection": connection if frames else "", **facts},
            schema_id=0,
        )
        self._channels[kind, connection] = self._summary.channels[made.id] = made
        if kind is ChannelKind.IN:
            self._heard[connection] = made
        return made

    def _write_chunk(self) -> None:
        counts = self._chunk.counts
        self._summary.add(self._chunk.write(self._file), counts)

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def flush(self) -> None:
        """Onto the disk."""
        if self.waiting:
            self._write_chunk()
        self._sync()

    def close(self) -> None:
        try:
            self.flush()
            self._summary.write(self._file)
            self._sync()
        finally:
            self._file.close()

    def abandon(self) -> None:
        """As it is, for a disk that takes nothing more."""
        with contextlib.suppress(OSError):
            self._file.close()
