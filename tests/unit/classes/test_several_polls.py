"""What belongs together is read by two polls, one after the other."""

from __future__ import annotations

import pytest

from tests.unit.classes.machines import Machine, one


def oven() -> Machine:
    machine = Machine("reflow_oven", "recipe.name", "recipe.revision", "zone.temperature[1]")
    machine.see({"recipe.name": "A-17"})
    machine.see({"recipe.revision": "C"})
    return machine


@pytest.mark.parametrize("away", ["restart", "lose"])
def test_the_same_program_after_a_gap_is_no_news(away: str) -> None:
    machine = oven()
    getattr(machine, away)()
    assert machine.see({"recipe.name": "A-17"}) == []
    assert machine.see({"recipe.revision": "C"}) == []


@pytest.mark.parametrize("away", ["restart", "lose"])
def test_another_program_after_a_gap_is_told_once(away: str) -> None:
    machine = oven()
    getattr(machine, away)()
    machine.see({"recipe.revision": "D"})
    made = one(machine.see({"recipe.name": "B-2"}), "RecipeActivated")
    assert (made.body["RecipeName"], made.body["Revision"]) == ("B-2", "D")


def test_a_revision_that_is_read_and_not_there_holds_nothing_up() -> None:
    machine = Machine("reflow_oven", "recipe.name", "recipe.revision", "zone.temperature[1]")
    made = one(machine.see({"recipe.name": "A-17", "recipe.revision": None}), "RecipeActivated")
    assert made.body["Revision"] is None
