"""Reads of clients that are not Lineside, as polls of a profile."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gateway.pcap.modbus import ModbusReader, Watched, planned
from gateway.profile.bound import Block, Poll, Table
from gateway.profile.register_frame import decode
from gateway.transport.modbus_frames import checksum
from tests.unit.pcap.told import Heard

STATION = """profile = "reflow_oven/example-10-zone"
source = {{ protocol = "{}", host = "10.0.0.2", port = 502, unit = 3 }}"""
POLL = Poll(name="fast", every_s=1.0, table=Table.INPUT, start=0, count=40, atoms=((0, 2), (10, 2), (30, 1)))


def read(start: int, count: int, *, exception: int = 0, mark: int = 0) -> Block:
    data = b"" if exception else struct.pack(">H", start + mark) * count
    return Block(Table.INPUT, start, count, data, exception)


def blocks(payload: bytes | None) -> list[tuple[int, int, int, bytes]]:
    assert payload is not None
    return [(each.start, each.count, each.exception, each.data[:2]) for each in decode(payload)]


def test_a_poll_has_come_together_when_all_of_it_was_read() -> None:
    watched = Watched("L1.m1", POLL)
    assert watched.read(read(10, 5)) is None
    assert watched.read(read(100, 5)) is None  # nothing of it
    assert watched.read(read(0, 4)) is None
    assert blocks(watched.read(read(30, 1))) == [(10, 5, 0, b"\0\x0a"), (0, 4, 0, b"\0\0"), (30, 1, 0, b"\0\x1e")]
    assert watched.read(read(0, 4)) is None


def test_what_a_client_never_reads_is_not_waited_for() -> None:
    watched = Watched("L1.m1", POLL)
    found = []
    for _ in range(6):
        found += [watched.read(read(0, 2)), watched.read(read(10, 2))]
    assert found[:7] == [None] * 7
    assert [each is not None for each in found[7:]] == [True, False, True, False, True]


def test_what_is_read_more_rarely_goes_with_what_is_read_often() -> None:
    watched = Watched("L1.m1", POLL)
    watched.read(read(30, 1, mark=5))
    for _ in range(4):
        watched.read(read(0, 12))
    payload = watched.read(read(0, 12, mark=256))
    assert blocks(payload) == [(0, 12, 0, b"\x01\0"), (30, 1, 0, b"\0\x23")]


def test_values_that_the_machine_refuses() -> None:
    watched = Watched("L1.m1", POLL)
    assert watched.read(read(0, 31, exception=2)) is None  # of all together it says nothing
    assert watched.read(read(0, 12)) is None
    assert blocks(watched.read(read(30, 1, exception=2))) == [(0, 12, 0, b"\0\0"), (30, 1, 2, b"")]
    assert blocks(watched.read(read(0, 12))) == [(0, 12, 0, b"\0\0")]


@pytest.mark.parametrize("protocol", ["modbus-tcp", "modbus-rtu-tcp"])
def test_requests_and_answers_are_paired(tmp_path: Path, protocol: str) -> None:
    heard = Heard(tmp_path, STATION.format(protocol))
    assert isinstance(heard.reader, ModbusReader)

    def message(transaction: int, pdu: bytes, unit: int = 3) -> bytes:
        whole = bytes((unit,)) + pdu
        if protocol == "modbus-rtu-tcp":
            return whole + checksum(whole)
        return struct.pack(">HHH", transaction, 0, len(whole)) + whole

    ((_, settings),) = heard.resolved.connections.items()
    registers = heard.resolved.stations[0].bound.registers  # type: ignore[union-attr]
    assert registers is not None
    poll = next(each for each in registers.polls if each.atoms)
    function = {Table.HOLDING: 3, Table.INPUT: 4}[poll.table]
    (start, count), *more = planned(settings, poll)
    assert not more
    data = bytes(range(200))[: 2 * count]
    heard.server(message(9, bytes((function, 2, 0, 1))))  # its request is not there
    heard.client(message(1, struct.pack(">BHH", function, start, count))[:5])
    heard.client(message(1, struct.pack(">BHH", function, start, count))[5:])
    answer = message(1, bytes((function, len(data))) + data)
    heard.server(answer[:9], at=1)
    heard.server(answer[9:], at=2)
    for number, unit, question, said in (
        (2, 3, struct.pack(">BHH", 6, 1, 1), struct.pack(">BHH", 6, 1, 1)),
        (3, 4, struct.pack(">BHH", function, 1, 1), bytes((function, 2, 0, 1))),
    ):
        heard.client(message(number, question, unit))
        heard.server(message(number, said, unit))
    told = dict(heard.reader.told)
    if protocol == "modbus-tcp":  # answers may come in another order
        heard.client(
            message(4, struct.pack(">BHH", function, 0, 1)), message(5, struct.pack(">BHH", function, start, count))
        )
        heard.server(message(5, bytes((function, len(data))) + data[::-1]), message(4, bytes((function, 2, 0, 1))))
        assert decode(heard.found.pop()[1].payload) == (Block(poll.table, start, count, data[::-1]),)
    ((at, wire),) = heard.found
    assert (at, wire.channel, wire.peer) == (2, f"L1.m1/{poll.name}", "L1.m1")
    assert decode(wire.payload) == (Block(poll.table, start, count, data),)
    assert told == {
        "answers whose request is not in the file": 1,
        "requests that do not read (other functions)": 1,
        "answers of unit 4, which no station is": 1,
    }
