"""The face of a CFX machine: what it stores and sends, when it has a network, and what can go wrong with it."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest

from gateway.core.errors import InvalidMessage
from simulators.faces.cfx import CfxFace, written
from simulators.faces.cfx_faults import Fault, Trouble
from simulators.outbox import Outbox, Outgoing, Taken, ignore
from simulators.script import kinds
from simulators.voices.cfx_bodies import station_offline, station_online
from simulators.voices.cfx_message import Link, Spoken
from tests.build import until
from tests.unit.simulators.cfx_line import PNP, WHEN, handle, life, said


class Wire:
    """A way out that takes everything at once, while it is connected."""

    handle = handle(PNP)

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.connected = False
        self.connects = 0

    async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
        self.connected, self.connects = True, self.connects + 1
        try:
            while True:
                (message,) = await outbox.peek(1)
                self.taken.append(message)
                taken(message)
                await outbox.taken(1)
        finally:
            self.connected = False

    @property
    def numbers(self) -> list[int]:
        return [int(each.unique_id[-12:]) for each in self.taken]


def message(number: int) -> Spoken:
    name, body = station_online(float(number))
    return Spoken(source=handle(PNP), name=name, body=body, unique_id=f"3a8f6a52-9d0e-4a39-8f0e-{number:012d}", at=1.0)


async def sent(fault: Fault, count: int = 4, seed: int = 1) -> list[Outgoing]:
    """What is sent of so many messages under a fault, and after it."""
    wire = Wire()
    face = CfxFace(wire, seed=seed)
    async with face.running():
        async with face.fault(fault):
            for number in range(count):
                await face.put(message(number), WHEN)
        await face.put(message(count), WHEN)
        await face.empty()
    return wire.taken


async def test_what_a_voice_says_is_sent_in_order() -> None:
    wire, taken = Wire(), list[str]()
    outputs, _ = said(PNP, life(PNP))
    face = CfxFace(wire)
    async with face.running(lambda each: taken.append(each.unique_id)):
        for each in outputs:
            await face.put(each, WHEN)
        await face.empty()
    assert taken == [each.unique_id for each in outputs if isinstance(each, Spoken)]
    assert not wire.connected


async def test_without_network_it_keeps_what_it_says() -> None:
    wire = Wire()
    face = CfxFace(wire)
    async with face.running():
        await face.put(message(0), WHEN)
        await until(lambda: wire.numbers == [0])
        await face.put(Link(False), WHEN)
        await until(lambda: not wire.connected)
        for number in (1, 2, 3):
            await face.put(message(number), WHEN)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (wire.numbers, len(face.outbox)) == ([0], 3)
        await face.put(Link(True), WHEN)
        await face.empty()
    assert (wire.numbers, wire.connects) == ([0, 1, 2, 3], 2)


async def test_two_reasons_to_be_offline_must_both_be_over() -> None:
    wire, offline = Wire(), Fault(trouble=Trouble.OFFLINE)
    face = CfxFace(wire)
    async with face.running():
        await until(lambda: wire.connected)
        await face.begin(offline)
        await until(lambda: not wire.connected)
        await face.put(Link(False), WHEN)
        await face.end(offline)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not wire.connected
        await face.put(Link(True), WHEN)
        await until(lambda: wire.connected)


async def test_a_way_that_fails_ends_the_machine() -> None:
    class Broken(Wire):
        async def run(self, outbox: Outbox, taken: Taken = ignore) -> None:
            raise RuntimeError("broken")

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="broken"), flatten_subgroups=True):
        async with CfxFace(Broken()).running():
            await asyncio.Event().wait()


async def test_a_machine_waits_when_its_store_is_full() -> None:
    wire = Wire()
    face = CfxFace(wire, outbox=Outbox(limit=2))
    for number in (0, 1):
        await face.put(message(number), WHEN)
    third = asyncio.create_task(face.put(message(2), WHEN))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not third.done()
    async with face.running():
        await third
        await face.empty()
    assert wire.numbers == [0, 1, 2]


@pytest.mark.parametrize(
    ("trouble", "numbers"),
    [
        (Trouble.LOSE, [4]),
        (Trouble.DUPLICATE, [0, 0, 1, 1, 2, 2, 3, 3, 4]),
        (Trouble.REORDER, [1, 0, 3, 2, 4]),
    ],
)
async def test_messages_lost_doubled_and_turned_round(trouble: Trouble, numbers: list[int]) -> None:
    found = await sent(Fault(trouble=trouble))
    assert [int(each.unique_id[-12:]) for each in found] == numbers
    doubles = [(a, b) for a, b in itertools.pairwise(found) if a.unique_id == b.unique_id]
    assert all(a.payload == b.payload for a, b in doubles)


async def test_what_is_held_back_comes_when_the_fault_is_over() -> None:
    found = await sent(Fault(trouble=Trouble.REORDER), 3)
    assert [int(each.unique_id[-12:]) for each in found] == [1, 0, 2, 3]


async def test_spoilt_messages() -> None:
    right = [written(message(number), WHEN).payload for number in range(3)]
    for trouble, payloads in (
        (Trouble.GARBAGE, [b"junk", b"junk", right[2]]),
        (Trouble.NOISE, [b"junk", right[0], b"junk", right[1], right[2]]),
        (Trouble.TRUNCATE, [right[0][: len(right[0]) // 2], right[1][: len(right[1]) // 2], right[2]]),
    ):
        found = await sent(Fault(trouble=trouble, data=b"junk"), 2)
        assert [each.payload for each in found] == payloads, trouble


async def test_a_share_is_drawn_by_the_seed_and_counted() -> None:
    some = Fault(trouble=Trouble.LOSE, share=0.5)
    first = [each.unique_id for each in await sent(some, 40)]
    assert first == [each.unique_id for each in await sent(some, 40)]
    assert first != [each.unique_id for each in await sent(some, 40, seed=2)]
    assert 5 < len(first) < 36
    twice = await sent(Fault(trouble=Trouble.LOSE, times=2))
    assert [int(each.unique_id[-12:]) for each in twice] == [2, 3, 4]


def test_a_script_knows_its_troubles() -> None:
    assert set(kinds(CfxFace(Wire()))) == {each.value for each in Trouble}


def test_what_no_peer_would_take_is_not_written() -> None:
    name, _ = station_offline()
    wrong = Spoken(source="A", name=name, body={"Reason": "none"}, unique_id="3a8f6a52-9d0e-4a39-8f0e-000000000001", at=0.0)  # fmt: skip
    with pytest.raises(InvalidMessage):
        written(wrong, WHEN)


def test_an_envelope_with_its_stamp() -> None:
    envelope = json.loads(written(message(5), WHEN).payload)
    assert envelope["TimeStamp"] == "2026-11-20T12:00:00.1Z"
    assert envelope["MessageBody"]["OfflineDuration"] == "00:00:00.5000000"
