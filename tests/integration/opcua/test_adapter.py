"""What is read from a server, and that bad nodes and bad values stay by themselves."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import Frame, NoticeKind
from gateway.core.observation import Readings, Record
from gateway.core.sample import Quality
from gateway.core.times import from_datetime
from gateway.profile.bound import Machine
from tests.integration.opcua.servers import PROFILE, URI, Ear, Oven, adapter, profile


def values(ear: Ear, key: str) -> list[object]:
    return [
        value
        for each in ear.observations
        if isinstance(each, Readings)
        for name, value in zip(each.keys, each.values, strict=True)
        if name == key
    ]


def qualities(ear: Ear, key: str) -> list[Quality]:
    return [
        quality
        for each in ear.observations
        if isinstance(each, Readings) and each.qualities is not None
        for name, quality in zip(each.keys, each.qualities, strict=True)
        if name == key
    ]


async def test_the_values_that_there_are_come_first(oven: Oven, tmp_path: Path) -> None:
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path))))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(ear.deliveries))
    assert ear.deliveries[0].frame.channel == "L1.oven/fast"
    assert values(ear, "state") == ["PRD_RegularWork"]
    assert values(ear, "pressure") == [200.0]  # kPa
    assert values(ear, "units.out") == [7]
    assert values(ear, "zone.temperature[3]") == [170.0]
    assert values(ear, "alarm.E3") == [False]
    assert ear.adapter.basis is Basis.HEARTBEAT_ONLY


async def test_what_was_so_before_is_told_apart(oven: Oven, tmp_path: Path) -> None:
    """Its time is no sign of how far the server's clock is off."""
    await oven.say("Count", 7, at=datetime.now(UTC) - timedelta(hours=1))
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path))))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        await oven.say("Count", 8)
        await ear.hear(items, lambda: 8 in values(ear, "units.out"))
    found = [each for each in ear.observations if isinstance(each, Readings) and "units.out" in each.keys]
    assert [each.live for each in found] == [False, True]


async def test_every_change_comes_with_its_time_and_nothing_is_overwritten(oven: Oven, tmp_path: Path) -> None:
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path))))
    start = datetime.now(UTC)
    async with ear.adapter.connect() as items:
        await oven.say("Count", *range(100, 120), at=start)
        await ear.hear(items, lambda: 119 in values(ear, "units.out"))
    assert values(ear, "units.out")[1:] == list(range(100, 120))
    times = [each.time for each in ear.observations if isinstance(each, Readings) and each.values[:1] == (105,)]
    assert times == [from_datetime(start + timedelta(milliseconds=5))]


async def test_bad_uncertain_and_nonsense_values(oven: Oven, tmp_path: Path) -> None:
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path))))
    async with ear.adapter.connect() as items:
        await oven.say("Pressure", 3.0, status=ua.StatusCodes.BadSensorFailure)
        await oven.say("Pressure", 4.0, status=ua.StatusCodes.UncertainLastUsableValue)
        await oven.say("Pressure", float("nan"))
        await oven.say("Pressure", float("inf"))
        await oven.say("Pressure", ua.Variant("eight", ua.VariantType.String))
        await oven.say("Pressure", ua.Variant(8, ua.VariantType.Int16))
        await oven.say("Pressure", 8.5)
        await oven.say("State", 77)
        await oven.say("State", 0)
        await ear.hear(items, lambda: len(values(ear, "state")) == 3)
    assert values(ear, "pressure") == [200.0, None, 400.0, None, None, None, 800.0, 850.0]
    assert qualities(ear, "pressure") == [
        Quality.GOOD, Quality.BAD, Quality.UNCERTAIN, Quality.UNAVAILABLE, Quality.UNAVAILABLE, Quality.UNAVAILABLE,
        Quality.GOOD, Quality.GOOD,
    ]  # fmt: skip
    assert values(ear, "state") == ["PRD_RegularWork", None, "SBY_NoProduct"]


async def test_a_bad_node_is_bad_alone_and_comes_back(oven: Oven, tmp_path: Path) -> None:
    bound = profile(tmp_path, PROFILE.replace("ns=2;s=Pressure", "ns=2;s=Later"))
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=bound), retry_bad_s=0.1))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "state")) and bool(values(ear, "pressure")))
        assert (values(ear, "pressure"), qualities(ear, "pressure")) == ([None], [Quality.BAD])
        await oven.add("Later", 5.0)
        await ear.hear(items, lambda: 500.0 in values(ear, "pressure"))


async def test_a_namespace_that_comes_later(oven: Oven, tmp_path: Path) -> None:
    later = "http://acme.example/later"
    bound = profile(tmp_path, PROFILE.replace("ns=2;s=Pressure", f"nsu={later};s=Pressure"))
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=bound), retry_bad_s=0.1))

    async def come() -> None:
        index = await oven.server.register_namespace(later)
        node = ua.NodeId("Pressure", index)
        await oven.server.nodes.objects.add_variable(node, ua.QualifiedName("Later", index), 6.0)

    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "pressure")))
        assert qualities(ear, "pressure") == [Quality.BAD]
        await oven.there(come())
        await ear.hear(items, lambda: 600.0 in values(ear, "pressure"))


