"""What comes out: in order, with its times, all that can be read, and never more in memory than was agreed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.core.event import TimeQuality
from gateway.core.frame import Delivery, NoticeKind
from gateway.core.times import now
from tests.build import until
from tests.contract.ear import listening
from tests.contract.host import hosting, of_machines
from tests.contract.rig import Rig


async def test_the_order_of_each_machine_is_kept(rig: Rig) -> None:
    wanted = list(range(1, 21 if rig.conflates else 301))
    async with listening(rig) as ear, asyncio.TaskGroup() as group:
        for unit in range(rig.units):
            group.create_task(ear.tell(*wanted, unit=unit), name=f"tell {unit}")
    for unit in range(rig.units):
        assert ear.numbers(unit) == wanted


async def test_times(rig: Rig) -> None:
    """When it was received, by our clock; and when it happened, by the machine's, if the protocol has that."""
    before = now()
    async with listening(rig) as ear:
        await ear.tell(1, 2)
    after = now()
    received = [delivery.frame.received for delivery in ear.deliveries]
    assert received == sorted(received)
    assert before <= received[0] <= received[-1] <= after
    assert [heard.time for heard in dict.fromkeys(ear.heard)] == [rig.talk.said_at(1), rig.talk.said_at(2)]


async def test_times_in_the_journal(rig: Rig, tmp_path: Path) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        (event,) = [event for event in await of_machines(host.bench) if rig.talk.stored(event) is not None]
    said = rig.talk.said_at(1)
    assert event.time == (event.received if said is None else said)
    assert (event.time_quality is TimeQuality.GATEWAY) == (said is None)


async def test_what_nobody_can_read_stops_nothing(rig: Rig) -> None:
    """It gives DecodeError or Unreadable and no happening, and what comes behind it is read."""
    async with listening(rig) as ear:
        await ear.tell(1)
        await rig.garbage()
        await ear.tell(2)
        await until(lambda: ear.unreadable)
    assert ear.unreadable == 1
    assert ear.numbers() == [1, 2]


async def test_what_nobody_can_read_goes_to_quarantine(rig: Rig, tmp_path: Path) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        await rig.garbage()
        await host.tell(2)
        await until(lambda: host.bench.counter("quarantined"))
        (kept,) = await host.bench.reader.quarantined()
        assert kept.source == host.adapter.name
        assert kept.reason
        assert kept.size
        assert await host.stored() == [1, 2]


async def test_decoding_is_pure(rig: Rig) -> None:
    """Again, by an instance that was never connected, and on another thread: the same observations."""
    async with listening(rig) as ear:
        for unit in range(rig.units):
            await ear.tell(1, 2, unit=unit)
    frames = [delivery.frame for delivery in ear.deliveries]
    fresh, other = rig.adapter(), rig.adapter()
    again = [observation for frame in frames for observation in fresh.decode(frame)]
    backwards = [list(await asyncio.to_thread(other.decode, frame)) for frame in reversed(frames)]
    assert again == ear.observations
    assert [observation for found in reversed(backwards) for observation in found] == ear.observations


async def test_a_slow_reader_bounds_what_is_read(rig: Rig) -> None:
    """Nobody takes what comes: reading stops, and later nothing is missing; or it is told how much is."""
    size, count = 100_000, 250
    numbers = range(1, count + 1)
    async with rig.adapter().connect() as items:
        await rig.say(*numbers, filler=size)
        await rig.faults.quiet()
        taken = rig.faults.received()
        got: list[int] = []
        missing = 0
        adapter = rig.adapter()
        async with asyncio.timeout(30):
            while len(got) + missing < count:
                item = await anext(items)
                if isinstance(item, Delivery):
                    got += [heard.number for heard in rig.talk.heard(adapter.decode(item.frame))]
                    item.ack()
                elif item.kind is NoticeKind.OVERFLOW:
                    missing += item.count
    assert got == sorted(got)
    if rig.acknowledged:
        assert taken < rig.most_bytes < size * count
        assert got == list(numbers)
    else:
        assert len(got) * size < rig.most_bytes < size * count
