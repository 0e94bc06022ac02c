"""The paste printer: strokes, paste, and a stencil that is cleaned every so many prints."""

from __future__ import annotations

from simulators.model import flaws
from simulators.model.conduct import SUPPLY
from simulators.model.crew import Crew
from simulators.model.facts import Printed, StencilCleaned
from simulators.model.floor import Floor, Panel, Process
from simulators.model.machine import Machine
from simulators.model.plan import Lot
from simulators.model.scenario import Station

_CLEAN_EVERY = 10  # prints; data sheets and process guides say 5 to 20
_CLEANING = (18.0, 30.0)
_PASTE_EVERY = 90  # prints: about 8 g on a panel, and 500 to 700 g in a jar
_PASTE = (40.0, 75.0)  # assumption
_PRESSURE, _SPEED, _SEPARATION = 62.0, 60.0, 3.0  # N for a 300 mm squeegee (0.2 N/mm), mm/s, mm/s: usual settings


class Printer(Machine):
    """Paste is less even the more prints the stencil has seen since it was cleaned."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        self._stencil = ""
        self._prints = 0
        self._paste = 0
        self._cleaned = 0.0
        self._forward = True

    def prepare(self, lot: Lot) -> Process:
        yield from super().prepare(lot)
        self._stencil = f"ST-{lot.recipe}"
        self._prints, self._cleaned = 0, self.floor.env.now

    def work(self, panel: Panel, job: str) -> Process:
        if self._prints >= _CLEAN_EVERY:
            yield from self._clean()
        if self._paste >= _PASTE_EVERY:
            yield from self._refill()
        seconds = self.rng.uniform(*self.figures.work)
        yield self.floor.pause(seconds)
        yield from self.may_stop(seconds, panel, job)
        flaws.printed(self.floor, panel, self.station.id, self._prints / _CLEAN_EVERY, self.rng)
        self._prints += 1
        self._paste += 1
        self._forward = not self._forward
        rng = self.rng
        self.floor.say(
            Printed(
                at=self.floor.now,
                station=self.station.id,
                panel=panel.key,
                job=job,
                direction="backward" if self._forward else "forward",
                pressure=round(rng.gauss(_PRESSURE, 0.6), 1),
                speed=_SPEED,
                separation=_SEPARATION,
                offset=(round(rng.gauss(0, 0.012), 3), round(rng.gauss(0, 0.012), 3), round(rng.gauss(0, 0.01), 3)),
                seconds=round(seconds, 1),
            )
        )

    def _clean(self) -> Process:
        took = self.rng.uniform(*_CLEANING)
        yield self.floor.pause(took)
        now = self.floor.env.now
        self.floor.say(
            StencilCleaned(
                at=self.floor.now,
                station=self.station.id,
                stencil=self._stencil,
                mode=self.rng.choice("WWVD"),
                prints=self._prints,
                seconds=round(now - took - self._cleaned, 1),
                took=round(took, 1),
            )
        )
        self._prints, self._cleaned = 0, now

    def _refill(self) -> Process:
        self.conduct.hold(SUPPLY)
        badge = yield from self.crew.fetch(self.station.id, self.figures.walk)
        yield self.floor.pause(self.rng.uniform(*_PASTE))
        self.crew.release(badge)
        self.conduct.go_on(SUPPLY)
        self._paste = 0
