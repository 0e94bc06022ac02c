"""A served vertical channel as a supervisor sees it: every byte of the supervisor's is written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from simulators.faces.hermes import HermesFace, Machine, serve
from simulators.faces.hermes_talk import BY_HAND, LOADED, Board, Fault, Faults, Trouble
from simulators.faces.modbus_line import FaceError
from tests.build import until

OURS = (
    b'<Hermes Timestamp="2026-11-20T14:00:00.000"><SupervisoryServiceDescription SystemId="mes" Version="1.5">'
    b"<SupportedFeatures><FeatureBoardTracking/></SupportedFeatures></SupervisoryServiceDescription></Hermes>"
)
PING = b'<Hermes Timestamp="2026-11-20T14:01:10.000"><CheckAlive Type="1" Id="17"/></Hermes>'
BOARD = Board(board_id="b-1", top="SN<1>", magazine="MAG7", slot=4, boards=((1, "SN-1", 1), (2, None, 4)))


def noon() -> datetime:
    return datetime.fromisoformat("2026-11-20T12:00:00.007")


class Supervisor:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.say = writer.write

    async def hear(self) -> ElementTree.Element:
        async with asyncio.timeout(5):
            return ElementTree.fromstring(await self._reader.readuntil(b"</Hermes>"))

    async def raw(self, count: int) -> bytes:
        async with asyncio.timeout(5):
            return await self._reader.readexactly(count)

    async def hear_rest(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._reader.readuntil(b"</Hermes>")

    async def cut(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self._reader.read() == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def connected(face: HermesFace) -> AsyncIterator[Supervisor]:
    reader, writer = await asyncio.open_connection(*face.address)
    try:
        yield Supervisor(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def tracking(**more: Any) -> AsyncIterator[tuple[HermesFace, Supervisor]]:
    async with serve(Machine(clock=noon, **more)) as face, connected(face) as supervisor:
        supervisor.say(OURS)
        await supervisor.hear()
        await until(lambda: face.supervisors)
        yield face, supervisor


async def test_it_describes_itself_when_it_is_spoken_to() -> None:
    async with serve(Machine(clock=noon)) as face, connected(face) as supervisor:
        supervisor.say(OURS[:50])
        supervisor.say(OURS[50:])
        message = await supervisor.hear()
    assert message.attrib == {"Timestamp": "2026-11-20T12:00:00.007"}
    assert message[0].attrib == {"SystemId": "Loader-1", "Version": "1.5"}
    assert [each.tag for each in message[0][0]] == ["FeatureConfiguration", "FeatureCheckAliveResponse", "FeatureBoardTracking"]  # fmt: skip


async def test_boards() -> None:
    async with tracking() as (face, supervisor):
        assert face.arrived(BOARD, lane=2, transfer=LOADED) == "2026-11-20T12:00:00.007"
        face.departed(Board(board_id="b-1"), transfer=BY_HAND)
        arrived, departed = (await supervisor.hear())[0], (await supervisor.hear())[0]
    assert arrived.tag == "BoardArrived"
    assert arrived.attrib == {
        "MachineId": "Loader-1", "UpstreamLaneId": "2", "MagazineId": "MAG7", "SlotId": "4", "BoardTransfer": "2",
        "BoardId": "b-1", "BoardIdCreatedBy": "Loader-1", "FailedBoard": "1", "FlippedBoard": "1", "TopBarcode": "SN<1>",
    }  # fmt: skip
    assert [each.attrib for each in arrived[0]] == [{"Pos": "1", "Bc": "SN-1", "St": "1"}, {"Pos": "2", "St": "4"}]
    assert departed.tag == "BoardDeparted"
    assert (departed.attrib["DownstreamLaneId"], departed.attrib["BoardTransfer"]) == ("1", "3")


async def test_who_does_not_declare_tracking_hears_of_no_board() -> None:
    async with serve(Machine(clock=noon)) as face, connected(face) as supervisor:
        supervisor.say(OURS.replace(b"FeatureBoardTracking", b"FeatureConfiguration"))
        await supervisor.hear()
        face.arrived(BOARD)
        face.notify(5, 4, "bye")
        assert (await supervisor.hear())[0].attrib["NotificationCode"] == "5"


async def test_it_answers_who_asks_whether_it_is_alive() -> None:
    async with tracking() as (_, supervisor):
        supervisor.say(PING)
        assert (await supervisor.hear())[0].attrib == {"Type": "2", "Id": "17"}


@pytest.mark.parametrize(
    "said",
    [
        OURS,
        b"<Hermes><SetConfiguration/></Hermes>",
        b"<Hermes><SendWorkOrderInfo/></Hermes>",
        b"<Hermes><A></Hermes>",
        b"<Hermes>" + b"x" * 70_000 + b"</Hermes>",
    ],
)
async def test_what_is_not_expected_ends_the_connection(said: bytes) -> None:
    async with tracking() as (_, supervisor):
        supervisor.say(said)
        assert (await supervisor.hear())[0].attrib["NotificationCode"] == "1"
        assert await supervisor.cut()


async def test_a_machine_with_one_place() -> None:
    async with tracking(single=True) as (face, supervisor), connected(face) as second:
        assert (await second.hear())[0].attrib["NotificationCode"] == "2"
        assert await second.cut()
        face.arrived(BOARD)
        assert (await supervisor.hear())[0].tag == "BoardArrived"


async def test_faults_of_connections() -> None:
    async with tracking() as (face, supervisor):
        async with face.fault(Fault(trouble=Trouble.OCCUPIED)), connected(face) as other:
            assert (await other.hear())[0].attrib["NotificationCode"] == "2"
        async with face.fault(Fault(trouble=Trouble.UNTRACKED)), connected(face) as other:
            other.say(OURS)
            assert "FeatureBoardTracking" not in [each.tag for each in (await other.hear())[0][0]]
        async with face.fault(Fault(trouble=Trouble.REFUSE)):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*face.address)
            face.arrived(BOARD)
            assert (await supervisor.hear())[0].tag == "BoardArrived"
        async with face.fault(Fault(trouble=Trouble.STALL)):
            supervisor.say(PING)
            face.arrived(BOARD)
            async with connected(face) as other:
                other.say(OURS)
        assert (await supervisor.hear())[0].tag == "CheckAlive", "what was to be said meanwhile is lost"
        face.drop()
        assert await supervisor.cut()


async def test_faults_of_messages() -> None:
    async with tracking() as (face, supervisor):
        async with face.fault(Fault(trouble=Trouble.PIECES)):
            face.arrived(BOARD)
            assert (await supervisor.hear())[0].attrib["BoardId"] == "b-1"
        async with face.fault(Fault(trouble=Trouble.DUPLICATE)):
            face.arrived(BOARD)
            assert [(await supervisor.hear())[0].tag for _ in range(2)] == ["BoardArrived"] * 2
        async with face.fault(Fault(trouble=Trouble.LOSE, times=1)):
            face.arrived(BOARD)
            face.departed(BOARD)
            assert (await supervisor.hear())[0].tag == "BoardDeparted"
        async with face.fault(Fault(trouble=Trouble.NOISE, data=b"<?xml?>")):
            face.arrived(BOARD)
            assert await supervisor.raw(7) == b"<?xml?>"
            await supervisor.hear()
        async with face.fault(Fault(trouble=Trouble.GARBAGE, data=b"<Hermes>?</Hermes>")):
            face.arrived(BOARD)
            assert (await supervisor.hear()).text == "?"
        async with face.fault(Fault(trouble=Trouble.OVERSIZE)):
            face.arrived(BOARD)
            assert len(await supervisor.raw(65_537)) == 65_537
            await supervisor.hear_rest()
        async with face.fault(Fault(trouble=Trouble.TRUNCATE)):
            face.arrived(BOARD)
        face.departed(BOARD)
        both = await supervisor.hear_rest()
        assert both.count(b"<Hermes") == 2
        assert both.endswith(b"</Hermes>")
        async with face.fault(Fault(trouble=Trouble.DROP)):
            face.arrived(BOARD)
            await until(lambda: not face.connections)


async def test_a_port_that_is_taken() -> None:
    async with serve(Machine()) as face:
        with pytest.raises(FaceError, match="address already in use"):
            async with serve(Machine(), port=face.address[1]):
                pass


def test_faults_are_drawn_by_their_seed_and_counted() -> None:
    def drawn(seed: int) -> list[int]:
        faults = Faults(seed)
        faults.add(Fault(trouble=Trouble.LOSE, share=0.3, times=20))
        return [len(faults.meeting()) for _ in range(200)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert sum(drawn(1)) == 20
