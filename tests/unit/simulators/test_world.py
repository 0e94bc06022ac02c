"""What must hold of everything that happens in the simulated factory."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict

import pytest

from gateway.cfx import states
from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    FaultAcknowledged,
    FaultCleared,
    FaultRaised,
    Inspected,
    LotReleased,
    PanelMade,
    Placed,
    Printed,
    ProductKnown,
    PutBack,
    ReelMoved,
    Scanned,
    Scrapped,
    SetUp,
    Soldered,
    StateChanged,
    TakenOut,
    WorkBegan,
    WorkEnded,
)
from simulators.model.facts import Tested as ProbeTested  # under its own name pytest takes it for a test
from simulators.model.scenario import MIXED, Kind, Scenario
from simulators.model.world import happen
from tests.unit.simulators.worlds import encoded, facts, of, scenario

USUAL = scenario(panels=60)
HARD = scenario(panels=60).all_switches()
DUAL = scenario(panels=60, lanes=2).all_switches()
MANY_FAULTS = scenario(panels=60, faults=10.0)
CASES = {"usual": USUAL, "hard": HARD, "dual": DUAL, "faults": MANY_FAULTS}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Scenario, tuple[AnyFact, ...]]:
    chosen = CASES[request.param]
    return chosen, facts(chosen, seed=7)


def test_time_never_goes_back_and_is_in_milliseconds(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    times = [each.at for each in case[1]]
    assert times == sorted(times)
    assert all(at == round(at, 3) for at in times)


def test_everything_is_introduced_before_it_is_named(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    products, lots, panels = set(), set(), set()
    for fact in case[1]:
        match fact:
            case ProductKnown():
                products.add(fact.product.name)
            case LotReleased():
                assert fact.lot.product in products
                lots.add(fact.lot.number)
            case PanelMade():
                assert fact.lot in lots
                panels.add(fact.panel)
            case SetUp():
                assert fact.lot in lots
            case _ if hasattr(fact, "panel"):
                assert fact.panel in panels


def test_every_panel_comes_to_its_end(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    """It left the last station of its route, or it was thrown away; nothing is left anywhere."""
    chosen, said = case
    products = {each.name: each for each in chosen.products}
    lots = {each.lot.number: each.lot for each in of(said, LotReleased)}
    where: dict[str, str | None] = {}
    route: dict[str, list[str]] = defaultdict(list)
    lot: dict[str, int] = {}
    lost = {each.panel for each in of(said, Scrapped) if each.position is None}
    for fact in said:
        match fact:
            case PanelMade():
                assert where.get(fact.panel) is None
                where[fact.panel] = None
                lot[fact.panel] = fact.lot
                route[fact.panel].clear()
            case Arrived():
                assert where[fact.panel] is None, f"{fact} while in {where[fact.panel]}"
                where[fact.panel] = fact.station
                route[fact.panel].append(fact.station)
            case Departed():
                assert where[fact.panel] == fact.station
                where[fact.panel] = None
            case TakenOut() | PutBack():
                assert where[fact.panel] is None
    assert set(where.values()) <= {None}
    line = list(chosen.line)
    for panel, passed in route.items():
        foreign = passed[:1] == ["xray"]
        product = products[lots[lot[panel]].product]
        wanted = [each.id for each in line if each.kind is not Kind.SELECTIVE or product.selective]
        in_line = [each for each in passed if each.startswith("L1.")]
        if panel in lost:
            assert in_line == wanted[: len(in_line)]
        else:
            assert in_line == ([] if foreign else wanted)


def test_work_is_between_arrival_and_departure(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    stage: dict[tuple[str, str], str] = {}
    jobs: dict[str, tuple[str, str]] = {}
    done = (Placed, Printed, Inspected, Soldered, ProbeTested)
    for fact in case[1]:
        match fact:
            case Arrived():
                stage[fact.station, fact.panel] = "arrived"
            case WorkBegan():
                assert stage[fact.station, fact.panel] == "arrived"
                assert fact.job not in jobs
                stage[fact.station, fact.panel] = "working"
                jobs[fact.job] = (fact.station, fact.panel)
            case WorkEnded():
                assert stage[fact.station, fact.panel] == "working"
                assert jobs[fact.job] == (fact.station, fact.panel)
                stage[fact.station, fact.panel] = "ended"
            case Departed():
                assert stage.pop((fact.station, fact.panel)) != "working"
            case _ if isinstance(fact, done):
                assert stage[fact.station, fact.panel] == "working"
                assert jobs[fact.job] == (fact.station, fact.panel)
    assert not stage
    assert len(jobs) == len(of(case[1], WorkEnded))


def test_panels_leave_in_the_order_in_which_they_came(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    inside: dict[tuple[str, int], list[str]] = defaultdict(list)
    for fact in case[1]:
        if isinstance(fact, Arrived):
            inside[fact.station, fact.lane].append(fact.panel)
        elif isinstance(fact, Departed):
            assert inside[fact.station, fact.lane].pop(0) == fact.panel


def test_between_machines_only_hands_change_the_order() -> None:
    said = facts(USUAL, seed=7)
    stations = [each.id for each in USUAL.line]
    for first, second in itertools.pairwise(stations[:-1]):  # not all go on to the last
        thrown = {each.panel for each in of(said, TakenOut)}
        left = [each.panel for each in of(said, Departed, first) if each.panel not in thrown]
        assert left == [each.panel for each in of(said, Arrived, second) if each.panel not in thrown]


def test_machines_are_set_up_before_panels_of_the_lot_come(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    lots: dict[str, int] = {}
    runs: dict[str, int] = {}
    for fact in case[1]:
        match fact:
            case PanelMade():
                lots[fact.panel] = fact.lot
            case SetUp():
                runs[fact.station] = fact.lot
            case Arrived() if fact.station not in ("L1.scan",):
                assert runs[fact.station] == lots[fact.panel], fact


def test_lanes_are_those_of_the_machines(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    chosen, said = case
    for station in chosen.stations:
        lanes = {each.lane for each in of(said, Arrived, station.id)}
        assert lanes <= set(range(1, min(station.lanes, chosen.lanes) + 1))
    if chosen.lanes == 2:
        assert {each.lane for each in of(said, Arrived, "L1.printer")} == {1, 2}


def test_states_change_and_are_those_of_cfx(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    last: dict[str, str] = {}
    for fact in of(case[1], StateChanged):
        assert states.parse(fact.state) is not None, fact.state
        assert last.get(fact.station) != fact.state
        last[fact.station] = fact.state
    assert set(last) == {each.id for each in case[0].stations if each.kind is not Kind.READER}


def test_faults_are_seen_to_and_cleared(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    """Only at the very end can one be open: when the last panel is done, nobody waits for the repair."""
    open_: dict[str, str] = {}
    here: dict[str, set[str]] = defaultdict(set)
    for fact in case[1]:
        match fact:
            case FaultRaised():
                assert fact.occurrence not in open_
                open_[fact.occurrence] = fact.station
            case FaultAcknowledged():
                assert open_[fact.occurrence] == fact.station
                here["seen"].add(fact.occurrence)
            case FaultCleared():
                assert fact.occurrence in here["seen"]
                assert open_.pop(fact.occurrence) == fact.station
            case StateChanged() if fact.fault is not None:
                assert open_[fact.fault] == fact.station
    assert len(open_) <= 1


def test_components_come_from_reels_that_are_there(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    chosen, said = case
    products = {each.name: each for each in chosen.products}
    lots = {each.lot.number: each.lot for each in of(said, LotReleased)}
    made: dict[str, PanelMade] = {}
    on: dict[tuple[str, str], tuple[int, str]] = {}
    left: dict[str, int] = {}
    working: set[str] = set()
    taken: dict[str, list[ReelMoved]] = defaultdict(list)
    for fact in said:
        match fact:
            case PanelMade():
                made[fact.panel] = fact
            case ReelMoved(how="unloaded"):
                assert on.pop((fact.station, fact.reel)) == (fact.slot, fact.part)
                if fact.station in working:
                    taken[fact.station].append(fact)  # what of it is in the panel is not said yet
                else:
                    assert left[fact.reel] == fact.left
            case WorkBegan():
                working.add(fact.station)
            case WorkEnded():
                working.discard(fact.station)
                for reel in taken.pop(fact.station, []):
                    assert left[reel.reel] == reel.left
            case ReelMoved():
                assert (fact.station, fact.reel) not in on
                on[fact.station, fact.reel] = (fact.slot, fact.part)
                left[fact.reel] = fact.left
            case Placed():
                panel = made[fact.panel]
                product = products[lots[panel.lot].product]
                bill = {
                    name: line.part
                    for line in product.bill
                    if line.station == fact.station
                    for name in line.designators
                }
                places = [(each.position, each.designator) for each in fact.components]
                good = [each for each in range(1, product.boards + 1) if each not in panel.x_outs]
                assert sorted(places) == sorted((position, name) for position in good for name in bill)
                seconds = [each.second for each in fact.components]
                assert seconds == sorted(seconds)
                for each in (*fact.components, *fact.missed):
                    left[each.reel] -= 1
                    assert left[each.reel] >= 0
                    # A reel that was emptied in this job may have been taken off before the job ended.
                    slot, part = on.get((fact.station, each.reel), (each.slot, bill[each.designator]))
                    assert (slot, part) == (each.slot, bill[each.designator])


def test_nothing_is_said_of_a_panel_that_was_thrown_away(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    lost: set[str] = set()
    for fact in case[1]:
        assert getattr(fact, "panel", None) not in lost
        if isinstance(fact, Scrapped) and fact.position is None:
            lost.add(fact.panel)


def test_the_same_seed_makes_the_same_facts() -> None:
    first, again, other = (encoded(list(happen(HARD, seed))) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_shift_is_plausible_and_quick() -> None:
    started = time.process_time()
    said = facts(scenario(panels=None, hours=8.0, lots=MIXED), seed=1)
    assert time.process_time() - started < 20.0  # it takes about one
    printed = of(said, Printed)
    assert 200 < len(printed) < 1200
    assert said[-1].at < 10 * 3600.0
    assert of(said, FaultRaised)
    assert {each.how.value for each in of(said, ReelMoved)} >= {"loaded", "unloaded"}
    assert len(of(said, LotReleased)) > 10


def test_hands_take_out_and_put_back(case: tuple[Scenario, tuple[AnyFact, ...]]) -> None:
    away: dict[str, str] = {}
    for fact in case[1]:
        match fact:
            case TakenOut():
                assert fact.panel not in away
                away[fact.panel] = fact.station
            case PutBack():
                assert away.pop(fact.panel) == fact.station
            case Scrapped(position=None):
                assert away.pop(fact.panel)
            case Arrived():
                assert fact.panel not in away
    assert not away
    assert all(each.read is None or each.read for each in of(case[1], Scanned))
