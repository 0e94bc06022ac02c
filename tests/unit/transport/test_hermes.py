"""Where messages of IPC-HERMES-9852 begin and end on a stream, and what is in them; the bytes are written by hand."""

from __future__ import annotations

import random

import pytest

from gateway.transport.hermes import MOST_BYTES, Element, Framing, Malformed, Message, Piece, encode, parse

DESCRIBED = b"""<Hermes Timestamp="2026-11-20T14:00:00.120">
\t<SupervisoryServiceDescription SystemId="Printer-1" Version="1.6">
\t\t<SupportedFeatures>
\t\t\t<FeatureConfiguration />
\t\t\t<FeatureCheckAliveResponse />
\t\t\t<FeatureBoardTracking />
\t\t</SupportedFeatures>
\t</SupervisoryServiceDescription>
</Hermes>
"""
"""As the initiative's library writes it: indented, without declaration."""
PING = b'<Hermes Timestamp="2026-11-20T14:01:10.000"><CheckAlive Type="1" Id="17"/></Hermes>'
GONE = b"<Hermes Timestamp='2026-11-20T14:05:00.7'><Notification NotificationCode='5' Severity='4' Description='a &gt; b'/></Hermes >"


def cut(*chunks: bytes) -> list[Piece]:
    framing = Framing()
    return [piece for chunk in chunks for piece in framing.feed(chunk)]


def bytewise(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


MESSAGES = [Piece(DESCRIBED.strip()), Piece(PING), Piece(GONE)]


def test_several_in_one_segment_and_one_in_several() -> None:
    whole = DESCRIBED + PING + GONE
    assert cut(whole) == MESSAGES
    assert cut(*bytewise(whole)) == MESSAGES
    draw = random.Random(1)
    for _ in range(50):
        places = sorted(draw.randrange(len(whole)) for _ in range(5))
        assert cut(*(whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True))) == MESSAGES


@pytest.mark.parametrize(
    "before",
    [
        b'<?xml version="1.1" encoding="UTF-8"?>',
        b"\xef\xbb\xbf<?xml version='1.0'?>\r\n",
        b'<?xml version="1.0" encoding="UTF-16"?>',
        b"\n\n  \t",
        b"\x00\x00\x00\x55",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"x" * 10_000,
        b'<!DOCTYPE Hermes [<!ENTITY a "b">]>',
        b"<Herme",
        b"<HermesX/>",
    ],
)
def test_what_stands_before_a_message_means_nothing(before: bytes) -> None:
    assert cut(before + PING + before + GONE) == [Piece(PING), Piece(GONE)]
    assert cut(*bytewise(before + PING + before + GONE)) == [Piece(PING), Piece(GONE)]


def test_a_message_that_breaks_off_takes_no_other_with_it() -> None:
    for at in range(len(b"<Hermes "), len(PING)):
        broken = PING[:at]
        assert cut(broken + GONE + PING) == [Piece(broken), Piece(GONE), Piece(PING)]
        assert cut(*bytewise(broken + GONE + PING)) == [Piece(broken), Piece(GONE), Piece(PING)]


def test_a_message_without_its_beginning_is_shown_and_passed_over() -> None:
    assert cut(PING[9:] + GONE) == [Piece(PING[9:]), Piece(GONE)]
    stray = cut(*bytewise(PING[9:] + GONE))
    assert stray[1:] == [Piece(GONE)]
    assert stray[0].data.endswith(b"</Hermes>")


def large(size: int) -> bytes:
    """A message of exactly so many bytes."""
    begin, end = b'<Hermes Timestamp="t"><Notification Description="', b'"/></Hermes>'
    return begin + b"x" * (size - len(begin) - len(end)) + end


@pytest.mark.parametrize("step", [1_000, 1 << 20])
def test_the_largest_message(step: int) -> None:
    def fed(*messages: bytes) -> list[Piece]:
        data = b"".join(messages)
        return cut(*(data[at : at + step] for at in range(0, len(data), step)))

    most = large(MOST_BYTES)
    assert fed(most, PING) == [Piece(most), Piece(PING)]
    assert parse(most).name == "Notification"
    over = large(MOST_BYTES + 1)
    assert fed(PING, over, PING) == [Piece(PING), Piece(over[:MOST_BYTES], MOST_BYTES + 1), Piece(PING)]
    huge = large(300_000)
    assert fed(huge, huge, PING) == [Piece(huge[:MOST_BYTES], 300_000)] * 2 + [Piece(PING)]
    without_end = huge[:200_000]
    assert fed(without_end, PING) == [Piece(huge[:MOST_BYTES], 200_000), Piece(PING)]


