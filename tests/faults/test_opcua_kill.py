"""kill -9 of the gateway while an OPC UA server counts, and records: every value is in the journal once, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, config
from tests.faults.conftest import Make
from tests.faults.test_kill import seed
from tests.integration.opcua.node_peer import PACE, NodePeer, node_peer

pytestmark = [pytest.mark.slow, pytest.mark.node]

ROUNDS = 6
_FIRST, _LAST = 1_000, 1_400
_PROFILE = """
class = "generic"
protocol = "opcua"
models = ["Counting"]
evidence = { level = "example" }

[subscribe.all]
publish = "100ms"
sample = "0s"
queue = 500

[signal."units.out"]
node = "ns=2;s=Count"
modulus = 65536
example = 1042
"""
_STATION = """
[[line.station]]
name = "oven"
class = "generic"
profile = "generic/counting"
source = {{ protocol = "opcua", url = "{}", history = true, keepalive_s = 0.5 }}
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodePeer]:
    with node_peer(tmp_path / "node-opcua") as made:
        yield made


def _stored(daemon: Daemon) -> list[int]:
    status, found = daemon.ask("/api/v1/samples?station=L1.oven&signal=units.out&limit=1000")
    return [round(value) for value in found["v"] if value is not None] if status == 200 else []


def _gaps(daemon: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.get("/gaps?station=L1.oven&limit=100")["gaps"]
    return found


async def test_every_value_over_kills(tmp_path: Path, make_daemon: Make, node: NodePeer) -> None:
    draw = random.Random(seed())
    (tmp_path / "profiles" / "generic").mkdir(parents=True)
    (tmp_path / "profiles" / "generic" / "counting.toml").write_text(_PROFILE, "utf-8")
    daemon = make_daemon(config(tmp_path, connections="", stations=_STATION.format(node.url)))
    node.ask("write", "Count", [7])
    await asyncio.to_thread(daemon.start)
    await asyncio.to_thread(daemon.wait, lambda: _stored(daemon) == [7])
    saying = asyncio.create_task(asyncio.to_thread(node.ask, "write", "Count", list(range(_FIRST, _LAST)), PACE))
    at_kills = []
    for _ in range(ROUNDS):
        await asyncio.sleep(draw.uniform(0.3, 2.0))  # how long it lives, and is dead, is what is random here
        at_kills.append(len(_stored(daemon)))
        await asyncio.to_thread(daemon.kill)
        await asyncio.sleep(draw.uniform(0.0, 1.5))
        await asyncio.to_thread(daemon.start)
    await saying
    await asyncio.to_thread(daemon.wait, lambda: _LAST - 1 in _stored(daemon))
    # What it is when we come is told again where nothing has happened since.
    assert [number for number, _ in groupby(_stored(daemon))] == [7, *range(_FIRST, _LAST)]
    assert at_kills[0] > 0
    await asyncio.to_thread(daemon.wait, lambda: all(each["to"] for each in _gaps(daemon)))
    gaps = [each for each in _gaps(daemon) if each["cause"] == "gateway-down"]
    assert [each["recovered"] for each in gaps] == ["yes"] * ROUNDS
    assert daemon.get("/quarantine")["quarantine"] == []
    print(f"stored at the kills: {at_kills}")
