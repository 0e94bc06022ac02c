"""A peer that is absent, dies, hangs, comes back; and a machine that is silent beside others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.adapter import Basis
from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from tests.build import until
from tests.contract.ear import listening
from tests.contract.host import hosting
from tests.contract.rig import Rig

AT_ONCE_S = 1.0
"""A connection that breaks is noticed without a timeout of ours."""

LATE_S = 0.7
"""What a timeout may be late by on a busy computer."""


async def test_an_absent_peer(rig: Rig) -> None:
    """NotConnected, with words in it, and no other exception, whatever the library raises."""
    async with rig.faults.absent() as adapter:
        for _ in range(2):
            with pytest.raises(NotConnected, match=r"\w+ \w+"):
                async with asyncio.timeout(rig.gives_up_s + LATE_S), adapter.connect():
                    pass


async def test_a_mute_peer_is_given_up(rig: Rig) -> None:
    async with rig.faults.mute() as mute:
        adapter = rig.adapter()
        async with listening(rig, adapter) as ear:
            await mute.met(adapter)
            await until(mute.left.is_set, timeout_s=rig.gives_up_s + LATE_S)
            if rig.ends:
                await until(lambda: ear.lost is not None)


async def test_a_peer_that_dies(rig: Rig) -> None:
    async with listening(rig) as ear:
        for unit in range(rig.units):
            await ear.tell(1, unit=unit)
        await rig.faults.peer_down()
        await ear.notices_loss(AT_ONCE_S)
        if not rig.ends:
            await until(lambda: len(ear.told(NoticeKind.PEER_DOWN)) == rig.units)


async def test_a_peer_that_hangs(rig: Rig) -> None:
    async with listening(rig) as ear:
        await ear.tell(1)
        await rig.faults.stall()
        await ear.notices_loss(rig.gives_up_s + LATE_S)


async def test_a_peer_with_nothing_to_say_is_not_given_up(rig: Rig) -> None:
    """For well over the time after which one that hangs is."""
    clock = asyncio.get_running_loop().time
    async with listening(rig) as ear:
        await ear.tell(1)
        started = clock()
        await until(lambda: clock() - started > rig.gives_up_s * 1.6)
        assert ear.lost is None
        assert not ear.told(NoticeKind.PEER_DOWN)
        await ear.tell(2)


async def test_a_peer_that_comes_back(rig: Rig, tmp_path: Path) -> None:
    """Reading goes on. What a broker or a machine keeps, also while a commit is under way, is all there, once."""
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1, 2)
        if rig.brokered:
            async with host.bench.stuck():
                await rig.say(3, 4, 5)
                await host.reads(3)
                await rig.faults.peer_down()
                await rig.say(6, 7)
        else:
            await rig.faults.peer_down()
        await host.loses()
        await rig.faults.peer_up()
        await host.regains()
        if rig.brokered:
            await host.keeps(*range(1, 8))
        await host.tell(8)
        expected = [*range(1, 9)] if rig.brokered else [1, 2, 8]
        assert await host.stored() == expected


async def test_a_silent_unit_does_not_delay_the_others(rig: Rig) -> None:
    assert rig.units > 1, "needs a rig with several units"
    silent = rig.units - 1
    async with listening(rig) as ear:
        for unit in range(rig.units):
            await ear.tell(1, unit=unit)
        await rig.faults.silence(silent)
        for number in range(2, 12):
            await ear.tell(number, timeout_s=rig.prompt_s)
        if rig.adapter().basis is not Basis.DURABLE_BROKER:
            await until(lambda: ear.told(NoticeKind.PEER_DOWN))
            assert len(ear.told(NoticeKind.PEER_DOWN)) == 1
        for number in range(12, 22):
            await ear.tell(number, timeout_s=rig.prompt_s)
        assert ear.lost is None
