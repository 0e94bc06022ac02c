"""kill -9 of the gateway with boards inside machines that speak no CFX: nothing is lost without a word, nothing is
invented, nothing comes twice. An oven on Modbus TCP, a conveyor with two lanes and a generic machine on one RTU line."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gateway import resources
from gateway.config import profiles
from gateway.core.times import parse_rfc3339
from gateway.profile.bound import Bound
from gateway.transport.modbus_wire import Serial
from simulators.faces.modbus import Listen
from simulators.panel_flow import FlowModel, What
from simulators.register_machine import RegisterMachine, run_machines
from tests.daemon import Daemon, config
from tests.faults.conftest import Make
from tests.faults.test_kill import seed

ROUNDS = 10
SPEED = 20.0
_QUICK = FlowModel(
    takt=(6.0, 10.0), transit=140.0, lot=(100_000, 100_000), misread=0.05, fault=0.05, repair=(4.0, 8.0), noise=0.001
)
_QUICKER = {
    "reflow_oven/quick": ("reflow_oven/example-10-zone", "reflow_oven", ("fast", "set")),
    "conveyor/quick": ("conveyor/example-dual-lane", "conveyor", ("all",)),
    "generic/quick": ("generic/example-registers", "generic", ("all",)),
}


def _profiles(folder: Path) -> dict[str, Bound]:
    """The examples, polled often enough for a life twenty times as fast."""
    for name, (base, machine_class, polls) in _QUICKER.items():
        path = folder / "profiles" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f'extends = "{base}"\nclass = "{machine_class}"\nprotocol = "modbus"\nmodels = ["Quick"]\n'
        text += 'evidence = { level = "example" }\n'
        path.write_text(text + "".join(f'[poll.{poll}]\nevery = "50ms"\n' for poll in polls), "utf-8")
    folders = (folder / "profiles", *resources.profile_folders(folder / "lineside.toml"))
    return {name: profiles.read(name, folders, folder) for name in _QUICKER}


def _stations(port: int, serial: str) -> str:
    return f"""
[[line.station]]
name = "oven"
profile = "reflow_oven/quick"
source = {{ protocol = "modbus-tcp", host = "127.0.0.1", port = {port}, unit = 1 }}

[[line.station]]
name = "conveyor"
profile = "conveyor/quick"
source = {{ protocol = "modbus-rtu", port = "{serial}", baudrate = 115200, parity = "none", unit = 2 }}

[[line.station]]
name = "old"
profile = "generic/quick"
source = {{ protocol = "modbus-rtu", port = "{serial}", baudrate = 115200, parity = "none", unit = 3 }}
"""


def _named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["message"].rpartition(".")[2] == name]


def _adjusted(events: list[dict[str, Any]], signal: str) -> int:
    found = [e["body"] for e in _named(events, "CountAdjusted") if e["body"]["Signal"] == signal]
    assert all(body["Units"] is not None for body in found), found
    return sum(body["Units"] for body in found)


def _first(daemon: Daemon, station: str, key: str) -> int:
    """What a counter said when it was seen first: what happened before is nobody's to tell."""
    quoted = key.replace("@", "%40")
    return int(daemon.get(f"/samples?station=L1.{station}&signal={quoted}&limit=1")["v"][0])


def _seen(daemon: Daemon, station: str) -> dict[str, Any]:
    return {each["signal"]: each["value"] for each in daemon.get(f"/stations/L1.{station}/signals")["signals"]}


def _counters(machine: RegisterMachine) -> dict[str, Any]:
    return {key: machine.flow.display.values[key] for key in machine.bound.signals if key.startswith("units.")}


