"""Units in a machine as a gateway follows them by counters and readers: who goes out is who came in first.

Nobody who only counts can know better. What happens by hand inside the machine leads to the same mistakes here as there,
which is what it has to be compared with.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.sample import Value
from simulators.display import Display
from simulators.voices.glimpses import Glimpse, Place

_NOTHING: tuple[Value, ...] = ("", None)


class Board(NamedTuple):
    """unit: its identifier, as far as it was read. units: how many are on it, for it may be a panel. seen: any of these
    was enough to know its identifier. came: it was seen to."""

    unit: str | None
    units: int
    seen: tuple[Glimpse, ...] = ()
    came: bool = True


class Reader:
    """A register with the identifier of the last unit in, or out, on one lane or on all."""

    def __init__(self, display: Display, key: str) -> None:
        self._display = display
        self._key = key
        self._place = Place()
        self._last = _identifier(display.values[key])

    def read(self, unit: str | None, at: float) -> tuple[str | None, tuple[Glimpse, ...]]:
        """What is known then of the unit that has been counted; None when nothing was read, or the same as before."""
        before = self._display.values[self._key]
        self._display.say(self._key, *(() if unit is None else (unit,)), *_NOTHING)
        now = self._display.values[self._key]
        seen = (self._place.show(now, at),) if now != before else ()
        known, last = _identifier(now), self._last
        self._last = known
        return (None, ()) if known is None or known == last else (known, seen)


def _identifier(value: Value) -> str | None:
    text = None if value is None or isinstance(value, bool) else str(value).strip()
    return text or None


class Inside:
    """Of one lane, the oldest first."""

    def __init__(self) -> None:
        self._boards: list[Board] = []

    def come(self, board: Board) -> None:
        self._boards.append(board)

    def go(self, unit: str | None, seen: tuple[Glimpse, ...], units: int) -> Board:
        """unit: what was read at the way out. The one with that identifier, else the oldest that may be it, else one that
        nobody saw coming: of that it is only assumed how many `units` are on it."""
        boards = self._boards
        at = next((index for index, each in enumerate(boards) if unit is not None and each.unit == unit), None)
        if at is None and boards and (unit is None or boards[0].unit is None):
            at = 0
        if at is None:
            return Board(unit, units, seen, came=False)
        board = boards.pop(at)
        return board._replace(unit=board.unit or unit, seen=(*board.seen, *seen))

    def doubt(self, at: float) -> None:
        """Power was gone: whoever noticed has forgotten them, whoever did not goes on."""
        never = Glimpse(None, at)
        never.until = at
        self._boards = [each if each.unit is None else each._replace(seen=(never,)) for each in self._boards]
