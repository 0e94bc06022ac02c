"""A part of a shift of the whole line: does a journal have all that its CFX machines are told to say, and nothing else?"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from simulators.model.demo import demo_scenario
from simulators.model.facts import AnyFact
from simulators.model.scenario import Kind, ScenarioError, Switches
from simulators.model.world import happen
from simulators.voices.cfx import CfxVoice
from simulators.voices.cfx_machines import cfx_voice
from simulators.voices.cfx_message import Link, Output
from simulators.voices.voice import Told
from tests.unit.simulators.cfx_line import STATIONS, differences, events, handle

OTHER = "L1.pnp2"
SWITCHES = Switches(
    x_outs=0.1,
    unreadable_labels=0.1,
    missing_labels=0.1,
    second_side=True,
    taken_out_and_back=0.05,
    duplicate_unique_ids=0.05,
    count_only=("L1.printer",),
    buffered_burst=("L1.spi", "L1.pnp1"),
    local_time_without_zone=("L1.pnp1", "L1.review"),
    constant_unique_ids=("L1.printer",),
)


@pytest.fixture(scope="module")
def facts() -> list[AnyFact]:
    scenario = msgspec.structs.replace(demo_scenario(), hours=1.5, lanes=2, faults=10.0, switches=SWITCHES)
    return list(happen(scenario, 3))


def heard(station: str, facts: list[AnyFact]) -> tuple[list[Output], list[Told], CfxVoice]:
    scenario = msgspec.structs.replace(demo_scenario(), switches=SWITCHES)
    machine = cfx_voice(scenario, station, handle(station), seed=3, zone="Europe/Berlin")
    both = [machine.hear(fact) for fact in facts]
    both.append(machine.ending(facts[-1].at))
    return [each for one in both for each in one.outputs], [each for one in both for each in one.told], machine


@pytest.mark.parametrize("station", STATIONS)
async def test_the_journal_has_what_the_line_is_told_to_say(tmp_path: Path, station: str, facts: list[AnyFact]) -> None:
    outputs, told, machine = heard(station, facts)
    rare = ("Fault", "WorkStagePaused", "WorkStageResumed", "SplicePointDetected")
    never = ("Units", "Recipe") if station == "L1.review" else ()
    silent = {each.rpartition(".")[2] for each in machine.tells - {each.message for each in told}} - {"UnitsInspected"}
    assert [each for each in silent if not each.startswith(rare + never)] == []
    assert any(isinstance(each, Link) for each in outputs) is (station in SWITCHES.buffered_burst)
    assert any(each.units for each in told if each.message.endswith("WorkStarted")) is (station != "L1.printer")
    assert differences(told, await events(tmp_path, outputs, "Europe/Berlin")) == []


def test_machines_share_no_ids(facts: list[AnyFact]) -> None:
    ids = [{each.unique_id for each in heard(station, facts)[1]} for station in ("L1.pnp1", OTHER, "L1.spi")]
    assert sum(map(len, ids)) == len(set.union(*ids))


def test_only_machines_that_speak_cfx() -> None:
    scenario = demo_scenario()
    oven = scenario.of(Kind.OVEN)[0].id
    with pytest.raises(ValueError, match=oven):
        cfx_voice(scenario, oven, "a", seed=1)
    with pytest.raises(ScenarioError):
        cfx_voice(scenario, "L1.none", "a", seed=1)
