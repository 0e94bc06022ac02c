"""Where a frame of text ends in a stream of bytes. No I/O and no clock: bytes go in, pieces come out.

What is cut is on the wire as it is in the piece, checksum and marks included, so that a record of pieces can be read
again; `Framing.content` takes the text out of one. Nothing is dropped without a word: what is too long, cut short, or lies
outside of every frame comes out as a piece with the reason why it is none, and the next frame is read.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.errors import DecodeError
from gateway.transport.checksums import Checksum

STX, ETX = b"\x02", b"\x03"

TOO_LONG, CUT_SHORT, OUTSIDE = "too-long", "cut-short", "outside-frame"
REASONS = {
    TOO_LONG: "the frame is longer than the source allows; its beginning is kept",
    CUT_SHORT: "the frame stops before its end",
    OUTSIDE: "lies outside of every frame",
}
"""Why a piece is no frame, as quarantine says it."""

CUT, REST = "cut", "rest"
"""Marks of a piece of a line: what the machine says next may be the rest of it; here is that rest, to its end."""

_NOTHING = bytes(range(0x21)) + b"\x7f"
"""Between two frames these mean nothing: blanks, line ends, acknowledgements."""
_LINE_ENDS = b"\r\n\0"
"""Of a machine that ends its lines with more than the delimiter, these are always held, and no line has begun."""


class Framing(msgspec.Struct, frozen=True, kw_only=True):
    """How the frames of one source are recognised.

    kind: `lines` end with `delimiter`; `stx-etx` frames begin with STX and end with ETX and the checksum, if there is
    one; `length` frames have `length` bytes each; `pause` frames are what comes without a pause. pause_s: a silence so
    long ends a frame of kind `pause`; of any other kind, it gives up a frame that is not complete.
    """

    kind: Literal["lines", "stx-etx", "length", "pause"]
    delimiter: bytes = b"\n"
    length: int = 0
    checksum: Checksum | None = None
    pause_s: float | None = None

    def content(self, piece: bytes) -> bytes:
        """The text of a piece that is a whole frame. Raises DecodeError `bad-checksum`, `bad-frame`."""
        if self.kind != "stx-etx":
            return piece
        size = 0 if self.checksum is None else self.checksum.size
        end = len(piece) - size - 1
        if end < 1 or piece[:1] != STX or piece[end : end + 1] != ETX:
            raise DecodeError("bad-frame", "is no text between STX and ETX")
        text = piece[1:end]
        if self.checksum is not None:
            summed = {"none": text, "etx": text + ETX, "both": STX + text + ETX}[self.checksum.marks]
            if not self.checksum.fits(summed, piece[end + 1 :]):
                wanted, found = self.checksum.of(summed), piece[end + 1 :]
                raise DecodeError("bad-checksum", f"has the checksum {found!r}; expected: {wanted!r}")
        return text

    def count(self, piece: Piece) -> int:
        """How many frames a piece is."""
        return max(1, piece.data.count(self.delimiter)) if self.kind == "lines" and not piece.problem else 1


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Bytes as they came. problem: why they are no frame; empty for a frame, of kind `lines` one or several. mark: CUT or
    REST, of a line that was cut in its middle."""

    data: bytes
    problem: str = ""
    mark: str = ""


