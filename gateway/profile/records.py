"""Lines of text to records, one line at a time.

A record that a line makes is there at once; one of several lines when it ends. What is open can be kept and gone on
with (`state`), so that a report that a restart cuts in half is read to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.observation import Record, Unreadable
from gateway.profile.grammar import Ask, Grammar, Pattern, RecordLines
from gateway.transport.framing import Framing

Found = Record | Unreadable

MOST_CHARACTERS = 4 << 20
"""Of an open record; a longer one is given up, for its end was missed or will never come."""


class _State(msgspec.Struct, frozen=True):
    """The lines of what is open. They are read again to go on, so that a changed profile reads them its own way."""

    lines: tuple[str, ...] = ()


class _Open:
    """A record that has begun. at: number of its first line within the outermost one."""

    def __init__(self, spec: RecordLines, at: int) -> None:
        self.spec = spec
        self.at = at
        self.groups: dict[str, str | None] = {}
        self.children: list[Record] = []

    def take(self, groups: Mapping[str, str | None]) -> None:
        self.groups.update({name: text for name, text in groups.items() if text is not None})


class Reader:
    """Of one source. Not for several threads."""

    def __init__(self, grammar: Grammar, station: str, zone: ZoneInfo, state: bytes = b"") -> None:
        """zone: for times that name none. state: of an earlier reader."""
        self._grammar = grammar
        self._station = station
        self._zone = zone
        self._inside = {name: grammar.within(name) for name in (None, *(each.name for each in grammar.records))}
        self._open: list[_Open] = []
        self._lines: list[str] = []
        self._size = 0
        for line in msgspec.json.decode(state, type=_State).lines if state else ():
            self.feed(line)  # what came of single lines was told before

    @property
    def state(self) -> bytes:
        """Empty when nothing is open."""
        return msgspec.json.encode(_State(tuple(self._lines))) if self._lines else b""

    def feed(self, line: str) -> list[Found]:
        """What a line, without what ends it, brings to an end. A line that fits nothing comes back unreadable."""
        line = line.removesuffix("\r")
        if not line.strip():
            return []
        found: list[Found] = []
        if self._inner(line, found) or self._outer(line, found):
            if self._open and self._size > MOST_CHARACTERS:
                found.append(self._given_up("endless-record", f"goes on for over {MOST_CHARACTERS} characters"))
            return found
        if any(each.fullmatch(line) for each in self._grammar.ignored):
            return found
        return [*found, self._unreadable([line], "no-record", "fits no record of the profile")]

    def close(self) -> list[Found]:
        """The text is at its end: whatever needs no line to end it has ended."""
        found: list[Found] = []
        if self._open:
            self._cut_root(found)
        return found

    def _inner(self, line: str, found: list[Found]) -> bool:
        """Whether the line belongs to something that is open, the innermost first."""
        for depth in reversed(range(len(self._open))):
            node = self._open[depth]
            ended = _groups(node.spec.end, line)
            if ended is not None:
                self._cut(depth + 1, found)
                self._keep(line)
                node.take(ended)
                self._end(found)
                return True
            for spec in self._inside[node.spec.name]:
                begun = _groups(spec.begin, line)
                if begun is not None:
                    self._cut(depth + 1, found)
                    self._begin(spec, begun, line, found)
                    return True
            for pattern in node.spec.lines:
                more = _groups(pattern, line)
                if more is not None:
                    self._cut(depth + 1, found)
                    self._keep(line)
                    node.take(more)
                    return True
        return False

    def _outer(self, line: str, found: list[Found]) -> bool:
        for spec in self._inside[None]:
            begun = _groups(spec.begin, line)
            if begun is None:
                continue
            if spec.single:  # may stand in the middle of a report
                node = _Open(spec, 0)
                node.take(begun)
                made = self._made(node, [line], found)
                found += [] if made is None else [made]
            else:
                if self._open:
                    self._cut_root(found)
                self._begin(spec, begun, line, found)
            return True
        return False

    def _begin(self, spec: RecordLines, groups: Mapping[str, str | None], line: str, found: list[Found]) -> None:
        node = _Open(spec, len(self._lines))
        node.take(groups)
        self._keep(line)
        self._open.append(node)
        if spec.single:
            self._end(found)

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _cut(self, depth: int, found: list[Found]) -> None:
        """End what is open from that depth on, because something else goes on."""
        while len(self._open) > depth:
            node = self._open[-1]
            if node.spec.end is None:
                self._end(found)
            else:
                self._open.pop()
                found.append(self._unreadable(self._lines[node.at :], "cut-record", f"{node.spec.name} has no end"))

    def _cut_root(self, found: list[Found]) -> None:
        """The same of the outermost, with all that belongs to it."""
        if self._open[0].spec.end is not None:
            found.append(self._given_up("cut-record", f"{self._open[0].spec.name} has no end"))
        else:
            self._cut(0, found)

    def _given_up(self, reason: str, detail: str) -> Unreadable:
        found = self._unreadable(self._lines, reason, detail)
        self._open.clear()
        self._forget()
        return found

    def _unreadable(self, lines: list[str], reason: str, detail: str) -> Unreadable:
        text = self._grammar.delimiter.join(lines)
        return Unreadable(raw=text.encode(self._grammar.encoding), reason=reason, detail=detail)

    def _forget(self) -> None:
        self._lines, self._size = [], 0

    def _end(self, found: list[Found]) -> None:
        """The innermost has ended: it is nested in what is around it, or told."""
        node = self._open.pop()
        made = self._made(node, self._lines[node.at :], found)
        if made is not None and self._open:
            self._open[-1].children.append(made)
        elif made is not None:
            found.append(made)
        if not self._open:
            self._forget()

    def _made(self, node: _Open, lines: list[str], found: list[Found]) -> Record | None:
        """The record, or into `found` what keeps it from being one, or is missing in it."""
        spec = node.spec
        fields, garbled = spec.values(node.groups, self._zone)
        lacks = sorted(spec.required - fields.keys())
        if lacks:
            found.append(self._unreadable(lines, "incomplete-record", f"{spec.name} has no {', '.join(lacks)}"))
            return None
        for name, text in garbled.items():
            found.append(self._unreadable([text], "bad-field", f"{name} of {spec.name} cannot be read"))
        lane = _group(node, spec.lane_group)
        stage = _group(node, spec.stage_group)
        return Record(
            station=self._station,
            name=spec.name,
            fields=fields,
            children=tuple(node.children),
            time=spec.at(node.groups, self._zone),
            lane=int(lane) if lane.isascii() and lane.isdigit() and len(lane) <= 3 else spec.lane,
            stage=stage or spec.stage,
        )


def _group(node: _Open, name: str | None) -> str:
    return "" if name is None else (node.groups.get(name) or "").strip()


def _groups(pattern: Pattern | None, line: str) -> dict[str, str | None] | None:
    match = None if pattern is None else pattern.fullmatch(line)
    return None if match is None else match.groupdict()


def whole(grammar: Grammar, lines: list[str], station: str, zone: ZoneInfo) -> list[Found]:
    """Everything in a text that is complete."""
    reader = Reader(grammar, station, zone)
    return [each for line in lines for each in reader.feed(line)] + reader.close()


class Texts:
    """The text side of a bound profile (gateway.profile.bound.Records)."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar

    @property
    def document(self) -> bool:
        return self._grammar.document

    @property
    def framing(self) -> Framing:
        return self._grammar.framing

    @property
    def ask(self) -> Ask | None:
        return self._grammar.ask

    def lines(self, data: bytes) -> list[str]:
        return self._grammar.lines(data)

    def each(self, data: bytes) -> list[str | Unreadable]:
        return self._grammar.each(data)

    def whole(self, data: bytes, station: str, zone: ZoneInfo) -> list[Found]:
        return whole(self._grammar, self.lines(data), station, zone)

    def reader(self, station: str, zone: ZoneInfo, state: bytes = b"") -> Reader:
        return Reader(self._grammar, station, zone, state)

    def said(self, line: str, fields: frozenset[str]) -> list[str] | None:
        """What a line has in these fields, whatever record it may belong to; None when it fits none, and is more than
        ornament."""
        line = line.removesuffix("\r")
        found: list[str] = []
        fits = not any(character.isdigit() for character in line)
        for spec in self._grammar.records:
            for pattern in (spec.begin, spec.end, *spec.lines):
                groups = _groups(pattern, line)
                if groups is not None:
                    fits = True
                    said = [field.text(groups) for field in spec.fields if field.name in fields]
                    found += [text for text in said if text]
        return found if fits else None
