"""What `probe` prints of a register. The bytes were worked out by hand."""

from __future__ import annotations

from gateway.profile.interpret import modicon, readings


def test_one_register() -> None:
    ((address, found),) = readings(100, bytes.fromhex("4142"))
    assert address == 100
    assert dict(found) == {
        "hex": "4142", "u16": "16706", "i16": "16706", "bits": "0100000101000010", "bcd": "4142", "text": "AB",
    }  # fmt: skip


def test_a_negative_one() -> None:
    ((_, found),) = readings(0, bytes.fromhex("FFFE"))
    assert (found["u16"], found["i16"], found["bcd"], found["text"]) == ("65534", "-2", "", "..")


def test_every_order_of_a_float() -> None:
    # 123.456 is 42F6E979
    for order, data in (("ABCD", "42F6E979"), ("CDAB", "E97942F6"), ("BADC", "F64279E9"), ("DCBA", "79E9F642")):
        _, found = next(readings(0, bytes.fromhex(data)))
        assert found[f"f32 {order}"] == "123.456"


def test_every_order_of_a_counter() -> None:
    # 305419896 is 12345678
    for order, data in (("ABCD", "12345678"), ("CDAB", "56781234"), ("BADC", "34127856"), ("DCBA", "78563412")):
        _, found = next(readings(0, bytes.fromhex(data)))
        assert found[f"u32 {order}"] == "305419896"


def test_a_float_that_is_no_number_is_shown_as_it_is() -> None:
    _, found = next(readings(0, bytes.fromhex("7FC00000")))
    assert found["f32 ABCD"] == "nan"


def test_the_last_register_has_no_neighbour() -> None:
    *_, (_, found) = readings(0, bytes(6))
    assert "u32 ABCD" not in found


def test_addresses_of_old_manuals() -> None:
    assert modicon("input", 0) == "30001"
    assert modicon("holding", 99) == "40100"
    assert modicon("coil", 7) == "00008"
    assert modicon("holding", 12_000) == "412001"
