"""What comes of answers in parts, of refused ones, and the way there and back."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.sample import Value
from gateway.profile.bound import Block, Registers, Table
from gateway.profile.registers import answer
from tests.unit.profile.words import HEAD, POLL, block, bound, registers

MIXED = """
[signal."zone.temperature"]
at = 10
type = "i16"
scale = 0.1
unit = "Cel"
array = 3
stride = 2
example = [1, 2, 3]
[signal.boards]
at = 20
type = "u32"
word_order = "little"
example = 70000
[signal."recipe.name"]
at = 22
type = "string"
length = 3
example = "ABC"
[[alarm]]
at = 30
bit = 0
code = "A"
text = "a"
severity = "Error"
[[alarm]]
at = 30
bit = 15
code = "B"
text = "b"
severity = "Error"
example = true
"""
KEYS = (
    "zone.temperature[1]",
    "zone.temperature[2]",
    "zone.temperature[3]",
    "boards",
    "recipe.name",
    "alarm.A",
    "alarm.B",
)
GOOD: tuple[Value, ...] = (1.0, 2.0, 3.0, 70000, "ABC", False, True)


@pytest.fixture
def mixed(tmp_path: Path) -> Registers:
    return registers(tmp_path, MIXED)


def words() -> list[int]:
    """Addresses 10 to 30."""
    found = [0xDEAD] * 21
    found[0], found[2], found[4] = 10, 20, 30
    found[10:12] = [70000 & 0xFFFF, 70000 >> 16]
    found[12:15] = [0x4142, 0x4300, 0]
    found[20] = 0x8000
    return found


def parts(*spans: tuple[int, int]) -> list[Block]:
    return [block(words()[begin - 10 : end - 10], begin) for begin, end in spans]


def test_one_answer(mixed: Registers) -> None:
    assert mixed.decode("p", parts((10, 31))) == (KEYS, GOOD)


def test_an_answer_that_begins_before_and_ends_behind(mixed: Registers) -> None:
    assert mixed.decode("p", [block([0xBEEF] * 5 + words() + [0xBEEF] * 9, 5)]) == (KEYS, GOOD)


def test_answers_in_parts_in_any_order(mixed: Registers) -> None:
    assert mixed.decode("p", parts((20, 25), (10, 20), (25, 31))) == (KEYS, GOOD)
    assert mixed.decode("p", parts((10, 11), (12, 13), (14, 15), (20, 22), (22, 25), (30, 31))) == (KEYS, GOOD)


def test_what_was_not_read_is_not_known(mixed: Registers) -> None:
    assert mixed.decode("p", []) == (KEYS, (None,) * 7)
    assert mixed.decode("p", parts((10, 21)))[1] == (1.0, 2.0, 3.0, None, None, None, None)
    # Half of a value is none of it.
    assert mixed.decode("p", parts((21, 24)))[1] == (None,) * 7
    assert mixed.decode("p", parts((21, 31)))[1] == (None, None, None, None, "ABC", False, True)


def test_what_was_refused_is_not_known(mixed: Registers) -> None:
    refused = Block(Table.HOLDING, 20, 5, b"", 2)
    found = mixed.decode("p", [*parts((10, 20)), refused, *parts((25, 31))])
    assert found[1] == (1.0, 2.0, 3.0, None, None, False, True)
    assert mixed.decode("p", [Block(Table.HOLDING, 10, 21, b"", 4)])[1] == (None,) * 7


def test_an_answer_of_another_table_or_of_half_a_register(mixed: Registers) -> None:
    assert mixed.decode("p", [block(words(), 10, Table.INPUT)])[1] == (None,) * 7
    whole = block(words(), 10)
    cut = Block(whole.table, whole.start, whole.count, whole.data[:-1])
    assert mixed.decode("p", [cut])[1] == (*GOOD[:5], None, None)


def test_coils_in_parts(tmp_path: Path) -> None:
    text = HEAD + POLL.replace("holding", "discrete") + "".join(
        f'[[alarm]]\nat = {at}\ncode = "{at}"\ntext = "t"\nseverity = "Error"\n' for at in (3, 11, 40)
    )  # fmt: skip
    found = bound(tmp_path, text).registers
    assert found is not None

    def values(*blocks: Block) -> tuple[Value, ...]:
        return found.decode("p", blocks)[1]

    one = Block(Table.DISCRETE, 3, 9, bytes((0b0000_0001, 0b0000_0001)))
    assert values(one) == (True, True, None)
    assert values(one, Block(Table.DISCRETE, 40, 1, b"\0")) == (True, True, False)
    assert values(Block(Table.DISCRETE, 0, 41, bytes((0b1000, 0, 0, 0, 0, 1)))) == (True, False, True)
    assert values(one, Block(Table.DISCRETE, 40, 1, b"", 2)) == (True, True, None)
    assert values(Block(Table.COIL, 3, 9, b"\xff\xff")) == (None, None, None)
    # What lies behind the count in the last byte is padding.
    assert values(Block(Table.DISCRETE, 3, 1, b"\xff")) == (True, None, None)


def test_registers_of_one_signal_leave_the_others_bits(mixed: Registers) -> None:
    assert mixed.encode({"alarm.A": True, "alarm.B": True}) == {Table.HOLDING: {30: 0x8001}}
    assert mixed.encode({"zone.temperature[2]": 25.6}) == {Table.HOLDING: {12: 256}}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("boards", 1 << 32, "boards: 4294967296 does not fit"),
        ("boards", -1, "boards: -1 does not fit"),
        ("boards", "1", "boards: '1' is no number"),
        ("boards", True, "boards: True is no number"),
        ("boards", math.inf, "boards: inf is no finite number"),
        ("recipe.name", "ABCDEFG", "recipe.name: 'ABCDEFG' has more than 6 bytes"),
        ("recipe.name", "ä", "recipe.name: "),
        ("recipe.name", 7, "recipe.name: 7 is no text"),
        ("alarm.A", 1, "alarm.A: 1 is not true or false"),
    ],
)
def test_what_cannot_be_said(mixed: Registers, key: str, value: Value, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        mixed.encode({key: value})
    assert str(caught.value).startswith(says)


def test_the_polls(mixed: Registers) -> None:
    (poll,) = mixed.polls
    assert (poll.name, poll.every_s, poll.table, poll.start, poll.count) == ("p", 1.0, Table.HOLDING, 0, 100)
    assert poll.atoms == ((10, 1), (12, 1), (14, 1), (20, 2), (22, 3), (30, 1))


RANGES = {
    "i16": (-(1 << 15), (1 << 15) - 1),
    "u16": (0, (1 << 16) - 1),
    "i32": (-(1 << 31), (1 << 31) - 1),
    "u32": (0, (1 << 32) - 1),
    "i64": (-(1 << 63), (1 << 63) - 1),
    "u64": (0, (1 << 64) - 1),
    "bcd16": (0, 9999),
    "bcd32": (0, 99_999_999),
}
SCALES = (1, 0.1, 0.01, 0.001, 0.5, 10, 0.025, -0.1, 3)


def _random_profile(source: random.Random) -> Iterator[tuple[str, str, float, int]]:
    """Key, table text, scale, and how many registers."""
    for index in range(12):
        type_ = source.choice([*RANGES, "f32", "f64"])
        scale = 1 if type_.startswith("f") else source.choice(SCALES)
        orders = (
            f'word_order = "{source.choice(("big", "little"))}"\nbyte_order = "{source.choice(("big", "little"))}"\n'
        )
        size = {"16": 1, "32": 2, "64": 4}[type_[-2:]]
        yield f"x.s{index}", f'type = "{type_}"\nscale = {scale}\n{orders}example = 0\n', scale, size


@pytest.mark.parametrize("seed", range(25))
def test_there_and_back(seed: int, tmp_path: Path) -> None:
    """Whatever the registers of a number hold is what its value is written as."""
    source = random.Random(seed)
    signals = list(_random_profile(source))
    text, at, raws = "", 0, dict[str, float]()
    for key, table, scale, size in signals:
        at += source.randrange(3)
        text += f'[signal."{key}"]\nat = {at}\n{table}'
        at += size
        type_ = table.split('"')[1]
        if type_ in RANGES:
            low, high = RANGES[type_]
            if scale != int(scale):  # a float has 53 bits
                low, high = max(low, -(1 << 53)), min(high, 1 << 53)
            raw: float = source.choice((low, high, 0, source.randint(low, high), source.randint(low, high)))
        else:
            raw = source.uniform(-1e6, 1e6)
            raw = struct.unpack(">f", struct.pack(">f", raw))[0] if type_ == "f32" else raw
        exact = raw * scale
        raws[key] = int(exact) if isinstance(exact, int) else exact
    found = registers(tmp_path, text)
    contents = found.encode(raws)
    back = found.decode("p", [answer(found.polls[0], contents)])
    assert back[0] == tuple(raws)
    for key, value in zip(*back, strict=True):
        assert isinstance(value, int | float)
        assert value == pytest.approx(raws[key], rel=1e-12, abs=1e-12), key
    assert found.encode(dict(zip(*back, strict=True))) == contents


def test_random_contents_never_raise(mixed: Registers) -> None:
    source = random.Random(7)
    for _ in range(500):
        start = source.randrange(40)
        _, values = mixed.decode("p", [block([source.randrange(1 << 16) for _ in range(source.randrange(30))], start)])
        assert all(value is None or isinstance(value, bool | int | float | str) for value in values)
        assert not any(isinstance(value, str) and not value.isprintable() for value in values)
