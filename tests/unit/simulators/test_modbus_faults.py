"""Each fault switch does on the wire what it says, and nothing after it is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.profile.bound import Table
from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen, serve
from simulators.faces.modbus_faults import Fault, Trouble
from simulators.faces.modbus_talk import Bus, Talk
from tests.build import until
from tests.unit.simulators.modbus_peers import at_port, connected, rtu, tcp
from tests.unit.simulators.test_modbus_face import ANSWER, ASK, bank, over_tcp


async def test_refused_connections_and_the_same_port_afterwards() -> None:
    async with over_tcp() as (face, peer):
        assert face.address is not None
        async with face.fault(Fault(trouble=Trouble.REFUSE)):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*face.address)
            await peer.ask(tcp(1, ASK), tcp(1, ANSWER))  # who was there stays
        async with connected(face.address) as another:
            await another.ask(tcp(1, ASK), tcp(1, ANSWER))


async def test_connections_that_are_cut() -> None:
    async with over_tcp() as (face, peer), connected(face.address) as other:
        await peer.ask(tcp(1, ASK), tcp(1, ANSWER))
        await other.ask(tcp(1, ASK), tcp(1, ANSWER))
        face.drop()
        assert await peer.cut()
        assert await other.cut()
        async with connected(face.address) as again:
            await face.begin(Fault(trouble=Trouble.DROP, times=1))
            again.say(tcp(1, ASK))
            assert await again.cut()
        async with connected(face.address) as again:
            await again.ask(tcp(1, ASK), tcp(1, ANSWER))


async def test_a_stalled_bus_takes_connections_and_says_nothing_until_it_is_over() -> None:
    async with over_tcp() as (face, peer):
        await face.begin(Fault(trouble=Trouble.STALL))
        async with connected(face.address) as another:
            peer.say(tcp(1, ASK))
            another.say(tcp(2, ASK))
            assert await peer.nothing()
            assert await another.nothing()
            assert face.asked == {}
            await face.end()
            await peer.heard(tcp(1, ANSWER))
            await another.heard(tcp(2, ANSWER))


async def test_a_silent_unit_beside_one_that_speaks() -> None:
    async with over_tcp(u1=bank(), u2=bank(2)) as (face, peer):
        async with face.fault(Fault(trouble=Trouble.SILENT, unit=1)):
            peer.say(tcp(1, ASK))
            await peer.ask(tcp(2, "02 04 0064 0001"), tcp(2, "02 04 02 0002"))
        await peer.ask(tcp(3, ASK), tcp(3, ANSWER))
        assert face.asked == {1: 2, 2: 1}


async def test_late_by_so_many_seconds_while_others_are_in_time() -> None:
    async with over_tcp(u1=bank(), u2=bank(2)) as (face, peer):
        loop = asyncio.get_running_loop()
        async with face.fault(Fault(trouble=Trouble.LATE, unit=1, seconds=0.2)):
            began = loop.time()
            peer.say(tcp(1, ASK))
            await peer.ask(tcp(2, "02 04 0064 0001"), tcp(2, "02 04 02 0002"))
            assert loop.time() - began < 0.2
            await peer.heard(tcp(1, ANSWER))
            assert loop.time() - began >= 0.2


async def test_a_unit_that_is_late_answers_one_thing_after_the_other() -> None:
    async with over_tcp() as (face, peer):
        await face.begin(Fault(trouble=Trouble.LATE, seconds=0.1, times=1))
        peer.say(tcp(1, ASK) + tcp(2, "01 03 0007 0001"))
        await peer.heard(tcp(1, ANSWER) + tcp(2, "01 03 02 0009"))


async def test_a_late_answer_is_not_given_to_the_next_connection() -> None:
    async with serve(Listen(), {1: bank()}) as face:
        async with connected(face.address) as peer:
            await face.begin(Fault(trouble=Trouble.LATE, seconds=0.1, times=1))
            peer.say(tcp(1, ASK))
            await until(lambda: face.asked[1] == 1)
        async with connected(face.address) as peer:
            assert await peer.nothing(0.2)
            await peer.ask(tcp(2, ASK), tcp(2, ANSWER))


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (Fault(trouble=Trouble.WRONG_TRANSACTION), tcp(0x0107, ANSWER)),
        (Fault(trouble=Trouble.WRONG_UNIT), tcp(0x0106, "02 04 04 1234 ABCD")),
        (Fault(trouble=Trouble.GARBAGE, data=b"\xde\xad"), b"\xde\xad"),
        (Fault(trouble=Trouble.NOISE, data=b"\xde\xad"), b"\xde\xad" + tcp(0x0106, ANSWER)),
        (Fault(trouble=Trouble.TRUNCATE), tcp(0x0106, ANSWER)[:6]),
        (Fault(trouble=Trouble.DUPLICATE), tcp(0x0106, ANSWER) * 2),
        (Fault(trouble=Trouble.REJECT, code=6), tcp(0x0106, "01 84 06")),
    ],
    ids=lambda each: each.trouble.value if isinstance(each, Fault) else "",
)
async def test_wrong_answers(fault: Fault, heard: bytes) -> None:
    async with over_tcp() as (face, peer):
        async with face.fault(fault):
            await peer.ask(tcp(0x0106, ASK), heard)
        await peer.ask(tcp(5, ASK), tcp(5, ANSWER))  # and not a byte of the other one left


async def test_answers_in_the_wrong_order() -> None:
    async with over_tcp() as (face, peer):
        await face.begin(Fault(trouble=Trouble.REORDER, times=1))
        peer.say(tcp(1, ASK))
        await peer.ask(tcp(2, "01 03 0007 0001"), tcp(2, "01 03 02 0009") + tcp(1, ANSWER))


async def test_a_rejected_register() -> None:
    fault = Fault(trouble=Trouble.REJECT, code=4, table=Table.INPUT, start=101, count=1)
    async with over_tcp() as (face, peer), face.fault(fault):
        await peer.ask(tcp(1, ASK), tcp(1, "01 84 04"))
        await peer.ask(tcp(2, "01 04 0064 0001"), tcp(2, "01 04 02 1234"))
        await peer.ask(tcp(3, "01 03 0007 0001"), tcp(3, "01 03 02 0009"))
        await face.end()
        await face.begin(Fault(trouble=Trouble.REJECT, code=4, table=Table.INPUT, start=100, count=1))
        await peer.ask(tcp(4, ASK), tcp(4, "01 84 04"))
        await peer.ask(tcp(5, "01 04 0065 0001"), tcp(5, "01 04 02 ABCD"))


async def test_nothing_is_said_after_the_end() -> None:
    """The file descriptor of a line may be somebody else's by then."""
    said: list[bytes] = []
    bus = Bus({1: bank()}, "rtu", seed=0)
    talk = Talk(bus, said.append, lambda: None, listening=True)
    bus.faults.add(Fault(trouble=Trouble.LATE, seconds=0.05, times=1))
    talk.take(rtu(ASK))
    talk.end()
    other = Talk(bus, said.append, lambda: None, listening=True)
    bus.faults.add(Fault(trouble=Trouble.LATE, seconds=0.1, times=1))
    other.take(rtu("01 03 0007 0001"))
    await until(lambda: said)
    assert said == [rtu("01 03 02 0009")]


