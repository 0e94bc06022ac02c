"""At a server that we did not write: node-opcua, with alarms, and queues as short as they often are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from gateway.core.observation import Record
from gateway.core.sample import Quality
from tests.contract.relay import Relay
from tests.integration.opcua.node_peer import PACE, NodePeer, listener, trusted
from tests.integration.opcua.test_adapter import qualities, values

pytestmark = pytest.mark.node


async def test_every_value_comes_where_defaults_would_keep_one_of_many(node: NodePeer, tmp_path: Path) -> None:
    node.ask("write", "Count", [7])
    ear = listener(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await asyncio.to_thread(node.ask, "write", "Count", list(range(100, 120)), PACE)
        await ear.hear(items, lambda: 119 in values(ear, "units.out"))
    assert values(ear, "units.out")[1:] == list(range(100, 120))
    assert values(ear, "zone.temperature[2]") == [160.0]
    assert qualities(ear, "x.hidden") == [Quality.BAD]
    assert ear.notices == []
    assert node.ask("sessions") == {"sessions": 0, "subscriptions": 0}


async def test_bad_values(node: NodePeer, tmp_path: Path) -> None:
    ear = listener(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "pressure")))
        node.ask("bad", "Pressure")
        node.ask("write", "Pressure", [3.0])
        await ear.hear(items, lambda: 300.0 in values(ear, "pressure"))
    assert values(ear, "pressure")[-2:] == [None, 300.0]
    assert qualities(ear, "pressure")[-2:] == [Quality.BAD, Quality.GOOD]


async def test_events_and_alarms(node: NodePeer, tmp_path: Path) -> None:
    node.ask("write", "Heat", [20.0])
    ear = listener(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: values(ear, "alarm.E4") == [False])
        node.ask("write", "Heat", [150.0])
        node.ask("test", "0001", True, ["R1", "R2"], [4.7, 10.0])
        node.ask("test", "0002", False)
        await ear.hear(items, lambda: True in values(ear, "alarm.E4"))
        await ear.hear(items, lambda: sum(isinstance(each, Record) for each in ear.observations) == 2)
    record, another = [each for each in ear.observations if isinstance(each, Record)]
    assert dict(record.fields) == {"unit": "0001", "result": "Passed"}
    assert [dict(each.fields) for each in record.children] == [
        {"name": "R1", "value": 4.7},
        {"name": "R2", "value": 10.0},
    ]
    assert (dict(another.fields), another.children) == ({"unit": "0002", "result": "Failed"}, ())
    again = listener(node.url, tmp_path)
    async with again.adapter.connect() as items:  # it is there when we come
        await again.hear(items, lambda: values(again, "alarm.E4") == [True])
        node.ask("write", "Heat", [20.0])
        await again.hear(items, lambda: False in values(again, "alarm.E4"))


@pytest.mark.parametrize("policy", ["none", "aes256"])
async def test_what_happens_while_the_network_is_away_comes_afterwards(
    node: NodePeer, node_between: Relay, tmp_path: Path, policy: str
) -> None:
    url = f"opc.tcp://127.0.0.1:{node_between.port}"
    secured: dict[str, Any] = {"security_policy": policy}
    if policy != "none":
        await trusted(node, url, tmp_path, **secured)
    node.ask("write", "Count", [7])
    ear = listener(url, tmp_path, keepalive_s=0.3, **secured)

    async def listen() -> None:
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "units.out")))
            await node_between.down()
            await ear.hear(items, lambda: False)

    with pytest.raises(NotConnected):
        await listen()
    await asyncio.to_thread(node.ask, "write", "Count", list(range(20, 30)), PACE)
    await node_between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: any(each.kind is NoticeKind.CAUGHT_UP for each in ear.notices))
    assert values(ear, "units.out") == [7, *range(20, 30)]
    assert [each.kind for each in ear.notices] == [
        NoticeKind.SESSION_KEPT,
        NoticeKind.CATCHING_UP,
        NoticeKind.CAUGHT_UP,
    ]