def _check(machine: RegisterMachine, daemon: Daemon, station: str) -> tuple[str, int]:
    """What came of it, and how many works outlived a kill. Every panel that came or went since the first sight is told as an event or counted in an adjustment, and what is
    told has happened."""
    events = list(daemon.events(f"station=L1.{station}"))
    truth = [seen.happening for seen in machine.truth]
    now = _counters(machine)
    for what, message, signal in (
        (What.ARRIVED, "UnitsArrived", "units.in"),
        (What.DEPARTED, "UnitsDeparted", "units.out"),
    ):
        told = _named(events, message)
        counted = sum(now[key] - _first(daemon, station, key) for key in now if key.startswith(signal))
        assert len(told) + _adjusted(events, signal) == counted, message
        happened = [each for each in truth if each.what is what]
        ids = Counter(unit for event in told for unit in event["units"])
        assert all(count == 1 for count in ids.values()), ids.most_common(3)
        assert ids.keys() <= {each.unit for each in happened}
        assert {event["lane"] for event in told} <= {each.lane for each in happened}
    started = {e["transaction"]: e for e in _named(events, "WorkStarted")}
    completed = {e["transaction"]: e for e in _named(events, "WorkCompleted")}
    assert len(started) == len(_named(events, "WorkStarted"))
    assert len(completed) == len(_named(events, "WorkCompleted"))
    abandoned = {t for e in _named(events, "CountAdjusted") for t in e["body"]["AbandonedTransactions"]}
    assert abandoned <= started.keys()
    assert not abandoned & completed.keys()
    for transaction in started.keys() & completed.keys():
        assert started[transaction]["units"] == completed[transaction]["units"]
    left = {seen.happening.unit: seen.time for seen in machine.truth if seen.happening.what is What.DEPARTED}
    for event in completed.values():
        for unit in event["units"]:  # the one that went, and not its neighbour
            assert 0 <= parse_rfc3339(event["received"]) - left[unit] < 2_000_000, (unit, event)
    raised = [e["body"]["Fault"]["FaultOccurrenceId"] for e in _named(events, "FaultOccurred")]
    cleared = [e["body"]["FaultOccurrenceId"] for e in _named(events, "FaultCleared")]
    assert len(set(raised)) == len(raised)
    assert len(set(cleared)) == len(cleared)
    assert set(cleared) <= set(raised)
    gaps = [
        gap for gap in daemon.get(f"/gaps?station=L1.{station}&limit=1000")["gaps"] if gap["cause"] == "gateway-down"
    ]
    assert len(gaps) == ROUNDS
    both = started.keys() & completed.keys()
    outlived = sum(
        any(started[each]["received"] < gap["to"] < completed[each]["received"] for gap in gaps) for each in both
    )
    report = (
        f"{station}: {len(events)} events, {len(started)} works begun, {len(both)} seen to their end, {outlived} of them "
        f"over a kill, {len(abandoned)} abandoned, {len(raised)} faults, "
        f"{len(_named(events, 'CountAdjusted'))} adjustments"
    )
    return report, outlived


@pytest.mark.slow
async def test_boards_inside(tmp_path: Path, make_daemon: Make) -> None:
    draw = random.Random(seed())
    bounds = _profiles(tmp_path)
    serial = tmp_path / "line"
    oven, conveyor, old = (bounds[name] for name in _QUICKER)
    line = Serial(port=str(serial), baudrate=115_200)
    async with (
        run_machines(Listen(), {1: oven}, model=_QUICK, speed=SPEED, seed=1) as tcp,
        run_machines(line, {2: conveyor, 3: old}, model=_QUICK, speed=SPEED, seed=2) as rtu,
    ):
        assert tcp.face.address is not None
        daemon = make_daemon(config(tmp_path, connections="", stations=_stations(tcp.face.address[1], str(serial))))
        machines = {"oven": tcp.machines[1], "conveyor": rtu.machines[2], "old": rtu.machines[3]}
        inside = []
        for _ in range(ROUNDS):
            await asyncio.to_thread(daemon.start)
            await asyncio.sleep(draw.uniform(0.3, 1.5))  # how long it lives is what is random here
            inside.append(sum(machine.flow.inside for machine in machines.values()))
            await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
        for machine in machines.values():
            machine.off()
        for name, machine in machines.items():
            counters = _counters(machine)
            await asyncio.to_thread(daemon.wait, lambda: _seen(daemon, name).items() >= counters.items())  # noqa: B023
            report, outlived = await asyncio.to_thread(_check, machine, daemon, name)
            print(report)
            assert outlived > 0 or name == "conveyor"
    print(f"boards inside at the kills: {inside}")
    assert min(inside) > 0
    assert daemon.get("/quarantine")["quarantine"] == []
