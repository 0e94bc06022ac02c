"""Text over TCP, frame by frame: marks, checksums, silences, questions, too much, and machines that come to us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.text import TextAdapter
from adapters.text_settings import TcpTextConnection
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.core.observation import Lines, Unreadable
from gateway.profile.bound import Machine
from tests.contract.rigs.text import STATION, profile

LINE = b"R load-1 2026-11-20T12:44:33.5Z xx"
HOST = "127.0.0.1"


def adapter(folder: Path, *, kind: str = "lines", frame: str = "", **settings: Any) -> TextAdapter:
    bound = profile(folder, "tcp-text", kind=kind, frame=frame)
    made = TcpTextConnection(**{"protocol": "tcp-text", "name": "tester", **settings})
    return TextAdapter(made, [Machine(station=STATION, bound=bound)])


class Peer:
    """A machine on a port of its own. said: what it was asked, without line ends."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[bytes] = []
        self.answer = b""
        self.callers: list[asyncio.StreamWriter] = []

    async def called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers.append(writer)
        while line := await reader.readline():
            self.asked.append(line.rstrip(b"\n"))
            writer.write(self.answer)
        writer.close()

    def hang_up(self) -> None:
        for writer in self.callers:
            writer.close()


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    server = await asyncio.start_server(made.called, HOST, 0)
    made.port = int(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        made.hang_up()
        await server.wait_closed()


def read(made: TextAdapter, item: Delivery | Notice) -> list[str]:
    """Lines that say something, unreadable ones with their reason."""
    assert isinstance(item, Delivery)
    try:
        found = made.decode(item.frame)
    except DecodeError as error:
        return [f"!{error.reason}"]
    lines = [line for each in found if isinstance(each, Lines) for line in each.lines if line.strip()]
    return lines + [f"!{each.reason}" for each in found if isinstance(each, Unreadable)]


async def taken(items: AsyncIterator[Delivery | Notice], count: int) -> list[Delivery | Notice]:
    async with asyncio.timeout(10):
        return [await anext(items) for _ in range(count)]


async def hears(folder: Path, sent: list[bytes], count: int, **options: Any) -> list[list[str]]:
    async with peer() as machine:
        made = adapter(folder, host=HOST, port=machine.port, **options)
        async with made.connect() as items:
            async with asyncio.timeout(10):
                while not machine.callers:
                    await asyncio.sleep(0.01)
            for part in sent:
                machine.callers[0].write(part)
            return [read(made, item) for item in await taken(items, count)]


async def test_lines_with_one_that_is_in_another_encoding(tmp_path: Path) -> None:
    """The others of the same frame are read."""
    (found,) = await hears(tmp_path, [LINE + b"\nTemp 5\xb0\nREADY\n"], 1)
    assert found == [LINE.decode(), "READY", "!bad-text"]


async def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    found = await hears(tmp_path, [b"x" * 5000 + b"\nREADY\n"], 2, most_frame_bytes=100)
    assert found == [["!too-long"], ["READY"]]


async def test_frames_between_marks(tmp_path: Path) -> None:
    """The checksum is the XOR of text and ETX, in two digits: of READY it is 4B, with ETX 48."""
    frame = 'checksum = { kind = "xor" }'
    sent = b"\x02READY\x0348\r\n\x02READY\x034B\r\n\x02REA\x02READY\x0348noise\x02READY\x0348"
    found = await hears(tmp_path, [sent], 6, kind="stx-etx", frame=frame)
    assert found == [["READY"], ["!bad-checksum"], ["!cut-short"], ["READY"], ["!outside-frame"], ["READY"]]


async def test_a_silence_ends_a_frame(tmp_path: Path) -> None:
    assert await hears(tmp_path, [b"READY"], 1, kind="pause", frame='pause = "50ms"') == [["READY"]]


async def test_a_silence_gives_up_what_is_not_complete(tmp_path: Path) -> None:
    found = await hears(tmp_path, [b"READYREA"], 2, kind="length", frame='length = 5\npause = "50ms"')
    assert found == [["READY"], ["!cut-short"]]


async def test_half_a_line_when_the_machine_goes(tmp_path: Path) -> None:
    async with peer() as machine:
        made = adapter(tmp_path, host=HOST, port=machine.port)
        async with made.connect() as items:
            async with asyncio.timeout(10):
                while not machine.callers:
                    await asyncio.sleep(0.01)
            machine.callers[0].write(b"READY\nREA")
            machine.hang_up()
            found = [read(made, item) for item in await taken(items, 2)]
            assert found == [["READY"], ["!cut-short"]]
            with pytest.raises(NotConnected, match="the machine closed the connection"):
                await anext(items)


async def test_a_machine_is_asked_on_a_grid(tmp_path: Path) -> None:
    async with peer() as machine:
        machine.answer = b"READY\n"
        made = adapter(tmp_path, host=HOST, port=machine.port, frame='ask = "STATUS?\\n"\nevery = "50ms"')
        clock = asyncio.get_running_loop().time
        async with made.connect() as items:
            began = clock()
            found = [read(made, item) for item in await taken(items, 6)]
            lasted = clock() - began
    assert found == [["READY"]] * 6
    assert set(machine.asked) == {b"STATUS?"}
    assert 0.2 < lasted < 2


async def test_a_machine_that_does_not_answer(tmp_path: Path) -> None:
    """Nobody is there until it has answered once."""
    async with peer() as machine:
        frame = 'ask = "?\\n"\nevery = "50ms"'
        made = adapter(tmp_path, host=HOST, port=machine.port, frame=frame, answer_timeout_s=0.1)
        with pytest.raises(NotConnected, match=r"no answer to b'\?\\n' within 0.1 s"):
            async with asyncio.timeout(5), made.connect():
                pass
        assert len(machine.asked) == 1


async def test_machines_that_connect_to_us(tmp_path: Path) -> None:
    """One after the other; what the first said is told before the second takes its place."""
    made = adapter(tmp_path, listen=f"{HOST}:0")
    async with made.connect() as items:
        _, first = await asyncio.open_connection(HOST, made.port)
        first.write(LINE + b"\n")
        up, said = await taken(items, 2)
        _, second = await asyncio.open_connection(HOST, made.port)
        second.write(b"READY\n")
        down, up_again, said_again = await taken(items, 3)
        second.close()
        (left,) = await taken(items, 1)
        first.close()
    notices = [each for each in (up, down, up_again, left) if isinstance(each, Notice)]
    up_, down_ = NoticeKind.PEER_UP, NoticeKind.PEER_DOWN
    assert [each.kind for each in notices] == [up_, down_, up_, down_]
    assert {each.peer for each in notices} == {STATION}
    assert (read(made, said), read(made, said_again)) == ([LINE.decode()], ["READY"])


async def test_only_the_machine_may_connect(tmp_path: Path) -> None:
    made = adapter(tmp_path, listen=f"{HOST}:0", allow=["10.9.8.7"])
    async with made.connect():
        reader, writer = await asyncio.open_connection(HOST, made.port)
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read(1) == b""
        writer.close()
    assert made.refused == {"address": 1}


async def test_a_port_that_is_in_use(tmp_path: Path) -> None:
    async with peer() as machine:
        made = adapter(tmp_path, listen=f"{HOST}:{machine.port}")
        with pytest.raises(NotConnected, match="cannot listen: address already in use"):
            async with made.connect():
                pass


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "exactly one of"),
        ({"host": "a"}, "`port` is missing"),
        ({"host": "a", "port": 1, "listen": "127.0.0.1:1"}, "exactly one of"),
        ({"host": "a", "port": 1, "allow": ["10.0.0.1"]}, "does not go with `host`: allow"),
        ({"listen": "0.0.0.0:4001"}, "needs `allow` or `allow_anonymous = true`"),
        ({"listen": "0.0.0.0"}, "must be HOST:PORT"),
        ({"listen": "0.0.0.0:1", "allow": ["machine"]}, "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TcpTextConnection(**{"protocol": "tcp-text", "name": "x", **settings})


def test_a_frame_that_is_longer_than_any_may_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="below the 500 bytes"):
        adapter(tmp_path, kind="length", frame='length = 500\npause = "1s"', host=HOST, port=1, most_frame_bytes=100)
