"""A machine in the line: panels come in on its lanes, are worked on one at a time, and leave in their order."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import simpy

from simulators.model.belt import Belt
from simulators.model.conduct import SETUP, Conduct, Where
from simulators.model.crew import Crew
from simulators.model.facts import Arrived, Departed, Labelled, SetUp, WorkBegan, WorkEnded
from simulators.model.floor import Changeover, Floor, Panel, Process, Signal
from simulators.model.plan import Lot
from simulators.model.scenario import Station
from simulators.model.troubles import TROUBLES

_IN, _OUT = 1.2, 1.5  # s for the length of a panel on a conveyor: 300 mm at 200 to 250 mm/s
_FIRST = 0.1  # assumption: the line has been set up the evening before


class Machine:
    """One station of the line. after: where a panel goes next, None when it leaves the line. follower: who hears of a
    changeover next. gone: takes the panel that leaves the line; scrapped: one that is thrown away. done: hears of every
    panel that has been worked on. labels: labels are put on here.
    """

    silent = False

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        self.station = station
        self.labels = False
        self.after: Callable[[Panel], Machine | None] = lambda panel: None
        self.follower: Machine | None = None
        self.gone: Callable[[Panel], None] = lambda panel: None
        self.scrapped: Callable[[Panel], None] = lambda panel: None
        self.done: Callable[[Panel], None] = lambda panel: None
        self.floor = floor
        self.crew = crew
        self.rng = floor.rng(f"work/{station.id}")
        self.figures = station.usual
        self.conduct = Conduct(floor, station, crew, silent=self.silent)
        self.lot: Lot | None = None
        lanes = range(1, min(station.lanes, floor.scenario.lanes) + 1)
        self._belts = [Belt(floor, station.id, lane, self.figures.buffer, self.figures.travel) for lane in lanes]
        self._inlets = [Belt(floor, station.id, lane, 1, 0.0, inside=True) for lane in lanes]
        self._head = simpy.Resource(floor.env)
        self._jobs = itertools.count(1)
        self._ready = Signal(floor.env)
        self._changing = 0
        self._reads: dict[str, str | None] = {}

    def belt(self, panel: Panel) -> Belt:
        """Where it comes in."""
        return self._belts[self.lane(panel) - 1]

    def lane(self, panel: Panel) -> int:
        """On which of this machine's lanes."""
        return min(panel.lane, len(self._belts))

    def announce(self, change: Changeover) -> None:
        """The lot after this comes behind what is already on the way."""
        for belt in self._belts:
            belt.put(change)

    def start(self) -> None:
        """Begins to live."""
        for lane in range(1, len(self._belts) + 1):
            self.floor.start(self._bring(lane))
            self.floor.start(self._run(lane))

    # What differs from kind to kind

    def takes(self, lot: Lot) -> bool:
        """Whether panels of the lot come here at all."""
        return True

    def work(self, panel: Panel, job: str) -> Process:
        """What is done to the panel, with the facts of it."""
        yield self.floor.pause(self.rng.uniform(*self.figures.work))
        yield from self.may_stop(self.figures.work[1], panel, job)

    def run_empty(self) -> Process:
        """Until the panels of the lot before have left, of a machine that holds more than one on a lane."""
        yield from ()

    def prepare(self, lot: Lot) -> Process:
        """What is done for the next lot before its program runs."""
        yield self.floor.pause(self.setting_up())

    # What all have

    def setting_up(self) -> float:
        """Seconds. For the first lot nearly all is prepared already."""
        return self.rng.uniform(*self.figures.setup) * (_FIRST if self.lot is None else 1.0)

    def may_stop(self, seconds: float, panel: Panel, job: str) -> Process:
        """Stops now if something goes wrong in so many seconds of work."""
        troubles = TROUBLES[self.station.kind]
        if troubles and self.conduct.fails(seconds):
            yield from self.conduct.stop(self.rng.choice(troubles), Where(lane=self.lane(panel), job=job))

    def arrive(self, panel: Panel) -> None:
        if self.labels and panel.label is None and panel.wanted is not None:
            panel.label = panel.wanted
            self.floor.say(Labelled(at=self.floor.now, station=self.station.id, panel=panel.key, label=panel.label))
        read = self.conduct.read(panel)
        self._reads[panel.key] = read
        lane = self.lane(panel)
        self.floor.say(Arrived(at=self.floor.now, station=self.station.id, panel=panel.key, lane=lane, read=read))

    def begin(self, panel: Panel) -> str:
        """Returns the name of the job."""
        job = f"{self.station.id}-{next(self._jobs):06d}"
        lane = self.lane(panel)
        self.floor.say(WorkBegan(at=self.floor.now, station=self.station.id, panel=panel.key, lane=lane, job=job))
        return job

    def end(self, panel: Panel, job: str) -> None:
        lane = self.lane(panel)
        self.floor.say(WorkEnded(at=self.floor.now, station=self.station.id, panel=panel.key, lane=lane, job=job))
        self.done(panel)

    def depart(self, panel: Panel, *, kept: bool = False) -> None:
        """It goes to the next, where there is room; or leaves the line. kept: room was kept for it."""
        lane, read = self.lane(panel), self._reads.pop(panel.key, None)
        self.floor.say(Departed(at=self.floor.now, station=self.station.id, panel=panel.key, lane=lane, read=read))
        after = self.after(panel)
        if after is None:
            self.gone(panel)
            return
        after.belt(panel).put(panel, kept=kept)

    def _bring(self, lane: int) -> Process:
        belt, inlet = self._belts[lane - 1], self._inlets[lane - 1]
        while True:
            yield from inlet.wait_for_room()
            item = yield from belt.take()
            if isinstance(item, Changeover):
                inlet.put(item)
                while self.lot is not item.lot:
                    yield self._ready.wait()
                continue
            yield self.floor.pause(_IN)
            self.arrive(item)
            inlet.put(item)

    def _run(self, lane: int) -> Process:
        inlet = self._inlets[lane - 1]
        while True:
            item = yield from inlet.take()
            if isinstance(item, Changeover):
                yield from self.change_over(item.lot)
                continue
            with self._head.request() as turn:
                yield turn
                self.conduct.working(1)
                yield self.floor.pause(_IN)
                yield from self._work_on(item)
                yield self.floor.pause(_OUT)
                self.conduct.working(-1)
            yield from self._leave(item)

    def _work_on(self, panel: Panel) -> Process:
        job = self.begin(panel)
        yield from self.work(panel, job)
        self.end(panel, job)

    def _leave(self, panel: Panel) -> Process:
        after = self.after(panel)
        if after is not None and after.belt(panel).free() < 1:
            self.conduct.blocked(1)
            yield from after.belt(panel).wait_for_room()
            self.conduct.blocked(-1)
        self.depart(panel)

    def change_over(self, lot: Lot) -> Process:
        """When the last panel of the lot before has left all lanes. The next machine hears of it at once."""
        self._changing += 1
        if self._changing < len(self._belts):
            while self.lot is not lot:
                yield self._ready.wait()
            return
        yield from self.run_empty()
        if self.follower is not None:
            self.follower.announce(Changeover(lot))
        if self.takes(lot) and not self.silent:
            self.conduct.hold(SETUP)
            yield from self.prepare(lot)
            now, station = self.floor.now, self.station.id
            self.floor.say(SetUp(at=now, station=station, lot=lot.number, recipe=lot.recipe))
            self.conduct.go_on(SETUP)
        self.lot = lot
        self._changing = 0
        self._ready.fire()
