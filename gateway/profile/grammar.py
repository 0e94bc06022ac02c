"""Which lines make which records: the text side of a profile, compiled.

Patterns are RE2's (google-re2), which takes time in proportion to the line whatever the pattern: a machine cannot stall
the gateway with a line that another engine would backtrack over for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec
import re2

from gateway.core.errors import DecodeError
from gateway.core.observation import Unreadable
from gateway.core.sample import Value
from gateway.core.times import Micros, rfc3339
from gateway.profile.fields import Read, instant
from gateway.transport.framing import Framing


class Match(Protocol):
    def groupdict(self) -> dict[str, str | None]: ...


class Pattern(Protocol):
    """Of RE2."""

    groupindex: Mapping[str, int]

    def fullmatch(self, text: str) -> Match | None: ...


def compiled(text: str) -> Pattern:
    """Raises ValueError when it is no pattern of RE2."""
    options = re2.Options()
    options.log_errors = False
    try:
        found: Pattern = re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        raise ValueError(f"is no pattern of RE2: {reason}") from None
    return found


class FieldText(msgspec.Struct, frozen=True, kw_only=True):
    """Where a field stands in a line. missing: texts that mean that there is no value. read: None for a time."""

    name: str
    group: str
    missing: frozenset[str] = frozenset()
    read: Read | None = None
    format: str | None = None

    def text(self, groups: Mapping[str, str | None]) -> str | None:
        """Without blanks around it; None where it says nothing."""
        found = groups.get(self.group)
        bare = None if found is None else found.strip()
        return None if bare in self.missing else bare

    def value(self, text: str, zone: ZoneInfo) -> Value:
        if self.read is not None:
            return self.read(text)
        at = self.time(text, zone)
        return None if at is None else rfc3339(at)

    def time(self, text: str, zone: ZoneInfo) -> Micros | None:
        return instant(text, self.format, zone)


class RecordShape(msgspec.Struct, frozen=True, kw_only=True):
    """What one `[[record]]` is made of. required: fields without which it is nothing."""

    name: str
    parent: str | None
    fields: tuple[FieldText, ...]
    time: FieldText | None
    constants: Mapping[str, Value]
    required: frozenset[str]
    lane: int | None = None
    lane_group: str | None = None
    stage: str | None = None
    stage_group: str | None = None

    def values(self, groups: Mapping[str, str | None], zone: ZoneInfo) -> tuple[dict[str, Value], dict[str, str]]:
        """What the groups say, without what they do not; and the texts that say something that cannot be read."""
        found: dict[str, Value] = dict(self.constants)
        garbled: dict[str, str] = {}
        for field in self.fields:
            text = field.text(groups)
            value = None if text is None else field.value(text, zone)
            if value is not None:
                found[field.name] = value
            elif text:
                garbled[field.name] = text
        said = None if self.time is None else self.time.text(groups)
        if said and self.at(groups, zone) is None:
            garbled["time"] = said
        return found, garbled

    def at(self, groups: Mapping[str, str | None], zone: ZoneInfo) -> Micros | None:
        text = None if self.time is None else self.time.text(groups)
        return None if self.time is None or text is None else self.time.time(text, zone)


class RecordLines(RecordShape, frozen=True, kw_only=True):
    """One that stands in lines. single: `begin` is all of it. end: None when only what follows ends it."""

    begin: Pattern
    single: bool
    end: Pattern | None
    lines: tuple[Pattern, ...]


class Ask(msgspec.Struct, frozen=True):
    """What a machine is asked with, and how often, in seconds."""

    text: bytes
    every_s: float


class Grammar(msgspec.Struct, frozen=True, kw_only=True):
    """document: a frame is a whole file. framing: of a stream, and of a file that grows. ignored: patterns of lines that
    mean nothing."""

    records: tuple[RecordLines, ...]
    document: bool
    encoding: str
    delimiter: str
    framing: Framing = Framing(kind="lines")
    ask: Ask | None = None
    ignored: tuple[Pattern, ...] = ()

    def lines(self, data: bytes) -> list[str]:
        """Of a whole text. Raises DecodeError when it is not in the profile's encoding."""
        return self._text(data).removeprefix("\ufeff").split(self.delimiter)

    def each(self, data: bytes) -> list[str | Unreadable]:
        """The lines of a frame of a stream, apart from each other: one that is not in the encoding comes unreadable.

        Raises DecodeError when the frame is none, and when it has no line that can be read.
        """
        found: list[str | Unreadable] = []
        refused: DecodeError | None = None
        for line in self.framing.content(data).split(self.delimiter.encode(self.encoding)):
            try:
                found.append(self._text(line).removeprefix("\ufeff"))
            except DecodeError as error:
                refused = error
                found.append(Unreadable(raw=line, reason=error.reason, detail=str(error)))
        if refused is not None and all(isinstance(each, Unreadable) or not each.strip() for each in found):
            raise refused
        return found

    def _text(self, data: bytes) -> str:
        try:
            return data.decode(self.encoding)
        except UnicodeDecodeError as error:
            raise DecodeError("bad-text", f"is not {self.encoding}: {error.reason} at byte {error.start}") from None

    def within(self, parent: str | None) -> Sequence[RecordLines]:
        """What may begin inside a record of that name, or outside all."""
        return [each for each in self.records if each.parent == parent]
