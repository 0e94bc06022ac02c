"""Reading a capture, also one that is cut off or damaged, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from mcap.records import Attachment, Channel, Chunk, McapRecord, Message, Metadata

from gateway.capture.form import (
    PROFILE,
    PROFILES,
    SITE,
    STATES,
    SUFFIX,
    VERSION,
    About,
    Asked,
    Captured,
    ChannelKind,
    Entry,
    Gone,
    Hole,
    Known,
    Remembered,
    Site,
    Stored,
    Wire,
    checksum,
)
from gateway.capture.records import Damage, Records, words
from gateway.core.errors import LinesideError
from gateway.core.event import Event, Place, encode
from gateway.core.frame import Frame

_wire = msgspec.msgpack.Decoder(Wire)
_known = msgspec.msgpack.Decoder(Known)
_gone = msgspec.msgpack.Decoder(Gone)
_rows = msgspec.msgpack.Decoder(list[list[Any]])


class CaptureError(LinesideError):
    """Not a capture, or one that this version cannot read."""


class Part:
    """One file of a capture: what stands at its beginning."""

    def __init__(self, path: Path) -> None:
        """Raises CaptureError; OSError."""
        self.path = path
        self._facts: dict[str, str] | None = None
        self._site: Site | None = None
        self.profiles: dict[str, str] = {}
        self.states: dict[str, Remembered] = {}
        with path.open("rb") as file:
            records = Records(path, file, path.stat().st_size)
            whole = False
            try:
                for record in records:
                    if self._take(record):
                        whole = True
                        break
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CaptureError(f"{path}: {error}") from error
        reason = records.damage[0].reason if records.damage else "profile 'lineside' is missing"
        if self._facts is None:
            raise CaptureError(f"{path}: no capture of Lineside's: {reason}")
        if self._site is None or (records.damage and not whole):
            raise CaptureError(f"{path}: cut off or damaged in the configuration that it was made with: {reason}")
        bits = {name: self._facts[name] == "True" for name in ("redacted", "follows") if name in self._facts}
        try:
            self.about: About = msgspec.convert(self._facts | bits, About, strict=False)
        except msgspec.ValidationError as error:
            raise CaptureError(f"{path}: {error}") from None
        self.site: Site = self._site

    def _take(self, record: McapRecord) -> bool:
        """Whether that was the last of them."""
        if isinstance(record, Metadata) and record.name == PROFILE:
            self._facts = facts = record.metadata
            version = record.metadata.get("version")
            if version != str(VERSION):
                raise CaptureError(
                    f"{self.path}: a capture of version {version}; this Lineside reads version {VERSION}"
                )
            said = facts.get("sum")
            if said is not None and said != str(checksum({key: facts[key] for key in facts.keys() - {"sum"}})):
                raise CaptureError(f"{self.path}: damaged at its beginning, where it says what it is")
        elif isinstance(record, Attachment) and not self._is_whole(record):
            raise CaptureError(f"{self.path}: damaged at its beginning: {record.name}")
        elif isinstance(record, Attachment) and record.name == SITE:
            self._site = msgspec.json.decode(record.data, type=Site)
        elif isinstance(record, Attachment) and record.name.startswith(PROFILES):
            self.profiles[record.name.removeprefix(PROFILES).removesuffix(".toml")] = record.data.decode()
        elif isinstance(record, Attachment) and record.name == STATES:
            self.states = msgspec.msgpack.decode(record.data, type=dict[str, Remembered])
            return True
        return isinstance(record, Chunk)

    def _is_whole(self, attachment: Attachment) -> bool:
        said = (self._facts or {}).get(f"sum:{attachment.name}")
        return said is None or said == str(zlib.crc32(attachment.data))

    @property
    def place(self) -> Place:
        return Place(self.about.journal, self.about.site, self.about.gateway)


class Capture:
    """parts: its files, in order. Reading goes from file to file; each is complete by itself."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """paths: files, or folders of which all captures' files are taken; they must be of one capture.

        Raises CaptureError; OSError.
        """
        found = [file for path in paths for file in (sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path])]
        if not found:
            raise CaptureError(f"{', '.join(map(str, paths))}: no file {SUFFIX} is there")
        self.parts = sorted((Part(path) for path in found), key=lambda part: (part.about.capture, part.about.part))
        others = {part.about.capture for part in self.parts}
        if len(others) > 1:
            raise CaptureError(f"{len(others)} captures: name the files of one")
        for one, other in pairwise(self.parts):
            if one.about.part == other.about.part:
                raise CaptureError(f"{one.path} and {other.path} are the same part of a capture: name one of them")
        self.damage: list[Damage] = []
        """What was met by the readings so far: once, however often it was met."""

    @property
    def first(self) -> Part:
        return self.parts[0]

    def entries(self) -> Iterator[Entry]:
        """All messages in order. Where a file is damaged, its next whole chunk follows, and `damage` says so.

        Where a part does not go on where the last one was read to, a `Hole` comes first.
        """
        number = 0
        whole = True
        last: Part | None = None
        for part in self.parts:
            next_one = last is None or (part.about.follows and part.about.part == last.about.part + 1)
            if not (next_one and whole):
                yield Hole(number, part.states)
            met: list[Damage] = []
            try:
                for entry in self._of(part, met):
                    number = entry.number
                    yield entry
            finally:
                known = set(self.damage)
                self.damage += [each for each in met if each not in known]
            whole, last = not any(damage.bytes for damage in met), part

    def _of(self, part: Part, met: list[Damage]) -> Iterator[Entry]:
        channels: dict[int, Channel] = {}
        with part.path.open("rb") as file:
            records = Records(part.path, file, part.path.stat().st_size, met)
            for record in records:
                if isinstance(record, Chunk):
                    for each in records.inside(record):
                        if isinstance(each, Channel):
                            channels[each.id] = each
                        elif isinstance(each, Message):
                            yield from self._entries(part, records, channels, each)

    def _entries(
        self, part: Part, records: Records, channels: Mapping[int, Channel], message: Message
    ) -> Sequence[Entry]:
        try:
            return _read(channels[message.channel_id], message, part.place)
        except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
            records.skip(records.sound, len(message.data), f"a message makes no sense: {words(error)}")
            return ()


def _read(channel: Channel, message: Message, place: Place) -> Sequence[Entry]:
    """Nothing for channels of kinds that are not known here."""
    try:
        kind = ChannelKind(channel.metadata.get("kind", ""))
    except ValueError:
        return ()
    number, at, received = message.sequence, message.publish_time // 1000, message.log_time // 1000
    match kind:
        case ChannelKind.EVENT | ChannelKind.OWN:
            if channel.message_encoding == "json":
                return (Stored(number, at, kind, message.data),)
            fields = channel.metadata["fields"].split()
            return [Stored(number, at, kind, encode(_event(fields, row), place)) for row in _rows.decode(message.data)]
        case ChannelKind.KNOWN:
            return (Asked(number, _known.decode(message.data)),)
        case ChannelKind.HOLE:
            gone = _gone.decode(message.data)
            return (Hole(number, gone.states, gone),)
    wire = _wire.decode(message.data)
    frame = Frame(
        connection=channel.metadata["connection"],
        received=received,
        channel=wire.channel,
        payload=wire.payload,
        redelivered=wire.redelivered,
        meta=wire.meta,
    )
    protocol = channel.metadata["protocol"]
    return (Captured(number, at, kind, protocol, frame, wire.peer, wire.principal, wire.handles, wire.acknowledged),)


def _event(fields: Sequence[str], row: Sequence[Any]) -> Event:
    """Fields of another version are left out."""
    known = {name: value for name, value in zip(fields, row, strict=True) if name in Event.__struct_fields__}
    return msgspec.convert(known, Event)
