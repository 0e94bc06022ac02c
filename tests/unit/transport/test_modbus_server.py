"""The server side of Modbus framing, against bytes from the standard and against our own client side."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from gateway.transport.modbus_frames import Framing, NoAnswer, Refused, RtuFraming, TcpFraming
from gateway.transport.modbus_server import Malformed, Request, ServerFraming

TCP_REQUEST = bytes.fromhex("15 01 00 00 00 06 FF 03 00 04 00 01")
RTU_REQUEST = bytes.fromhex("11 03 00 6B 00 03 76 87")


def test_tcp_request_and_answers() -> None:
    framing = ServerFraming("tcp")
    (request,) = framing.feed(TCP_REQUEST)
    assert (request.unit, request.transaction, request.function, request.start, request.count) == (255, 0x1501, 3, 4, 1)
    assert request.problem == 0
    assert framing.answer(request, b"\x12\x34") == bytes.fromhex("15 01 00 00 00 05 FF 03 02 12 34")
    assert framing.refuse(request, 2) == bytes.fromhex("15 01 00 00 00 03 FF 83 02")


def test_rtu_request_and_answers() -> None:
    framing = ServerFraming("rtu")
    (request,) = framing.feed(RTU_REQUEST)
    assert (request.unit, request.transaction, request.function, request.start, request.count) == (17, 0, 3, 107, 3)
    answer = framing.answer(request, bytes.fromhex("AE 41 56 52 43 40"))
    assert answer == bytes.fromhex("11 03 06 AE 41 56 52 43 40 49 AD")


@pytest.mark.parametrize(("kind", "sent"), [("tcp", TCP_REQUEST), ("rtu", RTU_REQUEST)])
def test_requests_in_pieces(kind: Literal["tcp", "rtu"], sent: bytes) -> None:
    framing = ServerFraming(kind)
    found = [framing.feed(bytes((octet,))) for octet in sent]
    assert found[:-1] == [[]] * (len(sent) - 1)
    assert len(found[-1]) == 1


def test_several_requests_in_one_piece() -> None:
    assert len(ServerFraming("tcp").feed(TCP_REQUEST * 3 + TCP_REQUEST[:5])) == 3


def test_noise_on_a_line_is_passed_over() -> None:
    framing = ServerFraming("rtu")
    assert framing.feed(b"\xff" * 300) == []
    assert len(framing.feed(RTU_REQUEST)) == 1
    assert framing.feed(RTU_REQUEST[:-1] + b"\0") == []
    assert len(framing.feed(RTU_REQUEST)) == 1


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", bytes(4) + b"\xff\xff" + bytes(300)])
def test_something_else_on_the_port(sent: bytes) -> None:
    with pytest.raises(Malformed):
        ServerFraming("tcp").feed(sent)


@pytest.mark.parametrize(
    ("pdu", "problem"),
    [
        ("03 00 00 00 7D", 0),
        ("03 00 00 00 7E", 3),
        ("03 00 00 00 00", 3),
        ("01 00 00 07 D0", 0),
        ("01 00 00 07 D1", 3),
        ("03 00 00 00", 3),
        ("06 00 00 00 01", 1),
        ("2B 0E 01 00", 1),
    ],
)
def test_what_the_standard_says_of_a_request(pdu: str, problem: int) -> None:
    assert Request(1, 1, bytes.fromhex(pdu)).problem == problem


CLIENTS: list[tuple[Literal["tcp", "rtu"], type[TcpFraming] | type[RtuFraming]]] = [
    ("tcp", TcpFraming),
    ("rtu", RtuFraming),
]


@pytest.mark.parametrize(("kind", "client"), CLIENTS)
@pytest.mark.parametrize(("function", "count", "size"), [(1, 13, 2), (2, 2000, 250), (3, 125, 250), (4, 1, 2)])
def test_both_sides_agree(
    kind: Literal["tcp", "rtu"], client: type[TcpFraming], function: int, count: int, size: int
) -> None:
    ours: Framing = client()
    server = ServerFraming(kind)
    for unit in (1, 247):
        (request,) = server.feed(ours.ask(unit, function, 1000, count))
        data = bytes(at % 251 for at in range(size))
        assert (request.unit, request.function, request.start, request.count) == (unit, function, 1000, count)
        assert ours.take(server.answer(request, data)) == data
        (request,) = server.feed(ours.ask(unit, function, 1000, count))
        with pytest.raises(Refused, match="exception 4"):
            ours.take(server.refuse(request, 4))


def test_a_fault_is_a_changed_request() -> None:
    ours, server = TcpFraming(), ServerFraming("tcp")
    (request,) = server.feed(ours.ask(1, 3, 0, 1))
    with pytest.raises(NoAnswer):
        ours.take(server.answer(msgspec.structs.replace(request, transaction=9), b"\0\0"))