def test_a_stream_without_end_takes_no_more_than_one_message_of_memory() -> None:
    framing = Framing()
    for start in (b"<Hermes Timestamp='", b""):
        assert list(framing.feed(start)) == []
        for _ in range(100):
            assert list(framing.feed(b"y" * 50_000)) == []
            assert len(framing._rest) + len(framing._head) < 3 * MOST_BYTES
        list(framing.feed(b"</Hermes>"))


def test_what_is_in_a_message() -> None:
    message = parse(DESCRIBED.strip())
    assert (message.timestamp, message.name) == ("2026-11-20T14:00:00.120", "SupervisoryServiceDescription")
    assert message.content.attributes == {"SystemId": "Printer-1", "Version": "1.6"}
    supported = message.content.child("SupportedFeatures")
    assert supported is not None
    assert [each.name for each in supported.children] == [
        "FeatureConfiguration", "FeatureCheckAliveResponse", "FeatureBoardTracking",
    ]  # fmt: skip
    assert parse(GONE).content.get("Description") == "a > b"
    assert parse(GONE).content.get("Text") is None
    assert Element("a", {"b": "  "}).get("b") is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "bad-xml"),
        (PING[:-1], "bad-xml"),
        (PING[9:], "bad-xml"),
        (PING + PING, "bad-xml"),
        (b"<Hermes><A></B></Hermes>", "bad-xml"),
        (b'<Hermes><A b="1" b="2"/></Hermes>', "bad-xml"),
        (b'<Hermes><A b="&x;"/></Hermes>', "bad-xml"),
        (b'<Hermes><A b="&#0;"/></Hermes>', "bad-xml"),
        (b'<Hermes><A b="\xff"/></Hermes>', "bad-xml"),
        (b'<Hermes><A b="\xed\xa0\x80"/></Hermes>', "bad-xml"),
        (b"<Hermes>" + b"<a>" * 20 + b"</a>" * 20 + b"</Hermes>", "bad-xml"),
        ("<Hermes><A/></Hermes>".encode("utf-16"), "bad-xml"),
        (b"<Hermes/>", "no-message"),
        (b"<Hermes>text</Hermes>", "no-message"),
        (b"<Hermes><A/><B/></Hermes>", "no-message"),
        (b"<hermes><A/></hermes>", "no-message"),
        (large(MOST_BYTES + 1), "too-large"),
    ],
)
def test_no_message(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(data)
    assert caught.value.reason == reason


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, (b"&l%d;" % (n - 1)) * 10) for n in range(1, 10))


@pytest.mark.parametrize(
    "document_type",
    [
        b'<!DOCTYPE Hermes [<!ENTITY l0 "lol">' + LAUGHS + b"]>",
        b'<!DOCTYPE Hermes [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE Hermes SYSTEM "http://127.0.0.1:1/x.dtd">',
        b"<!DOCTYPE Hermes>",
    ],
)
def test_document_types_are_refused(document_type: bytes) -> None:
    """Nothing is expanded and nothing fetched."""
    bomb = document_type + b'<Hermes Timestamp="t"><A b="&l9;"/></Hermes>'
    with pytest.raises(Malformed, match="document type"):
        parse(bomb)
    for piece in cut(bomb):
        with pytest.raises(Malformed):
            parse(piece.data)


def test_writing_is_the_inverse() -> None:
    inner = Element("SubBoards", {}, (Element("SB", {"Pos": "1", "Bc": "a\"'<>&\n\tä€"}),))
    message = Message("2026-11-20T14:00:00.000", Element("BoardArrived", {"BoardId": "x"}, (inner,)))
    assert parse(encode(message)) == message
    assert cut(encode(message)) == [Piece(encode(message))]
    assert encode(Message(None, Element("CheckAlive"))) == b"<Hermes><CheckAlive/></Hermes>"
