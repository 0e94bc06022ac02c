"""The network that fails: a relay between a client and a server, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from simulators.faces.network import Fault, Network, Trouble, relay


@asynccontextmanager
async def echoing() -> AsyncIterator[Network]:
    """A relay before a server that sends everything back."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()[:2]
        async with relay(host, port) as network:
            yield network


@asynccontextmanager
async def connected(network: Network) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*network.address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def gone(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(10):
            return await reader.read(1) == b""
    except ConnectionError:
        return True


async def test_passes_everything_on_and_ends_with_either_side() -> None:
    async with echoing() as network, connected(network) as (reader, writer):
        sent = bytes(range(256)) * 4096
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
        writer.write_eof()
        assert await gone(reader)


async def test_down_cuts_and_refuses_until_it_is_over() -> None:
    async with echoing() as network:
        down = Fault(trouble=Trouble.NETWORK_DOWN)
        async with connected(network) as (reader, writer):
            writer.write(b"a")
            assert await reader.readexactly(1) == b"a"
            await network.begin(down)
            assert await gone(reader)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*network.address)
        await network.end(down)
        async with connected(network) as (reader, writer):
            writer.write(b"b")
            assert await reader.readexactly(1) == b"b"


async def test_refusing_leaves_what_there_is() -> None:
    async with echoing() as network, connected(network) as (reader, writer):
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        await network.begin(Fault(trouble=Trouble.NETWORK_REFUSE))
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*network.address)
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"


async def test_a_stall_holds_back_and_loses_nothing() -> None:
    async with echoing() as network, connected(network) as (reader, writer):
        stall = Fault(trouble=Trouble.NETWORK_STALL)
        await network.begin(stall)
        writer.write(b"held")
        answer = asyncio.create_task(reader.readexactly(4), name="answer")
        done, _ = await asyncio.wait({answer}, timeout=0.1)
        assert not done
        await network.end(stall)
        assert await answer == b"held"


async def test_slow_and_late() -> None:
    loop = asyncio.get_running_loop()
    async with echoing() as network, connected(network) as (reader, writer):
        for fault in (
            Fault(trouble=Trouble.NETWORK_SLOW, rate=4_000.0),
            Fault(trouble=Trouble.NETWORK_LATE, seconds=0.1),
        ):
            await network.begin(fault)
            began = loop.time()
            writer.write(bytes(800))
            assert await reader.readexactly(800) == bytes(800)
            assert loop.time() - began >= 0.14  # four portions of 50 ms, the last of which nobody waits for
            await network.end(fault)


async def test_garbage_changes_single_bytes() -> None:
    async with echoing() as network, connected(network) as (reader, writer):
        await network.begin(Fault(trouble=Trouble.NETWORK_GARBAGE, share=1.0))
        writer.write(bytes(100))
        got = await reader.readexactly(100)
        assert sum(byte != 0 for byte in got) == 1


async def test_a_server_that_is_not_there() -> None:
    async with echoing() as gone_later:
        host, port = gone_later.address
    async with relay(host, port) as network, connected(network) as (reader, _):
        assert await gone(reader)
