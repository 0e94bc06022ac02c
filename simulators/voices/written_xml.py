"""Records as an XML document, by the paths of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from gateway.profile.trees import Steps, steps
from simulators.voices.items import Item
from simulators.voices.layout import Layout, blank, written
from simulators.voices.template import Part, Stamp

_NAMES = {"latin-1": "ISO-8859-1", "cp1252": "windows-1252", "ascii": "US-ASCII"}


class _Element:
    """records: how many of those in it are records of their own, which no field's path leads into."""

    def __init__(self, name: str, *, record: bool = False) -> None:
        self.name = name
        self.record = record
        self.attributes: dict[str, Part] = {}
        self.text: Part = ""
        self.inside: list[_Element] = []

    def below(self, path: Steps) -> _Element:
        """What is at this path, made where it is not yet."""
        found = self
        for step in path:
            inner = next((each for each in found.inside if each.name == step and not each.record), None)
            if inner is None:
                inner = _Element(step)
                found.inside.append(inner)
            found = inner
        return found


def write(layout: Layout, item: Item) -> tuple[tuple[Part, ...], Item]:
    """The document, and what it says. Raises ValueError when the profile has no such record."""
    top = _Element("")
    said = _add(layout, top, item, None)
    if said is None or len(top.inside) != 1:
        raise ValueError(f"the profile has no {item.name}")
    encoding = layout.profile.frame.encoding
    head = f'<?xml version="1.0" encoding="{_NAMES.get(encoding, encoding.upper())}"?>\n'
    return (head, *_text(top.inside[0], 0)), said


def _add(layout: Layout, around: _Element, item: Item, parent: str | None) -> Item | None:
    table = layout.record(item.name, parent)
    if table is None:
        return None
    *way, last = steps(table.path or "")
    element = _Element(last, record=True)
    around.below(tuple(way)).inside.append(element)
    said = {}
    for name, field in table.fields.items():
        text = written(field, item.fields.get(name))
        if text is not None:
            said[name] = item.fields[name]
        _put(element, steps(field.path or name), blank(field) if text is None else text)
    if table.time is not None:
        _put(element, steps(table.time.path or "time"), written(table.time, item.fields.get("ended")))
    children = [_add(layout, element, child, item.name) for child in item.children]
    return Item(item.name, said, tuple(child for child in children if child is not None))


def _put(element: _Element, path: Steps, text: Part | None) -> None:
    if text is None:
        return
    if path and path[-1].startswith("@"):
        element.below(path[:-1]).attributes[path[-1][1:]] = text
    else:
        element.below(path).text = text


def _text(element: _Element, depth: int) -> Iterator[Part]:
    indent = "  " * depth
    yield f"{indent}<{element.name}"
    for name, value in element.attributes.items():
        yield from (f' {name}="', value, '"') if isinstance(value, Stamp) else (f" {name}={quoteattr(value)}",)
    if not element.inside and not element.text:
        yield "/>\n"
        return
    yield ">"
    yield element.text if isinstance(element.text, Stamp) else escape(element.text)
    if element.inside:
        yield "\n"
        for inner in element.inside:
            yield from _text(inner, depth + 1)
        yield indent
    yield f"</{element.name}>\n"
