"""Cutting a stream into frames: however the bytes come, the same frames; whatever is wrong, the next one is read."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import DecodeError
from gateway.transport.checksums import Checksum
from gateway.transport.framing import CUT, CUT_SHORT, OUTSIDE, REST, TOO_LONG, Cutter, Framing, Piece

LINES = Framing(kind="lines")
CRLF = Framing(kind="lines", delimiter=b"\r\n")
MARKED = Framing(kind="stx-etx")
SUMMED = Framing(kind="stx-etx", checksum=Checksum(kind="xor", form="byte"))
COUNTED = Framing(kind="length", length=4, pause_s=1)
PAUSED = Framing(kind="pause", pause_s=1)


def cut(framing: Framing, *parts: bytes, most: int = 10, paused: bool = False) -> list[tuple[bytes, str]]:
    cutter = Cutter(framing, most)
    found = [piece for part in parts for piece in cutter.feed(part)]
    if paused:
        found += cutter.pause()
        assert not cutter.open
    return [(piece.data, piece.problem) for piece in found]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def joined(pieces: list[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """Lines that came in one piece and lines that came in several are the same."""
    found: list[tuple[bytes, str]] = []
    for data, problem in pieces:
        if found and not problem and not found[-1][1]:
            found[-1] = (found[-1][0] + data, "")
        else:
            found.append((data, problem))
    return found


@pytest.mark.parametrize(
    ("framing", "data", "pieces"),
    [
        (LINES, b"one\ntwo\nth", [(b"one\ntwo\n", "")]),
        (CRLF, b"a\nb\r\nc\r", [(b"a\nb\r\n", "")]),
        (LINES, b"x" * 11 + b"\nok\n", [(b"x" * 10, TOO_LONG), (b"ok\n", "")]),
        (LINES, b"x" * 1000 + b"\nok\n" + b"y" * 50 + b"\n.\n", [(b"x" * 10, TOO_LONG), (b"ok\n", ""), (b"y" * 10, TOO_LONG), (b".\n", "")]),
        (CRLF, b"x" * 20 + b"\r\r\nok\r\n", [(b"x" * 10, TOO_LONG), (b"ok\r\n", "")]),
        (MARKED, b"\x02one\x03\r\n\x02two\x03", [(b"\x02one\x03", ""), (b"\x02two\x03", "")]),
        (MARKED, b"\x02on\x02two\x03", [(b"\x02on", CUT_SHORT), (b"\x02two\x03", "")]),
        (MARKED, b"\x02" + b"x" * 40 + b"\x03\x02ok\x03", [(b"\x02" + b"x" * 9, TOO_LONG), (b"\x02ok\x03", "")]),
        (MARKED, b"\x02" + b"x" * 40 + b"\x02ok\x03", [(b"\x02" + b"x" * 9, TOO_LONG), (b"\x02ok\x03", "")]),
        (SUMMED, b"\x02A\x03\x02\x02A\x03\x42", [(b"\x02A\x03\x02", ""), (b"\x02A\x03\x42", "")]),
        (COUNTED, b"abcdefghij", [(b"abcd", ""), (b"efgh", "")]),
        (PAUSED, b"abc", []),
        (PAUSED, b"x" * 30, [(b"x" * 10, TOO_LONG)]),
    ],
)  # fmt: skip
def test_the_same_frames_at_once_and_byte_by_byte(
    framing: Framing, data: bytes, pieces: list[tuple[bytes, str]]
) -> None:
    join = joined if framing.kind == "lines" else list
    assert join(cut(framing, data)) == pieces
    assert join(cut(framing, *bytewise(data))) == pieces


@pytest.mark.parametrize(
    ("framing", "data", "pieces"),
    [
        (LINES, b"one\ntw", [(b"one\n", ""), (b"tw", CUT_SHORT)]),
        (LINES, b"one\n \r", [(b"one\n", "")]),
        (LINES, b"x" * 30, [(b"x" * 10, TOO_LONG)]),
        (MARKED, b"\x02one", [(b"\x02one", CUT_SHORT)]),
        (COUNTED, b"abcdef", [(b"abcd", ""), (b"ef", CUT_SHORT)]),
        (PAUSED, b"SN1", [(b"SN1", "")]),
        (PAUSED, b"\r\n", []),
        (PAUSED, b"x" * 30, [(b"x" * 10, TOO_LONG)]),
    ],
)
def test_a_silence(framing: Framing, data: bytes, pieces: list[tuple[bytes, str]]) -> None:
    assert cut(framing, data, paused=True) == pieces


def test_after_a_silence_the_next_frame_is_read() -> None:
    cutter = Cutter(COUNTED, 10)
    cutter.feed(b"ab")
    assert cutter.open
    assert cutter.pause() == [Piece(b"ab", CUT_SHORT)]
    assert cutter.feed(b"cdef") == [Piece(b"cdef")]
    assert not cutter.open


@pytest.mark.parametrize(
    ("framing", "data", "pieces"),
    [
        (LINES, b"one\nXR", [Piece(b"XR", CUT_SHORT, CUT)]),
        (LINES, b"one\n  ", [Piece(b"  ", CUT_SHORT, CUT)]),
        (LINES, b"one\n\r", []),
        (LINES, b"one\n", []),
        (LINES, b"x" * 30, [Piece(b"", CUT_SHORT, CUT)]),
        (CRLF, b"one\r", [Piece(b"one\r", CUT_SHORT, CUT)]),
        (MARKED, b"\x02one", [Piece(b"\x02one", CUT_SHORT)]),
        (COUNTED, b"abcdef", [Piece(b"ef", CUT_SHORT)]),
        (PAUSED, b"SN1", [Piece(b"SN1", CUT_SHORT)]),
    ],
)
def test_we_leave_and_the_machine_goes_on(framing: Framing, data: bytes, pieces: list[Piece]) -> None:
    """Blanks may be a column of a table; what stands before or behind a line's end is nothing."""
    cutter = Cutter(framing, 10)
    cutter.feed(data)
    assert cutter.stop(goes_on=True) == pieces
    assert cutter.cut is any(piece.mark for piece in pieces)
    assert not cutter.open


