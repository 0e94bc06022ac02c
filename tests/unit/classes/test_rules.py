"""Rules: a signal's change that stands for a record."""

from __future__ import annotations

import pytest

from gateway.classes.rules import fires
from gateway.core.event import TimeQuality
from gateway.core.sample import Value
from gateway.profile.bound import Rule, When
from tests.unit.classes.machines import Machine, names, one, special

ONE_WORK = ["UnitsArrived", "WorkStarted"]


def test_a_rule_makes_a_record_of_an_edge_only() -> None:
    rule = Rule(key="x.sensor", when=When.RISING, record="unit.arrived", lane=1, fields={"unit": "unit.in.id"})
    machine = Machine("generic", "x.sensor", "unit.in.id", rules=[rule])
    assert machine.see({"x.sensor": True, "unit.in.id": ""}) == []
    machine.see({"x.sensor": False})
    made = machine.see({"x.sensor": True, "unit.in.id": "B1"})
    assert (names(made), made[0].body["Lane"], made[0].body["PrimaryIdentifier"]) == (ONE_WORK, 1, "B1")
    machine.see({"x.sensor": False})
    again = machine.see({"x.sensor": True})
    assert again[0].body["PrimaryIdentifier"] is None, "the code of the board before"
    machine.lose()
    assert machine.see({"x.sensor": True}) == []


def test_a_lamp_that_flashes_is_no_edge() -> None:
    lamp = special("x.red", debounce=1_000_000)
    rule = Rule(key="x.red", when=When.RISING, record="state.changed", constants={"state": "USD"})
    machine = Machine("generic", lamp, rules=[rule])
    for value in (False, True, False, True, False):
        assert machine.see({"x.red": value}, wait=0.4) == []
    machine.see({"x.red": True}, wait=0.4)
    came = machine.now
    assert machine.outcome.wake == came + 1_000_000
    made = one(machine.tick(wait=1.0), "StationStateChanged")
    assert (made.body["NewState"], made.time, made.quality) == ("5000", came, TimeQuality.GATEWAY)
    assert machine.outcome.wake is None
    machine.restart()
    assert machine.see({"x.red": False}) == []
    machine.restart()
    assert machine.see({"x.red": True}) == [], "nobody saw it go on"
    assert machine.outcome.wake is None
    machine.see({"x.red": False})
    machine.see({"x.red": None})
    assert machine.outcome.wake is None


def test_a_state_that_has_to_last_may_have_rules_too() -> None:
    rule = Rule(key="state", when=When.BECOMES, value="USD", record="fault.raised", constants={"code": "STOP"})
    machine = Machine("generic", special("state", debounce=1_000_000), rules=[rule])
    machine.see({"state": "PRD"})
    machine.tick(wait=1.0)
    assert machine.see({"state": "USD"}) == []
    assert sorted(names(machine.tick(wait=1.0))) == ["FaultOccurred", "StationStateChanged"]


@pytest.mark.parametrize(
    ("when", "edges"),
    [
        (When.CHANGED, {(1, 2), (2, 1), (0, 1), (1, 0)}),
        (When.BECOMES, {(1, 2)}),
        (When.LEAVES, {(2, 1)}),
        (When.RISING, {(0, 1)}),
        (When.FALLING, {(1, 0)}),
        (When.INCREASED, {(1, 2), (0, 1)}),
    ],
)
def test_what_each_kind_of_rule_waits_for(when: When, edges: set[tuple[int, int]]) -> None:
    changes: list[tuple[Value, Value]] = [(1, 2), (2, 1), (0, 1), (1, 0), (1, 1), (None, 2), (2, None)]
    rule = Rule(key="x.n", when=when, record="unit.arrived", value=2)
    assert {change for change in changes if fires(rule, *change)} == edges
