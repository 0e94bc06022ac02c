"""The side of a bound profile that reads structured files (gateway.profile.bound.Records)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.core.errors import DecodeError
from gateway.core.observation import Unreadable
from gateway.profile.bound import Reader
from gateway.profile.grammar import Ask
from gateway.profile.rows import RowReader
from gateway.profile.structured import Found, Structure, TreeReading
from gateway.profile.trees import read_json, read_xml
from gateway.transport.framing import Framing


class StructuredTexts:
    """Of one profile."""

    ask: Ask | None = None

    def __init__(self, structure: Structure, framing: Framing) -> None:
        self._structure = structure
        self.framing = framing

    @property
    def document(self) -> bool:
        return self._structure.document

    def lines(self, data: bytes) -> list[str]:
        return self._text(data).split(self._structure.delimiter)

    def each(self, data: bytes) -> list[str | Unreadable]:
        found: list[str | Unreadable] = []
        for line in data.split(self._structure.delimiter.encode(self._structure.encoding or "utf-8")):
            try:
                found.append(self._text(line))
            except DecodeError as error:
                found.append(Unreadable(raw=line, reason=error.reason, detail=str(error)))
        return found

    def whole(self, data: bytes, station: str, zone: ZoneInfo) -> list[Found]:
        structure = self._structure
        if structure.format == "csv":
            reader = RowReader(structure, station, zone)
            return [each for line in self.lines(data) for each in reader.feed(line)] + reader.close()
        root = (
            read_xml(data, structure.encoding)
            if structure.format == "xml"
            else read_json(data, structure.encoding or "utf-8")
        )
        try:
            return TreeReading(structure, station, zone).read(root)
        except RecursionError:  # lists in lists of JSON; elements are counted where they are read
            raise DecodeError("bad-json", "is nested too deep") from None

    def reader(self, station: str, zone: ZoneInfo, state: bytes = b"") -> Reader:
        """Of rows; trees are only read as a whole."""
        return RowReader(self._structure, station, zone, state)

    def _text(self, data: bytes) -> str:
        encoding = self._structure.encoding or "utf-8"
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise DecodeError("bad-text", f"is not {encoding}: {error.reason} at byte {error.start}") from None
