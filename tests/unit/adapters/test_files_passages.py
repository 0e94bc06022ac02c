"""Where in a file a line stood."""

from __future__ import annotations

import msgspec

from adapters.files_ledger import Mark
from adapters.files_passages import of_lines
from gateway.core.frame import POSITION, POSITION_OF, Frame
from gateway.core.observation import Unreadable


def frame(payload: bytes, offset: int, revision: int = 0) -> Frame:
    mark = msgspec.json.encode(Mark(offset=offset, revision=revision)).decode()
    meta = {POSITION_OF: "shift.txt", POSITION: f"7 {mark}"}
    return Frame(connection="tester", received=0, channel="shift.txt", payload=payload, meta=meta)


def test_a_line_stands_where_it_begins_in_the_file() -> None:
    """Whatever lies before it in the frame; one that cannot be read has no place, and moves none."""
    bad = Unreadable(raw=b"\xff\xff", reason="bad-text", detail="no")
    found = of_lines(("one", bad, "three", ""), frame(b"one\r\n\xff\xff\r\nthree\r\n", 120), b"\r\n")
    assert [each.at for each in found] == ["104", "113", "120"]
    (alone,) = of_lines(("three",), frame(b"three", 118), b"\r\n")
    assert (alone.at, alone.version) == (found[1].at, found[1].version)


def test_another_text_or_revision_is_another_version() -> None:
    versions = [
        of_lines((text,), frame(text.encode(), 9, revision), b"\n")[0].version
        for text, revision in (("a", 0), ("b", 0), ("a", 1))
    ]
    assert len(set(versions)) == 3