def test_the_machine_leaves_and_its_line_with_it() -> None:
    cutter = Cutter(LINES, 10)
    cutter.feed(b"one\nXR")
    assert cutter.stop(goes_on=False) == [Piece(b"XR", CUT_SHORT)]
    assert not cutter.cut


@pytest.mark.parametrize(
    ("framing", "data", "pieces"),
    [
        (LINES, b"21 28\none\ntwo\nth", [Piece(b"21 28\n", CUT_SHORT, REST), Piece(b"one\n"), Piece(b"two\n")]),
        (LINES, b"\none\n", [Piece(b"\n", CUT_SHORT, REST), Piece(b"one\n")]),
        (LINES, b"x" * 25 + b"\none\n", [Piece(b"x" * 10, CUT_SHORT, REST), Piece(b"one\n")]),
        (CRLF, b"x" * 25 + b"\r\r\none\r\n", [Piece(b"x" * 10, CUT_SHORT, REST), Piece(b"one\r\n")]),
        (CRLF, b"x" * 9 + b"\rxx\n" + b"x" * 9 + b"\r\none\r\n", [Piece(b"x" * 9 + b"\r", CUT_SHORT, REST), Piece(b"one\r\n")]),
        (MARKED, b"ne\x03\x02two\x03", [Piece(b"ne\x03", OUTSIDE), Piece(b"\x02two\x03")]),
    ],
)  # fmt: skip
def test_the_rest_of_a_line_is_no_line(framing: Framing, data: bytes, pieces: list[Piece]) -> None:
    at_once, by_bytes = Cutter(framing, 10, cut=True), Cutter(framing, 10, cut=True)
    singly = [piece for byte in bytewise(data) for piece in by_bytes.feed(byte)]
    found = at_once.feed(data)
    if framing.kind == "lines":
        assert (found[0], singly[0]) == (pieces[0], pieces[0])
        assert b"".join(each.data for each in found[1:]) == b"".join(each.data for each in pieces[1:])
        assert singly[1:] == pieces[1:]
    else:
        assert found == pieces
    assert not any((at_once.cut, by_bytes.cut))


def test_a_line_that_is_cut_twice() -> None:
    """Nothing came in between, or something but no end: what comes then is still its rest."""
    cutter = Cutter(LINES, 10, cut=True)
    assert cutter.stop(goes_on=False) == []
    assert cutter.cut
    assert cutter.feed(b"\r") == []
    assert cutter.stop(goes_on=False) == [Piece(b"\r", CUT_SHORT, CUT)]
    assert cutter.feed(b"2\nR3\n") == [Piece(b"2\n", CUT_SHORT, REST), Piece(b"R3\n")]


