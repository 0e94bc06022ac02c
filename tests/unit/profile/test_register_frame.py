"""The payload of a Modbus frame: bytes worked out by hand, and all that is none."""

from __future__ import annotations

import random

import pytest

from gateway.core.errors import DecodeError
from gateway.profile.bound import Block, Table
from gateway.profile.register_frame import decode, encode

BLOCKS = (
    Block(Table.INPUT, 100, 2, b"\x12\x34\x56\x78"),
    Block(Table.HOLDING, 0x0102, 3, exception=2),
    Block(Table.COIL, 9, 9, b"\x80\x01"),
    Block(Table.DISCRETE, 65_535, 1, b"\x01"),
)
PAYLOAD = bytes.fromhex("04 0064 0002 00 12345678  03 0102 0003 02  01 0009 0009 00 8001  02 FFFF 0001 00 01")


def test_by_hand() -> None:
    assert encode(BLOCKS) == PAYLOAD
    assert decode(PAYLOAD) == BLOCKS
    assert encode(()) == b""
    assert decode(b"") == ()


@pytest.mark.parametrize("length", sorted(set(range(1, len(PAYLOAD))) - {10, 16, 24}))
def test_cut_short(length: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(PAYLOAD[:length])
    assert caught.value.reason == "bad-blocks"


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("00 0064 0001 00 0001", id="function 0"),
        pytest.param("06 0064 0001 00 0001", id="a function that writes"),
        pytest.param("03 0064 0000 00", id="nothing"),
        pytest.param("03 FFFF 0002 00 00010002", id="beyond the last address"),
        pytest.param("03 0064 0001 00 0001 FF", id="a byte behind"),
    ],
)
def test_malformed(wrong: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(bytes.fromhex(wrong))
    assert caught.value.reason == "bad-blocks"


def test_any_bytes_give_blocks_or_a_decode_error() -> None:
    draw = random.Random(1)
    for _ in range(5_000):
        payload = bytes(draw.choice((0, 0, 1, 2, 3, 4, 255, draw.randrange(256))) for _ in range(draw.randrange(30)))
        try:
            found = decode(payload)
        except DecodeError:
            continue
        assert encode(found) == payload or any(block.exception for block in found)
