"""Reading over real sockets and pseudo terminals: right values, and never another request's after something went wrong."""

from __future__ import annotations

import asyncio
import os
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import NotConnected
from gateway.transport.modbus import Bus, NoAnswer, Refused, Serial, Tcp, bus
from gateway.transport.modbus_server import Request, ServerFraming
from tests.build import until
from tests.integration.modbus.peers import Echo, Line, Listener, contents, listening, serial_line
from tests.servers import free_port

WAYS = ["tcp", "rtu over tcp", "serial"]


@asynccontextmanager
async def joined(
    way: str, echo: Echo, *, answer_timeout_s: float = 5.0, pause_s: float = 0.0
) -> AsyncIterator[tuple[Bus, Listener | Line]]:
    """A bus and its peer. The long time-out is never waited for where answers come."""
    if way == "serial":
        echo.kind = "rtu"
        async with serial_line(echo) as line:
            options = on(line)
            async with bus(options, answer_timeout_s=answer_timeout_s, pause_s=pause_s) as made:
                yield made, line
        return
    echo.kind = "tcp" if way == "tcp" else "rtu"
    async with (
        listening(echo) as listener,
        bus(tcp(listener), answer_timeout_s=answer_timeout_s, pause_s=pause_s) as made,
    ):
        yield made, listener


def tcp(listener: Listener) -> Tcp:
    return Tcp(host="127.0.0.1", port=listener.port, framing=listener.echo.kind)


def on(line: Line) -> Serial:
    return Serial(port=line.device, baudrate=115_200, parity="none")  # a pseudo terminal has no parity


@pytest.mark.parametrize("way", WAYS)
async def test_every_register_answers_its_own_address(way: str) -> None:
    async with joined(way, Echo(units=(1, 247))) as (made, _):
        for function in (1, 2, 3, 4):
            most = 125 if function > 2 else 2_000
            for start, count in [(0, 1), (7, 9), (100, 60), (1_000, most), (65_536 - most, most)]:
                assert await made.read(247, function, start, count) == contents(function, start, count)


@pytest.mark.parametrize("way", WAYS)
async def test_refused_and_on(way: str) -> None:
    async with joined(way, echo := Echo(illegal={50})) as (made, _):
        with pytest.raises(Refused, match="exception 2"):
            await made.read(1, 3, 45, 10)
        assert await made.read(1, 3, 51, 10) == contents(3, 51, 10)
        assert echo.connections <= 1


@pytest.mark.parametrize("way", WAYS)
async def test_in_single_bytes(way: str) -> None:
    async with joined(way, echo := Echo()) as (made, _):
        echo.alter = lambda request, answer: [bytes((octet,)) for octet in answer]
        for start in (3, 30):
            assert await made.read(1, 4, start, 20) == contents(4, start, 20)


@pytest.mark.parametrize("way", WAYS)
async def test_a_late_answer_is_never_the_next_ones(way: str) -> None:
    """Same unit, same function, same length: only the moment tells the two answers apart."""
    late: list[bytes] = []
    async with joined(way, echo := Echo(units=(1, 2)), answer_timeout_s=0.2) as (made, peer):
        echo.alter = lambda request, answer: late.append(answer) or ()  # type: ignore[func-returns-value]
        with pytest.raises(NoAnswer, match=r"unit 1: no answer within 0\.2"):
            await made.read(1, 3, 100, 4)
        (held,) = late
        echo.alter = lambda request, answer: (answer,)
        if isinstance(peer, Line):
            peer.write(held)  # it comes while nobody listens any more
        else:
            for transport in echo.open:
                transport.write(held)
        assert await made.read(1, 3, 200, 4) == contents(3, 200, 4)
        assert await made.read(1, 3, 300, 4) == contents(3, 300, 4)
        assert echo.connections == (0 if way == "serial" else 2)


async def test_a_late_answer_during_the_silence_makes_it_longer() -> None:
    held: list[bytes] = []
    async with joined("serial", echo := Echo(), answer_timeout_s=0.1) as (made, peer):
        assert isinstance(peer, Line)
        echo.alter = lambda request, answer: held.append(answer) or ()  # type: ignore[func-returns-value]
        with pytest.raises(NoAnswer):
            await made.read(1, 3, 100, 4)
        echo.alter = lambda request, answer: (answer,)
        reading = asyncio.create_task(made.read(1, 3, 200, 4))
        await asyncio.sleep(0)
        peer.write(held[0])
        assert await reading == contents(3, 200, 4)
        assert [request.start for request in echo.seen] == [100, 200]


async def test_an_answer_that_is_late_by_more_than_the_silence() -> None:
    """The others are read meanwhile; the unit itself only when its late answer would have come."""
    held: list[bytes] = []
    async with joined("serial", echo := Echo(units=(1, 2)), answer_timeout_s=0.4) as (made, peer):
        assert isinstance(peer, Line)
        echo.alter = lambda request, answer: held.append(answer) or ()  # type: ignore[func-returns-value]
        with pytest.raises(NoAnswer):
            await made.read(1, 3, 100, 4)
        echo.alter = lambda request, answer: (answer,)
        assert await made.read(2, 3, 300, 4) == contents(3, 300, 4)
        await asyncio.sleep(0.01)  # more than 3.5 characters: only that it is this unit holds the request back
        reading = asyncio.create_task(made.read(1, 3, 200, 4))
        await asyncio.sleep(0)
        peer.write(held[0])
        assert await reading == contents(3, 200, 4)


