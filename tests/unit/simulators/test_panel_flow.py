"""Is the life of a machine with registers a possible one, and do its registers tell what its truth tells?"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace

import pytest

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound
from gateway.profile.registers import answer
from simulators.display import Display
from simulators.panel_flow import FlowModel, Happening, PanelFlow, What
from tests.unit.simulators.register_profiles import oven, two_lanes

LIVELY = FlowModel(
    takt=(20.0, 30.0), transit=100.0, lot=(4, 8), changeover=(30.0, 60.0), misread=0.2, fault=0.2, scan=10.0
)


def flow(bound: Bound, model: FlowModel = LIVELY, seed: int = 1) -> PanelFlow:
    return PanelFlow(Display(bound), model, seed)


def decoded(each: PanelFlow) -> dict[str, Value]:
    """What a reader makes of the registers."""
    registers = each.display.bound.registers
    assert registers is not None
    contents = each.display.contents()
    found: dict[str, Value] = {}
    for poll in registers.polls:
        keys, values = registers.decode(poll.name, [answer(poll, contents)])
        found.update(zip(keys, values, strict=True))
    return found


@pytest.fixture(scope="module", params=["oven", "two_lanes"])
def bound(request: pytest.FixtureRequest) -> Bound:
    return {"oven": oven, "two_lanes": two_lanes}[request.param]()


def test_the_same_seed_gives_the_same_life_whatever_is_measured_how_often(bound: Bound) -> None:
    first, again, other = flow(bound), flow(bound, replace(LIVELY, scan=1.0)), flow(bound, seed=2)
    for each in (first, again, other):
        each.run(3000)
    assert first.truth == again.truth != other.truth
    assert len(first.truth) > 100


def test_panels_leave_in_order_after_their_transit_and_each_once(bound: Bound) -> None:
    made = flow(bound)
    made.run(20_000)
    inside: dict[int | None, list[Happening]] = defaultdict(list)
    units = [each.unit for each in made.truth if each.what is What.ARRIVED]
    assert len(set(units)) == len(units) > 300
    assert {each.lane for each in made.truth if each.what is What.ARRIVED} == set(made.display.lanes())
    for each in made.truth:
        if each.what is What.ARRIVED:
            inside[each.lane].append(each)
        elif each.what is What.DEPARTED:
            came = inside[each.lane].pop(0)
            assert came.unit == each.unit
            assert each.at - came.at == pytest.approx(100.0)
    assert sum(map(len, inside.values())) == made.inside


def test_registers_tell_what_the_truth_tells(bound: Bound) -> None:
    """Moment by moment: counters, identifiers, state, recipe and alarms follow from the happenings alone."""
    made = flow(bound)
    before, seen = decoded(made), len(made.truth)
    moments = 0
    while made.due() < 8000:
        made.run(made.due())
        now, news = decoded(made), made.truth[seen:]
        seen = len(made.truth)
        recipe = any(each.what is What.RECIPE for each in news)
        for key, value in now.items():
            name, lane = signal_key(key).name if not key.startswith("alarm.") else key, None
            if name in ("units.in", "units.out"):
                lane = signal_key(key).lane
                what = What.ARRIVED if name == "units.in" else What.DEPARTED
                moved = sum(each.what is what and each.lane == lane for each in news)
                signal = made.display.bound.signals[key]
                assert signal.modulus is not None
                assert isinstance(before[key], int)
                reset = recipe and "recipe" in signal.reset
                assert value == (0 if reset else before[key] + moved) % signal.modulus, (key, news)  # type: ignore[operator]
            elif name in ("unit.in.id", "unit.out.id"):
                what = What.ARRIVED if name == "unit.in.id" else What.DEPARTED
                for each in news:
                    if each.what is what and each.lane == signal_key(key).lane:
                        assert (value == each.unit) is each.read
            elif name == "state":
                told = [each.text for each in news if each.what is What.STATE]
                assert value == (told[-1] if told else before[key])
            elif name.startswith("alarm."):
                for each in news:
                    if each.text == name.removeprefix("alarm."):
                        assert value is (each.what is What.FAULT_RAISED)
        before = now
        moments += bool(news)
    assert moments > 100


def test_nothing_comes_in_while_it_is_down_or_set_up(bound: Bound) -> None:
    made = flow(bound)
    made.run(20_000)
    stopping = {alarm.code for alarm in bound.alarms.values() if alarm.severity in ("Error", "Alarm")}
    faults: set[str | None] = set()
    inside = 0
    for each in made.truth:
        if each.what is What.FAULT_RAISED:
            faults.add(each.text)
        elif each.what is What.FAULT_CLEARED:
            faults.remove(each.text)
        elif each.what is What.ARRIVED:
            assert not faults & stopping
            inside += 1
        elif each.what is What.DEPARTED:
            inside -= 1
        elif each.what is What.RECIPE:
            assert inside == 0
    assert {each.text for each in made.truth if each.what is What.FAULT_RAISED} == {
        alarm.code for alarm in bound.alarms.values()
    }
    recipes = [each.text for each in made.truth if each.what is What.RECIPE]
    assert all(before != after for before, after in itertools.pairwise(recipes))
    assert len(recipes) == 1 if bound.machine_class == "generic" else len(set(recipes)) == 3  # the other's are a map


def test_all_of_the_registers_can_be_read_back_at_any_time(bound: Bound) -> None:
    made = flow(bound)
    for second in range(0, 5000, 50):
        made.run(second)
        for key, value in decoded(made).items():
            shown = made.display.values[key]
            if isinstance(value, int | float) and isinstance(shown, float):
                assert math.isclose(value, shown, rel_tol=0.01, abs_tol=0.06), key
            else:
                assert value == shown or (not value and not shown), key


def test_measured_values_vary_around_the_example_and_set_ones_do_not() -> None:
    made = flow(oven(), replace(LIVELY, scan=1.0, noise=0.002))
    seen: dict[str, list[float]] = defaultdict(list)
    for second in range(1, 2000):
        made.run(second)
        for key in ("zone.temperature[8]", "zone.setpoint[8]", "oxygen"):
            value = made.display.values[key]
            assert isinstance(value, float)
            seen[key].append(value)
    assert set(seen["zone.setpoint[8]"]) == {245.0}
    temperatures = seen["zone.temperature[8]"]
    mean = sum(temperatures) / len(temperatures)
    assert mean == pytest.approx(245.0, abs=0.5)
    assert max(abs(each - 245.0) for each in temperatures) <= 245.0 * 0.002 * 4
    deviation = (sum((each - mean) ** 2 for each in temperatures) / len(temperatures)) ** 0.5
    assert deviation == pytest.approx(245.0 * 0.002, rel=0.3)
    assert len(set(seen["oxygen"])) > 1000


def test_so_many_panels_and_no_more() -> None:
    made = flow(two_lanes(), replace(LIVELY, panels=5))
    made.run(200)
    assert not made.over
    made.run(5000)
    assert made.over
    came = [each.lane for each in made.truth if each.what is What.ARRIVED]
    assert (came.count(1), came.count(2), len(came)) == (5, 5, 10)
    assert made.display.values["units.in@1"] == 3  # 9998 and five, past its end
    assert made.display.values["x.cycles"] == (77 + 10) - 80  # its registers could hold more


def test_a_restart_sets_back_what_the_profile_says_and_forgets_no_panel() -> None:
    made = flow(two_lanes())
    made.run(90)
    inside = made.inside
    assert inside > 2
    before = made.display.values["units.out@2"]
    made.restart(91.0)
    assert made.truth[-1] == Happening(91.0, What.RESTARTED)
    assert (made.display.values["units.in@1"], made.display.values["units.out@1"]) == (0, 0)
    assert made.display.values["units.out@2"] == before == 5
    assert made.inside == inside


def test_a_display_says_the_first_word_that_the_machine_has() -> None:
    display = Display(two_lanes())
    assert display.lanes() == [1, 2]
    display.say("state", "SBY_NoProductStarved", "SBY")
    assert display.values["state"] == "SBY"
    display.say("state", "ENG")  # it has no word for it
    assert display.values["state"] == "SBY"
    display.show("unit.out.id", "PNL000001")  # longer than its registers
    assert display.values["unit.out.id@1"] == "A1"
    display.show("unit.in.id", "", lane=2)
    assert display.values["unit.in.id@1"] == "A1"
    display.show("unit.in.id", "", lane=1)
    assert display.values["unit.in.id@1"] == ""
    assert not display.can_say("x.full", 65_536)


def test_what_is_at_the_end_of_its_range_stays_in_it() -> None:
    made = flow(two_lanes(), replace(LIVELY, scan=1.0))
    made.run(500)
    assert made.display.values["x.full"] == 65_535
    assert made.display.values["x.temperature"] != 40.0
