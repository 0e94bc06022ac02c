"""The other end of a simulated Modbus bus, by hand: nothing here comes from the code that is tested."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


def crc(message: bytes) -> bytes:
    """Bit by bit, as Modbus over Serial Line V1.02, 6.2.2 tells it."""
    register = 0xFFFF
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register.to_bytes(2, "little")


def rtu(text: str) -> bytes:
    """Hexadecimal, with its checksum put behind."""
    message = bytes.fromhex(text)
    return message + crc(message)


def tcp(transaction: int, text: str) -> bytes:
    """Unit and PDU in hexadecimal, with its MBAP header put before."""
    message = bytes.fromhex(text)
    return transaction.to_bytes(2, "big") + bytes(2) + len(message).to_bytes(2, "big") + message


class Peer:
    """Writes and reads bytes."""

    def __init__(self, reader: asyncio.StreamReader, write: Callable[[bytes], object]) -> None:
        self.reader = reader
        self.say = write

    async def hear(self, count: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(count)

    async def heard(self, expected: bytes) -> None:
        """What comes next is exactly that."""
        assert (await self.hear(len(expected))).hex(" ") == expected.hex(" ")

    async def ask(self, request: bytes, expected: bytes) -> None:
        self.say(request)
        await self.heard(expected)

    async def cut(self) -> bool:
        """Waits until the other side has ended the connection; False if it says something first."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def nothing(self, within_s: float = 0.1) -> bool:
        """Nothing comes for so long."""
        try:
            async with asyncio.timeout(within_s):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def connected(address: tuple[str, int] | None) -> AsyncIterator[Peer]:
    assert address is not None
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Peer(reader, writer.write)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def on_line(number: int) -> AsyncIterator[Peer]:
    """Over an open terminal; it stays open."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    loop.add_reader(number, lambda: reader.feed_data(os.read(number, 4096)))
    try:
        yield Peer(reader, lambda data: os.write(number, data))
    finally:
        loop.remove_reader(number)


@asynccontextmanager
async def at_port(path: Path) -> AsyncIterator[Peer]:
    """Opens a terminal by its path."""
    number = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        async with on_line(number) as peer:
            yield peer
    finally:
        os.close(number)
