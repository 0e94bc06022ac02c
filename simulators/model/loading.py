"""The head of the line: panels out of magazines, lot by lot, one takt apart; first articles alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from simulators.model.conduct import SETUP, STARVED, Conduct, Where
from simulators.model.crew import Crew
from simulators.model.facts import Arrived, Departed, LotReleased, MagazineChanged, SetUp
from simulators.model.floor import Changeover, Floor, Panel, Process
from simulators.model.machine import Machine
from simulators.model.making import Making
from simulators.model.orders import Orders
from simulators.model.plan import Lot
from simulators.model.scenario import Station
from simulators.model.troubles import TROUBLES

_SLOTS = 25  # panels in a magazine: 50 slots 10 mm apart, every second one used
_MAGAZINES = 6  # assumption
_EXCHANGE = (12.0, 35.0)  # assumption: an elevator changes magazines that stand ready
_PATIENCE = 60.0  # a loader that waits for its takt is at work
_CHECK = (30.0, 90.0)  # assumption: somebody looks at the first article besides the machine


class Loader:
    """The magazine loader, as far as panels are concerned that are pushed out of it."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        self.station = station
        self.conduct = Conduct(floor, station, crew, patience=_PATIENCE)
        self._floor = floor
        self._rng = floor.rng(f"work/{station.id}")
        self._numbers = itertools.count(1)
        self._left = 0
        self.magazine: str | None = None

    def set_up(self, lot: Lot) -> Process:
        self.conduct.hold(SETUP)
        yield self._floor.pause(self._rng.uniform(*self.station.usual.setup))
        now, station = self._floor.now, self.station.id
        self._floor.say(SetUp(at=now, station=station, lot=lot.number, recipe=lot.recipe))
        self.conduct.go_on(SETUP)

    def fill(self) -> Process:
        """A panel is in the magazine afterwards."""
        if not self._left:
            self.take_away()
            self.conduct.hold(STARVED)
            yield self._floor.pause(self._rng.uniform(*_EXCHANGE))
            self.conduct.go_on(STARVED)
            number = next(self._numbers)
            if self._floor.switches.reused_magazines:
                number = (number - 1) % _MAGAZINES + 1
            self.magazine, self._left = f"MAG{number:05d}", _SLOTS
            self._changed(came=True)
        self._left -= 1

    def take_away(self) -> None:
        """The magazine, if there is one, full or empty."""
        if self.magazine is not None:
            self._changed(came=False)
        self.magazine, self._left = None, 0

    def push(self, panel: Panel, after: Machine | None) -> Process:
        """Out of the magazine and to the next machine. Returns when it has left."""
        station, floor = self.station.id, self._floor
        self.conduct.working(1)
        read = self.conduct.read(panel)
        floor.say(Arrived(at=floor.now, station=station, panel=panel.key, lane=panel.lane, read=read))
        seconds = self._rng.uniform(*self.station.usual.work)
        yield floor.pause(seconds)
        if self.conduct.fails(seconds):
            yield from self.conduct.stop(self._rng.choice(TROUBLES[self.station.kind]), Where(lane=panel.lane))
        self.conduct.working(-1)
        if after is not None and after.belt(panel).free() < 1:
            self.conduct.blocked(1)
            yield from after.belt(panel).wait_for_room()
            self.conduct.blocked(-1)
        floor.say(Departed(at=floor.now, station=station, panel=panel.key, lane=panel.lane, read=read))

    def _changed(self, *, came: bool) -> None:
        assert self.magazine is not None
        now, station = self._floor.now, self.station.id
        self._floor.say(MagazineChanged(at=now, station=station, magazine=self.magazine, came=came))


class Head:
    """Begins all panels. loader: None where there is none. first: of the machines. enter: to which one a panel goes;
    None: to `gone` at once. wanted: whether one more is.

    came: hears of every panel; over: of every lot that has been begun, with the panels that it has.
    """

    def __init__(self, floor: Floor, loader: Loader | None, orders: Orders, making: Making) -> None:
        self.first: Machine | None = None
        self.enter: Callable[[Panel], Machine | None] = lambda panel: None
        self.wanted: Callable[[], bool] = lambda: True
        self.came: Callable[[Panel], None] = lambda panel: None
        self.gone: Callable[[Panel], None] = lambda panel: None
        self.over: Callable[[Lot, int], None] = lambda lot, panels: None
        self._floor = floor
        self._loader = loader
        self._orders = orders
        self._making = making
        self._rng = floor.rng("head")
        self._begun = 0
        self._due = 0.0

    def run(self) -> Process:
        """Lot after lot, until a limit is reached or there are no more."""
        floor = self._floor
        while not self._limit():
            item = self._orders.next()
            if item is not None:
                lot, panels = item
                floor.say(LotReleased(at=floor.now, lot=lot))
                yield from self._lot(lot, panels)
            elif not floor.busy:
                break
            else:
                yield floor.changed.wait()  # for panels to come back for their second side
        if self._loader is not None:
            self._loader.take_away()
        floor.release()

    def _limit(self) -> bool:
        hours, panels = self._floor.scenario.hours, self._floor.scenario.panels
        late = hours is not None and self._floor.env.now >= hours * 3600.0
        return late or (panels is not None and self._begun >= panels)

    def _lot(self, lot: Lot, panels: list[Panel]) -> Process:
        scenario, begun = self._floor.scenario, 0
        if self.first is not None:
            self.first.announce(Changeover(lot))
        if self._loader is not None:
            self._loader.take_away()
            yield from self._loader.set_up(lot)
        for number in range(lot.panels):
            if self._limit():
                break
            panel = panels[number] if panels else self._making.panel(lot)
            panel.lot = lot
            alone = number == 0 and 0 < scenario.first_article <= lot.panels and self.first is not None
            panel.looked_at = self._floor.env.event() if alone else None
            yield from self._begin(panel)
            begun += 1
            if panel.looked_at is not None:
                yield panel.looked_at
                yield self._floor.pause(self._rng.uniform(*_CHECK))
        self.over(lot, begun)

    def _begin(self, panel: Panel) -> Process:
        floor = self._floor
        yield floor.pause(self._due - floor.env.now)
        while not self.wanted():
            yield floor.changed.wait()
        loader = self._loader
        if loader is not None:
            yield from loader.fill()
        first = self.enter(panel)
        if loader is None and first is not None:
            yield from first.belt(panel).wait_for_room()
        self._begun += 1
        floor.begin()
        self._due = floor.env.now + self._rng.uniform(*floor.scenario.takt)
        self._making.carry(panel)
        self._making.made(panel, "", None if loader is None else loader.magazine)
        self.came(panel)
        if loader is not None:
            yield from loader.push(panel, first)
        if first is None:
            self.gone(panel)
        else:
            first.belt(panel).put(panel)
