"""A machine is told that we own a message when that is so: after the commit, on the connection that brought it."""

from __future__ import annotations

from pathlib import Path

from tests.build import until
from tests.contract.ear import Ear, listening
from tests.contract.host import hosting
from tests.contract.rig import Rig


async def comes_again(rig: Rig, *numbers: int) -> Ear:
    """These are what the peer still holds, and nothing before them."""
    async with listening(rig, ack=False) as ear:
        await ear.hears(*numbers)
        assert ear.numbers()[: len(numbers)] == list(numbers)
        return ear


async def comes_first(rig: Rig, number: int) -> None:
    """The peer holds nothing: what is said now is the first that comes."""
    async with listening(rig, ack=False) as ear:
        await ear.tell(number)
        assert ear.numbers() == [number]
        assert ear.unreadable == 0


async def test_nothing_is_acknowledged_before_the_commit(rig: Rig, tmp_path: Path) -> None:
    """Left in good order, so that an acknowledgement that was given too early would have arrived."""
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        async with host.bench.stuck():
            await rig.say(2, 3, 4)
            await host.reads(3)
            await host.leave()
            again = await comes_again(rig, 2, 3, 4)
    if rig.brokered and rig.ends and getattr(rig, "says_when_again", True):  # a file does not know that it was read
        assert all(delivery.frame.redelivered for delivery in again.deliveries)


async def test_what_is_committed_is_acknowledged(rig: Rig, tmp_path: Path) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1, 2, 3)
    await comes_first(rig, 4)


async def test_a_crash_before_the_commit_brings_it_again(rig: Rig, tmp_path: Path) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        async with host.crashing():
            await rig.say(2, 3, 4)
            await host.reads(3)
            await rig.faults.peer_down()
        await host.leave()
        assert await host.stored() == [1]
    await rig.faults.peer_up()
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(5)
        assert await host.stored() == [1, 2, 3, 4, 5]


async def test_a_lost_acknowledgement_stores_nothing_twice(rig: Rig, tmp_path: Path) -> None:
    """The commit is done, the connection gone before the peer heard of it."""
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        async with host.bench.stuck():
            await rig.say(2, 3, 4)
            await host.reads(3)
            await rig.faults.peer_down()
            await host.leave()
        await host.keeps(2, 3, 4)
    await rig.faults.peer_up()
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(5)
        assert await host.stored() == [1, 2, 3, 4, 5]
        assert host.bench.counter("duplicates") == 3
    await comes_first(rig, 6)


async def test_an_acknowledgement_of_a_closed_connection_means_nothing(rig: Rig) -> None:
    """The peer may have given its number to another message by now."""
    async with listening(rig, ack=False) as ear:
        await ear.tell(1, 2)
    async with listening(rig, ack=False) as again:
        await again.hears(1, 2)
        for delivery in ear.deliveries:
            delivery.ack()
    await comes_again(rig, 1, 2)


async def test_what_nobody_can_read_is_acknowledged(rig: Rig, tmp_path: Path) -> None:
    """Or it would come again for ever."""
    async with hosting(rig, tmp_path / "journal") as host:
        await rig.garbage()
        await host.tell(1)
        await until(lambda: host.bench.counter("quarantined"))
    await comes_first(rig, 2)
