"""Finding out what a unit refuses, with a bus that is played."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import cast

import pytest

from adapters.modbus_plan import Atom
from adapters.modbus_read import PollReader
from gateway.profile.bound import Block, Poll, Table
from gateway.transport.modbus import Bus, NoAnswer, Refused
from tests.integration.modbus.peers import contents


class Played:
    """A unit of holding registers. illegal: addresses it does not have. most: how many it takes at once."""

    def __init__(self) -> None:
        self.illegal: set[int] = set()
        self.seams: set[int] = set()  # the first addresses of areas that it does not read across
        self.most = 125
        self.code: int | None = None
        self.asked: list[tuple[int, int]] = []

    async def read(self, unit: int, function: int, start: int, count: int) -> bytes:
        self.asked.append((start, count))
        if self.code is not None:
            raise Refused(self.code)
        if count > self.most:
            raise Refused(3)
        if not self.illegal.isdisjoint(range(start, start + count)):
            raise Refused(2)
        if any(start < seam < start + count for seam in self.seams):
            raise Refused(2)
        return contents(function, start, count)

    async def poll(self, reader: PollReader, poll: Poll, unit: int = 1) -> list[Block]:
        self.asked = []
        return await reader.read(cast(Bus, self), unit, poll)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def reader(most: int = 125, clock: Callable[[], float] = lambda: 0.0) -> PollReader:
    return PollReader(most_registers=most, most_bits=2_000, widest_gap=lambda table: 65_536, clock=clock)


def poll(*atoms: Atom) -> Poll:
    return Poll(name="p", every_s=1.0, table=Table.HOLDING, start=0, count=65_536, atoms=atoms)


def ok(start: int, count: int) -> Block:
    return Block(Table.HOLDING, start, count, contents(3, start, count))


def refused(start: int, count: int, code: int = 2) -> Block:
    return Block(Table.HOLDING, start, count, exception=code)


async def test_nothing_is_refused() -> None:
    unit, knows = Played(), reader()
    wanted = poll((100, 10), (130, 1), (134, 2))
    assert await unit.poll(knows, wanted) == [ok(100, 36)]
    assert unit.asked == [(100, 36)]


async def test_a_value_that_there_is_not_is_found_and_not_asked_for_again() -> None:
    unit, knows = Played(), reader()
    unit.illegal = {21}
    wanted = poll((0, 2), (10, 2), (20, 2), (30, 2))
    assert await unit.poll(knows, wanted) == [ok(0, 12), refused(20, 2), ok(30, 2)]
    assert unit.asked == [(0, 32), (0, 12), (20, 12), (20, 2), (30, 2)]
    assert await unit.poll(knows, wanted) == [ok(0, 12), ok(30, 2)]
    assert unit.asked == [(0, 12), (30, 2)]


async def test_a_hole_between_values_is_gone_around() -> None:
    unit, knows = Played(), reader()
    unit.illegal = {15}
    wanted = poll((0, 2), (10, 2), (20, 2), (30, 2))
    assert await unit.poll(knows, wanted) == [ok(0, 12), ok(20, 12)]
    assert await unit.poll(knows, wanted) == [ok(0, 12), ok(20, 12)]
    assert unit.asked == [(0, 12), (20, 12)]


async def test_areas_that_are_not_read_across() -> None:
    unit, knows = Played(), reader()
    unit.seams = {10}
    wanted = poll((0, 10), (10, 10))
    for _ in range(2):
        assert await unit.poll(knows, wanted) == [ok(0, 10), ok(10, 10)]
    assert unit.asked == [(0, 10), (10, 10)]


async def test_another_poll_of_the_same_table_knows_it_too_and_another_unit_does_not() -> None:
    unit, knows = Played(), reader()
    unit.illegal = {5}
    await unit.poll(knows, poll((4, 1), (5, 1), (6, 1)))
    await unit.poll(knows, poll((4, 1), (6, 1)))
    assert unit.asked == [(4, 1), (6, 1)]
    await unit.poll(knows, poll((4, 1), (6, 1)), unit=2)
    assert unit.asked[0] == (4, 3)


async def test_a_shorter_limit_is_found() -> None:
    unit, knows = Played(), reader()
    unit.most = 40
    wanted = poll(*((at, 1) for at in range(120)))
    for _ in range(8):
        blocks = await unit.poll(knows, wanted)
        assert b"".join(block.data for block in blocks) == contents(3, 0, 120)
    assert unit.asked == [(0, 40), (40, 40), (80, 40)]


async def test_a_poll_that_is_refused_whole_goes_on_asking_for_one_value() -> None:
    """A machine that starts up may refuse everything for a while."""
    unit, knows = Played(), reader()
    unit.code = 2
    wanted = poll((0, 1), (1, 1), (2, 1))
    assert await unit.poll(knows, wanted) == [refused(0, 1), refused(1, 1), refused(2, 1)]
    assert await unit.poll(knows, wanted) == [refused(0, 1)]
    assert unit.asked == [(0, 1)]
    unit.code = None
    assert await unit.poll(knows, wanted) == [ok(0, 1)]
    assert await unit.poll(knows, wanted) == [ok(0, 3)]


async def test_after_an_hour_everything_is_tried_again() -> None:
    """What a machine refused while it booted is there later on."""
    clock = Clock()
    unit, knows = Played(), reader(clock=clock)
    unit.illegal, unit.most = {30}, 20
    wanted = poll((0, 2), (10, 2), (20, 2), (30, 2))
    await unit.poll(knows, wanted)
    unit.illegal, unit.most = set(), 125
    clock.now += 3_599
    for _ in range(2):
        assert ok(30, 2) not in await unit.poll(knows, wanted)
    clock.now += 1
    for _ in range(2):
        assert await unit.poll(knows, wanted) == [ok(0, 32)]
    unit.illegal = {30}
    await unit.poll(knows, wanted)
    clock.now += 3_599
    assert await unit.poll(knows, wanted) == [ok(0, 22)], "the hour begins anew"


async def test_forgetting_one_unit_or_all() -> None:
    unit, knows = Played(), reader()
    unit.illegal = {5}
    wanted = poll((4, 1), (5, 1), (6, 1))
    for number in (1, 2):
        await unit.poll(knows, wanted, unit=number)
    unit.illegal = set()
    knows.forget(2)
    assert await unit.poll(knows, wanted, unit=1) == [ok(4, 1), ok(6, 1)]
    assert await unit.poll(knows, wanted, unit=2) == [ok(4, 3)]
    knows.forget()
    assert await unit.poll(knows, wanted, unit=1) == [ok(4, 3)]


@pytest.mark.parametrize("code", [1, 4, 5, 6, 8])
async def test_a_passing_trouble_is_told_and_not_remembered(code: int) -> None:
    unit, knows = Played(), reader()
    unit.code = code
    wanted = poll((0, 1), (5, 1))
    assert await unit.poll(knows, wanted) == [refused(0, 6, code)]
    unit.code = None
    assert await unit.poll(knows, wanted) == [ok(0, 6)]


@pytest.mark.parametrize("code", [10, 11])
async def test_a_gateway_that_speaks_for_a_dead_unit_is_not_the_unit(code: int) -> None:
    unit = Played()
    unit.code = code
    with pytest.raises(NoAnswer, match=f"unit 1: .*exception {code}"):
        await unit.poll(reader(), poll((0, 1)))


@pytest.mark.parametrize("seed", range(100))
async def test_property(seed: int) -> None:
    """Whatever a unit refuses: after the first reading every value that it has is read, none is made up, and soon
    nothing is refused any more."""
    draw = random.Random(seed)
    unit, knows = Played(), reader(draw.choice([16, 125]))
    unit.illegal = set(draw.sample(range(80), draw.randint(0, 8)))
    unit.seams = set(draw.sample(range(80), draw.randint(0, 2)))
    unit.most = draw.choice([7, 30, 125])
    atoms = sorted({(draw.randrange(78), draw.randint(1, 3)) for _ in range(draw.randint(1, 20))})
    atoms = [a for a in atoms if not any(a[0] < seam < sum(a) for seam in unit.seams)]
    if not atoms:
        return
    wanted = poll(*atoms)
    there = [atom for atom in atoms if unit.illegal.isdisjoint(range(atom[0], sum(atom)))]
    for turn in range(10):
        blocks = await unit.poll(knows, wanted)
        for at, count in there:
            holders = [b for b in blocks if not b.exception and b.start <= at and at + count <= b.start + b.count]
            assert holders, f"turn {turn}: {count} at {at}"
            for block in holders:
                begin = 2 * (at - block.start)
                assert block.data[begin : begin + 2 * count] == contents(3, at, count)
    assert len(unit.asked) == len(blocks)
    if there:
        assert not any(block.exception for block in blocks)
