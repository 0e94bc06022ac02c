"""CSV to records, one row at a time: rows that have their key in common make one, with what is nested in it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.observation import Record, Unreadable
from gateway.profile.records import MOST_CHARACTERS
from gateway.profile.structured import Found, RecordPath, Structure, made, said

_UNCLOSED = "unexpected end of data"
_MOST_ROW = 64 << 10
"""Characters of a row that goes on in the next line: a quote too many must not swallow the rest of the file."""


class _State(msgspec.Struct, frozen=True):
    """header: names of the columns. lines: of what is open; they are read again to go on."""

    header: tuple[str, ...] | None = None
    lines: tuple[str, ...] = ()


class _Open:
    """A record of which rows may still come. inner: the open one of each kind in it."""

    def __init__(self, spec: RecordPath, key: tuple[str, ...], row: Mapping[str, str | None]) -> None:
        self.spec = spec
        self.key = key
        self.row = row
        self.children: list[Record] = []
        self.inner: dict[str, _Open] = {}


class RowReader:
    """Of one source; implements gateway.profile.bound.Reader. Not for several threads."""

    def __init__(self, structure: Structure, station: str, zone: ZoneInfo, state: bytes = b"") -> None:
        self._structure = structure
        self._station = station
        self._zone = zone
        self._inside = {name: structure.within(name) for name in (None, *(each.name for each in structure.records))}
        self._header = structure.columns
        self._open: dict[str, _Open] = {}
        self._lines: list[str] = []
        self._size = 0
        self._part = ""  # a row that goes on in the next line, within quotes
        before = msgspec.json.decode(state, type=_State) if state else _State()
        self._header = structure.columns or before.header
        for line in before.lines:
            self.feed(line)  # what came of single rows was told before

    @property
    def state(self) -> bytes:
        """The header, and what is open."""
        lines = (*self._lines, self._part) if self._part else tuple(self._lines)
        header = None if self._structure.columns else self._header
        return msgspec.json.encode(_State(header, lines)) if lines or header else b""

    def feed(self, line: str) -> list[Found]:
        """What a line brings to an end."""
        line = line.removesuffix("\r").removeprefix("\ufeff")
        if not self._part and (not line.strip() or any(each.fullmatch(line) for each in self._structure.ignored)):
            return []
        whole = f"{self._part}\n{line}" if self._part else line
        self._part = ""
        try:
            (cells,) = csv.reader(whole.splitlines(keepends=True), delimiter=self._structure.separator, strict=True)
        except csv.Error as error:
            if _UNCLOSED in str(error) and len(whole) <= _MOST_ROW:
                self._part = whole
                return []
            return [self._unreadable(whole, "bad-row", f"is no row of CSV: {error}")]
        return self._row(whole, [cell.strip() for cell in cells])

    def close(self) -> list[Found]:
        """The file is at its end, and with it what is open."""
        found: list[Found] = []
        if self._part:
            found.append(self._unreadable(self._part, "cut-record", "the quotes of a row are not closed"))
            self._part = ""
        self._close(found)
        return found

    def _row(self, line: str, cells: Sequence[str]) -> list[Found]:
        if self._structure.columns is None and self._names <= set(cells):
            found: list[Found] = []
            self._close(found)  # another file begins
            self._header = tuple(cells)
            return found
        if self._header is None:
            return [self._unreadable(line, "no-header", f"comes before the row with {', '.join(sorted(self._names))}")]
        if len(cells) != len(self._header):
            detail = f"has {len(cells)} columns; expected: {len(self._header)}"
            return [self._unreadable(line, "bad-row", detail)]
        return self._take(line, dict(zip(self._header, cells, strict=True)))

    @property
    def _names(self) -> set[str]:
        """Columns that are asked for."""
        found: set[str] = set()
        for spec in self._structure.records:
            found |= {field.group for field in spec.fields} | set(spec.key)
            found |= {each for each in (spec.lane_group, spec.stage_group) if each is not None}
            found |= {spec.time.group} if spec.time is not None else set()
        return found

    def _take(self, line: str, row: Mapping[str, str | None]) -> list[Found]:
        found: list[Found] = []
        for spec in self._inside[None]:
            self._descend(self._open, spec, row, found, None)
        if not self._open:
            self._forget()
            return found
        self._lines.append(line)
        self._size += len(line)
        if self._size > MOST_CHARACTERS:
            lines = "\n".join(self._lines)
            self._open.clear()
            self._forget()
            detail = f"goes on for over {MOST_CHARACTERS} characters"
            found.append(self._unreadable(lines[:MOST_CHARACTERS], "endless-record", detail))
        return found

    def _descend(
        self,
        opened: dict[str, _Open],
        spec: RecordPath,
        row: Mapping[str, str | None],
        found: list[Found],
        around: list[Record] | None,
    ) -> None:
        """Put a row where it belongs: into what is open under the same key, or else into something new."""
        key = tuple(row.get(name) or "" for name in spec.key)
        node = opened.get(spec.name)
        if node is None or not spec.key or node.key != key:
            if node is not None:
                self._end(opened, node, found, around)
            if around is not None and not said(spec, row):
                return
            node = opened[spec.name] = _Open(spec, key, row)
        for inner in self._inside[spec.name]:
            self._descend(node.inner, inner, row, found, node.children)
        if not spec.key:
            self._end(opened, node, found, around)

    def _end(self, opened: dict[str, _Open], node: _Open, found: list[Found], around: list[Record] | None) -> None:
        for inner in list(node.inner.values()):
            self._end(node.inner, inner, found, node.children)
        del opened[node.spec.name]
        record = made(node.spec, node.row, node.children, self._station, self._zone, found)
        if not self._open:
            self._forget()
        if record is not None and around is None:
            found.append(record)
        elif record is not None and around is not None:
            around.append(record)

    def _close(self, found: list[Found]) -> None:
        for node in list(self._open.values()):
            self._end(self._open, node, found, None)
        self._forget()

    def _forget(self) -> None:
        self._lines, self._size = [], 0

    @staticmethod
    def _unreadable(text: str, reason: str, detail: str) -> Unreadable:
        return Unreadable(raw=text.encode("utf-8", "surrogatepass"), reason=reason, detail=detail)
