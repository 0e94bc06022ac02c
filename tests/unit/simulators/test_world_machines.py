"""What the machines of the simulated factory do: ovens, stencils, inspection, test, and what becomes of defects."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest

from simulators.model.facts import (
    Arrived,
    Defect,
    Departed,
    Inspected,
    LotReleased,
    Measured,
    PanelMade,
    Printed,
    Repaired,
    Reviewed,
    SetUp,
    Soldered,
    StateChanged,
    StencilCleaned,
)
from simulators.model.facts import Tested as ProbeTested  # under its own name pytest takes it for a test
from simulators.model.scenario import MIXED
from tests.unit.simulators.worlds import facts, of, scenario

USUAL = scenario(panels=60)


def test_the_oven_holds_many_boards_for_the_time_that_its_belt_takes() -> None:
    said = facts(USUAL, seed=7)
    lots = {each.lot.number: each.lot for each in of(said, LotReleased)}
    products = {each.name: each for each in USUAL.products}
    made = {each.panel: each.lot for each in of(said, PanelMade)}
    came: dict[str, float] = {}
    most = 0
    for fact in said:
        if fact.station == "L1.reflow" and isinstance(fact, Arrived):
            came[fact.panel] = fact.at
            most = max(most, len(came))
        elif fact.station == "L1.reflow" and isinstance(fact, Departed):
            belt = products[lots[made[fact.panel]].product].belt
            assert fact.at - came.pop(fact.panel) == pytest.approx(4300.0 / belt * 60.0, abs=0.01)
    assert most > 3


def test_the_oven_is_at_its_set_points_when_boards_go_in() -> None:
    said = facts(USUAL, seed=7)
    products = {each.name: each for each in USUAL.products}
    made = {each.panel: each.lot for each in of(said, PanelMade)}
    lots = {each.lot.number: each.lot for each in of(said, LotReleased)}
    for fact in of(said, Soldered, "L1.reflow"):
        product = products[lots[made[fact.panel]].product]
        for index, target in enumerate(product.zones, 1):
            assert fact.values[f"zone.temperature[{index}]"] == pytest.approx(target, abs=3.0)
        assert fact.values["conveyor.speed"] == pytest.approx(product.belt / 10.0, abs=0.5)


def test_measured_values_come_with_every_scan() -> None:
    times = [each.at for each in of(facts(USUAL, seed=7), Measured, "L1.reflow")]
    assert {round(later - earlier, 3) for earlier, later in itertools.pairwise(times)} == {5.0}


def test_the_first_article_goes_alone() -> None:
    """Nothing of its lot is begun before it has been inspected."""
    said = facts(scenario(panels=60, first_article=5), seed=3)
    lots = {each.lot.number: each.lot for each in of(said, LotReleased)}
    made = {each.panel: each.lot for each in of(said, PanelMade)}
    inspected = {each.panel: each.at for each in of(said, Inspected, "L1.aoi")}
    seen = 0
    for number, lot in lots.items():
        begun = [each for each in of(said, Arrived, "L1.loader") if made[each.panel] == number]
        if lot.panels >= 5 and len(begun) > 1 and begun[0].panel in inspected:
            assert begun[1].at > inspected[begun[0].panel]
            seen += 1
    assert seen >= 2


def test_defects_have_causes_that_travel() -> None:
    """Too little paste is seen by the SPI, then by the AOI as what became of it, then by the tester, with one cause."""
    said = facts(scenario(panels=150, tested=1.0, defects=5.0), seed=5)
    found: dict[str, dict[tuple[str, int, str], Defect]] = defaultdict(dict)
    for fact in said:
        if isinstance(fact, Inspected | ProbeTested):
            for board in fact.boards:
                assert board.skipped or board.passed == (
                    not board.defects and all(each.passed for each in board.measures)
                )
                for each in board.defects:
                    assert each.real == (each.cause is not None)
                    if each.real:
                        kind = fact.station.rstrip("12")
                        found[kind][fact.panel, board.position, each.component] = each
    both = [(found["L1.spi"][key], found["L1.aoi"][key]) for key in found["L1.spi"] if key in found["L1.aoi"]]
    assert both
    assert all(paste.cause == solder.cause for paste, solder in both)
    assert {paste.code for paste, _ in both} & {"insufficient paste"}
    assert {solder.code for _, solder in both} & {"open", "tombstone"}
    assert found["probe"]
    assert any(
        not each.real for fact in of(said, Inspected, "L1.aoi") for board in fact.boards for each in board.defects
    )
    for cause in (each.cause for each in found["probe"].values()):
        assert cause is not None
        assert cause.split(":")[0] in {"L1.printer", "L1.pnp1", "L1.pnp2", "L1.reflow"}


def test_reviews_come_later_or_never_and_repairs_follow() -> None:
    said = facts(scenario(panels=150, tested=1.0, defects=5.0), seed=5)
    with_defects = {each.job: each for each in of(said, Inspected, "L1.aoi") if any(b.defects for b in each.boards)}
    reviewed = of(said, Reviewed, "L1.review")
    assert {each.job for each in reviewed} <= set(with_defects)
    for each in reviewed:
        seen = with_defects[each.job]
        assert each.at - seen.at > 30.0
        assert [v.defect for v in each.verdicts] == [d.id for board in seen.boards for d in board.defects]
    assert {v.confirmed for each in reviewed for v in each.verdicts} == {True, False}
    assert of(said, Repaired)


def test_what_failed_is_tested_again() -> None:
    said = of(facts(scenario(panels=150, tested=1.0, defects=5.0), seed=5), ProbeTested)
    attempts: dict[str, int] = defaultdict(int)
    for each in said:
        attempts[each.panel] += 1
        assert each.attempt == attempts[each.panel]
    assert max(attempts.values()) >= 2
    assert {each.station for each in said} == {"probe1", "probe2"}


def test_the_x_ray_serves_two_lines() -> None:
    said = facts(scenario(panels=80), seed=2)
    known = {each.panel: each for each in of(said, PanelMade)}
    products = {each.lot.number: each.lot.product for each in of(said, LotReleased)}
    seen = [known[each.panel] for each in of(said, Inspected, "xray")]
    assert {each.station for each in seen} == {"", "xray"}
    assert {products[each.lot] for each in seen} <= {"GATE-2", "CAM-6"}
    assert any(board.measures for each in of(said, Inspected, "xray") for board in each.boards)


def test_machines_wait_for_each_other() -> None:
    states_seen = {each.state for each in of(facts(USUAL, seed=7), StateChanged)}
    assert {"PRD_RegularWork", "SBY_NoProductStarved", "SBY_NoProductBlocked", "SDT_Setup"} <= states_seen


def test_stencils_are_cleaned_every_ten_prints() -> None:
    said = facts(scenario(panels=60, lots=MIXED), seed=7)
    prints = 0
    for fact in said:
        match fact:
            case SetUp(station="L1.printer"):
                prints = 0
            case Printed():
                prints += 1
                assert prints <= 10
            case StencilCleaned():
                assert fact.prints == prints == 10
                prints = 0
