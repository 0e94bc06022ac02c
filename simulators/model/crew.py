"""Operators: who is there in which shift, and who comes when a machine calls."""

from __future__ import annotations

from simulators.model.facts import ShiftBegan
from simulators.model.floor import Floor, Process, Signal
from simulators.model.scenario import Shift


class Crew:
    """Everybody minds some stations, and helps out at others. Nobody is there before `shifts` has begun."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._stations = [each.id for each in floor.scenario.stations]
        self._minds: dict[str, str] = {}
        self._free: list[str] = []
        self._there: list[str] = []
        self._changed = Signal(floor.env)
        self._rng = floor.rng("crew")

    def shifts(self) -> Process:
        """Round and round."""
        while True:
            for number, shift in enumerate(self._floor.scenario.shifts, 1):
                self._begin(shift, [f"OP{100 * number + each}" for each in range(1, shift.operators + 1)])
                yield self._floor.pause(shift.hours * 3600.0)

    def _begin(self, shift: Shift, badges: list[str]) -> None:
        self._there, self._free = badges, list(badges)
        share = -(-len(self._stations) // len(self._there))
        self._minds = {name: self._there[number // share] for number, name in enumerate(self._stations)}
        self._floor.say(ShiftBegan(at=self._floor.now, shift=shift.name, operators=dict(self._minds)))
        self._changed.fire()

    def minding(self, station: str) -> str:
        """Whose station it is now."""
        return self._minds[station]

    def fetch(self, station: str, walk: tuple[float, float]) -> Process:
        """Returns the badge of somebody who stands before the machine; `release` afterwards."""
        while not self._free:
            yield self._changed.wait()
        own = self._minds[station]
        badge = own if own in self._free else self._free[0]
        self._free.remove(badge)
        yield self._floor.pause(self._rng.uniform(*walk))
        return badge

    def release(self, badge: str) -> None:
        """Somebody whose shift is over goes home."""
        if badge in self._there and badge not in self._free:
            self._free.append(badge)
            self._changed.fire()
