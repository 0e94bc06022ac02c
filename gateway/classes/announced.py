"""Boards of which one source of a station tells who they are, and another that they came or went.

A counter says that a board has come, Hermes says which. Neither waits for the other, so what is said first is remembered
for a few seconds, by direction and lane. An event that has gone out is not changed: a board that was counted first has
its name in all that is said of it later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from gateway.classes.state import Announced
from gateway.classes.turn import Turn, lane_key
from gateway.core.times import Micros

Way = Literal["in", "out"]

_WINDOW: Micros = 5_000_000
"""Boards follow each other more slowly than this; polls are faster. A name that is given to the next board is worse than
none."""
_MOST = 20


def claim(turn: Turn, way: Way, lane: int | None, unit: str | None) -> Announced | None:
    """A board is counted, of which a reader has said `unit`: who it is by Hermes, if that has been told already."""
    if not turn.setup.hermes:
        return None
    waiting = [each for each in _recent(turn, way, lane) if not each.counted]
    found = next((each for each in waiting if unit is not None and each.unit == unit), None)
    found = found or next((each for each in waiting if _agree(each.unit, unit)), None)
    if found is not None:
        _remove(turn, way, lane, found)
    return found


def count(turn: Turn, way: Way, lane: int | None, unit: str | None, hermes: str | None) -> None:
    """This one was counted, and Hermes has not told of it yet. hermes: from before."""
    if turn.setup.hermes:
        _add(turn, way, lane, Announced(turn.now, unit, hermes, counted=True))


def announce(turn: Turn, way: Way, lane: int | None, unit: str | None, hermes: str | None) -> Announced | None:
    """Hermes tells of a board that something else counts: what was counted already, or None when it is to come."""

    def fits(each: Announced) -> bool:
        return each.counted and _agree(each.unit, unit) and _agree(each.hermes, hermes)

    found = _best(_recent(turn, way, lane), fits, unit, hermes)
    if found is None:
        _add(turn, way, lane, Announced(turn.now, unit, hermes))
    else:
        _remove(turn, way, lane, found)
    return found


def _best(
    entries: tuple[Announced, ...], fits: Callable[[Announced], bool], unit: str | None, hermes: str | None
) -> Announced | None:
    """The one that is certainly meant, else the oldest that may be."""
    possible = [each for each in entries if fits(each)]
    certain = [
        each
        for each in possible
        if (hermes is not None and each.hermes == hermes) or (unit is not None and each.unit == unit)
    ]
    return next(iter(certain or possible), None)


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _key(way: Way, lane: int | None) -> str:
    return f"{way}@{lane_key(lane)}"


def _recent(turn: Turn, way: Way, lane: int | None) -> tuple[Announced, ...]:
    return tuple(each for each in turn.announced.get(_key(way, lane), ()) if turn.now - each.at <= _WINDOW)


def _add(turn: Turn, way: Way, lane: int | None, new: Announced) -> None:
    turn.announced[_key(way, lane)] = (*_recent(turn, way, lane), new)[-_MOST:]


def _remove(turn: Turn, way: Way, lane: int | None, old: Announced) -> None:
    rest = list(_recent(turn, way, lane))
    rest.remove(old)
    turn.announced[_key(way, lane)] = tuple(rest)


def name(turn: Turn, lane: int | None, counted: Announced, unit: str | None, hermes: str | None) -> None:
    """The board inside that was counted then is this one."""
    works = list(turn.inside(lane))
    for at, work in enumerate(works):
        if work.arrived == counted.at and work.hermes is None and _agree(work.unit, unit):
            works[at] = msgspec.structs.replace(work, unit=work.unit or unit, hermes=hermes)
            turn.put(lane, works)
            return