class Cutter:
    """Of one connection. most_bytes: of a frame, and so of what is kept here.

    cut: what comes next, up to a delimiter, is the rest of a line whose beginning an earlier connection brought. It is no
    line: a value without its first digits is a wrong one.
    """

    def __init__(self, framing: Framing, most_bytes: int, *, cut: bool = False) -> None:
        self._framing = framing
        self._most = most_bytes
        self._slack = len(framing.delimiter) if framing.kind == "lines" else 0
        self._held = bytearray()
        self._searched = 0  # bytes of what is held in which there is no end
        self._lost = False  # within a frame that was too long
        self.cut = cut and framing.kind == "lines"

    @property
    def open(self) -> bool:
        """Whether a frame has begun and not ended: a silence then means something."""
        return bool(self._held) or self._lost

    def feed(self, data: bytes) -> list[Piece]:
        """What ends with these bytes."""
        self._held += data
        match self._framing.kind:
            case "lines":
                return self._lines()
            case "stx-etx":
                return self._marked()
            case "length":
                return self._counted()
            case _:
                return self._silent()

    def pause(self) -> list[Piece]:
        """`pause_s` has passed without a byte."""
        if self.cut:
            self.cut = False
            return self._given_up([Piece(bytes(self._held[: self._most]), CUT_SHORT, REST)])
        whole = self._framing.kind == "pause"
        problem = "" if whole else OUTSIDE if self._framing.kind == "stx-etx" and self._held[:1] != STX else CUT_SHORT
        return self._given_up([] if self._lost else self._piece(len(self._held), problem))

    def stop(self, *, goes_on: bool) -> list[Piece]:
        """The connection is at its end. goes_on: the machine may not know, and say the rest of its line to the next one."""
        if self._framing.kind == "lines" and (goes_on or self.cut):
            held = b"" if self._lost else bytes(self._held[: self._most])
            begun = self._lost or bool(held if self.cut else held.strip(_LINE_ENDS))
            self.cut = self.cut or begun
            return self._given_up([Piece(held, CUT_SHORT, CUT)] if begun else [])
        if self._framing.kind == "pause" and goes_on:  # nobody waited for the silence that would have ended it
            return self._given_up([] if self._lost else self._piece(len(self._held), CUT_SHORT))
        return self.pause()

    def _given_up(self, found: list[Piece]) -> list[Piece]:
        """Of what is held this is told, and nothing is kept."""
        self._held.clear()
        self._searched, self._lost = 0, False
        return found

    def _piece(self, size: int, problem: str = "") -> list[Piece]:
        """Take so many bytes out; no piece when they mean nothing, and only its beginning when it is too long."""
        if size > self._most + self._slack:
            problem = TOO_LONG
        data = bytes(self._held[: self._most if problem == TOO_LONG else size])
        del self._held[:size]
        self._searched = 0
        meant = data if problem == "" and self._framing.kind != "pause" else data.strip(_NOTHING)
        return [Piece(data, problem)] if meant else []

    def _overlong(self) -> list[Piece]:
        """Of what has no end yet: its beginning, once it is too long. The rest of it is passed over."""
        if self._lost or len(self._held) <= self._most:
            return []
        self._lost = True
        return [Piece(bytes(self._held[: self._most]), TOO_LONG)]

    def _lines(self) -> list[Piece]:
        """All complete lines in one piece: a record needs no more, and fewer pieces are less work."""
        delimiter, held = self._framing.delimiter, self._held
        found = self._rest() if self.cut else []
        if self.cut:
            return found
        while (end := held.find(delimiter, self._searched)) >= 0:
            if not self._lost and end <= self._most:
                last = held.rfind(delimiter, end, self._most + len(delimiter))
                found += self._piece(last + len(delimiter))
                continue
            found += self._overlong()
            self._lost = False
            del held[: end + len(delimiter)]
            self._searched = 0
        self._searched = max(0, len(held) - len(delimiter) + 1)  # it may be cut in two
        found += self._overlong()
        if self._lost:
            del held[: self._searched]
            self._searched = 0
        return found

    def _rest(self) -> list[Piece]:
        """Of a line that was cut: nothing before its end has come. As much as of any line is kept of it."""
        delimiter, held = self._framing.delimiter, self._held
        end = held.find(delimiter, self._searched)
        if end < 0:
            if len(held) > self._most + self._slack:  # the last bytes may be the beginning of the delimiter
                del held[self._most : len(held) - self._slack]
            self._searched = max(0, len(held) - self._slack + 1)
            return []
        whole = end + self._slack
        piece = Piece(bytes(held[: min(whole, self._most)]), CUT_SHORT, REST)
        del held[:whole]
        self._searched, self.cut = 0, False
        return [piece]

    def _marked(self) -> list[Piece]:
        held = self._held
        found: list[Piece] = []
        while (begin := held.find(STX)) >= 0:
            if begin and not self._lost:
                found += self._piece(begin, OUTSIDE)
            elif begin:
                del held[:begin]
            self._lost = False
            start = max(1, self._searched)
            end = held.find(ETX, start)
            again = held.find(STX, start, end if end >= 0 else len(held))
            if again > 0:
                found += self._piece(again, CUT_SHORT)
                continue
            if end < 0:
                self._searched = len(held)
                found += self._overlong()
                break
            whole = end + 1 + (0 if self._framing.checksum is None else self._framing.checksum.size)
            if len(held) < whole:
                return found
            found += self._piece(whole)
        else:
            found += [] if self._lost else self._piece(len(held), OUTSIDE)
            held.clear()
        if self._lost:
            held.clear()
            self._searched = 0
        return found

    def _counted(self) -> list[Piece]:
        found: list[Piece] = []
        while len(self._held) >= self._framing.length:
            found += self._piece(self._framing.length)
        return found

    def _silent(self) -> list[Piece]:
        found = self._overlong()
        if self._lost:
            self._held.clear()
        return found
