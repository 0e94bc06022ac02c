"""Do nodes and events lead a gateway to what their voice says that it is told? By real decoding and the class's own step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, takewhile
from pathlib import Path

import pytest

from gateway.profile.bound import Bound
from simulators.model.demo import demo_scenario
from simulators.model.facts import AnyFact, StateChanged
from simulators.model.world import happen
from simulators.voices.opcua import OpcUaVoice
from simulators.voices.opcua_nodes import Output, Raised, Shown
from simulators.voices.voice import Told
from tests.unit.simulators.followed import Followed, agree, hear_all
from tests.unit.simulators.line_facts import in_order
from tests.unit.simulators.opcua_facts import HEAD, STATION, Published, aoi, shift, written
from tests.unit.simulators.register_profiles import oven

Cut = Callable[[Sequence[Output]], Iterator[Sequence[Output]]]
"""How what a machine says comes in answers of its server."""
UNITS_INSPECTED = "CFX.Production.TestAndInspection.UnitsInspected"

SIGNALS = """
[signal."units.in@1"]
node = "ns=2;s=In1"
example = 7
[signal."units.out@1"]
node = "ns=2;s=Out1"
example = 7
[signal."units.in@2"]
node = "ns=2;s=In2"
modulus = 3
example = 1
[signal."units.out@2"]
node = "ns=2;s=Out2"
modulus = 3
example = 1
[signal."unit.out.id@2"]
node = "ns=2;s=Code2"
empty = [""]
example = "A"
[signal."panel.units"]
node = "ns=2;s=Boards"
example = 4
[signal."inspection.result"]
node = "ns=2;s=Result"
map = { 1 = "Passed", 2 = "Failed" }
example = "Passed"
[signal."inspection.count"]
node = "ns=2;s=Count"
example = 800
[signal."work.result"]
node = "ns=2;s=Work"
map = { 0 = "Completed", 1 = "Failed" }
example = "Completed"
"""
BOARDS = """
[signal."board.result"]
node = "ns=2;s=Boards.Results"
array = 6
missing = [0]
map = { 1 = "Passed", 2 = "Failed", 3 = "Skipped" }
example = ["Passed", "Passed", "Passed", "Passed", "Passed", "Skipped"]
"""
EVENTS = """
[signal."units.in"]
node = "ns=2;s=In"
example = 7
[signal."units.out"]
node = "ns=2;s=Out"
example = 7
[signal."unit.in.id"]
node = "ns=2;s=Code"
example = "A"
[signal."panel.units"]
node = "ns=2;s=Boards"
example = 4
[[record]]
name = "work.started"
event = "ns=2;i=1001"
fields.unit = { field = "2:Panel" }
example = { values = { "2:Panel" = "A" }, fields = { unit = "A" } }
[[record]]
name = "work.completed"
event = "ns=2;i=1002"
fields.unit = { field = "2:Panel" }
fields.result = { field = "2:Result", map = { OK = "Completed", NG = "Failed" } }
example = { values = { "2:Panel" = "A", "2:Result" = "OK" }, fields = { unit = "A", result = "Completed" } }
[[record]]
name = "inspection"
event = "ns=2;i=1003"
fields.unit = { field = "2:Panel" }
fields.result = { field = "2:Result", map = { OK = "Passed", NG = "Failed" } }
example = { values = { "2:Panel" = "A", "2:Result" = "OK" }, fields = { unit = "A", result = "Passed" } }
"""
DEFECTS = """
[[record]]
name = "defect"
parent = "inspection"
fields.position = { field = "2:Boards" }
fields.component = { field = "2:Parts" }
fields.pin = { field = "2:Pins", missing = [""] }
example = { values = { "2:Boards" = 1, "2:Parts" = "R1", "2:Pins" = "2" }, fields = { position = 1, component = "R1", pin = "2" } }
"""


def apart(outputs: Sequence[Output]) -> Iterator[Sequence[Output]]:
    """Each is published by itself."""
    return ([each] for each in outputs)


def at_once(outputs: Sequence[Output]) -> Iterator[Sequence[Output]]:
    """All in one answer, as when somebody was away for a while."""
    return iter([outputs])


def by_time(outputs: Sequence[Output]) -> Iterator[Sequence[Output]]:
    return (list(same) for _, same in groupby(outputs, key=lambda each: each.at // 60))


def run(
    bound: Bound, facts: Iterable[AnyFact], published: Cut, station: str = STATION
) -> tuple[OpcUaVoice, list[Told], Followed]:
    voice = OpcUaVoice(station, bound)
    gateway, server = Followed(station, bound), Published(bound, station)
    for first in server.together([Shown(at=-1.0, values=voice.beginning)]):
        gateway.follow(first, -1.0)
    outputs, told = hear_all(voice, facts)
    for together in published(outputs):
        for observed in server.together(together):
            gateway.follow(observed, together[-1].at)
    assert gateway.unfit == []
    return voice, told, gateway


@pytest.mark.parametrize("published", [apart, at_once, by_time])
def test_what_is_told_is_what_is_made_of_the_nodes(published: Cut) -> None:
    voice, told, gateway = run(aoi(), shift(), published)
    agree(told, gateway.events, voice.tells)
    assert {each.message for each in told} == voice.tells
    assert {each.message for each in gateway.events} == voice.tells


@pytest.mark.parametrize("switched", [False, True])
def test_a_morning_of_the_demo_line(switched: bool) -> None:
    scenario = demo_scenario().all_switches() if switched else demo_scenario()
    facts = takewhile(lambda fact: fact.at < 3 * 3600, happen(scenario, 5))
    voice, told, gateway = run(aoi(), facts, by_time, "L1.aoi")
    agree(told, gateway.events, voice.tells)
    assert len(told) > 500


def test_boards_and_defects_are_told() -> None:
    _, told, _ = run(aoi(), shift(), apart)
    one, two, *_, single = [each for each in told if each.message == UNITS_INSPECTED]
    assert one.values["InspectedPanel.OverallResult"] == "Passed"
    assert (two.units[-1], two.values["InspectedUnits.1.OverallResult"]) == ("PNL-2", "Failed")
    assert two.values["InspectedUnits.1.Inspections.0.DefectsFound.0.ComponentOfInterest.ReferenceDesignator"] == "R2.2"
    assert two.values["InspectedPanel.TotalInspectionCount"] == 800
    assert single.values["InspectedUnits.0.OverallResult"] == "Failed"


@pytest.mark.parametrize("text", [SIGNALS, SIGNALS + BOARDS, EVENTS, EVENTS + DEFECTS], ids=["signals", "boards", "events", "defects"])  # fmt: skip
@pytest.mark.parametrize("boards", [1, 4])
@pytest.mark.parametrize("lane", [1, 2])
def test_other_profiles(tmp_path: Path, text: str, boards: int, lane: int) -> None:
    voice, told, gateway = run(written(tmp_path, HEAD + text), shift(boards=boards, lane=lane), apart)
    agree(told, gateway.events, voice.tells)
    assert {each.message for each in told} == voice.tells


def test_the_same_facts_give_the_same(tmp_path: Path) -> None:
    facts = shift()
    assert hear_all(OpcUaVoice(STATION, aoi()), facts) == hear_all(OpcUaVoice(STATION, aoi()), facts)


def test_in_the_beginning_nothing_has_happened() -> None:
    voice, told, gateway = run(aoi(), [], apart)
    assert (told, gateway.events) == ([], [])
    assert not any("State" in node for node in voice.beginning)


def test_a_state_that_it_cannot_say_is_not_told(tmp_path: Path) -> None:
    bound = written(tmp_path, HEAD + '[signal.state]\nnode = "i=9"\nmap = { 1 = "PRD", 2 = "SBY" }\nexample = "PRD"\n')
    states = ["PRD_RegularWork", "PRD_Rework", "USD_Repair", "SBY_NoProduct", "PRD"]
    facts: list[AnyFact] = [StateChanged(at=10.0 * n, station=STATION, state=each) for n, each in enumerate(states)]
    voice, told, gateway = run(bound, in_order(facts), apart)
    agree(told, gateway.events, voice.tells)
    assert [each.values["NewState"] for each in told] == ["1000", "2000", "1000"]


def test_counts_after_a_change_of_program(tmp_path: Path) -> None:
    text = SIGNALS.replace('node = "ns=2;s=In1"', 'node = "ns=2;s=In1"\nreset = ["recipe"]')
    text = text.replace('node = "ns=2;s=Out1"', 'node = "ns=2;s=Out1"\nreset = ["recipe"]')
    facts = [each for each in shift() if getattr(each, "panel", "") != "PNL-6"]
    voice, told, gateway = run(written(tmp_path, HEAD + text), facts, apart)
    agree(told, gateway.events, voice.tells)


def test_times_of_an_event_are_marks() -> None:
    outputs, _ = hear_all(OpcUaVoice(STATION, aoi()), shift())
    raised = [each for each in outputs if isinstance(each, Raised)]
    assert len(raised) == 8
    assert any(getattr(value, "at", None) == 125.0 for value in raised[0].fields.values())


def test_only_profiles_with_nodes() -> None:
    with pytest.raises(ValueError, match="only a profile with nodes"):
        OpcUaVoice(STATION, oven())
