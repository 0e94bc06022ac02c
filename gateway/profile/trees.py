"""XML and JSON as trees to be searched by path. Both come from outside: nothing in them is followed, expanded or believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from xml.parsers import expat

import msgspec

from gateway.core.errors import DecodeError

MOST_ELEMENTS = 1_000_000
"""Of one file: each takes some 300 bytes of memory."""
MOST_DEPTH = 200

Steps = tuple[str, ...]
_NONE: Mapping[str, str] = MappingProxyType({})


class Element:
    """Of XML. Names are without namespace. text: its own, without that of the elements in it."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: Sequence[Element] = ()
        self.text = ""


Node = Element | dict[str, Any] | list[Any] | str | int | float | bool | None
"""An element of XML, an attribute's text, or any value of JSON."""


def steps(path: str) -> Steps:
    """`/result/panel`, `head/program`, `@serial`, `.`"""
    return tuple(step for step in path.split("/") if step not in ("", "."))


def find(node: Node, path: Steps) -> Iterator[Node]:
    """Everything at this path below the node. Of JSON, a list stands for all that is in it."""
    if isinstance(node, list):
        for each in node:
            yield from find(each, path)
        return
    if not path:
        yield node
        return
    step, rest = path[0], path[1:]
    if isinstance(node, dict):
        if step in node:
            yield from find(node[step], rest)
    elif isinstance(node, Element):
        if step.startswith("@"):
            if step[1:] in node.attributes and not rest:
                yield node.attributes[step[1:]]
            return
        for child in node.children:
            if child.name == step:
                yield from find(child, rest)


def text(node: Node) -> str | None:
    """What it says, as in the file as far as possible; None for what has no text of its own."""
    if isinstance(node, Element):
        return node.text
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node) if isinstance(node, str | int | float) else None


def read_json(data: bytes, encoding: str) -> Node:
    """Raises DecodeError."""
    try:
        found: Node = msgspec.json.decode(data.decode(encoding).removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise DecodeError("bad-text", f"is not {encoding}: {error.reason} at byte {error.start}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise DecodeError("bad-json", str(error)) from None
    return found


def read_xml(data: bytes, encoding: str | None) -> Element:
    """A node without a name, in which the document's element is. encoding: None for what the document declares.

    Raises DecodeError: `bad-xml`, and `forbidden-xml` for a document with a DTD, which is where entities, and the bombs
    made of them, are declared.
    """
    return _Reading(encoding).read(data)


class _Reading:
    def __init__(self, encoding: str | None) -> None:
        self._root = Element("", {})
        self._open = [self._root]
        self._texts: list[list[str]] = [[]]
        self._names: dict[str, str] = {}
        self._count = 0
        parser = expat.ParserCreate(encoding, namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        self._parser = parser

    def read(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DecodeError("bad-xml", str(error)) from None
        except (LookupError, ValueError, UnicodeError) as error:  # an encoding that there is not
            raise DecodeError("bad-xml", f"cannot be decoded: {error}") from None
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise DecodeError("too-large", f"has more than {MOST_ELEMENTS} elements")
        if len(self._open) > MOST_DEPTH:
            raise DecodeError("bad-xml", f"is nested more than {MOST_DEPTH} deep")
        local = self._local
        made = Element(local(name), {local(key): value for key, value in attributes.items()} if attributes else _NONE)
        around = self._open[-1]
        if isinstance(around.children, list):
            around.children.append(made)
        else:
            around.children = [made]
        self._open.append(made)
        self._texts.append([])

    def _end(self, name: str) -> None:
        made, parts = self._open.pop(), self._texts.pop()
        if parts:
            made.text = "".join(parts)

    def _characters(self, data: str) -> None:
        self._texts[-1].append(data)

    def _local(self, name: str) -> str:
        """Without its namespace."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = name.rpartition(" ")[2]
        return found


def _refuse(*_: object) -> int:
    raise DecodeError("forbidden-xml", "has a DTD; allowed: documents without")
