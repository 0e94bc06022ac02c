"""At a server that we did not write: node-opcua, with secured endpoints, alarms and history."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.errors import NotConnected
from gateway.core.frame import NoticeKind
from gateway.core.observation import Record
from gateway.core.sample import Quality
from gateway.profile.bound import Machine
from tests.contract.relay import Relay, relay
from tests.integration.opcua.node_peer import NodePeer
from tests.integration.opcua.servers import Ear, adapter, profile
from tests.integration.opcua.test_adapter import qualities, values

pytestmark = pytest.mark.node

_PACE = 70
"""Milliseconds between two values, so that a server that looks every 50 ms sees each: seven in a publication."""

PROFILE = """
class = "tester"
models = ["T"]
evidence = { level = "example" }
protocol = "opcua"

[subscribe.fast]
publish = "500ms"
sample = "0s"
queue = 500

[signal.state]
node = "nsu=http://acme.example/oven;s=State"
map = { 0 = "SBY_NoProduct", 1 = "PRD_RegularWork" }
example = "PRD_RegularWork"

[signal.pressure]
node = "ns=2;s=Pressure"
unit = "bar"
example = 2.0

[signal."units.out"]
path = "Objects/2:Oven/2:Count"
modulus = 65536
example = 1042

[signal."zone.temperature"]
node = "ns=2;s=Zones"
array = 3
unit = "Cel"
example = [150.0, 160.0, 170.0]

[signal."x.hidden"]
node = "ns=2;s=Hidden"
example = 2.0

[[alarm]]
condition = "TooHot"
code = "E4"
text = "too hot"
severity = "Alarm"

