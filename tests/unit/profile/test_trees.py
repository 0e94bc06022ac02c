"""XML and JSON from outside: what is in them is found, and what is meant to hurt does not."""

from __future__ import annotations

import json
from time import perf_counter

import pytest

from gateway.core.errors import DecodeError
from gateway.profile.trees import Node, find, read_json, read_xml, steps, text

XML = '<?xml version="1.0" encoding="{}"?><r xmlns:m="urn:x"><m:p id="7">Prüfung &amp; <b>x</b>mehr</m:p><m:p m:id="8"/></r>'


def texts(root: Node, path: str) -> list[str | None]:
    return [text(node) for node in find(root, steps(path))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_xml_in_the_encoding_that_it_declares(encoding: str) -> None:
    root = read_xml(XML.format(encoding).encode(encoding), None)
    assert texts(root, "/r/p") == ["Prüfung & mehr", ""]
    assert texts(root, "r/p/@id") == ["7", "8"]
    assert texts(root, "r/p/b") == ["x"]
    assert texts(root, "r/q") == texts(root, "r/@id") == texts(root, "r/p/@id/x") == []


def test_xml_that_declares_a_wrong_encoding() -> None:
    data = XML.format("utf-8").encode("latin-1")
    assert texts(read_xml(data, "iso-8859-1"), "r/p/@id") == ["7", "8"]
    with pytest.raises(DecodeError, match="not well-formed") as caught:
        read_xml(data, None)
    assert caught.value.reason == "bad-xml"


_LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "document",
    [
        f'<!DOCTYPE r [<!ENTITY a0 "ha">{_LAUGHS}]><r>&a9;</r>',
        f'<!DOCTYPE r [<!ENTITY a "{"x" * 100_000}">]><r>{"&a;" * 50_000}</r>',
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x.dtd"><r/>',
        "<!DOCTYPE r><r/>",
    ],
    ids=["billion laughs", "quadratic", "external entity", "external dtd", "empty dtd"],
)
def test_xml_with_a_dtd(document: str) -> None:
    begun = perf_counter()
    with pytest.raises(DecodeError, match="has a DTD") as caught:
        read_xml(document.encode(), None)
    assert caught.value.reason == "forbidden-xml"
    assert perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"", "no element found"),
        (b"<r><p></r>", "mismatched tag"),
        (b"<r>&x;</r>", "undefined entity"),
        (b"<r>" * 300, "nested more than 200 deep"),
        (b'<?xml version="1.0" encoding="klingon"?><r/>', "unknown encoding"),
        (b"PK\x03\x04", "not well-formed"),
        (b"<r/><r/>", "junk after document element"),
    ],
)
def test_xml_that_is_none(document: bytes, says: str) -> None:
    with pytest.raises(DecodeError, match=says):
        read_xml(document, None)


def test_json() -> None:
    root = read_json('\ufeff{"p": [{"id": 7, "ok": true}, {"id": 1.50, "q": null}, [{"id": "ü"}]]}'.encode(), "utf-8")
    assert texts(root, "/p/id") == ["7", "1.5", "ü"]
    assert texts(root, "p/ok") == ["true"]
    assert texts(root, "p/q") == [None]
    assert texts(root, "p/id/x") == []


@pytest.mark.parametrize(
    ("document", "reason"),
    [(b"", "bad-json"), (b'{"a": 1', "bad-json"), (b"[" * 100_000, "bad-json"), (b'"\xff"', "bad-text")],
)
def test_json_that_is_none(document: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read_json(document, "utf-8")
    assert caught.value.reason == reason


@pytest.mark.parametrize("document", [b"<r>" + b"x\n" * 8_000_000 + b"</r>", b"<r>" + b"x<b/>" * 300_000 + b"</r>"])
def test_much_text_takes_no_more_than_its_length(document: bytes) -> None:
    begun = perf_counter()
    (found,) = texts(read_xml(document, None), "r")
    assert found is not None
    assert found.count("x") >= 300_000
    assert perf_counter() - begun < 10


def test_a_large_file_is_read_in_one_go() -> None:
    """So that a path over lists does not take the square of their length."""
    root = read_json(json.dumps({"p": [{"q": [{"id": n}]} for n in range(100_000)]}).encode(), "utf-8")
    begun = perf_counter()
    assert len(texts(root, "p/q/id")) == 100_000
    assert perf_counter() - begun < 5
