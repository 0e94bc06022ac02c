"""Machines name their stages and lanes themselves, and whoever speaks CFX may name ever more of them."""

from __future__ import annotations

from gateway.classes import native
from gateway.core.observation import Facts


def test_what_machines_name_is_bounded_and_the_newest_is_kept() -> None:
    state = native.EMPTY
    for number in range(500):
        for facts in (Facts(stage=f"S{number}", stage_state=1100), Facts(lane=number, recipe=("R", None))):
            state, _, _ = native.follow(state, "x", facts, number)
    assert (len(state.stages), len(state.recipes)) == (100, 100)
    assert next(reversed(state.stages)) == "S499"
    assert next(reversed(state.recipes)) == "499"


def test_a_stage_that_is_named_again_is_the_newest() -> None:
    state = native.EMPTY
    for name in ("top", *(f"S{number}" for number in range(99)), "top", "S99"):
        state, _, _ = native.follow(state, "x", Facts(stage=name, stage_state=1100), 1)
    assert "top" in state.stages
    assert "S0" not in state.stages
