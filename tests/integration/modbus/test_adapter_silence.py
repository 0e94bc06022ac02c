"""What silent units and late answers do to a Modbus adapter, and to the other units on its bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from statistics import median

import pytest

from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Notice, NoticeKind
from gateway.profile.bound import Table
from gateway.transport.modbus_server import Request
from tests.integration.modbus.peers import Echo, listening
from tests.integration.modbus.profiles import deliveries, device, over_tcp, poll, reading, right


async def test_a_dead_slave_beside_a_live_one() -> None:
    """On one bus, with a time-out of several periods. By what the bus was asked: the dead one has it ever more seldom, one
    try at a time, and while it has not, the live one keeps its rate."""
    echo = Echo(units=(1, 2))
    asked: list[tuple[int, float]] = []

    def alter(request: Request, answer: bytes) -> tuple[bytes, ...]:
        asked.append((request.unit, time.monotonic()))
        return (answer,) if request.unit == 1 else ()

    def tries() -> list[float]:
        return [at for unit, at in asked if unit == 2]

    async with listening(echo) as listener:
        echo.alter = alter
        adapter = over_tcp(
            listener,
            device("L1.live", 1, poll("p", (0, 1), every_s=0.05)),
            device("L1.dead", 2, poll("p", (0, 1), every_s=0.05), poll("q", (5, 1), every_s=0.05)),
            answer_timeout_s=0.2,
        )
        frames: list[Delivery] = []
        notices: list[Notice] = []
        async with adapter.connect() as items, asyncio.timeout(60):
            async for item in items:
                if isinstance(item, Notice):
                    notices.append(item)
                else:
                    frames.append(item)
                if len(tries()) == 4 and asked[-1][0] == 1:
                    break
    (notice,) = notices
    assert (notice.kind, notice.peer) == (NoticeKind.PEER_DOWN, "L1.dead")
    assert "unit 2: no answer within 0.2 s" in notice.detail
    assert {delivery.frame.channel for delivery in frames} == {"L1.live/p"}
    _, second, third, fourth = tries()
    assert third - second >= 1.0
    assert fourth - third >= 2.0
    live = [(one[1], other[1]) for one, other in pairwise(asked) if one[0] == other[0] == 1]
    assert median(other - one for one, other in live) < 2 * 0.05
    assert sum(unit == 1 for unit, at in asked if at > second) >= 20


async def test_a_gateway_that_speaks_for_a_dead_slave() -> None:
    """Exception 11 costs no time and no connection, and is silence all the same."""
    echo = Echo(units=(1, 2))

    def alter(request: Request, answer: bytes) -> list[bytes]:
        return [answer] if request.unit == 1 else [answer[:5] + bytes((3, request.unit, request.function | 0x80, 11))]

    async with listening(echo) as listener:
        echo.alter = alter
        adapter = over_tcp(listener, device("L1.live", 1, poll("p", (0, 1))), device("L1.dead", 2, poll("p", (0, 1))))
        async with adapter.connect() as items:
            async for item in items:
                if isinstance(item, Notice):
                    break
            assert isinstance(item, Notice)
            assert (item.kind, item.peer) == (NoticeKind.PEER_DOWN, "L1.dead")
            assert "does not answer its gateway" in item.detail
            await deliveries(items, 10)
        assert echo.connections == 1


async def test_a_slave_that_comes_back() -> None:
    async with listening(echo := Echo(units=(1, 2))) as listener:
        adapter = over_tcp(
            listener,
            device("L1.a", 1, poll("p", (0, 1))),
            device("L1.b", 2, poll("p", (7, 1))),
            answer_timeout_s=0.1,
        )
        told: list[Notice] = []
        after: list[Delivery] = []
        async with adapter.connect() as items, asyncio.timeout(20):
            async for item in items:
                if isinstance(item, Notice):
                    told.append(item)
                    echo.units = {1, 2}
                elif len(told) == 2 and item.peer == "L1.b":
                    after.append(item)
                    if len(after) == 5:
                        break
                elif not told:
                    echo.units = {1}
        assert [(notice.kind, notice.peer) for notice in told] == [
            (NoticeKind.PEER_DOWN, "L1.b"),
            (NoticeKind.PEER_UP, "L1.b"),
        ]
        assert int(after[0].frame.meta["missed"]) >= 40
        assert all(right(reading(adapter, delivery)) for delivery in after)


async def test_a_poll_that_the_machine_never_answers() -> None:
    """Many machines say nothing to a function that they do not have: their other polls go on."""
    echo = Echo()

    def alter(request: Request, answer: bytes) -> tuple[bytes, ...]:
        return () if request.function == 4 else (answer,)

    async with listening(echo) as listener:
        echo.alter = alter
        adapter = over_tcp(
            listener,
            device("L1.oven", 1, poll("mute", (0, 1), table=Table.INPUT), poll("good", (0, 1))),
            answer_timeout_s=0.1,
        )
        async with adapter.connect() as items:
            found = await deliveries(items, 60)
        assert {delivery.frame.channel for delivery in found} == {"L1.oven/good"}
        assert len([request for request in echo.seen if request.function == 4]) <= 4


async def test_late_answers_never_become_values() -> None:
    """Every third answer comes after we gave up, in the middle of later requests for the same number of registers."""
    echo = Echo()
    held: list[bytes] = []
    count = 0

    def alter(request: Request, answer: bytes) -> list[bytes]:
        nonlocal count
        count += 1
        if count % 3 == 0:
            held.append(answer)
            return []
        for transport in echo.open:
            for late in held:
                transport.write(late)
        held.clear()
        return [answer]

    async with listening(echo) as listener:
        adapter = over_tcp(
            listener,
            device("L1.a", 1, poll("p", (0, 4)), poll("q", (100, 4)), poll("r", (200, 4))),
            answer_timeout_s=0.05,
        )
        echo.alter = alter
        good = 0
        async with asyncio.timeout(30):
            while good < 30:
                try:
                    async with adapter.connect() as items:
                        async for item in items:
                            assert isinstance(item, Delivery)
                            assert right(reading(adapter, item))
                            good += 1
                            if good >= 30:
                                break
                except NotConnected:
                    continue
        assert count > good


async def test_what_it_refused_is_asked_for_again_when_it_is_back() -> None:
    """A machine that was switched off, with another program in it: what it refused then is no rule for now."""
    async with listening(echo := Echo(units=(1, 2), illegal={7})) as listener:
        adapter = over_tcp(
            listener,
            device("L1.a", 1, poll("p", (0, 1))),
            device("L1.b", 2, poll("p", (7, 1), (9, 1))),
            answer_timeout_s=0.1,
        )
        before: list[Delivery] = []
        after: list[Delivery] = []
        up = False
        async with adapter.connect() as items, asyncio.timeout(20):
            async for item in items:
                if isinstance(item, Notice):
                    up = item.kind is NoticeKind.PEER_UP
                    echo.units, echo.illegal = {1, 2}, set()
                elif item.peer == "L1.b":
                    (after if up else before).append(item)
                    if len(before) == 3:
                        echo.units = {1}
                    if len(after) == 3:
                        break
        assert reading(adapter, before[-1]).values == (None, 9)
        assert reading(adapter, after[-1]).values == (7, 9)


@pytest.mark.parametrize("devices", [1, 2])
async def test_nobody_answers(devices: int) -> None:
    async with listening(echo := Echo(units=())) as listener:
        all_ = [device(f"L1.d{unit}", unit, poll("p", (0, 1)), poll("q", (9, 1))) for unit in range(1, devices + 1)]
        adapter = over_tcp(listener, *all_, answer_timeout_s=0.05)
        with pytest.raises(NotConnected, match=r"Modbus at 127\.0\.0\.1:\d+: unit \d: no answer within 0\.05 s"):
            async with adapter.connect():
                pytest.fail("nobody is there")
        assert len(echo.seen) == 2 * devices


async def test_all_fall_silent() -> None:
    async with listening(echo := Echo(units=(1, 2))) as listener:
        adapter = over_tcp(
            listener, device("L1.a", 1, poll("p", (0, 1))), device("L1.b", 2, poll("p", (0, 1))), answer_timeout_s=0.05
        )
        told: list[NoticeKind] = []

        async def follow(items: AsyncIterator[Delivery | Notice]) -> None:
            async for item in items:
                echo.units = set()
                if isinstance(item, Notice):
                    told.append(item.kind)

        async with adapter.connect() as items:
            with pytest.raises(NotConnected):
                await follow(items)
        assert told == [NoticeKind.PEER_DOWN]
        echo.units = {1, 2}
        async with adapter.connect() as items, asyncio.timeout(20):
            async for item in items:
                if isinstance(item, Notice):
                    assert item.kind is NoticeKind.PEER_UP
                    break
