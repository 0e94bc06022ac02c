"""When what a frame changes can be read: between two rounds of reading, and not before the last change was read."""

from __future__ import annotations

import asyncio

import pytest

from gateway.profile.bound import Block, Table
from simulators.replay.actor import Unplayable
from simulators.replay.register_unit import Unit, cells

WORDS, BITS = Table.HOLDING, Table.COIL


def words(value: int, count: int = 4) -> dict[int, int]:
    return dict.fromkeys(range(count), value)


def read(unit: Unit, start: int, count: int = 1) -> int | None:
    """The first of them; negative where they are refused."""
    found = unit.read(WORDS, start, count)
    return int.from_bytes(found[:2], "big") if isinstance(found, bytes) else None if found is None else -found


async def test_what_changes_within_a_round_is_not_seen_before_the_next() -> None:
    unit = Unit(10.0)
    unit.now("poll", WORDS, words(1))
    assert [read(unit, 0, 2), read(unit, 2, 2)] == [1, 1]
    assert read(unit, 0, 2) == 1
    unit.then("poll", WORDS, words(2))
    assert read(unit, 2, 2) == 1, "of the same round"
    assert [read(unit, 0, 2), read(unit, 2, 2)] == [2, 2]
    unit.close()


async def test_who_reads_only_a_part_comes_round_when_he_reads_it_again() -> None:
    unit = Unit(10.0)
    for value in (1, 2, 2, 3):
        unit.then("poll", WORDS, words(value))
    assert [read(unit, 1) for _ in range(4)] == [1, 2, 3, 3]
    unit.close()


async def test_a_poll_within_another_is_read_by_its_own_requests() -> None:
    unit = Unit(10.0)
    unit.now("all", WORDS, words(1, 8))
    unit.now("few", WORDS, words(1, 2))
    assert [read(unit, 0, 2), read(unit, 0, 8)] == [1, 1]
    unit.then("few", WORDS, words(2, 2))
    unit.then("few", WORDS, words(3, 2))
    assert [read(unit, 0, 8), read(unit, 0, 8)] == [2, 2], "it has not been asked for itself"
    assert [read(unit, 0, 2), read(unit, 0, 2)] == [2, 3]
    unit.close()


async def test_refusals_are_as_they_were_and_are_read_too() -> None:
    unit = Unit(10.0)
    unit.now("poll", WORDS, {0: 1, 1: -2, 2: 1})
    assert [read(unit, 0, 3), read(unit, 0), read(unit, 1), read(unit, 2), read(unit, 3)] == [-2, 1, -2, 1, None]
    unit.then("poll", WORDS, {0: -6, 2: -6})
    unit.then("poll", WORDS, {0: 5, 2: 5})
    assert [read(unit, 0), read(unit, 2), read(unit, 0), read(unit, 2)] == [-6, -6, 5, 5]
    unit.close()


async def test_nobody_waits_for_what_nobody_reads_until_somebody_does() -> None:
    unit = Unit(0.02)
    unit.now("poll", WORDS, words(1))
    unit.now("other", BITS, {0: 1})
    unit.then("poll", WORDS, words(2))
    await asyncio.wait_for(unit.empty(), 5)
    unit.then("poll", WORDS, words(3))
    unit.then("poll", WORDS, words(4))
    assert read(unit, 0, 4) == 4
    unit.then("poll", WORDS, words(5))
    unit.then("poll", WORDS, words(6))
    assert read(unit, 0, 4) == 5
    unit.close()


def test_a_frame_is_of_one_poll() -> None:
    assert cells([Block(BITS, 3, 3, b"\x05"), Block(BITS, 9, 1, exception=2)]) == (BITS, {3: 1, 4: 0, 5: 1, 9: -2})
    for wrong in ([], [Block(BITS, 0, 1, b"\1"), Block(WORDS, 0, 1, b"\0\1")]):
        with pytest.raises(Unplayable, match="one poll"):
            cells(wrong)
