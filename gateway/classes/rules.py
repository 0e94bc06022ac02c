"""Edge rules of a profile: a signal's change that stands for a record. And who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.classes import common
from gateway.classes.faults import settle
from gateway.classes.records import follow_record
from gateway.classes.turn import Turn
from gateway.core.observation import Record
from gateway.core.sample import Value, signal_key
from gateway.core.times import Micros
from gateway.profile.bound import Rule, When


def apply(turn: Turn, before: Mapping[str, Value], keys: frozenset[str], due: frozenset[str]) -> None:
    """Make the records of all rules whose signal has done what they wait for. A value that was not known before, or is
    not known now, has no edge. keys: what has changed; due: rules' signals whose value may have lasted long enough."""
    rules = turn.setup.bound.rules
    concerned = {rule.key for rule in rules} & (keys | due)
    edges = {key: edge for key in sorted(concerned) if (edge := _edge(turn, before.get(key), key)) is not None}
    time = turn.time
    for rule in rules:
        if rule.key not in edges or not fires(rule, edges[rule.key].old, edges[rule.key].new):
            continue
        turn.time = edges[rule.key].since
        fields = {name: _said(turn, rule, name, key) for name, key in rule.fields.items()}
        said = {name: value for name, value in fields.items() if value is not None}
        follow_record(
            turn,
            Record(
                station=turn.setup.station,
                name=rule.record,
                fields={**rule.constants, **said},
                lane=rule.lane,
                stage=rule.stage,
            ),
        )
    turn.time = time


class _Edge(NamedTuple):
    old: Value
    new: Value
    since: Micros


def _edge(turn: Turn, before: Value, key: str) -> _Edge | None:
    """From the value that counted to the one that counts now. One that has to last counts when it has, but the first
    that is seen counts at once."""
    value, debounce = turn.values.get(key), turn.setup.bound.signals[key].debounce
    if debounce == 0:
        return _Edge(before, value, turn.time)
    waiting = f"{WAITING}{key}"
    if value is None:
        turn.pending.pop(waiting, None)
        return None
    if key not in turn.settled:
        turn.settled[key] = value
        return None
    old = turn.settled[key]
    since = settle(turn, waiting, value, old, debounce)
    if since is None:
        return None
    turn.settled[key] = value
    return _Edge(old, value, since)


WAITING = "~"
"""Before the key of a signal that rules wait for: what waits for its own sake (a state, a fault's code) is apart."""


def _said(turn: Turn, rule: Rule, field: str, key: str) -> Value:
    """A reader's signal says who has come or gone only once."""
    parts = signal_key(key)
    if field == "unit" and _READERS.get(rule.record) == parts.name:
        return turn.fresh(parts.name, parts.lane)
    return turn.values.get(key)


_READERS = {"unit.arrived": "unit.in.id", "unit.departed": "unit.out.id"}


def fires(rule: Rule, old: Value, new: Value) -> bool:
    if old is None or new is None or old == new:
        return False
    match rule.when:
        case When.CHANGED:
            return True
        case When.BECOMES:
            return new == rule.value
        case When.LEAVES:
            return old == rule.value
        case When.RISING:
            return bool(new) and not old
        case When.FALLING:
            return bool(old) and not new
        case When.INCREASED:
            return isinstance(new, int | float) and isinstance(old, int | float) and new > old


def operator(turn: Turn) -> None:
    """Somebody else is signed in."""
    who = turn.text("operator.id")
    if who == turn.operator or (who is None and turn.value("operator.id") is None):
        return
    turn.operator = who
    if who is not None:
        turn.emit(common.OPERATOR_ACTIVATED, {"Operator": person(who)})


def person(identifier: str | None) -> dict[str, object] | None:
    """CFX Operator of somebody of whom only the identifier is known."""
    return None if identifier is None else {"OperatorIdentifier": identifier, "ActorType": "Human"}
