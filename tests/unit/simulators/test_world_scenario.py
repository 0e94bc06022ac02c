"""Scenarios: what can be said in one, how it fails to be read, and lines that are only a part of the demo's."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from simulators.model.demo import demo_scenario
from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    Inspected,
    LotReleased,
    PanelMade,
    Reviewed,
    Scanned,
    SetUp,
    StateChanged,
    WorkEnded,
)
from simulators.model.facts import Tested as ProbeTested  # under its own name pytest takes it for a test
from simulators.model.plan import Lot
from simulators.model.scenario import MIXED, OFF_LINE, Kind, Order, Scenario, ScenarioError, Station, dumps, load, loads
from simulators.model.world import happen
from tests.unit.simulators.worlds import facts, of, scenario, with_switches

SMALL = """
hours = 1
lanes = 2

[switches]
second_side = true
x_outs = 0.1
count_only = ["oven"]

[[stations]]
id = "oven"
kind = "reflow_oven"
reads = false
figures = { work = [0, 0], setup = [5, 5], buffer = 3 }

[[orders]]
product = "P-1"
panels = 3

[[products]]
name = "P-1"
revision = "A"
boards = 2
parts = [{ number = "R1K", package = "0402", prefix = "R", nozzle = "N1" }]
bill = [["pnp", "R1K", ["R1", "R2"]]]
zones = [100, 110, 120, 130, 140, 150, 200, 240, 235, 80]
belt = 900
"""


def test_a_scenario_can_be_written_in_toml() -> None:
    read = loads(SMALL)
    assert read.stations[0].kind is Kind.OVEN
    assert read.stations[0].usual.buffer == 3
    assert read.switches.second_side
    assert read.orders == (Order(product="P-1", panels=3),)
    assert of(facts(read), Departed, "oven")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("lanes = 2", "lanes = 3", "lanes: 3"),
        ("lanes = 2", "lane = 2", "unknown field `lane`"),
        ("second_side = true", "second_sides = true", "$.switches"),
        ("x_outs = 0.1", "x_outs = 1.5", "switches.x_outs: 1.5"),
        ('count_only = ["oven"]', 'count_only = ["owen"]', "'owen' is not in the scenario"),
        ('kind = "reflow_oven"', 'kind = "oven"', "$.stations[0].kind"),
        ("boards = 2", "boards = 13", "product P-1: 13 boards, allowed 1 to 12"),
        ('name = "P-1"', 'name = "P-1-with-a-long-name"', "allowed 1 to 12"),
        ("80]\n", "80, 20]\n", "ten zones"),
        ('["pnp", "R1K"', '["pnp", "R2K"', "'R2K' of its bill is not among its parts"),
        ('product = "P-1"', 'product = "P-2"', "product 'P-2' is unknown"),
        ("panels = 3", "panels = 0", "0 panels"),
        ("hours = 1", "hours = 0", "hours: 0.0"),
        ("hours = 1", "hours = ", "no TOML"),
        ("hours = 1", 'hours = "1"', "$.hours"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in SMALL
    path = tmp_path / "line.toml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert what in str(error.value)
    assert str(path) in str(error.value)


def test_what_is_not_said_is_as_in_the_scenario_below() -> None:
    base = scenario(panels=5).all_switches()
    changed = loads("takt = [30, 31]\n[switches]\nx_outs = 0.5\n", base)
    switches = msgspec.structs.replace(base.switches, x_outs=0.5)
    assert changed == msgspec.structs.replace(base, takt=(30.0, 31.0), switches=switches)
    assert loads("", base) == base
    with pytest.raises(ScenarioError, match="takts"):
        loads("takts = [30, 31]", base)


@pytest.mark.parametrize("station", demo_scenario().stations, ids=lambda each: each.id)
def test_each_station_can_be_alone(station: Station) -> None:
    base = scenario(panels=6)
    name = station.id
    alone = base.only(name)
    said = facts(alone)
    places = {each.station for each in said} - {""}
    assert places == {each.id for each in alone.stations}
    assert len({each.panel for each in of(said, PanelMade, "")}) == 6
    if name != "L1.review":
        assert places == {name}
        assert len(of(said, Arrived, name)) >= 6
    runs: dict[str, int] = {}
    made = {each.panel: each.lot for each in of(said, PanelMade)}
    for fact in said:
        if isinstance(fact, SetUp):
            runs[fact.station] = fact.lot
        elif isinstance(fact, Arrived) and station.kind not in (Kind.READER, *OFF_LINE):
            assert runs[fact.station] == made[fact.panel]
    match station.kind:
        case Kind.READER:
            assert len(of(said, Scanned)) == 6
        case Kind.XRAY | Kind.SPI | Kind.AOI:
            assert len(of(said, Inspected, name)) >= 6
        case Kind.TEST:
            assert len(of(said, ProbeTested)) >= 6
        case Kind.PRINTER | Kind.PLACER | Kind.OVEN | Kind.SELECTIVE:
            assert len(of(said, WorkEnded, name)) == 6


def test_a_review_station_keeps_the_aoi_that_it_reviews() -> None:
    alone = scenario(panels=150).only("L1.review")
    assert [each.id for each in alone.stations] == ["L1.aoi", "L1.review"]
    said = facts(alone)
    assert of(said, Reviewed, "L1.review")
    with pytest.raises(ScenarioError, match="review station needs an aoi"):
        msgspec.structs.replace(alone, stations=alone.stations[1:])


def test_an_unknown_station_is_refused() -> None:
    with pytest.raises(ScenarioError, match="not in the scenario"):
        demo_scenario().only("L2.aoi")


def test_only_keeps_the_switches_that_concern_it() -> None:
    base = with_switches(demo_scenario(), count_only=("L1.reflow", "L1.selective"))
    assert base.only("L1.reflow").switches.count_only == ("L1.reflow",)
    assert base.only("L1.aoi").switches.count_only == ()


def test_without_limits_there_is_no_end() -> None:
    assert len(list(itertools.islice(happen(demo_scenario(), 1), 5000))) == 5000


def test_orders_come_first_and_in_their_order() -> None:
    orders = (Order(product="MOT-3", panels=2), Order(product="LAMP-12", panels=1))
    said = facts(scenario(orders=orders, lots=(), panels=None))
    assert [(each.product, each.panels) for each in _lots(said)] == [("MOT-3", 2), ("LAMP-12", 1)]
    assert of(said, StateChanged)


def _lots(said: tuple[AnyFact, ...]) -> list[Lot]:
    return [each.lot for each in said if isinstance(each, LotReleased) and not each.station]


def test_lots_are_mixed_and_mostly_small() -> None:
    lots = _lots(facts(scenario(lots=MIXED, panels=3000).only("L1.scan")))
    sizes = sorted(each.panels for each in lots)
    assert sizes[0] < 5
    assert sizes[-1] > 60
    assert sizes[len(sizes) // 2] <= 25
    assert len({each.product for each in lots}) == 8
    assert all(first.product != second.product for first, second in itertools.pairwise(lots))


def test_programs_have_names_that_fit_machines() -> None:
    for product in demo_scenario().products:
        lot = Lot(number=1, order="W", batch="B", product=product.name, surface="SecondarySurface", panels=1)
        assert len(lot.recipe) <= 16


def test_a_scenario_has_one_canonical_form() -> None:
    written = dumps(demo_scenario())
    assert written == dumps(msgspec.json.decode(written, type=Scenario))
