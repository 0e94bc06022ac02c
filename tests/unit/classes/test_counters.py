"""How many boards a counter stands for, and when nobody can say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.classes.state import Adjusted
from tests.unit.classes.machines import Machine, counter, names, transactions


def out(reset: Sequence[str] = ()) -> Machine:
    """A machine of which only a counter of what goes out is known."""
    machine = Machine("generic", counter("units.out", reset=reset), "recipe.name")
    machine.see({"units.out": 50, "recipe.name": "R1"})
    return machine


def departed(machine: Machine, value: int) -> int:
    return names(machine.see({"units.out": value})).count("UnitsDeparted")


def told(machine: Machine) -> list[tuple[str, int, int, int | None]]:
    return [(each.cause, each.old, each.new, each.units) for each in machine.adjusted]


def test_the_first_reading_stands_for_no_board() -> None:
    machine = Machine("generic", "units.out")
    assert (machine.see({"units.out": 4711}), machine.adjusted) == ([], [])


@pytest.mark.parametrize("boards", [1, 3, 100])
def test_each_step_of_the_counter_is_a_board(boards: int) -> None:
    assert departed(out(), 50 + boards) == boards


@pytest.mark.parametrize(("modulus", "before", "after"), [(65_536, 65_534, 1), (4_294_967_296, 4_294_967_295, 2), (10_000, 9_998, 1)])  # fmt: skip
def test_a_counter_goes_on_at_zero_after_its_end(modulus: int, before: int, after: int) -> None:
    machine = Machine("generic", counter("units.out", modulus=modulus))
    machine.see({"units.out": before})
    assert (departed(machine, after), machine.adjusted) == (3, [])


def test_a_jump_is_no_production() -> None:
    machine = out()
    assert (departed(machine, 151), told(machine)) == (0, [("jump", 50, 151, None)])
    assert departed(machine, 152) == 1


def test_a_counter_that_goes_back_without_a_reason_counts_nothing() -> None:
    machine = out()
    assert (departed(machine, 3), told(machine)) == (0, [("reset", 50, 3, None)])
    assert departed(machine, 4) == 1


def test_an_operator_may_set_it_back_at_any_time() -> None:
    machine = out(reset=["operator"])
    assert (departed(machine, 0), told(machine)) == (0, [])
    assert (departed(machine, 1), told(machine)) == (1, [])


def test_boards_since_the_reset_are_counted() -> None:
    machine = out(reset=["operator"])
    assert (departed(machine, 2), told(machine)) == (2, [])


def test_a_reset_may_be_seen_before_the_program_that_caused_it() -> None:
    """Counters are read every second, the program's name every five."""
    machine = out(reset=["recipe"])
    assert (departed(machine, 1), told(machine)) == (1, [])
    assert names(machine.see({"recipe.name": "R2"})) == ["RecipeActivated"]
    assert machine.adjusted == []


def test_what_was_counted_while_we_were_away_is_told_once_and_makes_no_board() -> None:
    machine = out()
    machine.lose()
    assert (departed(machine, 57), told(machine)) == (0, [("gap", 50, 57, 7)])
    assert (departed(machine, 58), told(machine)) == (1, [])


def test_the_same_count_after_a_gap_is_no_news() -> None:
    machine = out()
    machine.restart()
    assert (machine.see({"units.out": 50}), machine.adjusted) == ([], [])
    assert departed(machine, 51) == 1


def test_a_counter_that_wrapped_while_we_were_away() -> None:
    machine = Machine("generic", counter("units.out", modulus=65_536))
    machine.see({"units.out": 65_530})
    machine.restart()
    assert (departed(machine, 4), told(machine)) == (0, [("gap", 65_530, 4, 10)])


@pytest.mark.parametrize(("reset", "cause"), [(["power"], "reset"), ([], "gap")])
def test_after_the_power_was_off_nobody_knows_how_many(reset: list[str], cause: str) -> None:
    machine = out(reset=reset)
    machine.lose()
    assert (departed(machine, 4), told(machine)) == (0, [(cause, 50, 4, None)])


def test_a_value_that_is_not_known_for_a_moment_counts_nothing_and_loses_nothing() -> None:
    machine = out()
    assert machine.see({"units.out": None}) == []
    assert (departed(machine, 52), machine.adjusted) == (2, [])


def both(came: int = 10, went: int = 10, modulus: int | None = None) -> Machine:
    counters = (counter("units.in", modulus=modulus), counter("units.out", modulus=modulus))
    machine = Machine("generic", *counters, "unit.in.id")
    machine.see({"units.in": came, "units.out": went, "unit.in.id": ""})
    return machine


def test_boards_that_left_unseen_leave_their_work_behind() -> None:
    machine = both()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    machine.see({"units.in": 12, "unit.in.id": "B2"})
    works = [work.transaction for work in machine.state.lanes[""]]
    machine.lose()
    assert machine.see({"units.in": 12, "units.out": 11}) == []
    (adjusted,) = machine.adjusted
    assert (adjusted.signal, adjusted.units, adjusted.abandoned) == ("units.out", 1, (works[0],))
    assert [work.unit for work in machine.state.lanes[""]] == ["B2"]


def test_boards_that_came_in_unseen_go_out_unknown_after_those_before_them() -> None:
    machine = both()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    machine.lose()
    machine.see({"units.in": 13, "units.out": 10})
    assert told(machine) == [("gap", 11, 13, 2)]
    gone = [machine.see({"units.out": count}) for count in (11, 12, 13)]
    assert [made[-1].body["PrimaryIdentifier"] for made in gone] == ["B1", None, None]
    assert all(names(made) == ["WorkCompleted", "UnitsDeparted"] for made in gone)


def test_after_a_jump_only_what_the_counters_say_is_inside() -> None:
    machine = both()
    machine.see({"units.in": 11, "unit.in.id": "B1"})
    (work,) = machine.state.lanes[""]
    machine.see({"units.in": 5000})
    (adjusted,) = machine.adjusted
    assert adjusted.abandoned == (work.transaction,)
    assert machine.state.lanes[""] == ()


def test_what_is_inside_is_known_across_the_end_of_a_counter() -> None:
    machine = both(came=2, went=65_534, modulus=65_536)
    assert [work.unit for work in machine.state.lanes[""]] == [None] * 4


def test_what_is_inside_is_not_taken_from_counters_that_have_nothing_to_do_with_each_other() -> None:
    machine = both(came=90_000, went=10)
    assert machine.state.lanes == {}


def test_a_board_that_was_not_in_sight_has_a_transaction_of_its_own() -> None:
    machine = both(came=11)
    machine.see({"units.in": 12, "unit.in.id": "B1"})
    machine.see({"units.out": 11})
    machine.see({"units.out": 12})
    assert len(transactions(machine.made)) == 2
    assert names(machine.made).count("WorkStarted") == 1


def test_an_adjustment_is_of_its_lane() -> None:
    machine = Machine("generic", "units.out@1", "units.out@2")
    machine.see({"units.out@1": 1, "units.out@2": 1})
    machine.lose()
    machine.see({"units.out@1": 1, "units.out@2": 3})
    assert [(each.signal, each.lane) for each in machine.adjusted] == [("units.out", 2)]
    assert all(isinstance(each, Adjusted) and each.time == machine.now for each in machine.adjusted)
