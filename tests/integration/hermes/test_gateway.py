"""Hermes in a configured gateway: as the only source of a loader, and beside the registers of another machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.registry import build, protocols
from gateway import wiring
from gateway.config.load import load
from gateway.config.plan import Resolved, resolve
from gateway.core.event import Origin, TimeQuality
from gateway.core.times import rfc3339
from gateway.journal.filter import Choice, Filter
from gateway.profile.bound import Table
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from simulators.faces import hermes, modbus
from simulators.faces.hermes_talk import LOADED, Board, Fault, Trouble
from simulators.faces.modbus_bank import Bank
from tests.build import Bench, bench, until

QUICK = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.05, settled_s=0.0, tick_s=0.05, mark_s=0.05)
HEAD = """
[gateway]
name = "g1"
site = "s1"
timezone = "Asia/Shanghai"
ignore_ids = ["NOREAD"]
"""
LOADER = """
[[line]]
name = "L1"
[[line.station]]
name = "loader"
class = "magazine_loader"
source = { protocol = "hermes-vertical", host = "127.0.0.1", port = %d }
"""
OVEN = """
[[station]]
name = "oven"
profile = "oven.toml"
[[station.source]]
protocol = "modbus-tcp"
host = "127.0.0.1"
port = %d
[[station.source]]
protocol = "hermes-vertical"
host = "127.0.0.1"
port = %d
"""
PROFILE = """
class = "generic"
protocol = "modbus"
models = ["Test"]
evidence = { level = "example" }
[poll.all]
every = "20ms"
table = "holding"
start = 0
count = 3
[signal."units.in"]
at = 0
type = "u16"
example = 0
[signal."units.out"]
at = 1
type = "u16"
example = 0
[signal."x.speed"]
at = 2
type = "u16"
unit = "cm/min"
example = 85
"""
PANEL = Board(
    board_id="3F0C2A5E-9B1D-4C77-8A10-5D2E6F7A8B90",
    top="PNL-1",
    magazine="MAG7",
    slot=4,
    boards=((1, "PNL-1-1", 1), (2, None, 4)),
)


def shanghai() -> datetime:
    return datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai"))


def configured(folder: Path, text: str) -> Resolved:
    (folder / "oven.toml").write_text(PROFILE)
    path = folder / "lineside.toml"
    path.write_text(HEAD + text)
    return resolve(load(path, protocols()))


@asynccontextmanager
async def running(folder: Path, text: str) -> AsyncIterator[tuple[Bench, Supervisor]]:
    resolved = configured(folder, text)
    async with bench(folder, stations=wiring.stations(resolved)) as behind:
        adapters = [
            build(settings, gateway="g1", machines=wiring.machines_on(resolved, name))
            for name, settings in resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            await until(lambda: all(link.state != "down" for link in supervisor.links.values()))
            yield behind, supervisor
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def told(behind: Bench) -> list[tuple[str, dict[str, Any]]]:
    """What was made of what machines said."""
    await behind.settled()
    page = await behind.reader.events(0, 1000, Filter())
    events = [placed.event for placed in page.events if placed.event.origin is Origin.DERIVED]
    return [(event.message.rpartition(".")[2], json.loads(event.body)) for event in events]


async def grows_to(behind: Bench, count: int) -> list[tuple[str, dict[str, Any]]]:
    async with asyncio.timeout(10):
        while len(found := await told(behind)) < count:
            await asyncio.sleep(0.01)
    return found


async def test_a_loader_without_profile(tmp_path: Path) -> None:
    async with (
        hermes.serve(hermes.Machine(clock=shanghai)) as face,
        running(tmp_path, LOADER % face.address[1]) as (behind, _),
    ):
        stamp = face.arrived(PANEL, transfer=LOADED)
        face.departed(Board(board_id=PANEL.board_id.lower(), top="NOREAD", bottom="PNL-1"))
        found = await grows_to(behind, 3)
        page = await behind.reader.events(0, 1000, Filter(unit=Choice(wanted=("PNL-1-1",))))
    assert [name for name, _ in found] == ["UnitsLoaded", "UnitsArrived", "UnitsDeparted"]
    loaded, arrived, departed = (body for _, body in found)
    assert loaded["UniqueIdentifier"] == "MAG7"
    assert [(unit["UnitIdentifier"], unit["PositionNumber"]) for unit in arrived["Units"]] == [
        ("PNL-1-1", 1),
        (None, 2),
    ]
    for body in (arrived, departed):
        assert (body["PrimaryIdentifier"], body["HermesIdentifier"], body["Lane"]) == ("PNL-1", PANEL.board_id.lower(), 1)  # fmt: skip
    event = page.events[-1].event
    assert (event.station, event.line, event.handle) == ("L1.loader", "L1", None)
    at = datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    assert rfc3339(event.time) == at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert event.time_quality is TimeQuality.GOOD


@asynccontextmanager
async def oven(folder: Path) -> AsyncIterator[tuple[Bench, Supervisor, Bank, hermes.HermesFace]]:
    bank = Bank()
    bank.set({Table.HOLDING: {0: 0, 1: 0, 2: 85}})
    async with (
        modbus.serve(modbus.Listen(), {1: bank}) as registers,
        hermes.serve(hermes.Machine(clock=shanghai)) as face,
    ):
        assert registers.address is not None
        text = OVEN % (registers.address[1], face.address[1])
        async with running(folder, text) as (behind, supervisor):
            await until(lambda: face.supervisors)
            await until(lambda: behind.ingest.stepper.signals("oven"))
            yield behind, supervisor, bank, face


async def test_beside_registers_hermes_says_which_board_it_is(tmp_path: Path) -> None:
    async with oven(tmp_path) as (behind, _, bank, face):
        face.arrived(PANEL)
        await until(lambda: behind.ingest.stepper.known("oven").machine.announced.get("in@"))  # type: ignore[union-attr]
        bank.set({Table.HOLDING: {0: 1}})
        await grows_to(behind, 2)
        face.departed(Board(board_id=PANEL.board_id))
        await until(lambda: behind.ingest.stepper.known("oven").machine.announced.get("out@"))  # type: ignore[union-attr]
        bank.set({Table.HOLDING: {1: 1}})
        found = await grows_to(behind, 4)
    assert [name for name, _ in found] == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    assert {(body["PrimaryIdentifier"], body["HermesIdentifier"]) for _, body in found} == {
        ("PNL-1", PANEL.board_id.lower())
    }


async def test_when_hermes_is_lost_the_registers_stay_in_sight(tmp_path: Path) -> None:
    async with oven(tmp_path) as (behind, supervisor, bank, face):
        async with face.fault(Fault(trouble=Trouble.REFUSE)):
            face.drop()
            await until(lambda: supervisor.links["oven.2"].state == "down")
            await behind.settled()
            values = {sample.signal: sample.value for sample in behind.ingest.stepper.signals("oven")}
            assert values == {"units.in": 0, "units.out": 0, "x.speed": 85}
            bank.set({Table.HOLDING: {0: 1}})
            found = await grows_to(behind, 2)
        assert [name for name, _ in found] == ["UnitsArrived", "WorkStarted"], "counted, and no gap of the counter"
        await until(lambda: face.supervisors)
    assert found[0][1]["HermesIdentifier"] is None


@pytest.mark.parametrize(("which", "port"), [("oven", "502"), ("oven.2", "50100")])
def test_names_of_the_connections(tmp_path: Path, which: str, port: str) -> None:
    resolved = configured(tmp_path, OVEN % (502, 50_100))
    assert str(resolved.connections[which].port) == port  # type: ignore[attr-defined]
    (plan,) = resolved.stations
    assert plan.hermes
    assert plan.bound is not None
    assert plan.bound.protocol == "modbus"


async def test_probing_reads_the_registers_whichever_source_is_first(tmp_path: Path) -> None:
    bank = Bank()
    bank.set({Table.HOLDING: {0: 7, 1: 6, 2: 85}})
    async with modbus.serve(modbus.Listen(), {1: bank}) as registers:
        assert registers.address is not None
        head, first, second = (OVEN % (registers.address[1], 50_100)).split("[[station.source]]")
        resolved = configured(tmp_path, f"{head}[[station.source]]{second}[[station.source]]{first}")
        (plan,) = resolved.stations
        (sight,) = [each async for each in wiring.probe(resolved, plan)]
    assert dict(zip(*sight.values, strict=True)) == {"units.in": 7, "units.out": 6, "x.speed": 85}
