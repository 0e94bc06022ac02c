"""Registers that are played again: a gateway that polls sees every captured state, whole and in order, at any speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from adapters.registry import ADAPTERS, build
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.profile import register_frame
from gateway.profile.bound import Block, Machine, Table
from simulators.replay.actor import Role, Seat, Stage, Unplayable
from simulators.replay.registers import RegistersActor
from tests.build import until
from tests.integration.modbus.profiles import device, poll

ONE = device("L1.one", 1, poll("wide", (0, 100), (100, 100)), poll("flags", (7, 3), table=Table.COIL))
TWO = device("L1.two", 2, poll("few", (10, 2), (12, 1), (13, 1), table=Table.INPUT))


def wide(value: int) -> Frame:
    """In two requests, of which a torn reading would show."""
    halves = [Block(Table.HOLDING, start, 100, value.to_bytes(2, "big") * 100) for start in (0, 100)]
    return frame("L1.one/wide", halves)


def flags(value: int) -> Frame:
    return frame("L1.one/flags", [Block(Table.COIL, 7, 3, bytes([value]))])


def few(value: int, code: int = 0) -> Frame:
    """Without a register that there is not; code: all others are refused too."""
    if code:
        return frame("L1.two/few", [Block(Table.INPUT, at, count, exception=code) for at, count in ((10, 2), (13, 1))])
    data = value.to_bytes(2, "big")
    return frame("L1.two/few", [Block(Table.INPUT, 10, 2, data * 2), Block(Table.INPUT, 13, 1, data)])


def frame(channel: str, blocks: Iterable[Block]) -> Frame:
    return Frame(
        connection="bus", received=1_763_640_000_000_000, channel=channel, payload=register_frame.encode(blocks)
    )


def contents(frame: Frame) -> tuple[str, dict[int, Any]]:
    """However the requests were cut."""
    found: dict[int, Any] = {}
    for block in register_frame.decode(frame.payload):
        for place in range(block.count):
            if block.exception:
                if block.exception != 2:
                    found[block.start + place] = -block.exception
            elif block.table.bits:
                found[block.start + place] = block.data[place // 8] >> place % 8 & 1
            else:
                found[block.start + place] = block.data[2 * place : 2 * place + 2]
    return frame.channel, found


def changes(frames: Iterable[Frame], station: str) -> list[tuple[str, dict[int, Any]]]:
    found: list[tuple[str, dict[int, Any]]] = []
    last: dict[str, dict[int, Any]] = {}
    for channel, cells in map(contents, frames):
        if channel.startswith(station) and last.get(channel) != cells:
            last[channel] = cells
            found.append((channel, cells))
    return found


class Gateway:
    """As the supervisor does: connect, again and again. heard: frames and notices; None where a connection was lost."""

    def __init__(self, actor: RegistersActor, protocol: str, machines: list[Machine]) -> None:
        settings = {"protocol": protocol, "name": "bus", "answer_timeout_s": 0.1, "silent_most_s": 0.1}
        settings |= {"baudrate": 115_200} if protocol == "modbus-rtu" else {}
        found = ADAPTERS[protocol].settings.model_validate({**settings, **actor.addresses})
        self._adapter = build(found, gateway="two", machines=machines)
        self.heard: list[Frame | Notice | None] = []

    @property
    def frames(self) -> list[Frame]:
        return [each for each in self.heard if isinstance(each, Frame)]

    @property
    def notices(self) -> list[Notice]:
        return [each for each in self.heard if isinstance(each, Notice)]

    async def listen(self) -> None:
        while True:
            with suppress(NotConnected):
                async with self._adapter.connect() as items:
                    async for item in items:
                        self.heard.append(item.frame if isinstance(item, Delivery) else item)
            if self.heard and self.heard[-1] is not None:
                self.heard.append(None)
            await asyncio.sleep(0.01)


def role(protocol: str, machines: list[Machine]) -> Role:
    seats = [
        Seat(station=each.station, machine_class="reflow_oven", bound=each.bound, unit=each.unit) for each in machines
    ]
    settings = {"baudrate": 115_200, "silent_most_s": 0.1} if protocol == "modbus-rtu" else {"silent_most_s": 0.1}
    return Role(connection="bus", protocol=protocol, settings=settings, seats=tuple(seats))


@asynccontextmanager
async def played(
    protocol: str, machines: list[Machine], frames: list[Frame], folder: Path
) -> AsyncIterator[RegistersActor]:
    actor = RegistersActor(role(protocol, machines), Stage(folder=folder, patience_s=5))
    for each in frames:
        if not actor.rehearse(each):
            break
    async with actor, asyncio.timeout(20):
        yield actor


@asynccontextmanager
async def heard(actor: RegistersActor, protocol: str, machines: list[Machine]) -> AsyncIterator[Gateway]:
    gateway = Gateway(actor, protocol, machines)
    listening = asyncio.create_task(gateway.listen(), name="gateway")
    try:
        await actor.met()
        yield gateway
    finally:
        listening.cancel()
        await asyncio.wait({listening})


@pytest.mark.parametrize("protocol", ["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"])
async def test_every_state_is_seen_whole_and_in_the_order_of_the_capture(protocol: str, tmp_path: Path) -> None:
    """As fast as the actor takes them; what changes in two polls of a unit keeps its order."""
    rounds = 6 if protocol == "modbus-rtu" else 12
    capture = [each for n in range(rounds) for each in (wide(n // 2), few(n), flags(n % 3))]
    capture += [few(0, code=6), flags(5), few(0, code=6), few(99), wide(1000)]
    async with (
        played(protocol, [ONE, TWO], capture, tmp_path) as actor,
        heard(actor, protocol, [ONE, TWO]) as gateway,
    ):
        for each in capture:
            await actor.play(each, None)
        await actor.done()
        await until(
            lambda: all(changes(gateway.frames, each) == changes(capture, each) for each in ("L1.one", "L1.two"))
        )
    assert all(isinstance(each, Frame) for each in gateway.heard)


async def test_out_of_sight_and_back_with_what_was_read_then(tmp_path: Path) -> None:
    """The connection is cut until everything that was read anew is there: nobody sees what was before."""
    before, after = [wide(1), flags(1), wide(2)], [wide(3), flags(3), flags(4)]
    async with (
        played("modbus-tcp", [ONE], before, tmp_path) as actor,
        heard(actor, "modbus-tcp", [ONE]) as gateway,
    ):
        for each in before:
            await actor.play(each, None)
        await actor.lose("L1.one")
        await actor.lose("L1.one")
        await until(lambda: gateway.heard[-1] is None)
        for each in after:
            await actor.play(each, None)
        await actor.done()
        await until(lambda: len(changes(gateway.frames, "L1")) == len(before) + len(after))
    lost = gateway.heard.index(None)
    assert changes([each for each in gateway.heard[:lost] if isinstance(each, Frame)], "L1") == changes(before, "L1")
    again = changes([each for each in gateway.heard[lost:] if isinstance(each, Frame)], "L1")
    for channel in ("L1.one/wide", "L1.one/flags"):  # which of them a gateway asks for first is its own matter
        assert [each for each in again if each[0] == channel] == changes(after, channel)


async def test_a_unit_that_was_out_of_sight_is_silent_and_the_others_are_not(tmp_path: Path) -> None:
    """It is one from the beginning too, where it was only read later."""
    async with (
        played("modbus-rtu-tcp", [ONE, TWO], [wide(1), flags(1)], tmp_path) as actor,
        heard(actor, "modbus-rtu-tcp", [ONE, TWO]) as gateway,
    ):
        await actor.play(few(5), None)
        await actor.done()
        await until(lambda: changes(gateway.frames, "L1.two") == changes([few(5)], "L1.two"))
        await actor.lose("L1.two")
        await actor.play(wide(2), None)
        await until(lambda: len(gateway.notices) == 3)
        await actor.play(few(6), None)
        await until(lambda: changes(gateway.frames, "L1.two") == changes([few(5), few(6)], "L1.two"))
        assert changes(gateway.frames, "L1.one/wide") == changes([wide(1), wide(2)], "L1.one")
    down, up = (NoticeKind.PEER_DOWN, "L1.two"), (NoticeKind.PEER_UP, "L1.two")
    assert [(each.kind, each.peer) for each in gateway.notices] == [down, up, down, up]
    assert None not in gateway.heard


async def test_another_product_that_reads_only_some_of_it_sees_every_state(tmp_path: Path) -> None:
    capture = [each for n in range(20) for each in (wide(n), flags(n % 8))]
    async with played("modbus-tcp", [ONE], capture, tmp_path) as actor:
        host, port = actor.addresses["host"], actor.addresses["port"]
        async with AsyncModbusTcpClient(host, port=port) as client:
            playing = asyncio.create_task(_all(actor, capture))
            seen: list[tuple[int, int]] = []
            while not playing.done():
                one = await client.read_holding_registers(5, count=2, device_id=1)
                other = await client.read_coils(7, count=3, device_id=1)
                state = one.registers[0], other.bits[0] + 2 * other.bits[1] + 4 * other.bits[2]
                if not seen or seen[-1] != state:
                    seen.append(state)
            await playing
            assert (await client.read_holding_registers(200, count=1, device_id=1)).exception_code == 2
    assert seen == [state for n in range(20) for state in ((n, (n - 1) % 8), (n, n % 8))][1:]


async def _all(actor: RegistersActor, capture: list[Frame]) -> None:
    for each in capture:
        await actor.play(each, None)
    await actor.done()


async def test_nobody_reads_it_and_it_goes_on_after_its_time(tmp_path: Path) -> None:
    capture = [wide(n) for n in range(100)]
    actor = RegistersActor(role("modbus-tcp", [ONE]), Stage(folder=tmp_path, patience_s=0.05))
    async with actor, asyncio.timeout(5):
        await _all(actor, capture)
        with pytest.raises(Unplayable, match="no poll"):
            await actor.play(frame("L1.one/other", ()), None)
        with pytest.raises(Unplayable, match="one poll"):
            await actor.play(frame("L1.one/wide", ()), None)
