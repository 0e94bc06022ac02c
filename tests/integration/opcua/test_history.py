"""What a server has recorded while we were away: node-opcua's, which records the counter and nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters import opcua_history
from adapters.opcua_session import Session
from gateway.core.errors import NotConnected
from gateway.core.frame import POSITION, POSITION_OF
from gateway.profile.bound import Machine
from tests.contract.relay import Relay
from tests.integration.opcua.node_peer import PACE, NodePeer, listener
from tests.integration.opcua.servers import Ear, Oven, adapter, profile
from tests.integration.opcua.test_adapter import values

pytestmark = pytest.mark.node


def positions(*ears: Ear) -> dict[str, bytes]:
    """As the journal has them when all that was heard is committed."""
    metas: list[Mapping[str, str | int]] = [each.frame.meta for ear in ears for each in ear.deliveries]
    return {str(meta[POSITION_OF]): str(meta[POSITION]).encode() for meta in metas}


async def test_what_was_recorded_while_the_session_was_lost(
    node: NodePeer, node_between: Relay, tmp_path: Path
) -> None:
    node.ask("write", "Count", [7])
    ear = listener(f"opc.tcp://127.0.0.1:{node_between.port}", tmp_path, keepalive_s=0.3, history=True)

    async def listen() -> None:
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "units.out")))
            await node_between.down()
            await ear.hear(items, lambda: False)

    with pytest.raises(NotConnected):
        await listen()
    node.ask("write", "Count", list(range(20, 60)))
    node.ask("end")
    await node_between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 59 in values(ear, "units.out"))
        node.ask("write", "Count", [70])
        await ear.hear(items, lambda: 70 in values(ear, "units.out"))
    assert values(ear, "units.out") == [7, *range(20, 60), 70]
    assert [each.frame for each in ear.deliveries if each.frame.meta.get("history")]


async def test_what_was_recorded_while_the_gateway_was_not_there(node: NodePeer, tmp_path: Path) -> None:
    """Killed and started again, three times, while values come: each is heard once, in order."""
    node.ask("write", "Count", [7])
    ears: list[Ear] = []
    for first in (100, 200, 300):
        ear = listener(node.url, tmp_path, positions(*ears), history=True)
        ears.append(ear)
        async with ear.adapter.connect() as items:
            numbers = list(range(first, first + 10))
            saying = asyncio.create_task(asyncio.to_thread(node.ask, "write", "Count", numbers, PACE))
            await ear.hear(items, lambda: first + 9 in values(ear, "units.out"))  # noqa: B023
            await saying
        await asyncio.to_thread(node.ask, "write", "Count", list(range(first + 10, first + 40)), 1)
    ear = listener(node.url, tmp_path, positions(*ears), history=True)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "pressure")))  # which has no history, and is told as it is now
    heard = [each for one in (*ears, ear) for each in values(one, "units.out")]
    assert heard == [7, *(first + number for first in (100, 200, 300) for number in range(40))]


async def test_what_comes_while_history_is_read_comes_once(
    node: NodePeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two times that history is asked for, the subscription has begun."""
    node.ask("write", "Count", [7])
    before = listener(node.url, tmp_path, history=True)
    async with before.adapter.connect() as items:
        await before.hear(items, lambda: bool(values(before, "units.out")))
    node.ask("write", "Count", [20, 21])
    clock, asked = Session.clock, 0

    async def busy(session: Session) -> int | None:
        nonlocal asked
        asked += 1
        if asked == 2:
            await asyncio.to_thread(node.ask, "write", "Count", list(range(22, 26)), PACE)
        return await clock(session)

    monkeypatch.setattr(Session, "clock", busy)
    ear = listener(node.url, tmp_path, positions(before), history=True)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 25 in values(ear, "units.out"))
        node.ask("write", "Count", [26])
        await ear.hear(items, lambda: 26 in values(ear, "units.out"))
    assert asked == 2
    assert values(ear, "units.out") == list(range(20, 27))


async def test_many_values_and_long_silence(node: NodePeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several answers for one node, and windows that grow."""
    monkeypatch.setattr(opcua_history, "_PAGE", 7)
    node.ask("write", "Count", [7])
    before = listener(node.url, tmp_path, history=True)
    async with before.adapter.connect() as items:
        await before.hear(items, lambda: bool(values(before, "units.out")))
    known = {key: _an_hour_ago(value) for key, value in positions(before).items()}
    node.ask("write", "Count", list(range(1000, 1100)), 0)
    ear = listener(node.url, tmp_path, known, history=True)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 1099 in values(ear, "units.out"))
    assert values(ear, "units.out")[-101:] == [7, *range(1000, 1100)]
    assert sum(bool(each.frame.meta.get("history")) for each in ear.deliveries) == 1


def _an_hour_ago(position: bytes) -> bytes:
    number, _, times = position.decode().partition(" ")
    return f"{number} {json.dumps({key: at - 3_600_000_000 for key, at in json.loads(times).items()})}".encode()


async def test_a_server_without_history(oven: Oven, tmp_path: Path) -> None:
    """It is asked once, and then it is as now."""
    machine = Machine(station="L1.oven", bound=profile(tmp_path))
    before = Ear(adapter(oven.url, machine, history=True))
    async with before.adapter.connect() as items:
        await before.hear(items, lambda: bool(values(before, "units.out")))
    await oven.say("Count", 20, 21)
    ear = Ear(adapter(oven.url, machine, history=True, positions=positions(before)))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await oven.say("Count", 22)
        await ear.hear(items, lambda: 22 in values(ear, "units.out"))
    assert values(ear, "units.out") == [21, 22]
