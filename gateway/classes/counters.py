"""Counters: how many boards a new reading stands for, and what to say when that cannot be known."""

from __future__ import annotations

from gateway.classes.state import Work
from gateway.classes.turn import Turn
from gateway.core.sample import signal_key
from gateway.profile.bound import Signal

_MOST = 100
"""Boards between two looks. More is no production but a counter that was set."""


def moved(turn: Turn, key: str, value: int) -> int:
    """Units that this counter has counted since it was last read, while the machine was in sight.

    What it did out of our sight, and jumps that nothing explains, are told as one CountAdjusted and count none. One that
    its profile lets be reset has counted from zero, whatever set it back: the change of program may be read only later.
    """
    signal = turn.setup.bound.signals[key]
    old = turn.counters.get(key)
    turn.counters[key] = value
    blind = key in turn.unseen
    turn.unseen.discard(key)
    if old is None:
        _complete(turn, signal_key(key).lane)
    if old is None or old == value:
        return 0
    delta = _delta(signal, old, value)
    if blind:
        restarted = delta is None and bool(signal.reset) and value <= _MOST
        _adjust(turn, key, old, value, None if restarted else delta, "reset" if restarted else "gap")
        return 0
    if delta is not None:
        return delta
    if value < old and signal.reset and value <= _MOST:
        return value
    _adjust(turn, key, old, value, None, "reset" if value < old else "jump")
    return 0


def _delta(signal: Signal, old: int, value: int) -> int | None:
    """Counted upwards, over the end if it has one; None when that is no plausible number."""
    delta = value - old
    if delta < 0 and signal.modulus is not None:
        delta += signal.modulus
    return delta if 0 <= delta <= _MOST else None


def _adjust(turn: Turn, key: str, old: int, value: int, units: int | None, cause: str) -> None:
    """Keep the units inside in step with the counter, without saying anything about boards that nobody saw."""
    parts = signal_key(key)
    lane, abandoned = parts.lane, []
    works = list(turn.inside(lane))
    if parts.name == "units.in" and units is not None:
        works += [_unseen(turn, lane)] * units
        # Told that they had left before it was told that they had come, the oldest are still among them.
        gone = _too_many(turn, lane, len(works))
        abandoned = [work.transaction for work in works[:gone] if work.transaction is not None]
        turn.put(lane, works[gone:])
    elif parts.name in ("units.in", "units.out"):
        # Where it cannot be said how many have left, what is inside is no longer known either.
        gone = len(works) if units is None else units
        abandoned = [work.transaction for work in works[:gone] if work.transaction is not None]
        turn.put(lane, works[gone:])
    turn.adjust(parts.name, lane, old, value, units=units, cause=cause, abandoned=abandoned)
    if units is None:
        _complete(turn, lane)


def _complete(turn: Turn, lane: int | None) -> None:
    """What has come in and not gone out is inside, though nobody saw it come: it goes out before all that is seen to."""
    works = turn.inside(lane)
    difference = _difference(turn, lane)
    missing = 0 if difference is None else difference - len(works)
    if 0 < missing <= _MOST:
        turn.put(lane, (*[_unseen(turn, lane)] * missing, *works))


def _too_many(turn: Turn, lane: int | None, inside: int) -> int:
    """By so many, more are remembered inside than the counters leave room for."""
    difference = _difference(turn, lane)
    return 0 if difference is None else max(0, inside - difference)


def _difference(turn: Turn, lane: int | None) -> int | None:
    """Units that have come in and not gone out, by the counters of both; None where they do not say."""
    into, out = ("units.in", "units.out") if lane is None else (f"units.in@{lane}", f"units.out@{lane}")
    came, went = turn.counters.get(into), turn.counters.get(out)
    signals = turn.setup.bound.signals
    if came is None or went is None or into not in signals or out not in signals:
        return None  # one that the profile no longer has stands still in the state
    difference = came - went
    if difference < 0 and signals[into].modulus == signals[out].modulus is not None:
        difference += signals[into].modulus or 0
    return difference if difference >= 0 else None


def _unseen(turn: Turn, lane: int | None) -> Work:
    return Work(transaction=None, unit=None, count=turn.boards(lane), started=False, since=turn.now)


def since_last(turn: Turn, key: str) -> int | None:
    """What a counter of anything but units has counted since this was last asked for; None when that cannot be known:
    at first, after we were away, after a reset."""
    value, old = turn.values.get(key), turn.counters.get(key)
    blind = key in turn.unseen
    turn.unseen.discard(key)
    if not isinstance(value, int):
        turn.counters.pop(key, None)
        return None
    turn.counters[key] = value
    if old is None or blind:
        return None
    signal = turn.setup.bound.signals[key]
    if value < old and signal.modulus is not None and value + signal.modulus - old <= signal.modulus // 2:
        return value + signal.modulus - old
    return value - old if value >= old else None
