"""Text that is taken for compact without a look at its structure is so; nothing else is taken for it."""

from __future__ import annotations

import random

import msgspec
import pytest

from gateway.cfx.envelope import read
from gateway.core.errors import DecodeError
from gateway.core.observation import CfxMessage

ENVELOPE = (
    b'{"MessageName":"CFX.Heartbeat","Version":"2.1","TimeStamp":"2026-11-20T12:44:33Z","UniqueID":null,'
    b'"Source":"A.B","Target":null,"RequestID":null,"MessageBody":{"$type":"CFX.Heartbeat, CFX","Metadata":{"a":[1,2]}}}'
)


@pytest.mark.parametrize(
    "more",
    [
        b'"x":"y"',
        b' "x":"y"',
        b'"x": "y"',
        b'"x":"a, CFX"',
        b'"x":", CFX" ',
        b'"x":\t1',
        b'"x":\n1',
        b'"x":\r1',
        b'"x":"a b"',
    ],
)
def test_the_text_has_no_insignificant_white_space(more: bytes) -> None:
    payload = ENVELOPE[:-2] + b"," + more + b"}}"
    (found,) = read(payload)
    assert isinstance(found, CfxMessage)
    assert found.text == msgspec.json.format(payload, indent=-1)
    assert found.raw == payload


def test_damaged_text_is_judged_as_the_formatter_judges_it() -> None:
    """Bytes are changed at random: what is read is compact, what the formatter refuses is not read."""
    chance = random.Random(20261121)
    read_well = refused = 0
    for _ in range(4000):
        damaged = bytearray(ENVELOPE)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(1, len(damaged))] = chance.choice(b' ,:"{}[]\\x1C\t\n')
        payload = bytes(damaged)
        try:
            text = msgspec.json.format(payload, indent=-1)
        except msgspec.DecodeError:
            text = None
        try:
            (found,) = read(payload)
        except DecodeError:
            refused += 1
            continue
        assert isinstance(found, CfxMessage)
        assert found.text == text
        read_well += 1
    assert read_well > 100
    assert refused > 100
