"""What a station that speaks CFX itself is known to do."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from gateway.classes import native
from gateway.core.observation import Facts, FaultFact
from gateway.core.times import now
from tests.build import message, units

UTC = ZoneInfo("UTC")


def follow(state: native.State, *facts: Facts, name: str = "CFX.X") -> native.State:
    for fact in facts:
        state, _ = native.step(state, message("x", name=name, facts=fact), now(), UTC)
    return state


def test_state_and_since_change_only_with_a_new_state() -> None:
    first = follow(native.EMPTY, Facts(state=1100))
    again = follow(first, Facts(state=1100))
    assert (first.state, again.since) == (1100, first.since)


def test_faults_come_and_go() -> None:
    one, two = FaultFact(occurrence="1", code="E1"), FaultFact(occurrence="2", code="E2")
    state = follow(native.EMPTY, Facts(faults_raised=(one,)), Facts(faults_raised=(two,)))
    assert list(state.faults) == ["1", "2"]
    state = follow(state, Facts(fault_acknowledged="2"))
    assert [fault.acknowledged for fault in state.faults.values()] == [False, True]
    assert list(follow(state, Facts(fault_cleared="1")).faults) == ["2"]
    assert follow(state, Facts(fault_cleared="9")).faults == state.faults
    assert list(follow(state, Facts(faults_active=(two,))).faults) == ["2"]
    assert follow(state, Facts(faults_active=())).faults == {}


def test_recipes_are_kept_by_lane() -> None:
    state = follow(native.EMPTY, Facts(recipe=("A", "1"), lane=1), Facts(recipe=("B", None), lane=2))
    assert state.recipes == {"1": ("A", "1"), "2": ("B", None)}
    assert follow(state, Facts(recipe=("A", "1"), lane=1, recipe_deactivated=True)).recipes == {"2": ("B", None)}


def test_stages_have_their_own_state() -> None:
    state = follow(native.EMPTY, Facts(stage="S1", stage_state=2202))
    assert state.stages["S1"][0] == 2202
    assert state.state is None


def test_old_transactions_are_forgotten() -> None:
    state = follow(native.EMPTY, *(Facts(transaction=str(n), lane=1) for n in range(200)))
    assert list(state.works) == [str(n) for n in range(136, 200)]


def test_a_transaction_gathers_its_units() -> None:
    state = follow(
        native.EMPTY, Facts(transaction="t", lane=1, units=units("A")), Facts(transaction="t", units=units("B", "A"))
    )
    assert state.works["t"] == native.Work(1, ("A", "B"), True)
    _, remark = native.step(state, message("x", facts=Facts(transaction="t")), now(), UTC)
    assert (remark.lane, remark.also_units) == (1, ("A", "B"))


def test_completed_work_is_closed_but_known() -> None:
    state = follow(native.EMPTY, Facts(transaction="t", lane=3))
    state = follow(state, Facts(transaction="t"), name="CFX.Production.WorkCompleted")
    assert state.works["t"] == native.Work(3, (), False)


def test_a_step_changes_nothing_in_place() -> None:
    state = follow(native.EMPTY, Facts(transaction="t", lane=3, state=1100, faults_raised=(FaultFact(occurrence="1"),)))
    before = native.save(state)
    follow(
        state, Facts(transaction="u", state=2000, fault_cleared="1", recipe=("A", "1"), online=True, heartbeat_s=3.0)
    )
    assert native.save(state) == before


def test_the_stored_form_comes_back() -> None:
    state = follow(
        native.EMPTY,
        Facts(transaction="t", lane=3, state=1100, faults_raised=(FaultFact(occurrence="1"),), recipe=("A", None)),
        Facts(stage="S", stage_state=1000, online=True, heartbeat_s=60.0),
    )
    assert native.load(native.VERSION, native.save(state)) == state


@pytest.mark.parametrize(("version", "data"), [(0, b"{}"), (native.VERSION, b"nonsense")])
def test_what_cannot_be_read_is_said(version: int, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"version|JSON"):
        native.load(version, data)
