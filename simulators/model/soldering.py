"""The reflow oven with many boards inside at once, and selective soldering."""

from __future__ import annotations

import random

from simulators.model import flaws
from simulators.model.conduct import Where
from simulators.model.crew import Crew
from simulators.model.facts import Measured, Soldered
from simulators.model.floor import Floor, Panel, Process, Signal
from simulators.model.machine import Machine
from simulators.model.plan import Lot
from simulators.model.scenario import Station
from simulators.model.troubles import TROUBLES

_LENGTH = 4300.0  # mm from the inlet to the end of the last zone: ten-zone ovens have 3.5 to 4.5 m
_GAP = 14.0  # s between two boards on one lane: a panel of 150 mm and as much of a gap at 850 mm/min would be 20 s
_HEATING, _COOLING = 0.25, 0.18  # K/s; assumption: ovens take 5 to 15 minutes for a profile 100 K away
_WINDOW = 2.0  # K: control holds a zone to +-1 to 2 K


class Drift:
    """A measured value that moves about its setting with some inertia, as a controlled temperature does."""

    def __init__(self, rng: random.Random, spread: float) -> None:
        self._rng = rng
        self._spread = spread
        self._off = 0.0

    def next(self) -> float:
        self._off = 0.9 * self._off + self._rng.gauss(0.0, 0.436)  # keeps the standard deviation at 1
        return max(-3.0, min(3.0, self._off)) * self._spread


