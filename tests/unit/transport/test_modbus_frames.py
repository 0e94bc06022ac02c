"""Modbus bytes: requests and answers worked out by hand or in the standards, and everything that is no answer."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from gateway.transport.modbus_frames import (
    COILS,
    DISCRETE_INPUTS,
    HOLDING_REGISTERS,
    INPUT_REGISTERS,
    Framing,
    NoAnswer,
    Refused,
    RtuFraming,
    TcpFraming,
    check_read,
    checksum,
    data_size,
)

# Requests and answers of the Application Protocol V1.1b3, clauses 6.1 to 6.4: function, start, count, then both PDUs.
STANDARD: list[Any] = [
    pytest.param(COILS, 19, 19, "01 00 13 00 13", "01 03 CD 6B 05", id="coils 20 to 38"),
    pytest.param(DISCRETE_INPUTS, 196, 22, "02 00 C4 00 16", "02 03 AC DB 35", id="discrete inputs 197 to 218"),
    pytest.param(HOLDING_REGISTERS, 107, 3, "03 00 6B 00 03", "03 06 02 2B 00 00 00 64", id="registers 108 to 110"),
    pytest.param(INPUT_REGISTERS, 8, 1, "04 00 08 00 01", "04 02 00 0A", id="input register 9"),
]


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def crc_bit_by_bit(message: bytes) -> bytes:
    """As Serial Line V1.02, 6.2.1 tells it in words, to have it from nobody else."""
    register = 0xFFFF
    for octet in message:
        register ^= octet
        for _ in range(8):
            out = register & 1
            register >>= 1
            if out:
                register ^= 0xA001
    return bytes((register & 0xFF, register >> 8))


def sealed(text: str) -> bytes:
    return octets(text) + crc_bit_by_bit(octets(text))


@pytest.mark.parametrize(
    ("message", "crc"),
    [
        ("02 07", "41 12"),  # the example of Serial Line V1.02, 6.2.2
        ("11 03 00 6B 00 03", "76 87"),
        ("11 03 06 AE 41 56 52 43 40", "49 AD"),
        ("01 04 02 FF FF", "B8 80"),
        ("0A 81 02", "B0 53"),
    ],
)
def test_checksum(message: str, crc: str) -> None:
    assert checksum(octets(message)) == octets(crc) == crc_bit_by_bit(octets(message))


def test_the_request_of_the_implementation_guide() -> None:
    """Messaging on TCP/IP V1.0b, 3.1.3: register 5 of unit 255 (but for its transaction, 15 01)."""
    assert TcpFraming().ask(0xFF, HOLDING_REGISTERS, 4, 1) == octets("00 01 00 00 00 06 FF 03 00 04 00 01")


@pytest.mark.parametrize(("function", "start", "count", "request_pdu", "answer_pdu"), STANDARD)
def test_tcp(function: int, start: int, count: int, request_pdu: str, answer_pdu: str) -> None:
    framing = TcpFraming()
    assert framing.ask(17, function, start, count) == octets("00 01 00 00 00 06 11") + octets(request_pdu)
    pdu = octets(answer_pdu)
    assert framing.take(octets("00 01 00 00 00") + bytes((len(pdu) + 1, 17)) + pdu) == pdu[2:]
    assert not framing.excess


@pytest.mark.parametrize(("function", "start", "count", "request_pdu", "answer_pdu"), STANDARD)
def test_rtu(function: int, start: int, count: int, request_pdu: str, answer_pdu: str) -> None:
    framing = RtuFraming()
    asked = b"\x11" + octets(request_pdu)
    assert framing.ask(17, function, start, count) == asked + crc_bit_by_bit(asked)
    answer = b"\x11" + octets(answer_pdu)
    assert framing.take(answer + crc_bit_by_bit(answer)) == answer[3:]
    assert not framing.excess


# What unit 17 answers when asked for holding registers 107 to 109, in both framings.
TCP_ANSWER = octets("00 01 00 00 00 09 11 03 06 02 2B 00 00 00 64")
TCP_REFUSAL = octets("00 01 00 00 00 03 11 83 02")
RTU_ANSWER = sealed("11 03 06 02 2B 00 00 00 64")
RTU_REFUSAL = sealed("11 83 02")
DATA = octets("02 2B 00 00 00 64")


def asked(kind: type[TcpFraming] | type[RtuFraming]) -> Framing:
    framing: Framing = kind()
    framing.ask(17, HOLDING_REGISTERS, 107, 3)
    return framing


BOTH = pytest.mark.parametrize(
    ("kind", "answer", "refusal"),
    [(TcpFraming, TCP_ANSWER, TCP_REFUSAL), (RtuFraming, RTU_ANSWER, RTU_REFUSAL)],
    ids=["tcp", "rtu"],
)


@BOTH
def test_single_bytes(kind: type[TcpFraming], answer: bytes, refusal: bytes) -> None:
    framing = asked(kind)
    assert [framing.take(bytes((octet,))) for octet in answer] == [None] * (len(answer) - 1) + [DATA]
    framing = asked(kind)
    assert [framing.take(bytes((octet,))) for octet in refusal[:-1]] == [None] * (len(refusal) - 1)
    with pytest.raises(Refused) as caught:
        framing.take(refusal[-1:])
    assert caught.value.code == 2


@BOTH
@pytest.mark.parametrize("cut", range(1, 15))
def test_cut_short_is_no_answer_yet(kind: type[TcpFraming], answer: bytes, refusal: bytes, cut: int) -> None:
    framing = asked(kind)
    whole = len(answer)
    assert framing.take(answer[: cut if cut < whole else whole - 1]) is None


@BOTH
def test_an_exception(kind: type[TcpFraming], answer: bytes, refusal: bytes) -> None:
    framing = asked(kind)
    with pytest.raises(Refused) as caught:
        framing.take(refusal)
    assert caught.value.code == 2
    assert not framing.excess


@BOTH
def test_two_answers_in_one_piece(kind: type[TcpFraming], answer: bytes, refusal: bytes) -> None:
    framing = asked(kind)
    assert framing.take(answer + answer) == DATA
    assert framing.excess
    framing.ask(17, HOLDING_REGISTERS, 107, 3)
    assert not framing.excess
    with pytest.raises(Refused):
        asked(kind).take(refusal + answer)


@BOTH
def test_what_came_before_a_request_does_not_count(kind: type[TcpFraming], answer: bytes, refusal: bytes) -> None:
    framing = asked(kind)
    framing.take(answer[:-1])
    framing.ask(17, HOLDING_REGISTERS, 107, 3)
    if kind is TcpFraming:
        with pytest.raises(NoAnswer):
            framing.take(answer[-1:])
    else:
        assert framing.take(answer[-1:]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("00 02 00 00 00 09 11 03 06 02 2B 00 00 00 64", id="transaction"),
        pytest.param("00 00 00 00 00 09 11 03 06 02 2B 00 00 00 64", id="transaction 0"),
        pytest.param("00 01 00 01 00 09 11 03 06 02 2B 00 00 00 64", id="protocol"),
        pytest.param("00 01 00 00 00 0A 11 03 06 02 2B 00 00 00 64 00", id="length"),
        pytest.param("00 01 00 00 FF 09 11 03 06 02 2B 00 00 00 64", id="huge length"),
        pytest.param("00 01 00 00 00 09 12 03 06 02 2B 00 00 00 64", id="unit"),
        pytest.param("00 01 00 00 00 09 11 04 06 02 2B 00 00 00 64", id="function"),
        pytest.param("00 01 00 00 00 09 11 03 04 02 2B 00 00 00 64", id="byte count"),
        pytest.param("00 01 00 00 00 07 11 03 04 02 2B 00 00", id="two registers in place of three"),
        pytest.param("00 01 00 00 00 0B 11 03 08 02 2B 00 00 00 64 00 00", id="four registers in place of three"),
        pytest.param("00 01 00 00 00 03 11 84 02", id="exception of another function"),
        pytest.param("00 01 00 00 00 03 12 83 02", id="exception of another unit"),
        pytest.param("FF", id="garbage"),
        pytest.param("FF 00 01 00 00 00 09 11 03 06 02 2B 00 00 00 64", id="garbage before the answer"),
        pytest.param("48 54 54 50 2F 31 2E 31", id="HTTP"),
    ],
)
def test_tcp_takes_nothing_else(wrong: str) -> None:
    with pytest.raises(NoAnswer):
        asked(TcpFraming).take(octets(wrong))
    with pytest.raises(NoAnswer):
        one_by_one(asked(TcpFraming), octets(wrong))


def one_by_one(framing: Framing, data: bytes) -> None:
    for octet in data:
        assert framing.take(bytes((octet,))) is None


def test_transactions_go_round_and_are_never_zero() -> None:
    framing = TcpFraming()
    numbers = [int.from_bytes(framing.ask(1, HOLDING_REGISTERS, 0, 1)[:2], "big") for _ in range(65_537)]
    assert numbers == [*range(1, 65_536), 1, 2]


ECHO = octets("11 03 00 6B 00 03 76 87")
OF_ANOTHER_UNIT = sealed("12 03 06 02 2B 00 00 00 64")


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"\x00", id="a noise byte"),
        pytest.param(b"\x11", id="a noise byte that looks like the unit"),
        pytest.param(b"\x11\x03", id="two that look like unit and function"),
        pytest.param(b"\xff\xfe\x11\x11\x03\x80", id="noise"),
        pytest.param(ECHO, id="the echo of the request"),
        pytest.param(OF_ANOTHER_UNIT, id="another unit"),
        pytest.param(sealed("11 04 06 02 2B 00 00 00 64"), id="another function"),
        pytest.param(sealed("11 03 04 02 2B 00 00"), id="another length"),
        pytest.param(sealed("11 84 02"), id="an exception of another function"),
    ],
)
def test_rtu_passes_over_what_stands_before(before: bytes) -> None:
    framing = asked(RtuFraming)
    assert framing.take(before) is None
    assert framing.take(RTU_ANSWER) == DATA
    assert asked(RtuFraming).take(before + RTU_ANSWER) == DATA
    with pytest.raises(Refused):
        asked(RtuFraming).take(before + RTU_REFUSAL)


@pytest.mark.parametrize("at", range(len(RTU_ANSWER)))
def test_rtu_every_broken_byte_is_noticed(at: int) -> None:
    broken = bytearray(RTU_ANSWER)
    broken[at] ^= 0x10
    framing = asked(RtuFraming)
    with suppress(NoAnswer):
        assert framing.take(bytes(broken)) is None


def test_rtu_a_wrong_checksum_is_told_at_once() -> None:
    with pytest.raises(NoAnswer, match="checksum"):
        asked(RtuFraming).take(RTU_ANSWER[:-1] + b"\0")
    with pytest.raises(NoAnswer, match="checksum"):
        asked(RtuFraming).take(RTU_REFUSAL[:-1] + b"\0")


def test_rtu_noise_is_not_kept() -> None:
    framing = asked(RtuFraming)
    for _ in range(100):
        assert framing.take(b"\xaa" * 1000) is None
    assert framing.take(RTU_ANSWER) == DATA


@pytest.mark.parametrize(
    ("unit", "function", "start", "count"),
    [
        (1, 0, 0, 1),
        (1, 5, 0, 1),
        (256, 3, 0, 1),
        (-1, 3, 0, 1),
        (1, 3, 0, 0),
        (1, 3, 0, 126),
        (1, 4, 65_535, 2),
        (1, 4, -1, 2),
        (1, 1, 0, 2_001),
    ],
)
def test_requests_that_nobody_could_answer(unit: int, function: int, start: int, count: int) -> None:
    with pytest.raises(ValueError, match="allowed"):
        check_read(unit, function, start, count)


def test_limits_of_the_standard_are_allowed() -> None:
    check_read(0, 3, 65_535, 1)
    check_read(255, 4, 0, 125)
    check_read(1, 1, 63_536, 2_000)
    assert [data_size(1, count) for count in (1, 8, 9, 2_000)] == [1, 1, 2, 250]
    assert data_size(3, 125) == 250