async def test_another_units_late_answer_is_passed_over_on_a_line() -> None:
    held: list[bytes] = []
    async with joined("serial", echo := Echo(units=(1, 2)), answer_timeout_s=0.2) as (made, _):

        def alter(request: Request, answer: bytes) -> list[bytes]:
            if request.unit == 1:
                held.append(answer)
                return []
            return [held[0], answer]

        echo.alter = alter
        with pytest.raises(NoAnswer):
            await made.read(1, 3, 100, 4)
        assert await made.read(2, 3, 200, 4) == contents(3, 200, 4)


WRONG: dict[str, Callable[[Request, bytes], list[bytes]]] = {
    "transaction": lambda request, answer: [other(request, transaction=request.transaction + 1)],
    "unit": lambda request, answer: [other(request, unit=request.unit + 1)],
    "garbage before": lambda request, answer: [b"\xff\xff" + answer],
    "no Modbus": lambda request, answer: [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
}


def other(request: Request, **changed: int) -> bytes:
    return ServerFraming("tcp").answer(msgspec.structs.replace(request, **changed), bytes(2 * request.count))


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_does_not_fit_costs_the_connection_and_no_time(
    wrong: Callable[[Request, bytes], list[bytes]],
) -> None:
    async with joined("tcp", echo := Echo(), answer_timeout_s=60.0) as (made, _):
        right, echo.alter = echo.alter, wrong
        with pytest.raises(NoAnswer, match="begins with"):
            await made.read(1, 3, 10, 2)
        echo.alter = right
        assert await made.read(1, 3, 10, 2) == contents(3, 10, 2)
        assert echo.connections == 2


@pytest.mark.parametrize("way", ["rtu over tcp", "serial"])
async def test_a_wrong_checksum_is_no_answer(way: str) -> None:
    async with joined(way, echo := Echo(), answer_timeout_s=0.5) as (made, _):
        right, echo.alter = echo.alter, lambda request, answer: [answer[:-1] + bytes((answer[-1] ^ 1,))]
        with pytest.raises(NoAnswer, match="checksum"):
            await made.read(1, 3, 10, 2)
        echo.alter = right
        assert await made.read(1, 3, 10, 2) == contents(3, 10, 2)


@pytest.mark.parametrize("way", WAYS)
async def test_cut_short_is_no_answer(way: str) -> None:
    async with joined(way, echo := Echo(), answer_timeout_s=0.2) as (made, _):
        right, echo.alter = echo.alter, lambda request, answer: [answer[:-3]]
        with pytest.raises(NoAnswer):
            await made.read(1, 3, 10, 2)
        echo.alter = right
        assert await made.read(1, 3, 20, 2) == contents(3, 20, 2)


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_said_twice_is_not_the_next_ones(way: str) -> None:
    async with joined(way, echo := Echo()) as (made, _):
        echo.alter = lambda request, answer: [answer + answer]
        for start in (10, 20, 30):
            assert await made.read(1, 3, start, 2) == contents(3, start, 2)
        assert echo.connections == (3 if way == "tcp" else 1 if way == "rtu over tcp" else 0)


@pytest.mark.parametrize("way", ["tcp", "rtu over tcp"])
async def test_closed_while_an_answer_is_due(way: str) -> None:
    async with joined(way, echo := Echo(), answer_timeout_s=0.5) as (made, _):
        right, echo.alter = echo.alter, lambda request, answer: None
        with pytest.raises(NotConnected, match=r"closed the connection|reset"):
            await made.read(1, 3, 10, 2)
        echo.alter = right
        assert await made.read(1, 3, 10, 2) == contents(3, 10, 2)


async def test_closed_between_two_requests_is_opened_again() -> None:
    """Many machines close a connection that was idle for a while."""
    async with joined("tcp", echo := Echo()) as (made, _):
        await made.read(1, 3, 10, 2)
        for transport in list(echo.open):
            transport.close()
        await until(lambda: not echo.open)
        assert await made.read(1, 3, 20, 2) == contents(3, 20, 2)
        assert echo.connections == 2


async def test_gone_for_good() -> None:
    async with joined("tcp", Echo()) as (made, peer):
        assert isinstance(peer, Listener)
        await made.read(1, 3, 10, 2)
        await peer.stop()
        with pytest.raises(
            NotConnected, match=r"Modbus at 127\.0\.0\.1:\d+: (cannot connect: connection refused|.*reset|.*closed)"
        ):
            await made.read(1, 3, 10, 2)
        with pytest.raises(NotConnected, match="refused"):
            await made.read(1, 3, 10, 2)
        await peer.start()
        assert await made.read(1, 3, 10, 2) == contents(3, 10, 2)


async def test_absent() -> None:
    with pytest.raises(NotConnected, match="cannot connect: connection refused"):
        async with bus(Tcp(host="127.0.0.1", port=free_port())):
            pytest.fail("it is not there")
    with pytest.raises(NotConnected, match="cannot connect: no such file or directory"):
        async with bus(Serial(port="/dev/serial/by-id/nothing")):
            pytest.fail("it is not there")
    with pytest.raises(NotConnected, match="cannot connect"):
        async with bus(Tcp(host="no such host", port=1)):
            pytest.fail("it is not there")


async def test_a_port_that_does_not_take_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise termios.error(22, "Invalid argument")

    async with serial_line(Echo("rtu")) as line:
        monkeypatch.setattr(termios, "tcsetattr", refuse)
        with pytest.raises(NotConnected, match=r"pts/\d+: does not take 4800 baud, parity none, 2 stop bits: Invalid"):
            async with bus(Serial(port=line.device, baudrate=4_800, parity="none", stopbits=2)):
                pytest.fail("it does not take them")


@pytest.mark.parametrize("linked", [False, True])
async def test_a_pseudo_terminal_has_no_parity(tmp_path: Path, linked: bool) -> None:
    """Opened with the parity that serial lines mostly have, left, and opened again."""
    async with serial_line(Echo("rtu")) as line:
        port = tmp_path / "line"
        port.symlink_to(line.device)
        for _ in range(3):
            async with bus(Serial(port=str(port) if linked else line.device, parity="even")) as made:
                assert await made.read(1, 3, 10, 2) == contents(3, 10, 2)


async def test_a_port_is_opened_once() -> None:
    async with joined("serial", Echo()) as (_, line):
        assert isinstance(line, Line)
        with pytest.raises(NotConnected, match="cannot connect"):
            async with bus(on(line)):
                pytest.fail("two would read each other's answers")


async def test_a_serial_port_that_is_pulled_out() -> None:
    async with serial_line(echo := Echo("rtu")) as line, bus(on(line)) as made:
        await made.read(1, 3, 10, 2)

        def pull(request: Request, answer: bytes) -> None:
            asyncio.get_running_loop().remove_reader(line.master)
            os.dup2(os.open(os.devnull, os.O_RDWR), line.master)

        echo.alter = pull
        with pytest.raises(NotConnected):
            await made.read(1, 3, 10, 2)


@pytest.mark.parametrize("way", WAYS)
async def test_giving_up_a_request_does_not_shift_the_next(way: str) -> None:
    async with joined(way, echo := Echo(), answer_timeout_s=0.3) as (made, peer):
        held: list[bytes] = []
        right = echo.alter
        echo.alter = lambda request, answer: held.append(answer) or ()  # type: ignore[func-returns-value]
        reading = asyncio.create_task(made.read(1, 3, 100, 4))
        await until(lambda: held)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        echo.alter = right
        if isinstance(peer, Line):
            peer.write(held[0])
        assert await made.read(1, 3, 200, 4) == contents(3, 200, 4)


async def test_one_request_at_a_time() -> None:
    async with joined("tcp", echo := Echo(units=())) as (made, _):
        first = asyncio.create_task(made.read(1, 3, 0, 1))
        await until(lambda: echo.seen)
        with pytest.raises(RuntimeError, match="second request"):
            await made.read(1, 3, 0, 1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize("way", WAYS)
async def test_the_pause_is_kept(way: str) -> None:
    async with joined(way, Echo(), pause_s=0.03) as (made, _):
        began = time.monotonic()
        for _ in range(5):
            await made.read(1, 3, 0, 1)
        assert time.monotonic() - began >= 4 * 0.03


async def test_a_line_that_is_never_silent() -> None:
    async with joined("serial", echo := Echo(), answer_timeout_s=0.1) as (made, line):
        assert isinstance(line, Line)
        echo.alter = lambda request, answer: ()
        with pytest.raises(NoAnswer):
            await made.read(1, 3, 0, 1)
        reading = asyncio.create_task(made.read(1, 3, 0, 1))
        while not reading.done():
            line.write(b"\xaa")
            await asyncio.sleep(0.01)
        with pytest.raises(NoAnswer, match="never silent"):
            await reading
        assert len(echo.seen) == 1


def test_silence_and_travel_of_a_line() -> None:
    """Serial Line V1.02, 2.5.1.1: 3.5 characters of 11 bits; above 19,200 baud a fixed 1.75 ms."""
    slow = Serial(port="x", baudrate=9_600)
    assert slow.silence_s == pytest.approx(3.5 * 11 / 9_600)
    assert slow.travel_s(255) == pytest.approx(255 * 11 / 9_600)
    assert Serial(port="x", baudrate=9_600, parity="none").travel_s(1) == pytest.approx(10 / 9_600)
    assert Serial(port="x", baudrate=9_600, parity="none", stopbits=2).travel_s(1) == pytest.approx(11 / 9_600)
    assert Serial(port="x", baudrate=115_200).silence_s == 0.001_75