[[record]]
name = "test"
event = "ns=2;s=BoardTested"
fields.unit = { field = "2:BoardId" }
fields.result = { field = "2:Good", map = { true = "Passed", false = "Failed" } }
example = { values = { "2:BoardId" = "0815", "2:Good" = true }, fields = { unit = "0815", result = "Passed" } }
"""


@pytest.fixture
async def between(node: NodePeer) -> AsyncIterator[Relay]:
    async with relay(lambda: node.port) as made:
        yield made


def _ear(url: str, folder: Path, **more: object) -> Ear:
    return Ear(adapter(url, Machine(station="L1.oven", bound=profile(folder, PROFILE)), **more))


async def test_every_value_comes_where_defaults_would_keep_one_of_many(node: NodePeer, tmp_path: Path) -> None:
    node.ask("write", "Count", [7])
    ear = _ear(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await asyncio.to_thread(node.ask, "write", "Count", list(range(100, 120)), _PACE)
        await ear.hear(items, lambda: 119 in values(ear, "units.out"))
    assert values(ear, "units.out")[1:] == list(range(100, 120))
    assert values(ear, "zone.temperature[2]") == [160.0]
    assert qualities(ear, "x.hidden") == [Quality.BAD]
    assert ear.notices == []
    assert node.ask("sessions") == {"sessions": 0, "subscriptions": 0}


async def test_bad_values(node: NodePeer, tmp_path: Path) -> None:
    ear = _ear(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "pressure")))
        node.ask("bad", "Pressure")
        node.ask("write", "Pressure", [3.0])
        await ear.hear(items, lambda: 300.0 in values(ear, "pressure"))
    assert values(ear, "pressure")[-2:] == [None, 300.0]
    assert qualities(ear, "pressure")[-2:] == [Quality.BAD, Quality.GOOD]


async def test_events_and_alarms(node: NodePeer, tmp_path: Path) -> None:
    node.ask("write", "Heat", [20.0])
    ear = _ear(node.url, tmp_path)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: values(ear, "alarm.E4") == [False])
        node.ask("write", "Heat", [150.0])
        node.ask("test", "0001", True)
        await ear.hear(items, lambda: True in values(ear, "alarm.E4"))
        await ear.hear(items, lambda: any(isinstance(each, Record) for each in ear.observations))
    (record,) = [each for each in ear.observations if isinstance(each, Record)]
    assert dict(record.fields) == {"unit": "0001", "result": "Passed"}
    again = _ear(node.url, tmp_path)
    async with again.adapter.connect() as items:  # it is there when we come
        await again.hear(items, lambda: values(again, "alarm.E4") == [True])
        node.ask("write", "Heat", [20.0])
        await again.hear(items, lambda: False in values(again, "alarm.E4"))


@pytest.mark.parametrize("policy", ["none", "aes256"])
async def test_what_happens_while_the_network_is_away_comes_afterwards(
    node: NodePeer, between: Relay, tmp_path: Path, policy: str
) -> None:
    url = f"opc.tcp://127.0.0.1:{between.port}"
    secured = {"security_policy": policy, "pki": str(tmp_path / "pki")}
    if policy != "none":
        await _trusted(node, url, tmp_path, **secured)
    node.ask("write", "Count", [7])
    ear = _ear(url, tmp_path, keepalive_s=0.3, **secured)

    async def listen() -> None:
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "units.out")))
            await between.down()
            await ear.hear(items, lambda: False)

    with pytest.raises(NotConnected):
        await listen()
    await asyncio.to_thread(node.ask, "write", "Count", list(range(20, 30)), _PACE)
    await between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 29 in values(ear, "units.out"))
    assert values(ear, "units.out") == [7, *range(20, 30)]
    assert [each.kind for each in ear.notices] == [NoticeKind.SESSION_KEPT]


async def _trusted(node: NodePeer, url: str, folder: Path, **secured: str) -> None:
    """We trust the server, and it us."""

    async def connect() -> None:
        async with _ear(url, folder, **secured).adapter.connect():
            pass

    pki = folder / "pki"
    with pytest.raises(NotConnected, match="is not trusted"):
        await connect()
    (rejected,) = (pki / "rejected").iterdir()
    rejected.rename(pki / "trusted" / rejected.name)
    node.ask("trust", str(pki / "own" / "certificate.der"))


async def test_history_is_read_after_the_session_was_lost(node: NodePeer, between: Relay, tmp_path: Path) -> None:
    node.ask("write", "Count", [7])
    ear = _ear(f"opc.tcp://127.0.0.1:{between.port}", tmp_path, keepalive_s=0.3, history=True)

    async def listen() -> None:
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "units.out")))
            await between.down()
            await ear.hear(items, lambda: False)

    with pytest.raises(NotConnected):
        await listen()
    node.ask("write", "Count", list(range(20, 60)))
    node.ask("end")
    await between.up()
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 59 in values(ear, "units.out"))
        node.ask("write", "Count", [70])
        await ear.hear(items, lambda: 70 in values(ear, "units.out"))
    counted = values(ear, "units.out")
    assert list(dict.fromkeys(counted)) == [7, *range(20, 60), 70]
    assert [each.frame for each in ear.deliveries if each.frame.meta.get("history")]


async def test_security(node: NodePeer, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    secured = {"security_policy": "basic256sha256", "pki": str(pki), "user": "line", "password": "env:OVEN"}

    async def connect(**more: str) -> None:
        ear = _ear(node.url, tmp_path, **{**secured, **more})
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "pressure")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVEN", "secret")
        with pytest.raises(NotConnected, match=r"is not trusted; if that is it, move .*rejected.* to .*trusted"):
            await connect()
        (rejected,) = (pki / "rejected").iterdir()
        rejected.rename(pki / "trusted" / rejected.name)
        assert (pki / "own" / "private-key.pem").stat().st_mode & 0o777 == 0o600
        with pytest.raises(NotConnected):  # now it is the server that does not know us
            await connect()
        node.ask("trust", str(pki / "own" / "certificate.der"))
        for policy in ("basic256sha256", "aes128", "aes256"):
            for mode in ("sign", "sign-and-encrypt"):
                await connect(security_policy=policy, mode=mode)
        patch.setenv("OVEN", "wrong")
        with pytest.raises(NotConnected, match="BadUserAccessDenied"):
            await connect()
    assert node.ask("sessions") == {"sessions": 0, "subscriptions": 0}
