"""An oven on Modbus TCP and a soldering machine on a serial bus, with a gateway that polls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen
from simulators.faces.registers import RegisterFace, serve_registers
from simulators.model.facts import AnyFact, StateChanged, Switched
from simulators.player import Machine
from simulators.reconcile.compare import Comparison, Kind, Tolerance
from simulators.voices.registers import RegisterVoice
from tests.build import Bench, until
from tests.integration.simulators.gateways import play, reconciled, running, samples_of
from tests.unit.simulators.followed import profile
from tests.unit.simulators.line_facts import comes, goes, in_order, life

QUICK_OVEN = """
extends = "reflow_oven/example-10-zone"
class = "reflow_oven"
protocol = "modbus"
models = ["Quick"]
evidence = { level = "example" }
[poll.fast]
every = "20ms"
[poll.set]
every = "20ms"
[signal.state]
debounce = "1ms"
"""
QUICK_SELECTIVE = """
extends = "selective_soldering/example-3-module"
class = "selective_soldering"
protocol = "modbus"
models = ["Quick"]
evidence = { level = "example" }
[poll.state]
every = "20ms"
[poll.process]
every = "20ms"
[signal.state]
debounce = "1ms"
"""
STATIONS = """
[[line]]
name = "L1"
[[line.station]]
name = "reflow"
profile = "oven.toml"
source = { protocol = "modbus-tcp", host = "127.0.0.1", port = PORT }
[[line.station]]
name = "selective"
profile = "selective.toml"
source = { protocol = "modbus-rtu", port = "BUS", unit = 7, parity = "none", baudrate = 115200 }
"""
LOOKS = Tolerance(look=0.2, late=8.0)


@asynccontextmanager
async def line(folder: Path) -> AsyncIterator[tuple[list[Machine], RegisterFace, Bench]]:
    (folder / "oven.toml").write_text(QUICK_OVEN)
    (folder / "selective.toml").write_text(QUICK_SELECTIVE)
    bus = folder / "bus"
    oven = RegisterVoice("L1.reflow", profile(str(folder / "oven.toml")))
    selective = RegisterVoice("L1.selective", profile(str(folder / "selective.toml")))
    async with AsyncExitStack() as stack:
        alone = await stack.enter_async_context(serve_registers(Listen(), {1: oven}))
        shared = await stack.enter_async_context(serve_registers(Serial(port=str(bus)), {7: selective}))
        address = alone[1].bus.address
        assert address is not None
        text = STATIONS.replace("PORT", str(address[1])).replace("BUS", str(bus))
        behind, _ = await stack.enter_async_context(running(folder, text))
        for station in ("L1.reflow", "L1.selective"):
            await until(partial(behind.ingest.stepper.signals, station))
        yield [Machine(oven, alone[1]), Machine(selective, shared[7])], alone[1], behind


def bad(found: Comparison) -> list[object]:
    """What must not be, and what came late."""
    return [each for each in found.findings if each.kind not in (Kind.UNSEEN, Kind.EXPLAINED)]


async def test_what_is_told_of_both_is_in_the_journal(tmp_path: Path) -> None:
    async with line(tmp_path) as (machines, _, behind):
        facts = in_order([*life("L1.reflow"), *life("L1.selective")])
        ledger = await play(tmp_path, machines, facts, speed=150.0)
        found = await reconciled(behind, ledger, LOOKS)
    assert bad(found) == []
    for station in found.stations.values():
        assert station.told.total() > 50
        assert station.counts[Kind.UNSEEN] < 5


async def test_what_is_shown_of_both_is_stored(tmp_path: Path) -> None:
    async with line(tmp_path) as (machines, _, behind):
        facts = in_order([*life("L1.reflow"), *life("L1.selective")])
        ledger = await play(tmp_path, machines, facts, speed=150.0)
        await reconciled(behind, ledger, LOOKS)
        found = await samples_of(behind, ledger, LOOKS)
    assert set(found) == {"L1.reflow", "L1.selective"}
    for station in found.values():
        assert station.findings == []
        assert station.shown > 50
        assert station.found > 40


async def test_an_oven_that_is_switched_off_is_not_there(tmp_path: Path) -> None:
    station = "L1.reflow"
    facts: list[AnyFact] = [
        StateChanged(at=0.0, station=station, state="PRD_RegularWork"),
        *comes(station, "A", 10.0),
        *goes(station, "A", 20.0),
        Switched(at=30.0, station=station, on=False),
        Switched(at=45.0, station=station, on=True),
        *comes(station, "B", 65.0),
        *goes(station, "B", 75.0),
        StateChanged(at=80.0, station=station, state="SBY_NoProduct"),
    ]
    async with line(tmp_path) as (machines, oven, behind):
        ledger = await play(tmp_path, machines, facts, speed=20.0)
        assert behind.counter("connects") > 2
        found = await reconciled(behind, ledger, LOOKS)
        assert oven.bus.asked[1] > 20
        samples = await samples_of(behind, ledger, LOOKS)
    assert samples[station].findings == []
    assert bad(found) == []
    assert found.stations[station].gaps == 1
    assert found.stations[station].found["CFX.Production.UnitsDeparted"] == 2
