"""Records as a machine writes them into text, in the layout of its profile: by patterns, by path, by column."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.profile.grammar import Pattern, compiled
from gateway.profile.tables_records import RecordField, TextRecord
from simulators.voices import pattern, written_rows, written_xml
from simulators.voices.items import Item, Moment, Word
from simulators.voices.layout import Layout, blank, written
from simulators.voices.template import Part, Stamp, Template, joined
from simulators.voices.voice import When

_TRIED = When(lambda at: 1_790_000_000_000_000 + round(at), 1.0)
"""Any instant will do to see whether a pattern takes a time stamp."""


class Written(NamedTuple):
    """head: what a file begins with, once. item: what of it the text says."""

    template: Template
    item: Item
    head: Template | None = None


def write(layout: Layout, item: Item) -> Written:
    """One outermost record. Raises ValueError where the profile cannot be turned round, or has no room for it."""
    frame = layout.profile.frame
    match frame.format:
        case "xml":
            parts, said = written_xml.write(layout, item)
            head: tuple[Part, ...] | None = None
        case "csv":
            head, parts, said = written_rows.write(layout, item)
        case "text":
            lines, said = _lines(layout, item)
            head, parts = None, tuple(part for line in lines for part in (*line, frame.delimiter))
        case _:
            raise ValueError(f"files of {frame.format} cannot be written")
    return Written(
        Template(joined(parts), frame.encoding), said, None if head is None else Template(joined(head), frame.encoding)
    )


_Lines = list[tuple[Part, ...]]


def _lines(layout: Layout, item: Item) -> tuple[_Lines, Item]:
    table = layout.record(item.name)
    found = None if table is None else _record(layout, table, item)
    if found is None:
        raise ValueError(f"the profile has no room for this {item.name}: {dict(item.fields)}")
    return found


def _record(layout: Layout, table: TextRecord, item: Item) -> tuple[_Lines, Item] | None:
    """None when its lines would not be read as they are meant: instruments do not print what they cannot."""
    groups, said = _groups(table, item)
    first = _line(table.pattern or table.begin or "", groups)
    last = None if table.end is None else _line(table.end, groups)
    if first is None or (last is None and table.end is not None):
        return None
    lines, children = [first], []
    for text in table.lines:
        wanted = any(groups.get(name) not in (None, "") for name in pattern.names(text))
        more = _line(text, groups) if wanted else None
        lines += [] if more is None else [more]
    for child, inner in _children(layout, item):
        made = _record(layout, inner, child)
        if made is not None:
            lines += made[0]
            children.append(made[1])
    return [*lines, *([] if last is None else [last])], Item(item.name, said, tuple(children))


def _children(layout: Layout, item: Item) -> Iterator[tuple[Item, TextRecord]]:
    for child in item.children:
        table = layout.record(child.name, item.name)
        if table is not None:
            yield child, table


def _groups(table: TextRecord, item: Item) -> tuple[dict[str, Part | None], dict[str, Word]]:
    """What stands in the named groups, and which fields that says. Of several fields in one group, the one that it is
    named after is written."""
    groups: dict[str, Part | None] = {}
    said: dict[str, Word] = {}
    fields = sorted(table.fields.items(), key=lambda each: _group(*each) != each[0])
    for name, field in fields:
        group = _group(name, field)
        text = written(field, item.fields.get(name))
        if group not in groups or groups[group] is None:
            groups[group] = text
        if text is not None and groups[group] == text:
            said[name] = item.fields[name]
    for name, field in fields:
        group = _group(name, field)
        groups[group] = blank(field) if groups[group] is None else groups[group]
    if table.time is not None and groups.get(table.time.group or "time") is None:
        ended = item.fields.get("ended")
        groups[table.time.group or "time"] = written(table.time, ended) if isinstance(ended, Moment) else None
    return groups, said


def _group(name: str, field: RecordField) -> str:
    return field.group or name.replace(".", "_")


def _line(text: str, groups: dict[str, Part | None]) -> tuple[Part, ...] | None:
    """None when it cannot be written, or would be read as something else."""
    parts = pattern.line(text, groups)
    if parts is None:
        return None
    match = _compiled(text).fullmatch("".join(map(_tried, parts)))
    if match is None:
        return None
    for name, found in match.groupdict().items():
        wanted = groups.get(name)
        if wanted is not None and (found or "").strip() != _tried(wanted).strip():
            return None
    return joined(parts)


def _tried(part: Part) -> str:
    return part.text(_TRIED, ZoneInfo("UTC")) if isinstance(part, Stamp) else part


@cache
def _compiled(text: str) -> Pattern:
    return compiled(text)
