"""A placement machine: components from reels that run out, are spliced in time, or not."""

from __future__ import annotations

from simulators.model import flaws
from simulators.model.conduct import REFILL, REPAIR, Where
from simulators.model.crew import Crew
from simulators.model.facts import Component, Placed, ReelHow, ReelMoved
from simulators.model.feeders import SPLICE_AT, Feeder, Feeders, Reel
from simulators.model.floor import Floor, Panel, Process, Spot
from simulators.model.machine import Machine
from simulators.model.plan import Lot
from simulators.model.scenario import Station
from simulators.model.troubles import EXHAUSTED, TROUBLES

TACT = 0.36  # s for a component: 10,000 an hour, the slow end of what flexible placers are sold with under IPC-9850
_MISSED = 400e-6  # assumption: pick-up rates of 99.95 % and better are what makers promise
_SPLICED = 0.85  # assumption: share of reels that are spliced in time
_SPLICING = (60.0, 240.0)  # assumption: until somebody has come and done it


class Placer(Machine):
    """Stops for what is picked wrong, and for empty reels."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        number = sum(ord(letter) for letter in station.id) % 100
        self._feeders = Feeders(f"{number:02d}", floor.rng(f"reels/{station.id}"))

    def prepare(self, lot: Lot) -> Process:
        """Feeders that the next lot does not need go; others come. The trolley is changed in the middle of it."""
        seconds = self.setting_up()
        needed = self._feeders.needed(self._spots(lot.product))
        wanted = [part.number for part in needed]
        goes = [part for part in self._feeders.by_part if part not in wanted]
        comes = [part for part in needed if part.number not in self._feeders.by_part]
        yield self.floor.pause(seconds * 0.3)
        for part in goes:
            self._moved(ReelHow.UNLOADED, self._feeders.remove(part))
        yield self.floor.pause(seconds * 0.4)
        for each in comes:
            self._moved(ReelHow.LOADED, self._feeders.mount(each))
        yield self.floor.pause(seconds * 0.3)

    def _spots(self, product: str) -> tuple[Spot, ...]:
        return tuple(spot for spot in self.floor.spots[product] if spot.station == self.station.id)

    def work(self, panel: Panel, job: str) -> Process:
        began = self.floor.env.now
        yield self.floor.pause(self.rng.uniform(*self.figures.work))
        todo = [(position, spot) for position in panel.positions for spot in self._spots(panel.product.name)]
        stop_at = self.rng.randrange(len(todo)) if todo and self.conduct.fails(len(todo) * TACT) else -1
        placed: list[Component] = []
        missed: list[Component] = []
        passed = 0.0
        """Seconds of placing that time does not know of yet."""
        for number, (position, spot) in enumerate(todo):
            feeder = self._feeders.by_part[spot.part.number]
            if number == stop_at or not feeder.left:
                yield self.floor.pause(passed)
                passed = 0.0
                yield from self._stopped(panel, job, spot, feeder, empty=not feeder.left)
            while feeder.left > 1 and self.rng.random() < _MISSED:
                missed.append(self._pick(feeder, position, spot, self.floor.env.now - began + passed))
                passed += TACT
            passed += TACT
            placed.append(self._pick(feeder, position, spot, self.floor.env.now - began + passed))
        yield self.floor.pause(passed)
        flaws.placed(self.floor, panel, self.station.id, self.rng)
        self.floor.say(
            Placed(
                at=self.floor.now,
                station=self.station.id,
                panel=panel.key,
                job=job,
                components=tuple(placed),
                missed=tuple(missed),
            )
        )

    def _pick(self, feeder: Feeder, position: int, spot: Spot, second: float) -> Component:
        while not feeder.reels[0].left:
            feeder.reels.popleft()
            feeder.asked = False
        reel = feeder.reels[0]
        reel.left -= 1
        if feeder.left < SPLICE_AT and not feeder.asked:
            feeder.asked = True
            if self.rng.random() < _SPLICED:
                self.floor.start(self._splice(feeder))
        return Component(position, spot.designator, feeder.slot, reel.name, round(second, 3))

    def _splice(self, feeder: Feeder) -> Process:
        badge = yield from self.crew.fetch(self.station.id, self.figures.walk)
        yield self.floor.pause(self.rng.uniform(*_SPLICING))
        self.crew.release(badge)
        if self._feeders.by_part.get(feeder.part.number) is feeder and feeder.left:
            reel = self._feeders.next_reel(feeder.part)
            feeder.reels.append(reel)
            self._moved(ReelHow.SPLICED, feeder, reel)

    def _stopped(self, panel: Panel, job: str, spot: Spot, feeder: Feeder, *, empty: bool) -> Process:
        trouble = EXHAUSTED if empty else self.rng.choice(TROUBLES[self.station.kind])
        where = Where(lane=self.lane(panel), job=job)
        if trouble.picking:
            where = Where(lane=self.lane(panel), job=job, designator=spot.designator, feeder=feeder.slot)
        yield from self.conduct.stop(trouble, where, mending=REFILL if empty else REPAIR)
        if empty:
            self._moved(ReelHow.UNLOADED, feeder)
            feeder.reels.clear()
            feeder.reels.append(self._feeders.next_reel(feeder.part))
            feeder.asked = False
            self._moved(ReelHow.LOADED, feeder)

    def _moved(self, how: ReelHow, feeder: Feeder, *reels: Reel) -> None:
        for reel in reels or tuple(feeder.reels):
            self.floor.say(
                ReelMoved(
                    at=self.floor.now,
                    station=self.station.id,
                    how=how,
                    slot=feeder.slot,
                    feeder=feeder.name,
                    reel=reel.name,
                    part=feeder.part.number,
                    batch=reel.batch,
                    left=reel.left,
                )
            )