async def test_a_station_of_which_nothing_is_there(oven: Oven, tmp_path: Path) -> None:
    gone = PROFILE.replace("ns=2;", "ns=9;").replace(URI, "http://acme.example/none").replace("2:Oven", "9:Oven")
    there = Machine(station="L1.oven", bound=profile(tmp_path))
    none = Machine(station="L1.none", bound=profile(tmp_path, gone, "none"))
    ear = Ear(adapter(oven.url, there, none))
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: 200.0 in values(ear, "pressure") and bool(ear.notices))
    assert [(each.kind, each.peer) for each in ear.notices] == [(NoticeKind.PEER_DOWN, "L1.none")]
    known = [each for each in ear.observations if isinstance(each, Readings) and each.keys and None not in each.values]
    assert {each.station for each in known} == {"L1.oven"}


async def test_limits_of_the_server_are_kept(oven: Oven, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    service = oven.server.iserver.subscription_service
    create = service.create_monitored_items

    async def count(params: Any, *more: Any) -> Any:
        asked.append(len(params.ItemsToCreate))
        return await create(params, *more)

    monkeypatch.setattr(service, "create_monitored_items", count)
    limit = oven.server.get_node(ua.NodeId(11714))
    await oven.there(limit.write_value(ua.Variant(2, ua.VariantType.UInt32)))
    try:
        ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path))))
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "alarm.E3")))
    finally:
        await oven.there(limit.write_value(ua.Variant(0, ua.VariantType.UInt32)))
    assert asked == [1, 2, 2, 2]  # the clock, and six nodes


async def test_events_are_records(oven: Oven, tmp_path: Path) -> None:
    bound = profile(
        tmp_path,
        PROFILE
        + f"""
[[record]]
name = "test"
event = "nsu={URI};i={oven.tested.nodeid.Identifier}"
fields.unit = {{ field = "2:BoardId" }}
fields.result = {{ field = "2:Good", map = {{ true = "Passed", false = "Failed" }} }}
example = {{ values = {{ "2:BoardId" = "0815", "2:Good" = true }}, fields = {{ unit = "0815", result = "Passed" }} }}
""",
    )
    ear = Ear(adapter(oven.url, Machine(station="L1.oven", bound=bound)))
    at = datetime.now(UTC)
    async with ear.adapter.connect() as items:
        await oven.test("0001", good=True, at=at)
        await oven.test("0002", good=False, at=at)
        await ear.hear(items, lambda: len([o for o in ear.observations if isinstance(o, Record)]) == 2)
    first, second = [o for o in ear.observations if isinstance(o, Record)]
    assert dict(first.fields) == {"unit": "0001", "result": "Passed"}
    assert dict(second.fields) == {"unit": "0002", "result": "Failed"}
    assert first.time == from_datetime(at)


async def test_nobody_is_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"opc.tcp://127.0.0.1:{taken.getsockname()[1]}"
        own = adapter(url, Machine(station="L1.oven", bound=profile(tmp_path)))
        with pytest.raises(NotConnected, match=r"cannot connect to opc\.tcp"):
            async with own.connect():
                pass


async def test_nothing_is_left_at_the_server(oven: Oven, tmp_path: Path) -> None:
    own = adapter(oven.url, Machine(station="L1.oven", bound=profile(tmp_path)))
    for _ in range(2):
        async with own.connect() as items:
            await anext(items)
            assert oven.subscriptions() == 1
        assert oven.subscriptions() == 0


def test_frames_that_nobody_made(tmp_path: Path) -> None:
    own = adapter("opc.tcp://127.0.0.1:4840", Machine(station="L1.oven", bound=profile(tmp_path)))
    frame = Frame(connection="oven", received=5, channel="L1.oven/fast", payload=b"{}")
    with pytest.raises(DecodeError, match="no subscription") as caught:
        own.decode(Frame(connection="oven", received=5, channel="L1.oven/slow", payload=b"{}"))
    assert caught.value.reason == "unknown-channel"
    with pytest.raises(DecodeError) as caught:
        own.decode(Frame(connection="oven", received=5, channel="L1.oven/fast", payload=b"[]"))
    assert caught.value.reason == "bad-opcua"
    assert list(own.decode(frame)) == [Readings(station="L1.oven", keys=(), values=())]


def test_what_does_not_go_together(tmp_path: Path) -> None:
    bound = profile(tmp_path)
    with pytest.raises(ConfigError, match="twice"):
        adapter("opc.tcp://h:1", Machine(station="a", bound=bound), Machine(station="a", bound=bound))
    with pytest.raises(ConfigError, match="no station"):
        adapter("opc.tcp://h:1")
