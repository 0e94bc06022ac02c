"""Cutting a byte stream into MQTT packets. The vectors are written out by hand from the standard."""

from __future__ import annotations

import random

import pytest

from gateway.transport.mqtt_packets import LARGEST_CONTROL, Malformed, Splitter, publish_properties

Got = tuple[int, str, bytes, bytes, bytes, int] | bytes


def packet(first: int, body: bytes) -> bytes:
    """With its remaining length (clause 2.2.3), counted here in another way than the code does."""
    length, out = len(body), bytearray([first])
    while length > 127:
        out.append(length % 128 + 128)
        length //= 128
    out.append(length)
    return bytes(out) + body


def publish(
    topic: bytes, payload: bytes, *, first: int = 0x32, packet_id: bytes = b"\x12\x34", more: bytes = b""
) -> bytes:
    return packet(first, len(topic).to_bytes(2, "big") + topic + packet_id + more + payload)


def split(pieces: list[bytes], *, five: bool = False, largest: int = 1 << 20) -> list[Got]:
    got: list[Got] = []
    splitter = Splitter(
        five=five, largest=largest, publish=lambda *parts: got.append(parts), control=lambda whole: got.append(whole)
    )
    for piece in pieces:
        splitter.feed(piece)
    return got


def test_the_standards_example() -> None:
    """MQTT 3.1.1, figure 3.11: topic `a/b`, packet id 10, here with a payload."""
    assert split([b"\x32\x08\x00\x03a/b\x00\x0aX"]) == [(0x32, "a/b", b"\x00\x0a", b"", b"X", 1)]


def test_kinds_of_publish() -> None:
    stream = [
        publish(b"t", b"", first=0x30, packet_id=b""),
        publish("käse".encode(), b"dup and retained", first=0x3B),
        publish(b"t", b"qos 2", first=0x34),
        publish(b"\xff", b"no UTF-8"),
    ]
    assert split([b"".join(stream)]) == [
        (0x30, "t", b"", b"", b"", 0),
        (0x3B, "käse", b"\x12\x34", b"", b"dup and retained", 16),
        (0x34, "t", b"\x12\x34", b"", b"qos 2", 5),
        (0x32, "\\xff", b"\x12\x34", b"", b"no UTF-8", 8),
    ]


def test_properties_of_mqtt_5() -> None:
    encoding = b"\x26\x00\x10content-encoding\x00\x04gzip"
    kind = b"\x03\x00\x04text"
    many = b"\x26\x00\x01k\x00\xc8" + b"v" * 200
    stream = [
        publish(b"t", b"none", more=b"\x00"),
        publish(b"t", b"two", more=bytes([len(encoding + kind)]) + encoding + kind),
        publish(b"t", b"long", more=bytes([len(many) - 128 + 128, 1]) + many),
    ]
    none, two, long = split([b"".join(stream)], five=True)
    assert none == (0x32, "t", b"\x12\x34", b"", b"none", 4)
    assert two == (0x32, "t", b"\x12\x34", encoding + kind, b"two", 3)
    assert long == (0x32, "t", b"\x12\x34", many, b"long", 4)
    assert publish_properties(encoding + kind) == {"content_encoding": "gzip", "content_type": "text"}
    assert publish_properties(many) == {}
    with pytest.raises(Malformed):
        publish_properties(b"\x26\x00")


@pytest.mark.parametrize("five", [False, True])
def test_however_the_stream_is_cut(five: bool) -> None:
    """Any division into reads gives the same packets; one of them too long to be kept."""
    draw = random.Random(7)
    none = b"\x00" if five else b""
    stream = b"".join(
        [
            b"\x20\x02\x01\x00",
            *(
                publish(b"topic/%d" % n, draw.randbytes(n), more=none)
                for n in (0, 1, 100, 127, 128, 3000, 16_383, 16_384)
            ),
            b"\xd0\x00",
            publish(b"too/long", b"L" * 500_000, more=none),
            b"\x90\x04\x00\x01\x01\x01",
            publish(b"last", b"end", more=none),
        ]
    )
    whole = split([stream], five=five, largest=200_000)
    assert [each if isinstance(each, bytes) else each[1] for each in whole] == [
        b"\x20\x02\x01\x00",
        *(f"topic/{n}" for n in (0, 1, 100, 127, 128, 3000, 16_383, 16_384)),
        b"\xd0\x00",
        "too/long",
        b"\x90\x04\x00\x01\x01\x01",
        "last",
    ]
    too_long = whole[-3]
    assert not isinstance(too_long, bytes)
    assert too_long[5] == 500_000
    assert 100_000 < len(too_long[4]) < 200_000
    assert split([stream[n : n + 1] for n in range(20_000)], five=five) == whole[:8]
    for _ in range(50):
        pieces, at = [], 0
        while at < len(stream):
            step = draw.choice((1, 2, 3, 5, 50, 1000, 70_000))
            pieces.append(stream[at : at + step])
            at += step
        assert split(pieces, five=five, largest=200_000) == whole


def test_a_packet_that_is_not_whole_is_not_told_of() -> None:
    stream = publish(b"t", b"payload")
    assert split([stream[:-1]]) == []
    assert split([stream[:1]]) == []


def test_what_is_thrown_away_takes_no_memory() -> None:
    """256 MB, the longest there can be, in pieces of which only the beginning is kept."""
    got: list[Got] = []
    splitter = Splitter(
        five=False, largest=1 << 20, publish=lambda *parts: got.append(parts), control=lambda whole: got.append(whole)
    )
    splitter.feed(b"\x32\xff\xff\xff\x7f\x00\x01t\x00\x01")
    piece = bytes(1 << 20)
    for _ in range(255):
        splitter.feed(piece)
    assert len(splitter._partial) <= 128 << 10 | 8
    assert got == []
    splitter.feed(piece[: (1 << 20) - 1 - 5])
    (only,) = got
    assert not isinstance(only, bytes)
    _, topic, packet_id, _, payload, size = only
    assert (topic, packet_id, size) == ("t", b"\x00\x01", 268_435_455 - 5)
    assert len(payload) < 128 << 10
    splitter.feed(b"\xd0\x00")
    assert got[1:] == [b"\xd0\x00"]


@pytest.mark.parametrize(
    ("stream", "five"),
    [
        pytest.param(b"\x30\xff\xff\xff\xff\x01", False, id="five bytes of length"),
        pytest.param(b"\x30\x01\x00", False, id="no room for the length of a topic"),
        pytest.param(b"\x30\x05\x00\x09abc", False, id="a topic longer than the packet"),
        pytest.param(b"\x32\x03\x00\x01a", False, id="no packet id"),
        pytest.param(b"\x36\x05\x00\x01a\x00\x01", False, id="QoS 3"),
        pytest.param(b"\x30\x03\x00\x01a", True, id="no properties"),
        pytest.param(b"\x30\x05\x00\x01a\x05\x00", True, id="properties longer than the packet"),
        pytest.param(b"\x30\x09\x00\x01a\xff\xff\xff\xff\x01\x00", True, id="five bytes of properties' length"),
        pytest.param(packet(0x90, bytes(LARGEST_CONTROL + 1)), False, id="a huge SUBACK"),
    ],
)
def test_nonsense_is_refused(stream: bytes, five: bool) -> None:
    """Also when it comes byte by byte."""
    for pieces in ([stream + bytes(50)], [stream[n : n + 1] for n in range(min(len(stream), 20))] + [stream[20:]]):
        with pytest.raises(Malformed):
            split(pieces, five=five)
