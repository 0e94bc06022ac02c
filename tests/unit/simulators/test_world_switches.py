"""Every switch of a scenario shows in what happens, and nothing of it happens without."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from simulators.model.facts import (
    AnyFact,
    Arrived,
    Inspected,
    Labelled,
    LotReleased,
    MagazineChanged,
    PanelMade,
    Placed,
    PutBack,
    Scanned,
    TakenOut,
)
from simulators.model.facts import Tested as ProbeTested  # under its own name pytest takes it for a test
from simulators.model.scenario import Order, Switches
from tests.unit.simulators.worlds import encoded, facts, of, scenario, with_switches

NONE = {"x_outs": 0.0, "unreadable_labels": 0.0}


def off(**changes: object) -> tuple[AnyFact, ...]:
    return facts(with_switches(scenario(**changes), **NONE), seed=4)


def on(switch: str, value: object, **changes: object) -> tuple[AnyFact, ...]:
    return facts(with_switches(scenario(**changes), **{**NONE, switch: value}), seed=4)


def test_x_outs_are_skipped_everywhere() -> None:
    assert not any(each.x_outs for each in of(off(), PanelMade))
    said = on("x_outs", 0.2)
    marked = {each.panel: each.x_outs for each in of(said, PanelMade) if each.x_outs}
    assert marked
    for placed in of(said, Placed):
        assert not {each.position for each in placed.components} & set(marked.get(placed.panel, ()))
    for seen in of(said, Inspected, "L1.aoi"):
        assert [each.position for each in seen.boards if each.skipped] == list(marked.get(seen.panel, ()))


def test_some_labels_cannot_be_read_some_of_the_time() -> None:
    assert all(each.read for each in of(off(), Scanned))
    said = on("unreadable_labels", 0.2)
    assert {each.read is None for each in of(said, Scanned)} == {True, False}
    assert all(each.label for each in of(said, PanelMade))


def test_some_labels_are_missing_for_good() -> None:
    said = on("missing_labels", 0.3)
    without = {each.panel for each in of(said, PanelMade) if each.label is None}
    assert 0 < len(without) < len(of(said, PanelMade))
    assert all(each.read is None for each in of(said, Arrived) if each.panel in without)
    assert not of(said, Labelled)


def test_labels_are_put_on_in_the_middle_of_the_line() -> None:
    assert not of(off(), Labelled)
    said = on("label_applied_mid_line", True)
    assert all(each.label is None for each in of(said, PanelMade) if not each.station)
    labelled = {each.panel: each for each in of(said, Labelled)}
    assert {each.station for each in labelled.values()} == {"L1.pnp2"}
    assert all(each.read is None for each in of(said, Scanned))
    assert {each.read for each in of(said, Arrived, "L1.aoi")} == {each.label for each in labelled.values()}
    assert len({each.label for each in labelled.values()}) == len(labelled)


def test_two_sided_products_come_back_for_their_second_side() -> None:
    orders = (Order(product="CTRL-100", panels=6), Order(product="SENS-8", panels=30))
    assert len({each.panel for each in of(off(orders=orders, lots=(), panels=None), PanelMade, "")}) == 36
    said = on("second_side", True, orders=orders, lots=(), panels=None)
    lots = {each.lot.number: each.lot for each in of(said, LotReleased) if not each.station}
    assert Counter((lot.product, lot.surface, lot.panels) for lot in lots.values()) == {
        ("CTRL-100", "PrimarySurface", 6): 1,
        ("CTRL-100", "SecondarySurface", 6): 1,
        ("SENS-8", "PrimarySurface", 30): 1,
    }
    first, second = (lot for lot in lots.values() if lot.product == "CTRL-100")
    assert first.order == second.order
    assert first.recipe != second.recipe
    made = [each for each in of(said, PanelMade, "") if lots[each.lot].product == "CTRL-100"]
    assert [each.panel for each in made[6:]] == [each.panel for each in made[:6]]
    assert [each.label for each in made[6:]] == [each.label for each in made[:6]]


def test_panels_are_put_back_in_another_order() -> None:
    assert not of(off(), PutBack)
    said = on("taken_out_and_back", 0.15)
    assert of(said, PutBack)
    stations = ["L1.printer", "L1.spi", "L1.pnp1", "L1.pnp2", "L1.reflow", "L1.aoi"]
    orders = {station: [each.panel for each in of(said, Arrived, station)] for station in stations}
    thrown = {each.panel for each in of(said, TakenOut)} - {each.panel for each in of(said, PutBack)}
    assert len({tuple(panel for panel in order if panel not in thrown) for order in orders.values()}) > 1


def test_carriers_come_again() -> None:
    assert all(each.carrier is None for each in of(off(), PanelMade))
    carriers = Counter(each.carrier for each in of(on("reused_carriers", True, panels=150), PanelMade, ""))
    assert None not in carriers
    assert max(carriers.values()) > 1


def test_magazines_come_again() -> None:
    def came(said: tuple[AnyFact, ...]) -> list[str]:
        return [each.magazine for each in of(said, MagazineChanged) if each.came]

    without, again = came(off(panels=80)), came(on("reused_magazines", True, panels=80))
    assert len(set(without)) == len(without)
    assert len(set(again)) < len(again)


def test_a_retest_can_say_exactly_the_same() -> None:
    def identical(said: tuple[AnyFact, ...]) -> int:
        before: dict[str, ProbeTested] = {}
        count = 0
        for each in of(said, ProbeTested):
            last = before.get(each.panel)
            count += last is not None and (each.boards, each.attempt) == (last.boards, last.attempt + 1)
            before[each.panel] = each
        return count

    assert not identical(off(panels=100, tested=1.0, defects=5.0))
    assert identical(on("identical_retest", 1.0, panels=100, tested=1.0, defects=5.0))


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("count_only", ("L1.reflow",)),
        ("buffered_burst", ("L1.spi",)),
        ("local_time_without_zone", ("L1.aoi",)),
        ("clock_change", True),
        ("duplicate_unique_ids", 0.5),
        ("constant_unique_ids", ("L1.printer",)),
    ],
)
def test_what_machines_say_does_not_change_what_happens(switch: str, value: object) -> None:
    assert encoded(on(switch, value, panels=10)) == encoded(off(panels=10))


def test_there_is_a_test_for_every_switch() -> None:
    tested = {
        *("x_outs", "unreadable_labels", "missing_labels", "label_applied_mid_line", "second_side"),
        *("taken_out_and_back", "reused_carriers", "reused_magazines", "identical_retest"),
        *("count_only", "buffered_burst", "local_time_without_zone", "clock_change"),
        *("duplicate_unique_ids", "constant_unique_ids"),
    }
    assert tested == {each.name for each in msgspec.structs.fields(Switches)}


def test_all_can_be_on() -> None:
    switches = scenario().all_switches().switches
    plain = Switches()
    for each in msgspec.structs.fields(Switches):
        assert getattr(switches, each.name) != getattr(plain, each.name), each.name
