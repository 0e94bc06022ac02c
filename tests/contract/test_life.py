"""Connecting and closing: in time, without a rest, again and again, beside others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.core.adapter import Adapter
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery
from tests.build import until
from tests.contract.ear import listening
from tests.contract.rig import Rig

CLOSED_S = 1.0
"""What closing may take."""


async def read(adapter: Adapter, entered: asyncio.Event) -> None:
    """Connect and wait for deliveries that are never acknowledged."""
    async with adapter.connect() as items:
        entered.set()
        async for _ in items:
            pass


async def connected(adapter: Adapter) -> asyncio.Task[None]:
    """A task that is connected, and reads."""
    entered = asyncio.Event()
    task = asyncio.create_task(read(adapter, entered), name="reading")
    await until(lambda: entered.is_set() or task.done())
    if task.done():
        task.result()
    return task


async def cancel(task: asyncio.Task[None]) -> float:
    """Seconds until it had ended; it must end as what was cancelled."""
    started = asyncio.get_running_loop().time()
    task.cancel()
    await asyncio.wait({task}, timeout=2 * CLOSED_S)
    hangs = not task.done()
    task.cancel()  # or it would outlive the test
    await asyncio.wait({task}, timeout=5)
    assert not hangs, f"does not end when it is cancelled: {task}"
    assert task.cancelled(), task
    return asyncio.get_running_loop().time() - started


async def test_connects_and_gives_what_is_said(rig: Rig) -> None:
    async with listening(rig) as ear:
        await ear.tell(1, 2, 3)
        assert ear.numbers() == [1, 2, 3]
        assert {delivery.frame.connection for delivery in ear.deliveries} == {rig.adapter().name}
        assert {delivery.acknowledged for delivery in ear.deliveries} == {rig.acknowledged}


async def test_closes_in_time_while_idle(rig: Rig) -> None:
    clock = asyncio.get_running_loop().time
    async with rig.adapter().connect():
        started = clock()
    assert clock() - started < CLOSED_S


async def test_closes_in_time_while_reading(rig: Rig) -> None:
    """Some of what was said is read and not acknowledged, some is not taken yet, and somebody waits for more."""
    adapter = rig.adapter()
    async with adapter.connect() as items:
        await rig.say(1)
        async with asyncio.timeout(10):
            while not isinstance(await anext(items), Delivery):
                pass
        await rig.say(*range(2, 50))
        clock = asyncio.get_running_loop().time
        started = clock()
    assert clock() - started < CLOSED_S
    reading = await connected(adapter)
    await rig.faults.quiet()  # all that may come has come, and the reader waits
    assert await cancel(reading) < CLOSED_S


async def test_closes_in_time_while_connecting(rig: Rig) -> None:
    async with rig.faults.mute() as mute:
        adapter = rig.adapter()
        connecting = asyncio.create_task(read(adapter, asyncio.Event()), name="connecting")
        await mute.met(adapter)
        assert await cancel(connecting) < CLOSED_S
        await until(mute.left.is_set)


async def test_closes_in_time_beside_a_peer_that_does_nothing(rig: Rig) -> None:
    reading = await connected(rig.adapter())
    await rig.faults.quiet()
    await rig.faults.stall()
    assert await cancel(reading) < CLOSED_S


async def test_cancelling_while_reading_leaves_nothing_behind(rig: Rig) -> None:
    """No descriptor; a task that is left fails every test anyway."""
    adapter = rig.adapter()
    await cancel(await connected(adapter))
    before = await descriptors(rig)
    for _ in range(4):
        await cancel(await connected(adapter))
    assert await descriptors(rig) <= before


async def test_cancelling_at_any_step_of_connecting_leaves_nothing_behind(rig: Rig) -> None:
    """However many turns of the event loop it has had."""
    adapter = rig.adapter()

    async def once(turns: int) -> None:
        connecting = asyncio.create_task(read(adapter, asyncio.Event()), name="connecting")
        for _ in range(turns):
            await asyncio.sleep(0)
        await cancel(connecting)

    await once(20)
    before = await descriptors(rig)
    for turns in range(20):
        await once(turns)
    assert await descriptors(rig) <= before


async def descriptors(rig: Rig) -> int:
    """How many are open while the peer is away (its own would be counted too), once that does not change any more."""
    await rig.faults.peer_down()
    count, same = -1, 0
    while same < 10:
        now = len(list(Path("/proc/self/fd").iterdir()))
        count, same = now, same + 1 if now == count else 0
        await asyncio.sleep(0.02)
    await rig.faults.peer_up()
    return count


async def test_two_instances_share_nothing(open_rig: Callable[[], Awaitable[Rig]]) -> None:
    """Two connections of one protocol: neither hears the other, nor notices that it goes."""
    one, other = await open_rig(), await open_rig()
    async with listening(one) as first:
        async with listening(other) as second:
            await first.tell(1, 2)
            await second.tell(11, 12)
            assert (first.numbers(), second.numbers()) == ([1, 2], [11, 12])
        await first.tell(3)
        async with listening(other) as second:
            await second.tell(13)
            await first.tell(4)
            assert second.numbers()[-1] == 13
        assert first.numbers() == [1, 2, 3, 4]
        assert first.lost is None


async def test_can_be_entered_again(rig: Rig) -> None:
    adapter = rig.adapter()
    for number in range(1, 6):
        async with listening(rig, adapter) as ear:
            await ear.tell(number)
            assert ear.numbers()[-1] == number


async def test_a_connection_that_was_left_gives_nothing(rig: Rig) -> None:
    async with rig.adapter().connect() as items:
        await rig.say(1)
        await rig.faults.quiet()
    with pytest.raises((NotConnected, StopAsyncIteration)):
        async with asyncio.timeout(5):
            await anext(items)
