"""Our client against libmodbus, and libmodbus (mbpoll) against the framing of our simulated machines."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from gateway.transport.modbus import Bus, NoAnswer, Refused, Serial, Tcp, bus
from tests.integration.modbus.libmodbus import mbpoll, running
from tests.integration.modbus.peers import Echo, contents, listening, serial_line

pytestmark = pytest.mark.libmodbus


@asynccontextmanager
async def over_tcp(program: Path) -> AsyncIterator[Bus]:
    async with running(program, "tcp") as port, bus(Tcp(host="127.0.0.1", port=int(port))) as made:
        yield made


@asynccontextmanager
async def over_serial(program: Path) -> AsyncIterator[Bus]:
    with crossed() as (one, other):
        async with running(program, "rtu", other), bus(Serial(port=one, parity="none"), answer_timeout_s=0.5) as made:
            yield made


@contextmanager
def crossed() -> Iterator[tuple[str, str]]:
    """Two serial ports that are joined: two pseudo terminals, and what comes out of one goes into the other."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    for pair in pairs:
        for end in pair:
            tty.setraw(end)
    (one, _), (other, _) = pairs
    loop.add_reader(one, lambda: os.write(other, os.read(one, 1000)))
    loop.add_reader(other, lambda: os.write(one, os.read(other, 1000)))
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        loop.remove_reader(one)
        loop.remove_reader(other)
        for pair in pairs:
            for end in pair:
                os.close(end)


async def reads_everything(made: Bus) -> None:
    for function in (1, 2, 3, 4):
        most = 2_000 if function < 3 else 125
        for start, count in [(0, 1), (7, 9), (513, 60), (10_000 - most, most)]:
            assert await made.read(7, function, start, count) == contents(function, start, count)
        with pytest.raises(Refused, match="exception 2"):
            await made.read(7, function, 9_999, 2)
    assert await made.read(7, 3, 9_999, 1) == b"\x27\x0f"


async def test_reading_libmodbus_over_tcp(libmodbus: Path) -> None:
    async with over_tcp(libmodbus) as made:
        await reads_everything(made)


async def test_reading_libmodbus_over_a_serial_line(libmodbus: Path) -> None:
    async with over_serial(libmodbus) as made:
        await reads_everything(made)
        with pytest.raises(NoAnswer):
            await made.read(8, 3, 0, 1)
        # libmodbus takes what follows a request to another unit for that unit's answer, whatever it is.
        with pytest.raises(NoAnswer):
            await made.read(7, 3, 0, 1)
        await reads_everything(made)


TABLES = pytest.mark.parametrize(("table", "function"), [("0", 1), ("1", 2), ("3", 4), ("4", 3)])


def expected(function: int, start: int, count: int) -> dict[int, int]:
    data = contents(function, start, count)
    if function < 3:
        return {start + place: data[place // 8] >> place % 8 & 1 for place in range(count)}
    return {start + place: int.from_bytes(data[2 * place : 2 * place + 2], "big") for place in range(count)}


@TABLES
async def test_mbpoll_reads_our_framing_over_tcp(table: str, function: int) -> None:
    async with listening(Echo()) as listener:
        found = await mbpoll("-m", "tcp", "-p", str(listener.port), "-r", "513", "-c", "60", "-t", table, "127.0.0.1")
        assert found == expected(function, 513, 60)


@TABLES
async def test_mbpoll_reads_our_framing_over_a_serial_line(table: str, function: int) -> None:
    async with serial_line(Echo("rtu", units=(17,))) as line:
        found = await mbpoll(
            "-m", "rtu", "-P", "none", "-a", "17", "-r", "513", "-c", "60", "-t", table, line.device
        )  # fmt: skip
        assert found == expected(function, 513, 60)


async def test_mbpoll_understands_our_refusals() -> None:
    async with listening(Echo(illegal={20})) as listener:
        found = await mbpoll("-m", "tcp", "-p", str(listener.port), "-r", "20", "-t", "4", "127.0.0.1")
        assert isinstance(found, str)
        assert "Illegal data address" in found
