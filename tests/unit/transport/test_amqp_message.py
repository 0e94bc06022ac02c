"""AMQP encodings: against bytes worked out by hand from the standard, against proton's own codec, and against damage."""

from __future__ import annotations

import random
from pathlib import Path
from uuid import UUID

import proton
import pytest

from gateway.transport import amqp_types as types
from gateway.transport.amqp_message import AmqpMessage, decode, encode
from gateway.transport.amqp_types import Described, MalformedError

# OASIS AMQP 1.0 part 1, section 1.6: each encoding once, by hand.
VALUES = [
    ("40", None),
    ("41", True),
    ("42", False),
    ("56 01", True),
    ("56 00", False),
    ("50 ff", 255),
    ("60 0102", 258),
    ("70 00010000", 65_536),
    ("52 07", 7),
    ("43", 0),
    ("80 0000000000000100", 256),
    ("53 10", 16),
    ("44", 0),
    ("51 ff", -1),
    ("61 ff00", -256),
    ("71 fffffffe", -2),
    ("54 80", -128),
    ("81 ffffffffffffffff", -1),
    ("55 7f", 127),
    ("72 3fc00000", 1.5),
    ("82 3ff8000000000000", 1.5),
    ("83 00000000000003e8", 1000),
    ("98 00112233445566778899aabbccddeeff", UUID("00112233-4455-6677-8899-aabbccddeeff")),
    ("a0 02 0001", b"\x00\x01"),
    ("b0 00000001 ff", b"\xff"),
    ("a1 02 c3a4", "ä"),
    ("b1 00000001 41", "A"),
    ("a3 01 41", "A"),
    ("45", []),
    ("c0 03 02 41 43", [True, 0]),
    ("d0 00000006 00000002 41 42", [True, False]),
    ("c1 05 02 a1 01 6b 41", {"k": True}),
    ("e0 06 02 a3 01 41 01 42", ["A", "B"]),
    ("f0 0000000a 00000002 71 00000001", "short"),
    ("f0 0000000d 00000002 71 00000001 ffffffff", [1, -1]),
    ("e0 02 03 41", [True, True, True]),
    ("00 53 24 45", Described(0x24, [])),
]


@pytest.mark.parametrize(("encoded", "value"), VALUES, ids=[text for text, _ in VALUES])
def test_reads_every_encoding(encoded: str, value: object) -> None:
    data = bytes.fromhex(encoded)
    if value == "short":
        with pytest.raises(MalformedError):
            types.read(data, 0)
        return
    assert types.read(data, 0) == (value, len(data))
    assert types.read(data + b"\x41", 0) == (value, len(data))
    for cut in range(len(data)):
        with pytest.raises(MalformedError):
            types.read(data[:cut], 0)


def test_depth_and_counts_are_bounded() -> None:
    deep = b"\x45"
    for _ in range(40):
        deep = b"\xd0" + (len(deep) + 4).to_bytes(4) + (1).to_bytes(4) + deep
    with pytest.raises(MalformedError, match="nested"):
        types.read(deep, 0)
    with pytest.raises(MalformedError, match="constants"):
        types.read(bytes.fromhex("f0 00000005 ffffffff 40"), 0)
    with pytest.raises(MalformedError, match="fewer"):
        types.read(bytes.fromhex("d0 00000005 ffffffff 40"), 0)


FULL = AmqpMessage(
    body=b'{"MessageName":"CFX.Heartbeat"}' * 20,
    delivery_count=3,
    first_acquirer=False,
    message_id="1d598538-95b3-4e92-a376-1f1907ae5ffd",
    to="A.B.C",
    subject="A.B.C.CFX.Heartbeat",
    reply_to="reply",
    correlation_id=77,
    content_type='application/json; charset="utf-8"',
    content_encoding="gzip",
    creation_time=1_795_178_675_069,
    application_properties={"cfx-handle": "A.B.C", "cfx-target": None, "offset": 1, "flag": True},
)


def test_round_trip() -> None:
    assert decode(encode(FULL), applications=True) == FULL
    assert decode(encode(FULL)).application_properties == {}


