"""docs/simulators.md knows every station, switch and trouble that there is."""

from __future__ import annotations

import re
import tomllib
from types import ModuleType
from typing import ClassVar

import msgspec
import pytest

from simulators.faces import cfx_faults, folder_faults, hermes_talk, modbus_faults, network, opcua_faults, text_faults
from simulators.model.demo import demo_scenario
from simulators.model.scenario import Scenario, Switches, loads
from simulators.script import CLOCKS, parse
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "simulators.md").read_text("utf-8")


def row(start: str) -> set[str]:
    """The words in code of that row of a table, without its first cell."""
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| {start}")]
    return set(re.findall(r"`([^`]+)`", found.split("|", 2)[2]))


@pytest.mark.parametrize(
    ("interface", "module"),
    [
        ("CFX over MQTT and AMQP |", cfx_faults),
        ("Modbus TCP and RTU |", modbus_faults),
        ("OPC UA |", opcua_faults),
        ("Text, serial and TCP |", text_faults),
        ("Files |", folder_faults),
        ("Hermes |", hermes_talk),
        ("The network before", network),
    ],
)
def test_every_trouble_and_no_other(interface: str, module: ModuleType) -> None:
    keys = {field.name for field in msgspec.structs.fields(module.Fault)}
    assert row(interface) - keys == {str(each) for each in module.Trouble}


def test_every_clock() -> None:
    assert row("The clock of any machine") - {"seconds", "rate"} == set(CLOCKS)


def test_every_switch_and_setting_of_a_scenario() -> None:
    section = PAGE[PAGE.index("## Scenarios") : PAGE.index("## Troubles")]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    switches = {name for each in rows for name in re.findall(r"`(\w+)`", each)}
    assert switches == {field.name for field in msgspec.structs.fields(Switches)}
    said = set(re.findall(r"\w+", section))
    assert {field.name for field in msgspec.structs.fields(Scenario)} <= said


def test_every_station() -> None:
    section = PAGE[PAGE.index("## The line") : PAGE.index("## Speed")]
    assert [each.id for each in demo_scenario().stations] == re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)


def test_the_examples_are_right() -> None:
    scenario, troubles = (
        PAGE[PAGE.index(start) :].split("```toml\n")[1].split("```")[0] for start in ("## Scen", "## Trou")
    )
    assert loads(scenario, demo_scenario()).lanes == 2
    assert not parse(tomllib.loads(troubles), {"L1.reflow": [Bus()]}).over


class Bus:
    """What can fail with an oven's registers."""

    fault_type: ClassVar[type[msgspec.Struct]] = modbus_faults.Fault

    async def begin(self, fault: modbus_faults.Fault) -> None: ...

    async def end(self, fault: modbus_faults.Fault) -> None: ...