class Oven(Machine):
    """Boards go in as long as there is room behind it for all that are inside: the belt never waits for a board."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        rng = floor.rng(f"zones/{station.id}")
        self.zones = [25.0] * 10
        self._drifts = [Drift(rng, 0.5) for _ in range(10)]
        self._power = [Drift(rng, 1.5) for _ in range(10)]
        self._belt_drift = Drift(rng, 0.4)
        self._oxygen = Drift(rng, 25.0)
        self._inside = 0
        self._emptier = Signal(floor.env)
        self._halted = Signal(floor.env)
        self._stopped = False
        self._settings: tuple[tuple[float, ...], float] = ((0.0,) * 10, 0.0)
        self._last: dict[str, float] = {}

    def start(self) -> None:
        super().start()
        self.floor.start(self._watch())
        self.floor.start(self._go_wrong())

    def run_empty(self) -> Process:
        while self._inside:
            yield self._emptier.wait()

    def prepare(self, lot: Lot) -> Process:
        """Heats or cools until the last zone is there."""
        yield self.floor.pause(self.setting_up())
        product = self.floor.products[lot.product]
        old = self._settings[0]
        first = not self._settings[1]
        self._settings = (product.zones, product.belt)
        longest = max(
            (new - now) / _HEATING if new > now else (now - new) / _COOLING
            for now, new in zip(old, product.zones, strict=True)
        )
        yield self.floor.pause(5.0 if first else longest)  # warm already when the shift begins
        self.zones = list(product.zones)

    def _run(self, lane: int) -> Process:
        inlet = self._inlets[lane - 1]
        while True:
            item = yield from inlet.take()
            if not isinstance(item, Panel):
                yield from self.change_over(item.lot)
                continue
            after = self.after(item)
            if after is not None:
                if after.belt(item).free() < 1:
                    self.conduct.blocked(1)
                    yield from after.belt(item).wait_for_room()
                    self.conduct.blocked(-1)
                after.belt(item).keep()
            while self._stopped:
                yield self._halted.wait()
            super().arrive(item)
            self._inside += 1
            self.conduct.working(1)
            self.floor.start(self._transit(item))
            yield self.floor.pause(_GAP)

    def arrive(self, panel: Panel) -> None:
        """What stands before the oven is not in it yet: it arrives where it goes in."""

    def _transit(self, panel: Panel) -> Process:
        job = self.begin(panel)
        yield self.floor.pause(_LENGTH / self._settings[1] * 60.0)
        flaws.soldered(self.floor, panel, self.station.id, self.rng)
        now, station = self.floor.now, self.station.id
        self.floor.say(Soldered(at=now, station=station, panel=panel.key, job=job, values=dict(self._last)))
        self.end(panel, job)
        self._inside -= 1
        self.conduct.working(-1)
        self.depart(panel, kept=True)
        self._emptier.fire()

    def _watch(self) -> Process:
        while True:
            self._scan()
            self.floor.say(Measured(at=self.floor.now, station=self.station.id, values=dict(self._last)))
            yield self.floor.pause(self.floor.scenario.scan)

    def _scan(self) -> None:
        zones, belt = self._settings
        seconds = self.floor.scenario.scan
        values: dict[str, float] = {}
        for index, target in enumerate(zones):
            now = self.zones[index]
            step = max(-_COOLING * seconds, min(_HEATING * seconds, target - now))
            self.zones[index] = now + step
            values[f"zone.temperature[{index + 1}]"] = round(self.zones[index] + self._drifts[index].next(), 1)
        for index, target in enumerate(zones):
            load = 0.0 if index == 9 else 20.0 + target / 6.0 + 0.4 * self._inside + self._power[index].next()
            values[f"zone.power[{index + 1}]"] = round(max(load, 0.0), 1)
        values["conveyor.speed"] = round((belt + self._belt_drift.next()) / 10.0, 2)  # cm/min
        values["oxygen"] = round(420.0 + self._oxygen.next(), 1)
        self._last = values

    def _go_wrong(self) -> Process:
        """Warnings stop nothing; at an alarm no board goes in, and those that are inside come out."""
        rate = self.figures.faults * self.floor.scenario.faults
        while rate:
            yield self.floor.pause(self.rng.expovariate(rate / 3600.0))
            if self.lot is None or self._changing:
                continue
            trouble = self.rng.choice(TROUBLES[self.station.kind])
            if trouble.severity == "Warning":
                yield from self.conduct.warn(trouble)
                continue
            self._stopped = True
            yield from self.conduct.stop(trouble, Where())
            self._stopped = False
            self._halted.fire()


class Selective(Machine):
    """Flux, preheat and solder, joint by joint."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        rng = floor.rng(f"bath/{station.id}")
        self._bath = Drift(rng, 0.8)
        self._flow = Drift(rng, 0.4)
        self._purity = Drift(rng, 1.0)

    def takes(self, lot: Lot) -> bool:
        return self.floor.products[lot.product].selective

    def start(self) -> None:
        super().start()
        self.floor.start(self._watch())

    def work(self, panel: Panel, job: str) -> Process:
        rng, boards = self.rng, len(panel.positions)
        flux, heat = 4.0 + 2.0 * boards, 22.0
        solder = 3.5 * 4 * boards**0.5  # s: 3 to 4 s a joint; larger nozzles for more boards
        handling = rng.uniform(*self.figures.work)
        yield self.floor.pause(handling + flux + heat + solder)
        yield from self.may_stop(handling + flux + heat + solder, panel, job)
        values = {
            "zone.time[1]": round(flux, 1),
            "zone.time[2]": round(heat, 1),
            "zone.time[3]": round(solder, 1),
            "zone.flux.mass[1]": float(round(rng.gauss(45.0, 2.0) * boards)),
            "zone.top.temperature[2]": round(rng.gauss(112.0, 1.5), 1),
            "zone.bath.temperature[3]": round(self._temperature(), 1),
            "zone.solder.mass[3]": round(rng.gauss(1.9, 0.08) * boards, 2),
            "cycle.time": round(handling + flux + heat + solder, 1),
        }
        now, station = self.floor.now, self.station.id
        self.floor.say(Soldered(at=now, station=station, panel=panel.key, job=job, values=values))

    def _temperature(self) -> float:
        return 290.0 + self._bath.next()  # Cel: lead-free selective soldering runs at 280 to 320

    def _watch(self) -> Process:
        while True:
            values = {
                "zone.bath.temperature[3]": round(self._temperature(), 1),
                "nitrogen.flow": round(39.0 + self._flow.next(), 1),
                "nitrogen.impurity": round(15.0 + self._purity.next(), 1),
                "nitrogen.pressure": 540.0,
                "air.pressure": 620.0,
            }
            self.floor.say(Measured(at=self.floor.now, station=self.station.id, values=values))
            yield self.floor.pause(2 * self.floor.scenario.scan)