def test_proton_reads_what_we_write() -> None:
    message = proton.Message()
    message.decode(encode(FULL))
    assert isinstance(message.body, bytes | memoryview)
    assert bytes(message.body) == FULL.body
    assert (message.id, message.address, message.subject, message.reply_to, message.correlation_id) == (
        FULL.message_id,
        FULL.to,
        FULL.subject,
        FULL.reply_to,
        FULL.correlation_id,
    )
    assert (message.content_type, message.content_encoding) == (FULL.content_type, FULL.content_encoding)
    assert (message.durable, message.delivery_count, message.first_acquirer) == (True, 3, False)
    assert message.creation_time == 1_795_178_675.069
    assert message.properties == FULL.application_properties


def test_we_read_what_proton_writes() -> None:
    message = proton.Message(
        body=b"\x1f\x8b body",
        id=UUID("00112233-4455-6677-8899-aabbccddeeff"),
        subject="s",
        content_encoding="gzip",
        annotations={proton.symbol("x-opt"): 1},
        properties={"cfx-handle": "H"},
    )
    message.delivery_count = 2
    message.inferred = True
    read = decode(bytes(message.encode()), applications=True)
    assert read.body == b"\x1f\x8b body"
    assert read.message_id == UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert (read.subject, read.content_encoding, read.delivery_count) == ("s", "gzip", 2)
    assert read.application_properties == {"cfx-handle": "H"}


@pytest.mark.parametrize("body", ["Größe", b"\x00\xff"])
def test_value_bodies_that_can_only_mean_one_thing(body: str | bytes) -> None:
    expected = body.encode() if isinstance(body, str) else body
    assert decode(bytes(proton.Message(body=body).encode())).body == expected


def test_data_sections_are_joined() -> None:
    one = types.described(0x75, types.binary(b"ab"))
    assert decode(one + types.described(0x75, types.binary(b"cd"))).body == b"abcd"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no body"),
        (b"junk", "no section"),
        (types.described(0x76, types.listing([types.boolean(True)])), "amqp-sequence"),
        (types.described(0x77, types.boolean(True)), "bool"),
        (types.described(0x79, types.null()), "section 0x79"),
        (types.described(0x75, types.string("text")), "not binary"),
        (types.described(0x70, types.listing([])), "no body"),
        (types.described(0x75, b"\xb0\x00\x00\x00\x09abc"), "longer"),
        (types.described(0x73, types.null()), "no list"),
        (b"\x00\x53\x73\xc0\x06\x02\xa1\x09ab", "longer"),
    ],
)
def test_what_is_no_message(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedError, match=reason):
        decode(raw)


def test_the_beginning_of_a_long_message() -> None:
    raw = encode(FULL)
    cut = raw[:-100]
    with pytest.raises(MalformedError):
        decode(cut)
    begun = decode(cut, truncated=True)
    assert begun.body == FULL.body[:-100]
    assert begun.subject == FULL.subject


def test_damage_never_raises_anything_else() -> None:
    rng = random.Random(7)
    raw = encode(FULL)
    for _ in range(3000):
        damaged = bytearray(raw)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(min(len(raw), 300))] = rng.randrange(256)
        try:
            decode(bytes(damaged[: rng.randrange(len(raw) + 1)]), applications=True, truncated=rng.random() < 0.5)
        except MalformedError:
            continue


def test_bytes_of_the_cfx_sdk(shared: Path) -> None:
    """Encoded by AMQPNetLite, as the SDK 2.1.1 sends them."""
    plain = decode((shared / "cfx/wire-amqp/raw_1env.bin").read_bytes(), applications=True)
    assert plain.body.startswith(b'{"MessageName":"CFX.Heartbeat"')
    assert plain.subject == "A.B.C.CFX.Heartbeat"
    assert plain.durable
    assert plain.content_encoding is None
    assert plain.application_properties["cfx-handle"] == "A.B.C"
    packed = decode((shared / "cfx/wire-amqp/gzip_2env.bin").read_bytes())
    assert packed.content_encoding == "gzip"
    assert packed.body[:2] == b"\x1f\x8b"
