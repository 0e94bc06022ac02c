"""What becomes of a connection, a session and subscriptions that are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from adapters.opcua import OpcUaAdapter
from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from gateway.profile.bound import Machine
from tests.build import until
from tests.contract.relay import Relay, relay
from tests.integration.opcua.servers import PROFILE, Ear, Oven, adapter, profile
from tests.integration.opcua.test_adapter import values

_OVERFLOWN = 0x480
"""Of a good value, where others were dropped: asyncua's server does not say so by itself."""


@pytest.fixture
async def between(oven: Oven) -> AsyncIterator[Relay]:
    async with relay(lambda: oven.port) as made:
        yield made


def own(between: Relay, folder: Path, **more: Any) -> OpcUaAdapter:
    machine = Machine(station="L1.oven", bound=profile(folder))
    return adapter(f"opc.tcp://127.0.0.1:{between.port}", machine, **{"keepalive_s": 0.2, **more})


async def lose(ear: Ear, cause: Callable[[], Awaitable[None]]) -> None:
    """Reads until the connection is lost, which `cause` brings about once values are there."""
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await cause()
        await ear.hear(items, lambda: False)


async def test_what_happens_while_the_network_is_away_comes_afterwards(
    oven: Oven, between: Relay, tmp_path: Path
) -> None:
    ear = Ear(own(between, tmp_path))
    with pytest.raises(NotConnected):
        await lose(ear, between.down)
    await oven.say("Count", *range(20, 30))
    await between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: any(each.kind is NoticeKind.CAUGHT_UP for each in ear.notices))
    assert values(ear, "units.out") == [7, *range(20, 30)]
    assert [each.kind for each in ear.notices] == [
        NoticeKind.SESSION_KEPT,
        NoticeKind.CATCHING_UP,
        NoticeKind.CAUGHT_UP,
    ]
    assert oven.subscriptions() == 0


async def test_what_was_sent_and_never_arrived_is_sent_again(oven: Oven, between: Relay, tmp_path: Path) -> None:
    ear = Ear(own(between, tmp_path))

    async def say_in_vain() -> None:
        between.stall()
        await oven.say("Count", *range(20, 30))

    with pytest.raises(NotConnected):
        await lose(ear, say_in_vain)
    await between.down()
    between._moving.set()
    await between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 29 in values(ear, "units.out"))
    assert values(ear, "units.out") == [7, *range(20, 30)]
    again = [each.frame for each in ear.deliveries if each.frame.redelivered]
    assert len(again) >= 1


async def test_a_session_that_the_server_has_no_more(oven: Oven, between: Relay, tmp_path: Path) -> None:
    ear = Ear(own(between, tmp_path))
    with pytest.raises(NotConnected):
        await lose(ear, between.down)
    await oven.forget()
    await between.up()
    async with ear.adapter.connect() as items:
        await oven.say("Count", 55)
        await ear.hear(items, lambda: 55 in values(ear, "units.out"))
    assert ear.notices == []


async def test_a_server_that_forgets_the_subscription(oven: Oven, between: Relay, tmp_path: Path) -> None:
    ear = Ear(own(between, tmp_path))
    with pytest.raises(NotConnected):
        await lose(ear, oven.forget)


async def test_a_subscription_that_delivers_nothing_any_more(oven: Oven, between: Relay, tmp_path: Path) -> None:
    ear = Ear(own(between, tmp_path))
    with pytest.raises(NotConnected, match="clock"):
        await lose(ear, oven.fall_silent)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: values(ear, "units.out") == [7, 7])


async def test_a_server_that_is_mute(between: Relay, tmp_path: Path) -> None:
    between.mute(True)
    with pytest.raises(NotConnected, match=r"no answer|within"):
        async with own(between, tmp_path, answer_timeout_s=0.3, connect_timeout_s=0.5).connect():
            pass
    await until(between.left.is_set)


async def test_a_server_that_stalls(oven: Oven, between: Relay, tmp_path: Path) -> None:
    ear = Ear(own(between, tmp_path, answer_timeout_s=0.5))

    async def stall() -> None:
        between.stall()

    started = asyncio.get_running_loop().time()
    with pytest.raises(NotConnected, match="no answer in time"):
        await lose(ear, stall)
    assert asyncio.get_running_loop().time() - started < 4


async def test_nobody_takes_what_was_read(oven: Oven, between: Relay, tmp_path: Path) -> None:
    text = PROFILE.replace('sample = "10ms"', 'sample = "10ms"\nqueue = 1000')
    machine = Machine(station="L1.oven", bound=profile(tmp_path, text))
    ear = Ear(adapter(f"opc.tcp://127.0.0.1:{between.port}", machine, keepalive_s=0.2, buffer_bytes=1024))
    async with ear.adapter.connect() as items:
        for number in range(1, 31):
            await oven.say("Count", *range(100 * number, 100 * number + 20))
            await between.quiet(0.06)  # the server has published, if it was asked to
        await ear.hear(items, lambda: 3019 in values(ear, "units.out"))
    assert values(ear, "units.out") == [7, *(100 * number + each for number in range(1, 31) for each in range(20))]
    assert ear.notices == []


async def test_a_queue_that_is_too_short_is_told(oven: Oven, tmp_path: Path) -> None:
    text = PROFILE.replace('publish = "50ms"', 'publish = "500ms"').replace('sample = "10ms"', "queue = 2")
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path, text))))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await oven.say("Count", *range(20, 30), ua.Variant(30, ua.VariantType.UInt16), status=_OVERFLOWN)
        await ear.hear(items, lambda: 30 in values(ear, "units.out"))
    assert [each.kind for each in ear.notices] == [NoticeKind.OVERFLOW]
