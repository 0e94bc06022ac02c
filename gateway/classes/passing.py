"""Counters of a class's own that units go out by, beside `units.out`."""

from __future__ import annotations

from gateway.classes import counters
from gateway.classes.state import Adjusted
from gateway.classes.turn import Turn
from gateway.core.sample import signal_key


def counted(turn: Turn, key: str) -> int:
    """Units since the last look. When it cannot be said how many there were, it is not known either which are still
    inside, and none are remembered."""
    value = turn.values.get(key)
    if not isinstance(value, int):
        return 0
    before = len(turn.made)
    count = counters.moved(turn, key, value)
    if any(isinstance(each, Adjusted) for each in turn.made[before:]):
        turn.put(signal_key(key).lane, ())
    return count
