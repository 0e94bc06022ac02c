"""Who is inside a machine, as far as its own signals and events can tell: what a subscriber can know, not what is true.

A panel that was taken out by hand is still inside for whoever only counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Of the work on it: to be begun, begun, over."""

    WAITING = "waiting"
    OPEN = "open"
    OVER = "over"


@dataclass(slots=True)
class Panel:
    """unit: its name, as far as it was read. boards: on it, as was known when it came."""

    unit: str | None
    boards: int
    stage: Stage = Stage.OPEN

    def may_be(self, unit: str | None) -> bool:
        return unit is None or self.unit is None


class Inside:
    """By lane, the oldest first."""

    def __init__(self) -> None:
        self._lanes: dict[int | None, list[Panel]] = {}

    def arrive(self, lane: int | None, panel: Panel) -> None:
        self._lanes.setdefault(lane, []).append(panel)

    def begin(self, lane: int | None, unit: str | None, boards: int) -> Panel:
        """On whom work begins: the one of that name, else the first without any, else one that nobody saw coming."""
        waiting = [each for each in self._lanes.get(lane, []) if each.stage is Stage.WAITING]
        found = next((each for each in waiting if unit is None or each.unit == unit), None)
        found = found or next((each for each in waiting if each.unit is None), None)
        if found is None:
            found = Panel(unit, boards)
            self.arrive(lane, found)
        found.unit, found.stage = unit or found.unit, Stage.OPEN
        return found

    def named(self, unit: str | None) -> Panel | None:
        """Whom it concerns what is said of `unit` on any lane: the panel of that name, else the oldest without one, which
        has this from now on; what is said of nobody, the oldest. None: nobody that is known of."""
        found = [each for panels in self._lanes.values() for each in panels if each.stage is not Stage.OVER]
        panel = next((each for each in found if unit is None or each.unit == unit), None)
        panel = panel or next((each for each in found if each.unit is None), None)
        if panel is not None:
            panel.unit = panel.unit or unit
        return panel

    def end(self, lane: int | None, unit: str | None, boards: int) -> Panel:
        """On whom work is over; the panel stays inside."""
        panel, at = self._take(lane, unit, boards, over=False)
        panel.stage = Stage.OVER
        self._lanes.setdefault(lane, []).insert(at, panel)
        return panel

    def depart(self, lane: int | None, unit: str | None, boards: int) -> Panel:
        """Who goes out, this being read at the outlet: the panel of that name; else the oldest, unless both have names; else
        one that nobody saw coming."""
        return self._take(lane, unit, boards, over=True)[0]

    def _take(self, lane: int | None, unit: str | None, boards: int, *, over: bool) -> tuple[Panel, int]:
        panels = self._lanes.get(lane, [])
        eligible = [each for each in panels if over or each.stage is not Stage.OVER]
        found = next((each for each in eligible if unit is not None and each.unit == unit), None)
        if found is None and eligible and eligible[0].may_be(unit):
            found = eligible[0]
        if found is None:
            return Panel(unit, boards), 0
        at = next(place for place, each in enumerate(panels) if each is found)
        ahead, behind = panels[:at], panels[at + 1 :]
        if found.unit is not None:  # nobody can have stayed behind who never began and has no name
            ahead = [each for each in ahead if each.stage is not Stage.WAITING or each.unit is not None]
        self._lanes[lane] = [*ahead, *behind]
        found.unit = found.unit or unit
        return found, len(ahead)
