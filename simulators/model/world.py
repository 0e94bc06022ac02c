"""The whole factory: what happens, in order of virtual time, from a scenario and a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from simulators.model.bench import Bench, Probe, Xray
from simulators.model.conduct import OFF, Conduct
from simulators.model.crew import Crew
from simulators.model.facts import AnyFact, LotReleased, ProductKnown, Scanned, Switched
from simulators.model.floor import Floor, Panel, Process
from simulators.model.inspecting import Aoi, Review, Spi
from simulators.model.loading import Head, Loader
from simulators.model.machine import Machine
from simulators.model.making import Making
from simulators.model.orders import PRIMARY, Orders
from simulators.model.placing import Placer
from simulators.model.plan import Lot
from simulators.model.printing import Printer
from simulators.model.scenario import Kind, Scenario
from simulators.model.soldering import Oven, Selective

_CARRIED = (120.0, 900.0)  # assumption: racks are carried over when somebody has time
_LONGEST_RACK = 3
_OTHER_LOTS = (10, 40)
_BOOT = (2.0, 6.0)


class Reader(Machine):
    """A fixed barcode reader beside the conveyor. It has no states, and does no work."""

    silent = True

    def _work_on(self, panel: Panel) -> Process:
        yield self.floor.pause(self.rng.uniform(*self.figures.work))
        read = self._reads[panel.key]
        lane = self.lane(panel)
        self.floor.say(Scanned(at=self.floor.now, station=self.station.id, panel=panel.key, lane=lane, read=read))


_MACHINES: dict[Kind, type[Machine]] = {
    Kind.READER: Reader,
    Kind.PRINTER: Printer,
    Kind.SPI: Spi,
    Kind.PLACER: Placer,
    Kind.OVEN: Oven,
    Kind.AOI: Aoi,
    Kind.SELECTIVE: Selective,
}


@dataclass
class _Lot:
    """How many of its panels the line still has; None: not all are begun."""

    lot: Lot
    begun: int | None = None
    ended: int = 0
    back: list[Panel] = field(default_factory=list)


class Factory:
    """Puts everything in its place. `floor` says what happens once `start` has been called."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.floor = floor = Floor(scenario, seed)
        self._scenario = scenario
        self._crew = Crew(floor)
        self._making = Making(floor)
        self._orders = Orders(floor)
        self._rng = floor.rng("factory")
        self._lots: dict[int, _Lot] = {}
        line = [each for each in scenario.line if each.kind is not Kind.LOADER]
        self._machines = [_MACHINES[each.kind](floor, each, self._crew) for each in line]
        loaders = [Loader(floor, each, self._crew) for each in scenario.of(Kind.LOADER)]
        self._loader = loaders[0] if loaders else None
        self._reviews = [Review(floor, each, self._crew) for each in scenario.of(Kind.REVIEW)]
        self._xrays: list[Bench] = [Xray(floor, each, self._crew) for each in scenario.of(Kind.XRAY)]
        self._probes: list[Bench] = [Probe(floor, each, self._crew) for each in scenario.of(Kind.TEST)]
        self._head = Head(floor, self._loader, self._orders, self._making)
        self._alone = not self._machines and self._loader is None
        self._connect()

    def start(self) -> None:
        floor, scenario = self.floor, self._scenario
        for product in scenario.products:
            floor.say(ProductKnown(at=floor.now, product=product))
        for station in scenario.stations:
            floor.say(Switched(at=floor.now, station=station.id, on=True))
        floor.start(self._crew.shifts())
        floor.env.step()  # the first shift is there before anything happens
        apart = [each.conduct for each in self._reviews] + [each.conduct for each in (*self._xrays, *self._probes)]
        loader = [] if self._loader is None else [self._loader.conduct]
        for conduct in (*loader, *(each.conduct for each in self._machines), *apart):
            conduct.show(OFF)
            floor.start(self._boot(conduct))
        for machine in self._machines:
            machine.start()
        for bench in (*self._xrays, *self._probes):
            bench.start()
        floor.start(self._head.run())
        if self._xrays:
            floor.start(self._other_line(self._xrays[0], floor.rng("other line")))

    def _boot(self, conduct: Conduct) -> Process:
        yield self.floor.pause(conduct.rng.uniform(*_BOOT))
        conduct.ready()

    def _connect(self) -> None:
        machines = self._machines
        for number, machine in enumerate(machines):
            machine.follower = machines[number + 1] if number + 1 < len(machines) else None
            machine.after = self._route(machines[number + 1 :])
            machine.gone = self._left
            machine.scrapped = self._lost
            if isinstance(machine, Aoi) and self._reviews:
                machine.review = self._reviews[0]
        inspectors = [each for each in machines if isinstance(each, Aoi)]
        passed = [each for each in machines if each.station.kind is not Kind.SELECTIVE] or machines
        for machine in (inspectors or passed)[-1:]:
            machine.done = _looked_at
        if self.floor.switches.label_applied_mid_line and machines:
            machines[len(machines) // 2].labels = True
        for bench in self._xrays:
            bench.gone = self._x_rayed
        for bench in self._probes:
            bench.gone = self._finished
        head = self._head
        head.first = machines[0] if machines else None
        head.enter = self._route(machines)
        head.gone = self._left
        head.came = self._came
        head.over = self._begun
        if self._alone:
            head.wanted = lambda: all(len(each) < _LONGEST_RACK for each in (*self._xrays, *self._probes))

    def _route(self, rest: list[Machine]) -> Callable[[Panel], Machine | None]:
        def after(panel: Panel) -> Machine | None:
            return next((each for each in rest if each.takes(panel.lot)), None)

        return after

    # Panels and lots on their way

    def _came(self, panel: Panel) -> None:
        self._lots.setdefault(panel.lot.number, _Lot(panel.lot))

    def _begun(self, lot: Lot, panels: int) -> None:
        entry = self._lots.setdefault(lot.number, _Lot(lot))
        entry.begun = panels
        self._turn_over(entry)

    def _left(self, panel: Panel) -> None:
        """It has left the line: to its second side, to X-ray, to the tester, or it is finished."""
        self._making.free(panel)
        _looked_at(panel)
        entry = self._lots[panel.lot.number]
        entry.ended += 1
        again = self.floor.switches.second_side and panel.product.two_sides and panel.lot.surface == PRIMARY
        if again and self._machines:
            entry.back.append(panel)
            self.floor.end()
        elif self._xrays and (panel.product.xray or self._alone):
            self.floor.start(self._carry(panel, self._xrays))
        else:
            self._x_rayed(panel)
        self._turn_over(entry)

    def _lost(self, panel: Panel) -> None:
        self._making.free(panel)
        _looked_at(panel)
        entry = self._lots[panel.lot.number]
        entry.ended += 1
        self.floor.end()
        self._turn_over(entry)

    def _turn_over(self, entry: _Lot) -> None:
        if entry.begun is not None and entry.ended >= entry.begun:
            del self._lots[entry.lot.number]
            self._orders.turn_over(entry.lot, entry.back)

    def _x_rayed(self, panel: Panel) -> None:
        tested = self._alone or self._rng.random() < self._scenario.tested
        if self._probes and tested and not panel.foreign:
            self.floor.start(self._carry(panel, self._probes))
        else:
            self._finished(panel)

    def _finished(self, panel: Panel) -> None:
        self.floor.end()

    def _carry(self, panel: Panel, benches: list[Bench]) -> Process:
        yield self.floor.pause(0.0 if self._alone else self._rng.uniform(*_CARRIED))
        min(benches, key=len).bring(panel)

    def _other_line(self, bench: Bench, rng: random.Random) -> Process:
        """Panels of another line, in lots of its own."""
        floor, names = self.floor, [each for each in self._scenario.products if each.xray]
        while True:
            product = rng.choice(names or list(self._scenario.products))
            lot = self._orders.elsewhere(product, rng.randint(*_OTHER_LOTS))
            first = True
            for _ in range(lot.panels):
                yield floor.pause(rng.uniform(*self._scenario.other_line))
                if floor.released:
                    return
                if first:
                    floor.say(LotReleased(at=floor.now, station=bench.station.id, lot=lot))
                    first = False
                panel = self._making.panel(lot, foreign=True)
                floor.begin()
                self._making.made(panel, bench.station.id, None)
                bench.bring(panel)


def _looked_at(panel: Panel) -> None:
    if panel.looked_at is not None and not panel.looked_at.triggered:
        panel.looked_at.succeed()


def happen(scenario: Scenario, seed: int) -> Iterator[AnyFact]:
    """All facts, in order of time from 0 on; without end, unless the scenario limits hours or panels or has no lots
    but its orders. Then nothing is begun any more, and they end when the last panel is done. Deterministic.
    """
    factory = Factory(scenario, seed)
    factory.start()
    floor = factory.floor
    while not floor.empty:
        floor.env.step()
        yield from floor.heard()
    yield from floor.heard()
