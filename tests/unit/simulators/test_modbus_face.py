"""A served bus as its masters see it: every byte here is worked out by hand."""

from __future__ import annotations

import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.profile.bound import Poll, Table
from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen, ModbusFace, serve
from simulators.faces.modbus_bank import Bank, bank_of
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.faces.modbus_line import FaceError
from tests.build import until
from tests.unit.simulators.modbus_peers import Peer, at_port, connected, on_line, rtu, tcp


def bank(first: int = 0x1234) -> Bank:
    made = Bank()
    made.set(
        {
            Table.INPUT: {100: first, 101: 0xABCD},
            Table.HOLDING: {7: 9},
            Table.COIL: {0: 1, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 0, 7: 0, 8: 1},
            Table.DISCRETE: {65_535: 1},
        }
    )
    return made


@asynccontextmanager
async def over_tcp(**units: Bank) -> AsyncIterator[tuple[ModbusFace, Peer]]:
    banks = {int(name[1:]): each for name, each in units.items()} or {1: bank()}
    async with serve(Listen(), banks) as face, connected(face.address) as peer:
        yield face, peer


ASK, ANSWER = "01 04 0064 0002", "01 04 04 1234 ABCD"  # input registers 100 and 101


async def test_every_table_is_read_by_its_function() -> None:
    async with over_tcp() as (_, peer):
        await peer.ask(tcp(1, ASK), tcp(1, ANSWER))
        await peer.ask(tcp(2, "01 03 0007 0001"), tcp(2, "01 03 02 0009"))
        await peer.ask(tcp(3, "01 01 0000 0009"), tcp(3, "01 01 02 0D 01"))
        await peer.ask(tcp(4, "01 02 FFFF 0001"), tcp(4, "01 02 01 01"))


async def test_what_cannot_be_answered_is_refused_with_the_standards_exception() -> None:
    async with over_tcp() as (_, peer):
        await peer.ask(tcp(1, "01 04 0065 0002"), tcp(1, "01 84 02"))  # 102 does not exist
        await peer.ask(tcp(2, "01 03 0064 0001"), tcp(2, "01 83 02"))  # 100 is no holding register
        await peer.ask(tcp(3, "01 04 0064 0000"), tcp(3, "01 84 03"))
        await peer.ask(tcp(4, "01 04 0064 007E"), tcp(4, "01 84 03"))  # 126 registers
        await peer.ask(tcp(5, "01 06 0007 0001"), tcp(5, "01 86 01"))  # writing
        await peer.ask(tcp(6, "09 04 0064 0001"), tcp(6, "09 84 0B"))  # nobody there
        await peer.ask(tcp(7, "01 03 0007 0001"), tcp(7, "01 03 02 0009"))  # nothing was written


async def test_requests_in_pieces_and_several_at_once() -> None:
    async with over_tcp() as (_, peer):
        for byte in tcp(1, ASK):
            peer.say(bytes((byte,)))
        await peer.heard(tcp(1, ANSWER))
        peer.say(tcp(2, ASK) + tcp(3, "01 03 0007 0001"))
        await peer.heard(tcp(2, ANSWER) + tcp(3, "01 03 02 0009"))