async def test_frozen_values_and_how_they_come_up_to_date() -> None:
    frozen, free = bank(1), bank(1)
    async with over_tcp(u1=frozen, u2=free) as (face, peer):
        async with face.fault(Fault(trouble=Trouble.FREEZE, unit=1)):
            for each in (frozen, free):
                each.set({Table.INPUT: {100: 2}})
            await peer.ask(tcp(1, "01 04 0064 0001"), tcp(1, "01 04 02 0001"))
            await peer.ask(tcp(2, "02 04 0064 0001"), tcp(2, "02 04 02 0002"))
        await peer.ask(tcp(3, "01 04 0064 0001"), tcp(3, "01 04 02 0002"))


async def test_several_faults_at_once_and_the_end_of_all() -> None:
    async with over_tcp() as (face, peer):
        await face.begin(Fault(trouble=Trouble.NOISE, data=b"!"))
        await face.begin(Fault(trouble=Trouble.REJECT, code=5))
        await peer.ask(tcp(1, ASK), b"!" + tcp(1, "01 84 05"))
        await face.end()
        await peer.ask(tcp(2, ASK), tcp(2, ANSWER))


async def test_so_many_times_and_a_share_by_seed() -> None:
    async def rejected(seed: int) -> list[int]:
        async with serve(Listen(), {1: bank()}, seed=seed) as face, connected(face.address) as peer:
            await face.begin(Fault(trouble=Trouble.REJECT, share=0.5, times=3))
            found = []
            for number in range(40):
                peer.say(tcp(number, "01 03 0007 0001"))
                answer = await peer.hear(9)
                if answer == tcp(number, "01 83 04"):
                    found.append(number)
                else:
                    assert answer + await peer.hear(2) == tcp(number, "01 03 02 0009")
            return found

    first, again, other = await rejected(1), await rejected(1), await rejected(2)
    assert len(first) == 3
    assert first == again != other


async def test_drawn_garbage_is_the_same_with_the_same_seed() -> None:
    async def drawn(seed: int) -> bytes:
        async with serve(Listen(), {1: bank()}, seed=seed) as face, connected(face.address) as peer:
            await face.begin(Fault(trouble=Trouble.GARBAGE))
            peer.say(tcp(1, ASK))
            return await peer.hear(3)

    assert await drawn(1) == await drawn(1) != await drawn(2)


async def test_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    async with serve(Serial(port=str(path)), {1: bank(), 2: bank(2)}) as face, at_port(path) as peer:
        for trouble in (Trouble.REFUSE, Trouble.DROP, Trouble.WRONG_TRANSACTION):
            with pytest.raises(ValueError, match="cannot happen"):
                await face.begin(Fault(trouble=trouble))
        async with face.fault(Fault(trouble=Trouble.SILENT, unit=1)):
            peer.say(rtu(ASK))
            await until(lambda: face.asked[1] == 1)
            await peer.ask(rtu("02 04 0064 0001"), rtu("02 04 02 0002"))
        async with face.fault(Fault(trouble=Trouble.STALL)):
            peer.say(rtu(ASK))
            assert await peer.nothing()
        await peer.heard(rtu(ANSWER))
        async with face.fault(Fault(trouble=Trouble.WRONG_UNIT, unit=1)):
            await peer.ask(rtu(ASK), rtu("02 04 04 1234 ABCD"))
        async with face.fault(Fault(trouble=Trouble.NOISE, data=b"\0\xff")):
            await peer.ask(rtu(ASK), b"\0\xff" + rtu(ANSWER))
        async with face.fault(Fault(trouble=Trouble.TRUNCATE)):
            await peer.ask(rtu(ASK), rtu(ANSWER)[:4])
        await peer.ask(rtu(ASK), rtu(ANSWER))
