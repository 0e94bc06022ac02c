"""Records as rows of CSV: one for each innermost record, with what is around it repeated in each."""

from __future__ import annotations

from simulators.voices.items import Item, Moment
from simulators.voices.layout import Layout, blank, written
from simulators.voices.template import Part, Stamp

Row = dict[str, Part]


def write(layout: Layout, item: Item) -> tuple[tuple[Part, ...] | None, tuple[Part, ...], Item]:
    """Header (None where the file has none), rows, and what they say. Raises ValueError when the profile has none."""
    if layout.record(item.name) is None:
        raise ValueError(f"the profile has no {item.name}")
    frame = layout.profile.frame
    columns = list(frame.columns) or _columns(layout)
    separator = frame.separator or ","
    found = _rows(layout, item, None)
    if found is None:
        raise ValueError(f"the profile has no room for this {item.name}: {dict(item.fields)}")
    rows, said = found
    parts: list[Part] = []
    for row in rows:
        for index, column in enumerate(columns):
            parts += [separator] if index else []
            parts.append(_cell(row.get(column, ""), separator))
        parts.append(frame.delimiter)
    head: list[Part] = [separator.join(str(_cell(column, separator)) for column in columns), frame.delimiter]
    return None if frame.columns else tuple(head), tuple(parts), said


def _columns(layout: Layout) -> list[str]:
    """In the order of the profile."""
    found: dict[str, None] = {}
    for table in layout.profile.record:
        found |= dict.fromkeys(table.key)
        found |= {field.path or name: None for name, field in table.fields.items()}
        found |= {table.time.path or "time": None} if table.time is not None else {}
    return list(found)


def _rows(layout: Layout, item: Item, parent: str | None) -> tuple[list[Row], Item] | None:
    """None for what the profile cannot say: a result that it has no word for, in what is skipped."""
    table = layout.record(item.name, parent)
    if table is None:
        return None
    own: Row = {}
    said = {}
    for name, field in table.fields.items():
        text = written(field, item.fields.get(name))
        if text is not None:
            own[field.path or name] = text
            said[name] = item.fields[name]
        else:
            own.setdefault(field.path or name, blank(field) or "")
    if item.fields.get("result") == "Skipped" and "result" not in said:
        return None
    ended = item.fields.get("ended")
    if table.time is not None and isinstance(ended, Moment):
        own.setdefault(table.time.path or "time", written(table.time, ended) or "")
    inner = [made for child in item.children if (made := _rows(layout, child, item.name)) is not None]
    rows = [{**row, **own} for made, _ in inner for row in made] or [own]
    return rows, Item(item.name, said, tuple(child for _, child in inner))


def _cell(text: Part, separator: str) -> Part:
    if isinstance(text, Stamp) or not any(each in text for each in (separator, '"', "\n", "\r")):
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'