async def test_what_is_no_modbus_ends_the_connection() -> None:
    async with over_tcp() as (_, peer):
        peer.say(b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.cut()


async def test_units_of_a_bus_have_their_own_registers() -> None:
    async with over_tcp(u1=bank(1), u2=bank(2)) as (face, peer):
        await peer.ask(tcp(1, "01 04 0064 0001"), tcp(1, "01 04 02 0001"))
        await peer.ask(tcp(2, "02 04 0064 0001"), tcp(2, "02 04 02 0002"))
        assert face.asked == {1: 1, 2: 1}


async def test_rtu_over_tcp() -> None:
    async with serve(Listen(framing="rtu"), {1: bank()}) as face, connected(face.address) as peer:
        await peer.ask(rtu(ASK), rtu(ANSWER))
        await peer.ask(rtu("01 04 0066 0001"), rtu("01 84 02"))
        peer.say(rtu("09 04 0064 0001"))  # a unit that there is not says nothing, and disturbs nobody
        await until(lambda: face.asked[9] == 1)
        await peer.ask(rtu(ASK), rtu(ANSWER))


async def test_a_broken_request_on_a_line_is_forgotten_after_a_silence() -> None:
    async with serve(Listen(framing="rtu"), {1: bank()}) as face, connected(face.address) as peer:
        peer.say(rtu(ASK)[:5])
        assert await peer.nothing()
        await peer.ask(rtu(ASK), rtu(ANSWER))


async def test_a_serial_port_that_is_there() -> None:
    ours, theirs = os.openpty()
    try:
        tty.setraw(theirs)
        async with (
            serve(Serial(port=os.ttyname(theirs), parity="none"), {1: bank()}) as face,
            on_line(ours) as peer,
        ):
            assert face.address is None
            await peer.ask(rtu(ASK), rtu(ANSWER))
            await peer.ask(rtu("01 03 0007 0001"), rtu("01 03 02 0009"))
    finally:
        os.close(ours)
        os.close(theirs)


async def test_where_there_is_no_port_a_pseudo_terminal_is_linked(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    path.symlink_to(tmp_path / "left-by-a-killed-run")
    async with serve(Serial(port=str(path)), {1: bank(1), 2: bank(2)}):
        async with at_port(path) as peer:
            await peer.ask(rtu("01 04 0064 0001"), rtu("01 04 02 0001"))
        async with at_port(path) as peer:  # a master that went does no harm to the next
            await peer.ask(rtu("02 04 0064 0001"), rtu("02 04 02 0002"))
    assert not path.is_symlink()


async def test_places_that_cannot_be_had(tmp_path: Path) -> None:
    async with serve(Listen(), {1: bank()}) as face:
        assert face.address is not None
        with pytest.raises(FaceError, match=r"cannot listen on 127\.0\.0\.1:\d+: address already in use"):
            async with serve(Listen(port=face.address[1]), {1: bank()}):
                pass
    with pytest.raises(FaceError, match="cannot open"):
        async with serve(Serial(port=str(tmp_path / "none" / "bus")), {1: bank()}):
            pass


async def test_what_goes_wrong_while_serving_is_not_blamed_on_the_port(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with serve(Serial(port=str(tmp_path / "bus")), {1: bank()}):
            raise TimeoutError
    assert not (tmp_path / "bus").is_symlink()


def test_a_bank_holds_what_registers_hold() -> None:
    made = Bank()
    made.define(Table.HOLDING, 10, 2)
    assert made.read(Table.HOLDING, 10, 2) == bytes(4)
    with pytest.raises(ValueError, match="65536 in holding 10"):
        made.set({Table.HOLDING: {11: 5, 10: 65_536}})
    assert made.read(Table.HOLDING, 11, 1) == bytes(2)  # all or nothing
    with pytest.raises(ValueError, match="2 in coil 0"):
        made.set({Table.COIL: {0: 2}})
    with pytest.raises(ValueError, match="65536"):
        made.define(Table.COIL, 65_535, 2)


def test_a_profiles_bank_has_the_registers_of_its_values_and_the_gaps_only_if_wanted() -> None:
    poll = Poll(name="fast", every_s=1.0, table=Table.INPUT, start=10, count=6, atoms=((10, 1), (13, 2)))
    strict, lenient = bank_of([poll]), bank_of([poll], gaps=True)
    exists = [
        [each.read(Table.INPUT, address, 1) is not None for address in range(9, 17)] for each in (strict, lenient)
    ]
    assert exists[0] == [False, True, False, False, True, True, False, False]
    assert exists[1] == [False, True, True, True, True, True, True, False]


def test_faults_that_are_none() -> None:
    with pytest.raises(ValueError, match="refuse is of the whole bus"):
        Fault(trouble=Trouble.REFUSE, unit=1)
