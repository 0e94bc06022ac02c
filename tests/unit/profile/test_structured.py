"""Records of XML, JSON and CSV by a profile, and what is wrong with such profiles."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.core.errors import ConfigError, DecodeError
from gateway.core.observation import Record, Unreadable
from gateway.profile.bound import Records
from tests.unit.profile.words import bound

UTC = ZoneInfo("UTC")
HEAD = """
class = "tester"
protocol = "files"
models = ["T"]
evidence = { level = "example" }
"""
CSV = (
    HEAD
    + """
[frame]
kind = "KIND"
format = "csv"
separator = ";"
ignore = ["#.*"]
[[record]]
name = "batch"
key = ["Lot"]
fields.count = { path = "Count" }
fields.heat = { path = "Heat", decimal = ",", unit = "Cel", missing = ["-"] }
example = { text = "Lot;Count;Heat\\nL1;2;20,5", fields = { count = 2, heat = 20.5 } }
"""
)
XML = (
    HEAD
    + """
[frame]
kind = "document"
format = "xml"
[[record]]
name = "batch"
path = "/r/b"
fields.count = { path = "@n" }
example = { text = "<r><b n='2'/></r>", fields = { count = 2 } }
"""
)
JSON = (
    XML.replace('"xml"', '"json"')
    .replace("@n", "n")
    .replace("<r><b n='2'/></r>", '{\\"r\\": {\\"b\\": [{\\"n\\": 2}]}}')
)


def records(tmp_path: Path, text: str) -> Records:
    found = bound(tmp_path, text).records
    assert found is not None
    return found


def told(found: object) -> list[object]:
    assert isinstance(found, list)
    return [dict(each.fields) if isinstance(each, Record) else each.reason for each in found]


def test_xml(tmp_path: Path) -> None:
    found = records(tmp_path, XML)
    assert found.document
    assert told(found.whole(b"<r><b n='1'/><b/><c n='9'/><b n='3'/></r>", "S", UTC)) == [
        "incomplete-record",
        {"count": 1},
        {"count": 3},
    ]
    with pytest.raises(DecodeError, match="has a DTD"):
        found.whole(b"<!DOCTYPE r [<!ENTITY x 'y'>]><r/>", "S", UTC)


def test_json(tmp_path: Path) -> None:
    found = records(tmp_path, JSON)
    assert told(found.whole(b'{"r": {"b": [{"n": 1}, {"n": "three"}]}}', "S", UTC)) == [
        "incomplete-record",
        {"count": 1},
    ]


def test_json_of_lists_in_lists(tmp_path: Path) -> None:
    found = records(tmp_path, JSON)

    def nested(depth: int) -> bytes:
        return b'{"r": {"b": ' + b"[" * depth + b'{"n": 1}' + b"]" * depth + b"}}"

    assert told(found.whole(nested(50), "S", UTC)) == [{"count": 1}]
    for depth in (450, 900, 5000):  # what one part of the reading can bear, another cannot
        with suppress(DecodeError):
            assert told(found.whole(nested(depth), "S", UTC)) == [{"count": 1}]
    with pytest.raises(DecodeError) as caught:
        found.whole(nested(5000), "S", UTC)
    assert caught.value.reason == "bad-json"


def test_rows_of_a_file_that_grows(tmp_path: Path) -> None:
    """What is open at a restart goes on, and another file begins with its own header."""
    texts = records(tmp_path, CSV.replace("KIND", "lines"))
    reader = texts.reader("S", UTC)
    lines = ["# comment", "Lot;Count;Heat", "L1;1;20,5", "L1;1;20,5", "", "L2;2;-"]
    found = [each for line in lines for each in reader.feed(line)]
    assert told(found) == [{"count": 1, "heat": 20.5}]
    reader = texts.reader("S", UTC, reader.state)
    assert told(list(reader.feed("L2;2;-"))) == []
    assert told(list(reader.feed("L3;3;0"))) == [{"count": 2}]
    assert told(list(reader.feed("Heat;Lot;Count"))) == [{"count": 3, "heat": 0}]
    assert told([*reader.feed("1,5;L4;4"), *reader.close()]) == [{"count": 4, "heat": 1.5}]


def test_rows_that_are_none(tmp_path: Path) -> None:
    """The others are read."""
    texts = records(tmp_path, CSV.replace("KIND", "document"))
    data = b'L0;1;1\nLot;Count;Heat\nL1;1\n"L;\n1";2;3\nL2;;1\nL3;3;hot\n"L4;4;4\n'
    assert told(texts.whole(data, "S", UTC)) == [
        "no-header",
        "bad-row",
        {"count": 2, "heat": 3},
        "incomplete-record",
        "cut-record",
        "bad-field",
        {"count": 3},
    ]


def test_a_quote_too_many_does_not_swallow_the_file(tmp_path: Path) -> None:
    texts = records(tmp_path, CSV.replace("KIND", "document"))
    data = b'Lot;Count;Heat\n"L1;1;1\n' + b"x;1;1\n" * 20_000 + b"L2;2;2\n"
    found = list(texts.whole(data, "S", UTC))
    assert [each.reason for each in found if isinstance(each, Unreadable)] == ["bad-row"]
    assert told(found)[-1] == {"count": 2, "heat": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (XML.replace("files", "tcp-text").replace('kind = "document"\n', ""), "format: does not belong to a stream"),
        (XML.replace('"document"', '"lines"'), "kind: xml can only be read as a whole"),
        (XML.replace('path = "/r/b"\n', ""), "path: is missing: where it is in the document"),
        (XML.replace('path = "/r/b"', 'pattern = "x"'), "pattern: does not belong to xml"),
        (XML.replace('path = "/r/b"', 'path = "/r/b"\nkey = ["x"]'), "key: belongs to csv"),
        (XML.replace("n='2'", "n='3'"), "count is 3, and the example says 2"),
        (XML.replace("<r><b n='2'/></r>", "<r>"), "example.text: cannot be read: no element found"),
        (XML.replace("@n", "@m"), "cannot be read whole"),
        (XML.replace('format = "xml"', 'format = "xml"\nseparator = ";"'), "separator: does not belong here"),
        (XML.replace('{ path = "@n" }', '{ group = "n" }'), "group: belongs to patterns"),
        (CSV.replace("KIND", "lines").replace('key = ["Lot"]', 'path = "Lot"'), "path: does not belong to csv"),
        (CSV.replace("KIND", "lines").replace('separator', 'columns = ["Lot", "Cnt", "Heat"]\nseparator'), "'Count' is no column"),
        (CSV.replace("KIND", "stx-etx"), "'stx-etx' does not belong to files"),
    ],
)  # fmt: skip
def test_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        bound(tmp_path, text)
