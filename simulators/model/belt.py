"""Conveyors: first in, first out, room for so many panels, some seconds from one end to the other."""

from __future__ import annotations

from simulators.model.facts import PutBack, TakenOut
from simulators.model.floor import Changeover, Floor, Panel, Process, Signal
from simulators.model.plan import Lot

_AWAY = (40.0, 150.0)  # assumption: a look at the panel, or a talk about it
_REACH = 1.0


class Belt:
    """Before a station, on one lane. A changeover takes no room; it waits until panels taken out are back.

    inside: of the machine, where nobody reaches.
    """

    def __init__(
        self, floor: Floor, station: str, lane: int, capacity: int, travel: float, *, inside: bool = False
    ) -> None:
        self.changed = Signal(floor.env)
        self._floor = floor
        self._station = station
        self._lane = lane
        self._capacity = capacity
        self._travel = travel
        self._queue: list[tuple[float, Panel | Changeover]] = []
        self._kept = 0
        self._away = 0
        self._rng = floor.rng(f"hands/{station}/{lane}")
        self._hands = 0.0 if inside else floor.switches.taken_out_and_back

    def __len__(self) -> int:
        return sum(isinstance(item, Panel) for _, item in self._queue)

    def free(self) -> int:
        """For how many panels there is room."""
        return self._capacity - len(self) - self._kept - self._away

    def keep(self) -> None:
        """Keeps room for one that is on its way."""
        self._kept += 1

    def put(self, item: Panel | Changeover, *, kept: bool = False) -> None:
        """At its beginning. kept: room was kept for it."""
        self._kept -= kept
        self._queue.append((self._floor.env.now + self._travel, item))
        self.changed.fire()
        if isinstance(item, Panel) and self._rng.random() < self._hands:
            self._floor.start(self._disturb(item))

    def wait_for_room(self) -> Process:
        while self.free() < 1:
            yield self.changed.wait()

    def take(self) -> Process:
        """The next one, once it is at the end; returns it."""
        env = self._floor.env
        while True:
            if not self._queue or (isinstance(self._queue[0][1], Changeover) and self._away):
                yield self.changed.wait()
            elif self._queue[0][0] > env.now:
                yield env.timeout(self._queue[0][0] - env.now)
            else:
                _, item = self._queue.pop(0)
                self.changed.fire()
                return item

    def _disturb(self, panel: Panel) -> Process:
        """Somebody takes the panel out, if it is still there, and puts it back behind those that came meanwhile."""
        yield self._floor.pause(_REACH)
        if not self.remove(panel):
            return
        self._floor.say(TakenOut(at=self._floor.now, station=self._station, panel=panel.key, lane=self._lane))
        self._away += 1
        yield self._floor.pause(self._rng.uniform(*_AWAY))
        self._away -= 1
        self._floor.say(PutBack(at=self._floor.now, station=self._station, panel=panel.key, lane=self._lane))
        self._queue.insert(self._end_of(panel.lot), (self._floor.env.now + _REACH, panel))
        self.changed.fire()

    def _end_of(self, lot: Lot) -> int:
        """The place behind what is here of the lot, before what begins the next."""
        changes = [(place, item.lot) for place, (_, item) in enumerate(self._queue) if isinstance(item, Changeover)]
        begins = next((place for place, begun in changes if begun is lot), -1)
        return next((place for place, _ in changes if place > begins), len(self._queue))

    def remove(self, panel: Panel) -> bool:
        """Takes it off, if it is still on it."""
        for place, (_, item) in enumerate(self._queue):
            if item is panel:
                del self._queue[place]
                self.changed.fire()
                return True
        return False
