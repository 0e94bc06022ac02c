"""Messages of IPC-HERMES-9852 as bytes: where one begins and ends on the stream, and what is in it. No I/O.

A message is an XML element `Hermes` with a time stamp and one child that names it. There is neither length nor delimiter,
and what stands between two of them (an XML declaration, a byte order mark, white space) means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import msgspec

MOST_BYTES = 65_536
"""Of one message (IPC-HERMES-9852, 3.1)."""

_MOST_DEPTH = 16
"""Of elements in each other; the standard's own have five."""
_BEGIN = re.compile(rb"<Hermes(?=[\s/>])")
_END = re.compile(rb"</Hermes\s*>")
_KEPT = 64
"""Bytes at the end of what has come that may be the beginning of such a mark, with white space in it."""
_NONE: Mapping[str, str] = {}


class Malformed(ValueError):
    """Bytes that are no message. reason: `too-large`, `bad-xml` or `no-message`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Element(msgspec.Struct, frozen=True, gc=False):
    """Names and attributes as spelt by the sender; text between elements has no meaning in this standard."""

    name: str
    attributes: Mapping[str, str] = _NONE
    children: tuple[Element, ...] = ()

    def get(self, attribute: str) -> str | None:
        """Without white space around it; one that is empty is none."""
        return self.attributes.get(attribute, "").strip() or None

    def child(self, name: str) -> Element | None:
        return next((each for each in self.children if each.name == name), None)


class Message(msgspec.Struct, frozen=True, gc=False):
    """timestamp: as sent, by the standard local time without zone."""

    timestamp: str | None
    content: Element

    @property
    def name(self) -> str:
        return self.content.name


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What was cut out of the stream. size: of the whole, where that is too large and `data` only its beginning."""

    data: bytes
    size: int | None = None


class Framing:
    """Cuts a stream into messages. Gives also what lost its end or its beginning, for somebody to look at."""

    def __init__(self) -> None:
        self._rest = b""
        self._searched = 0  # of `_rest`: there is no end of a message before this
        self._skipped = 0  # bytes of a message that is too large, so far; 0: there is none
        self._head = b""  # its beginning

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Whatever has come to its end with these bytes, in order."""
        self._rest += data
        while True:
            piece = self._skip() if self._skipped else self._next()
            if piece is None:
                return
            if piece.data:
                yield piece

    def _next(self) -> Piece | None:
        rest = self._rest
        begin = _BEGIN.search(rest)
        if begin is None:
            return self._outside(max(len(rest) - _KEPT, 0), more=False)
        if begin.start():
            return self._outside(begin.start(), more=True)
        end = _END.search(rest, self._searched)
        other = _BEGIN.search(rest, 1, end.start() if end else len(rest))
        if other is not None:  # the first one broke off
            return self._cut(other.start())
        if end is not None:
            return self._cut(end.end())
        if len(rest) > MOST_BYTES:
            self._head, self._skipped, self._rest = rest[:MOST_BYTES], len(rest), b""
            return Piece(b"")
        self._searched = max(len(rest) - _KEPT, 0)
        return None

    def _cut(self, at: int) -> Piece:
        data, self._rest, self._searched = self._rest[:at], self._rest[at:], 0
        return Piece(data[:MOST_BYTES], at) if at > MOST_BYTES else Piece(data)

    def _outside(self, until: int, *, more: bool) -> Piece | None:
        """What comes before a message is passed over, unless it is the end of another one. more: a message follows."""
        before, self._rest, self._searched = self._rest[:until], self._rest[until:], 0
        if _END.search(before):
            return Piece(before[-MOST_BYTES:])
        return Piece(b"") if more else None

    def _skip(self) -> Piece | None:
        """Until the message that is too large has ended, or another begins."""
        rest = self._rest
        found = min(
            (each for each in (_END.search(rest), _BEGIN.search(rest)) if each), key=lambda m: m.start(), default=None
        )
        if found is None:
            keep = min(len(rest), _KEPT)
            self._skipped += len(rest) - keep
            self._rest = rest[len(rest) - keep :]
            return None
        at = found.start() if found.re is _BEGIN else found.end()
        size, head = self._skipped + at, self._head
        self._rest, self._searched, self._skipped, self._head = rest[at:], 0, 0, b""
        return Piece(head, size)


def parse(data: bytes) -> Message:
    """Raises Malformed. Document types and entities of their own are refused, and so is any encoding but UTF-8."""
    if len(data) > MOST_BYTES:
        raise Malformed("too-large", f"a message of {len(data)} bytes; allowed: {MOST_BYTES}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # expat would take it for UTF-16 whatever it was told
        raise Malformed("bad-xml", "not in UTF-8")
    root = _Builder().read(data)
    if root.name != "Hermes":
        raise Malformed("no-message", f"the root element is {root.name!r}, not 'Hermes'")
    if len(root.children) != 1:
        raise Malformed("no-message", f"{len(root.children)} elements in 'Hermes'; allowed: one")
    return Message(root.get("Timestamp"), root.children[0])


class _Builder:
    """Elements out of one text."""

    def __init__(self) -> None:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        self._parser = parser
        self._open: list[tuple[str, Mapping[str, str], list[Element]]] = [("", {}, [])]

    def read(self, data: bytes) -> Element:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise Malformed("bad-xml", str(error)) from None
        return self._open[0][2][0]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _MOST_DEPTH:
            raise Malformed("bad-xml", f"more than {_MOST_DEPTH} elements in each other")
        self._open.append((name, attributes, []))

    def _end(self, name: str) -> None:
        _, attributes, children = self._open.pop()
        self._open[-1][2].append(Element(name, attributes, tuple(children)))

    def _refuse(self, *declared: object) -> None:
        raise Malformed("bad-xml", "a document type; Hermes has none")


def encode(message: Message) -> bytes:
    """The inverse of `parse`, without declaration, as the initiative's own library writes."""
    content = Element(
        "Hermes", {} if message.timestamp is None else {"Timestamp": message.timestamp}, (message.content,)
    )
    return "".join(_written(content)).encode()


def _written(element: Element) -> Iterator[str]:
    yield f"<{element.name}"
    yield from (f" {name}={quoteattr(value)}" for name, value in element.attributes.items())
    if not element.children:
        yield "/>"
        return
    yield ">"
    for child in element.children:
        yield from _written(child)
    yield f"</{element.name}>"