def test_a_silence_ends_the_rest_of_a_line() -> None:
    cutter = Cutter(Framing(kind="lines", pause_s=1), 10, cut=True)
    cutter.feed(b"28,5")
    assert cutter.pause() == [Piece(b"28,5", CUT_SHORT, REST)]
    assert cutter.feed(b"R3\n") == [Piece(b"R3\n")]


def test_the_rest_of_an_endless_line_is_not_kept() -> None:
    cutter = Cutter(CRLF, 1 << 16, cut=True)
    for _ in range(400):
        assert cutter.feed(b"x" * (1 << 18)) == []
        assert len(cutter._held) <= (1 << 16) + 2
    assert [(len(piece.data), piece.mark) for piece in cutter.feed(b"\r\nok\r\n")] == [(1 << 16, REST), (4, "")]


def test_what_lies_outside_of_frames() -> None:
    assert cut(MARKED, b"noise\x02one\x03\x06\x02two\x03more") == [
        (b"noise", OUTSIDE),
        (b"\x02one\x03", ""),
        (b"\x02two\x03", ""),
        (b"more", OUTSIDE),
    ]


def test_a_line_of_a_hundred_megabytes_is_not_kept() -> None:
    cutter = Cutter(LINES, 1 << 16)
    chunk = b"x" * (1 << 18)
    found = [piece for _ in range(400) for piece in cutter.feed(chunk)]
    assert [(len(piece.data), piece.problem) for piece in found] == [(1 << 16, TOO_LONG)]
    assert len(cutter._held) < 10
    assert cutter.feed(b"\nok\n") == [Piece(b"ok\n")]


def test_many_small_pieces_of_a_long_frame_are_looked_at_once() -> None:
    """Searched from the beginning each time, this would take minutes."""
    cutter = Cutter(MARKED, 1 << 21)
    assert cutter.feed(b"\x02") == []
    for _ in range(100_000):
        assert cutter.feed(b"0123456789") == []
    assert len(cutter.feed(b"\x03")[0].data) == 1_000_002


@pytest.mark.parametrize(
    ("kind", "hexadecimal", "raw"),
    [
        ("xor", b"31", b"\x31"),
        ("sum", b"DD", b"\xdd"),
        ("crc16-modbus", b"4B37", b"\x37\x4b"),
        ("crc16-ccitt", b"29B1", b"\x29\xb1"),
        ("crc16-xmodem", b"31C3", b"\x31\xc3"),
    ],
)
def test_checksums_by_their_published_check_values(kind: Any, hexadecimal: bytes, raw: bytes) -> None:
    """Of the text 123456789, as catalogues of CRCs give it; xor and sum counted by hand."""
    in_digits, in_bytes = Checksum(kind=kind), Checksum(kind=kind, form="byte")
    assert in_digits.of(b"123456789") == hexadecimal
    assert in_bytes.of(b"123456789") == raw
    assert in_digits.fits(b"123456789", hexadecimal.lower())
    assert not in_digits.fits(b"123456788", hexadecimal)
    assert (in_digits.size, in_bytes.size) == (len(hexadecimal), len(raw))


@pytest.mark.parametrize(("marks", "sum_"), [("none", b"82"), ("etx", b"85"), ("both", b"87")])
def test_the_text_of_a_frame(marks: Any, sum_: bytes) -> None:
    """0x41 twice is 0x82; ETX adds 3, STX 2."""
    framing = Framing(kind="stx-etx", checksum=Checksum(kind="sum", marks=marks))
    assert framing.content(b"\x02AA\x03" + sum_) == b"AA"
    with pytest.raises(DecodeError, match="expected") as caught:
        framing.content(b"\x02AA\x0300")
    assert caught.value.reason == "bad-checksum"


@pytest.mark.parametrize("piece", [b"", b"\x02", b"AA\x03", b"\x02AA", b"\x02AA\x0382x"])
def test_what_is_no_frame_has_no_text(piece: bytes) -> None:
    with pytest.raises(DecodeError):
        Framing(kind="stx-etx", checksum=Checksum(kind="sum")).content(piece)
