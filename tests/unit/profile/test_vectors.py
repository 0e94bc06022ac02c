"""Registers to values, against bytes worked out by hand: a simulator that shares the codec would share its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.sample import Value
from gateway.profile.bound import Registers
from tests.unit.profile.words import HEAD, POLL, block, bound, decoded, registers

F32 = 123.45600128173828  # the float of 32 bits nearest to 123.456

VECTORS: list[tuple[str, str, str, tuple[int, ...], Value]] = [
    # type, word order, byte order, registers as on the wire, value
    ("u16", "big", "big", (0x1234,), 0x1234),
    ("u16", "little", "big", (0x1234,), 0x1234),
    ("u16", "big", "little", (0x1234,), 0x3412),
    ("u16", "little", "little", (0x1234,), 0x3412),
    ("i16", "big", "big", (0xFFFE,), -2),
    ("i16", "big", "little", (0xFEFF,), -2),
    ("u32", "big", "big", (0x1234, 0x5678), 0x12345678),
    ("u32", "little", "big", (0x5678, 0x1234), 0x12345678),
    ("u32", "big", "little", (0x3412, 0x7856), 0x12345678),
    ("u32", "little", "little", (0x7856, 0x3412), 0x12345678),
    ("i32", "big", "big", (0xFFFF, 0xFFFE), -2),
    ("i32", "little", "big", (0xFFFE, 0xFFFF), -2),
    ("u64", "big", "big", (0x0123, 0x4567, 0x89AB, 0xCDEF), 0x0123456789ABCDEF),
    ("u64", "little", "big", (0xCDEF, 0x89AB, 0x4567, 0x0123), 0x0123456789ABCDEF),
    ("u64", "big", "little", (0x2301, 0x6745, 0xAB89, 0xEFCD), 0x0123456789ABCDEF),
    ("u64", "little", "little", (0xEFCD, 0xAB89, 0x6745, 0x2301), 0x0123456789ABCDEF),
    ("i64", "big", "big", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE), -2),
    ("i64", "little", "big", (0xFFFE, 0xFFFF, 0xFFFF, 0xFFFF), -2),
    ("f32", "big", "big", (0x42F6, 0xE979), F32),
    ("f32", "little", "big", (0xE979, 0x42F6), F32),
    ("f32", "big", "little", (0xF642, 0x79E9), F32),
    ("f32", "little", "little", (0x79E9, 0xF642), F32),
    ("f64", "big", "big", (0xBFF8, 0, 0, 0), -1.5),
    ("f64", "little", "big", (0, 0, 0, 0xBFF8), -1.5),
    ("f64", "big", "little", (0xF8BF, 0, 0, 0), -1.5),
    ("f64", "little", "little", (0, 0, 0, 0xF8BF), -1.5),
    ("bcd16", "big", "big", (0x1234,), 1234),
    ("bcd16", "big", "little", (0x3412,), 1234),
    ("bcd32", "big", "big", (0x1234, 0x5678), 12345678),
    ("bcd32", "little", "big", (0x5678, 0x1234), 12345678),
    ("bcd16", "big", "big", (0x12A4,), None),
    ("bcd32", "big", "big", (0x1234, 0xF678), None),
    ("f32", "big", "big", (0x7FC0, 0), None),  # NaN
    ("f32", "big", "big", (0x7F80, 0), None),  # infinity
    ("f32", "big", "big", (0xFF80, 0), None),
    ("f64", "big", "big", (0x7FF8, 0, 0, 0), None),
    ("f64", "big", "big", (0xFFF0, 0, 0, 0), None),
]


@pytest.mark.parametrize(("type_", "word_order", "byte_order", "words", "value"), VECTORS)
def test_types_and_orders(
    type_: str, word_order: str, byte_order: str, words: tuple[int, ...], value: Value, tmp_path: Path
) -> None:
    signal = f'[signal.boards]\nat = 3\ntype = "{type_}"\nexample = 1\n'
    head = f'{HEAD}word_order = "{word_order}"\nbyte_order = "{byte_order}"\n'
    of_profile = registers(tmp_path, signal, head=head)
    of_signal = registers(tmp_path, f'{signal}word_order = "{word_order}"\nbyte_order = "{byte_order}"\n')
    for found in (of_profile, of_signal):
        assert decoded(found, 0xDEAD, 0xDEAD, 0xDEAD, *words, 0xDEAD) == {"boards": value}
    if value is not None:
        ((_, contents),) = of_profile.encode({"boards": value}).items()
        assert contents == {3 + index: word for index, word in enumerate(words)}


@pytest.mark.parametrize(
    ("keys", "word", "value"),
    [
        ("bits = [0, 3]", 0xABCD, 0xD),
        ("bits = [4, 7]", 0xABCD, 0xC),
        ("bits = [12, 15]", 0xABCD, 0xA),
        ("bits = [0, 15]", 0xABCD, 0xABCD),
        ('bits = [4, 7]\ntype = "i16"', 0x00F0, -1),
        ('bits = [4, 7]\ntype = "i16"', 0x0070, 7),
        ('bits = [4, 7]\ntype = "i16"', 0x0080, -8),
        ("bits = [2, 5]\nscale = 0.5", 0b0011_0100, 6.5),
    ],
)
def test_bit_fields(keys: str, word: int, value: Value, tmp_path: Path) -> None:
    found = registers(tmp_path, f"[signal.boards]\nat = 0\n{keys}\nexample = 1\n")
    assert decoded(found, word) == {"boards": value}


def test_bits_of_wide_values_count_from_the_lowest(tmp_path: Path) -> None:
    signal = '[signal.boards]\nat = 0\ntype = "u32"\nbits = [14, 18]\nexample = 1\n'
    # 0x0007C000 has just these five bits.
    assert decoded(registers(tmp_path, signal), 0x0007, 0xC000) == {"boards": 31}
    assert decoded(registers(tmp_path, signal + 'word_order = "little"\n'), 0xC000, 0x0007) == {"boards": 31}
    top = '[signal.door]\nat = 0\ntype = "i32"\nbit = 31\nexample = true\n'
    assert decoded(registers(tmp_path, top), 0x8000, 0) == {"door": True}
    assert decoded(registers(tmp_path, top), 0x7FFF, 0xFFFF) == {"door": False}


@pytest.mark.parametrize(
    ("keys", "words", "value"),
    [
        ("", (0x4142, 0x3132, 0, 0), "AB12"),
        ("", (0x4142, 0x3120, 0x2020, 0x2020), "AB1"),
        ("", (0x2020, 0x4142, 0x2043, 0), "AB C"),
        ('byte_order = "little"', (0x4241, 0x3231, 0, 0), "AB12"),
        ('byte_order = "little"', (0x4241, 0x0031, 0, 0), "AB1"),
        ("", (0, 0, 0, 0), None),
        ("", (0x2020, 0x2020, 0x2020, 0x2020), None),
        ("", (0x4142, 0x0033, 0, 0), None),  # something behind a NUL
        ("", (0x4142, 0x0A33, 0, 0), None),  # a line feed
        ("", (0x4142, 0x7F33, 0, 0), None),
        ("", (0x4142, 0xE433, 0, 0), None),  # no ASCII
        ("", (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), None),
        ('encoding = "latin-1"', (0x4142, 0xE433, 0, 0), "ABä3"),
        ('encoding = "latin-1"', (0x4142, 0x9F33, 0, 0), None),  # a control character
        ('encoding = "latin-1"', (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF), None),
        ('encoding = "utf-8"', (0x41C3, 0xA433, 0, 0), "Aä3"),
        ('encoding = "utf-8"', (0x41C3, 0x3333, 0, 0), None),
        ('empty = [""]', (0, 0, 0, 0), ""),
        ('empty = ["", "NONE"]', (0x4E4F, 0x4E45, 0, 0), ""),
        ('missing = ["NOREAD"]', (0x4E4F, 0x5245, 0x4144, 0), None),
    ],
)
def test_texts(keys: str, words: tuple[int, ...], value: Value, tmp_path: Path) -> None:
    found = registers(tmp_path, f'[signal."recipe.name"]\nat = 0\ntype = "string"\nlength = 4\n{keys}\nexample = "X"\n')
    assert decoded(found, *words) == {"recipe.name": value}


def one(folder: Path, signal: str, keys: str) -> Registers:
    return registers(folder, f"[signal.{signal}]\nat = 0\n{keys}\n")


def test_scale_offset_and_unit_are_exact(tmp_path: Path) -> None:
    tenths = one(tmp_path, "boards", 'type = "i16"\nscale = 0.1\nexample = 0')
    assert [decoded(tenths, word)["boards"] for word in (3, 1503, 0xFFFF)] == [0.3, 150.3, -0.1]
    shifted = one(tmp_path, "boards", 'type = "u16"\nscale = 0.01\noffset = -40\nexample = 0')
    assert decoded(shifted, 6510)["boards"] == 25.1
    kilo = one(tmp_path, "boards", 'type = "u16"\nscale = 10\noffset = 5\nexample = 5')
    assert decoded(kilo, 7) == {"boards": 75}
    heat = registers(
        tmp_path, '[signal."zone.temperature"]\nat = 0\ntype = "i16"\nunit = "[degF]"\narray = 2\nexample = [212, 32]\n'
    )
    assert decoded(heat, 212, 32) == {"zone.temperature[1]": 100.0, "zone.temperature[2]": 0.0}
    floats = one(tmp_path, "pressure", 'type = "f32"\nunit = "bar"\nscale = 2\noffset = 1\nexample = 1')
    assert decoded(floats, 0x3FC0, 0)["pressure"] == pytest.approx(400)  # 1.5


def test_a_float_that_overflows_is_none(tmp_path: Path) -> None:
    found = one(tmp_path, "boards", 'type = "f64"\nscale = 1000\nexample = 0')
    assert decoded(found, 0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF) == {"boards": None}


def test_missing_values(tmp_path: Path) -> None:
    found = one(tmp_path, "boards", 'type = "i16"\nscale = 0.1\nmissing = [32767, -32768]\nexample = 0')
    assert [decoded(found, word)["boards"] for word in (0x7FFF, 0x8000, 0x7FFE)] == [None, None, 3276.6]
    floats = one(tmp_path, "boards", 'type = "f32"\nmissing = [-999.9]\nexample = 0')
    assert decoded(floats, 0xC479, 0xF99A) == {"boards": None}


def test_flags(tmp_path: Path) -> None:
    whole = one(tmp_path, "door", 'type = "u16"\nexample = true')
    assert [decoded(whole, word)["door"] for word in (0, 1, 2, 0xFFFF)] == [False, True, None, None]
    upside = one(tmp_path, "door", 'type = "bool"\ninverted = true\nexample = true')
    assert [decoded(upside, word)["door"] for word in (0, 1, 2)] == [True, False, None]
    bit = one(tmp_path, "door", "bit = 3\nexample = true")
    assert [decoded(bit, word)["door"] for word in (8, 0xFFF7)] == [True, False]
    mapped = one(tmp_path, "door", 'type = "u16"\nmap = { 10 = true, 0x14 = false }\nexample = true')
    assert [decoded(mapped, word)["door"] for word in (10, 20, 0)] == [True, False, None]


def test_states_and_texts_of_numbers(tmp_path: Path) -> None:
    mapped = one(tmp_path, "state", 'type = "u16"\nmap = { 0 = "SBY", 1 = "PRD_RegularWork" }\nexample = "SBY"')
    assert [decoded(mapped, word)["state"] for word in (0, 1, 2)] == ["SBY", "PRD_RegularWork", None]
    codes = one(tmp_path, "state", 'type = "u16"\nexample = 1100')
    assert [decoded(codes, word)["state"] for word in (1100, 1150, 0, 10000)] == ["PRD_RegularWork", 1150, None, None]
    assert list(codes.encode({"state": "PRD_RegularWork"}).values()) == [{0: 1100}]
    names = one(tmp_path, "state", 'type = "string"\nlength = 2\nexample = "PRD"')
    assert decoded(names, 0x5052, 0x4400) == {"state": "PRD"}
    assert decoded(names, 0x5052, 0x4500) == {"state": None}
    numbered = one(tmp_path, '"recipe.name"', 'type = "u16"\nempty = [0]\nmissing = [65535]\nexample = "7"')
    assert [decoded(numbered, word)["recipe.name"] for word in (7, 0, 65535)] == ["7", "", None]
    spelt = one(
        tmp_path, "result", 'type = "string"\nlength = 1\nmap = { OK = "Passed", NG = "Failed" }\nexample = "Passed"'
    )
    assert [decoded(spelt, word)["result"] for word in (0x4F4B, 0x4E47, 0x4E00)] == ["Passed", "Failed", None]
    chosen = one(tmp_path, "result", 'type = "string"\nlength = 3\nexample = "Passed"')
    assert decoded(chosen, 0x5061, 0x7373, 0x6564) == {"result": "Passed"}
    assert decoded(chosen, 0x7061, 0x7373, 0x6564) == {"result": None}


def test_counters(tmp_path: Path) -> None:
    tens = one(tmp_path, '"units.out"', 'type = "u16"\nscale = 10\nmodulus = 655360\nexample = 10')
    assert decoded(tens, 7) == {"units.out": 70}
    floats = one(tmp_path, '"units.out"', 'type = "f32"\nexample = 1')
    assert decoded(floats, 0x42C8, 0) == {"units.out": 100}
    assert decoded(floats, 0x42C9, 0) == {"units.out": None}  # 100.5
    assert all(type(value) is int for value in decoded(floats, 0x42C8, 0).values())


def test_coils(tmp_path: Path) -> None:
    text = HEAD + POLL.replace("holding", "coil") + "[signal.door]\nat = 9\nexample = true\n"
    text += '[[alarm]]\nat = 2\ncode = "A"\ntext = "a"\nseverity = "Error"\n'
    text += '[[alarm]]\nat = 10\ncode = "B"\ntext = "b"\nseverity = "Error"\ninverted = true\nexample = true\n'
    found = bound(tmp_path, text).registers
    assert found is not None
    (poll,) = found.polls
    # Coils 2 and 9 of the first sixteen: the lowest address is the lowest bit of the first byte.
    answer = type(block(()))(poll.table, 0, 16, bytes((0b0000_0100, 0b0000_0010)))
    keys, values = found.decode("p", [answer])
    assert dict(zip(keys, values, strict=True)) == {"door": True, "alarm.A": True, "alarm.B": True}
    assert found.encode({"door": True, "alarm.A": False, "alarm.B": True}) == {poll.table: {9: 1, 2: 0, 10: 0}}


def test_what_has_no_value_is_written_so(tmp_path: Path) -> None:
    floats = one(tmp_path, "boards", 'type = "f32"\nexample = 0')
    ((_, contents),) = floats.encode({"boards": None}).items()
    assert contents == {0: 0x7FC0, 1: 0}  # NaN
    marked = one(tmp_path, "boards", 'type = "i16"\nmissing = [-32768]\nexample = 0')
    assert list(marked.encode({"boards": None}).values()) == [{0: 0x8000}]
    text = one(tmp_path, '"recipe.name"', 'type = "string"\nlength = 2\nexample = "A"')
    assert list(text.encode({"recipe.name": None}).values()) == [{0: 0, 1: 0}]
    plain = one(tmp_path, "boards", 'type = "i16"\nexample = 0')
    with pytest.raises(ValueError, match="boards: the machine has no way to say that there is no value"):
        plain.encode({"boards": None})
