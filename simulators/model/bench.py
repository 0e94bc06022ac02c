"""Machines that stand apart: X-ray and flying probes. Panels are carried there by hand and wait in a rack."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable

from simulators.model import flaws
from simulators.model.conduct import SETUP, Conduct, Where
from simulators.model.crew import Crew
from simulators.model.facts import (
    Arrived,
    BoardResult,
    Defect,
    Departed,
    Inspected,
    Measure,
    SetUp,
    Tested,
    WorkBegan,
    WorkEnded,
)
from simulators.model.floor import Floor, Panel, Process, Signal, Spot
from simulators.model.inspecting import MENDING, found, hidden, mend
from simulators.model.plan import Lot
from simulators.model.scenario import Station
from simulators.model.troubles import TROUBLES

_HANDLING = (6.0, 15.0)  # assumption: out of the rack, into the machine


class Bench:
    """Takes one panel after the other from its rack; sets itself up when one is of another lot. gone: takes it then."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        self.station = station
        self.floor = floor
        self.crew = crew
        self.gone: Callable[[Panel], None] = lambda panel: None
        self.rng = floor.rng(f"work/{station.id}")
        self.figures = station.usual
        self.conduct = Conduct(floor, station, crew)
        self._rack: deque[tuple[Panel, int]] = deque()
        self._busy = False
        self._came = Signal(floor.env)
        self._lot: Lot | None = None
        self._jobs = itertools.count(1)

    def __len__(self) -> int:
        """Panels that are here."""
        return len(self._rack) + self._busy

    def bring(self, panel: Panel, attempt: int = 1) -> None:
        self._rack.append((panel, attempt))
        self._came.fire()

    def start(self) -> None:
        self.floor.start(self._run())

    def work(self, panel: Panel, job: str, attempt: int) -> Process | None:
        """Says what was found. Returns what is done with the panel then; None: nothing, it goes."""
        raise NotImplementedError

    def _run(self) -> Process:
        while True:
            while not self._rack:
                yield self._came.wait()
            panel, attempt = self._rack.popleft()
            self._busy = True
            if panel.lot is not self._lot:
                yield from self._set_up(panel.lot)
            yield from self._work_on(panel, attempt)
            self._busy = False

    def _set_up(self, lot: Lot) -> Process:
        self.conduct.hold(SETUP)
        yield self.floor.pause(self.rng.uniform(*self.figures.setup))
        self._lot = lot
        self.floor.say(SetUp(at=self.floor.now, station=self.station.id, lot=lot.number, recipe=lot.recipe))
        self.conduct.go_on(SETUP)

    def _work_on(self, panel: Panel, attempt: int) -> Process:
        station, floor = self.station.id, self.floor
        yield floor.pause(self.rng.uniform(*_HANDLING))
        read = self.conduct.read(panel)
        floor.say(Arrived(at=floor.now, station=station, panel=panel.key, lane=1, read=read))
        job = f"{station}-{next(self._jobs):06d}"
        self.conduct.working(1)
        floor.say(WorkBegan(at=floor.now, station=station, panel=panel.key, lane=1, job=job))
        seconds = self.rng.uniform(*self.figures.work)
        yield floor.pause(seconds)
        if self.conduct.fails(seconds):
            trouble = self.rng.choice(TROUBLES[self.station.kind])
            yield from self.conduct.stop(trouble, Where(job=job))
        then = self.work(panel, job, attempt)
        floor.say(WorkEnded(at=floor.now, station=station, panel=panel.key, lane=1, job=job))
        self.conduct.working(-1)
        yield floor.pause(self.rng.uniform(*_HANDLING))
        floor.say(Departed(at=floor.now, station=station, panel=panel.key, lane=1, read=read))
        if then is None:
            self.gone(panel)
        else:
            floor.start(then)


_VOID_LIMIT = 30.0  # % of the ball's image: IPC-A-610 (25 % in its earlier revisions)
_REWORK = (900.0, 2400.0)  # assumption: a package with joints under it taken off and replaced
_JOINTS = 3


class Xray(Bench):
    """Measures voids in joints that nobody can see; what is too bad is taken off and replaced."""

    def work(self, panel: Panel, job: str, attempt: int) -> Process | None:
        defects: dict[int, list[Defect]] = {}
        measures: dict[int, list[Measure]] = {}
        numbers = itertools.count(1)
        spots = hidden(self.floor, panel)
        for position in panel.positions:
            for spot in spots[:_JOINTS]:
                flaw = next(
                    (each for each in panel.flaws if (each.position, each.component) == (position, spot.designator)),
                    None,
                )
                wrong = flaw is not None and flaw.what in (flaws.VOID, flaws.OPEN, flaws.BRIDGE)
                share = self.rng.uniform(31.0, 48.0) if wrong else min(self.rng.gammavariate(2.0, 4.0), 28.0)
                pin = f"{spot.designator}.{self.rng.randint(1, 9)}"
                each = Measure(
                    name="void", component=pin, value=round(share, 1), unit="%", high=_VOID_LIMIT, passed=not wrong
                )
                measures.setdefault(position, []).append(each)
                if flaw is not None and wrong:
                    name = f"{job}-{next(numbers)}"
                    defect = Defect(id=name, component=pin, code=flaw.what, real=True, cause=flaw.cause)
                    defects.setdefault(position, []).append(defect)
        boards, count = found(panel, defects, measures), len(spots) * len(panel.positions)
        now, station = self.floor.now, self.station.id
        self.floor.say(Inspected(at=now, station=station, panel=panel.key, job=job, boards=boards, count=count))
        return self._rework(panel, boards) if defects and not panel.foreign else None

    def _rework(self, panel: Panel, boards: tuple[BoardResult, ...]) -> Process:
        for board in boards:
            for defect in board.defects:
                yield self.floor.pause(self.rng.uniform(*_REWORK))
                badge = self.crew.minding(self.station.id)
                component = defect.component.split(".")[0]
                mend(self.floor, self.station.id, panel, board.position, component, badge, self.rng)
        self.gone(panel)


_ATTEMPTS = 3
_AGAIN_AT_ONCE = 0.5  # assumption: a panel that fails is put in once more before anybody takes an iron
_CONTACT = 0.03  # assumption: a needle that does not touch
_MEASURED = 8
_NOMINAL = {"R": (10.0, "kOhm", 0.01), "C": (100.0, "nF", 0.1), "L": (22.0, "uH", 0.2), "D": (1.95, "V", 0.15)}
"""By prefix: value, unit (UCUM), tolerance as a share. Others are measured as a diode between pins."""
_JUNCTION = (0.65, "V", 0.2)


class Probe(Bench):
    """A flying probe. What fails is tested again: at once, or after it has been mended; three times at most."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        self._before: dict[str, tuple[BoardResult, ...]] = {}

    def work(self, panel: Panel, job: str, attempt: int) -> Process | None:
        identical = self._before.pop(panel.key, None)
        boards = identical or self._measure(panel, job)
        now, station = self.floor.now, self.station.id
        said = Tested(at=now, station=station, panel=panel.key, job=job, attempt=attempt, boards=boards)
        self.floor.say(said)
        failed = not all(board.passed for board in boards if not board.skipped)
        return self._after_failure(panel, attempt, boards) if failed else None

    def _measure(self, panel: Panel, job: str) -> tuple[BoardResult, ...]:
        rng = self.rng
        defects: dict[int, list[Defect]] = {}
        measures: dict[int, list[Measure]] = {}
        numbers = itertools.count(1)
        seen = {(each.position, each.component): each for each in panel.flaws if flaws.seen_by_test(each, rng)}
        touch = rng.random() < _CONTACT
        unlucky = rng.choice(panel.positions) if touch and panel.positions else None
        for position in panel.positions:
            tested = self._spots(panel, [component for at, component in seen if at == position])
            missed = rng.choice(tested).designator if position == unlucky else None
            for spot in tested:
                flaw = seen.get((position, spot.designator))
                bad = flaw is not None or spot.designator == missed
                measures.setdefault(position, []).append(measure(spot, bad, rng.gauss(0, 0.25)))
                if bad:
                    defects.setdefault(position, []).append(
                        Defect(
                            id=f"{job}-{next(numbers)}",
                            component=spot.designator,
                            code=flaws.BRIDGE if flaw is not None and flaw.what == flaws.BRIDGE else flaws.OPEN,
                            real=flaw is not None,
                            cause=None if flaw is None else flaw.cause,
                        )
                    )
        return found(panel, defects, measures)

    def _spots(self, panel: Panel, wrong: list[str]) -> list[Spot]:
        """A few of each board, and those that do not measure right."""
        spots = self.floor.spots[panel.product.name]
        every = max(1, len(spots) // _MEASURED)
        return [spot for number, spot in enumerate(spots) if number % every == 0 or spot.designator in wrong]

    def _after_failure(self, panel: Panel, attempt: int, boards: tuple[BoardResult, ...]) -> Process:
        rng = self.rng
        if attempt >= _ATTEMPTS:
            self.gone(panel)
            return
        if attempt == 1 and rng.random() < max(_AGAIN_AT_ONCE, self.floor.switches.identical_retest):
            yield self.floor.pause(rng.uniform(5.0, 20.0))
            if rng.random() < self.floor.switches.identical_retest:
                self._before[panel.key] = boards
        else:
            for board in boards:
                for defect in board.defects:
                    yield self.floor.pause(rng.uniform(*MENDING))
                    badge = self.crew.minding(self.station.id)
                    if defect.real:
                        mend(self.floor, self.station.id, panel, board.position, defect.component, badge, rng)
        if panel.positions:
            self.bring(panel, attempt + 1)
        else:
            self.gone(panel)


def measure(spot: Spot, bad: bool, off: float) -> Measure:
    """off: from the nominal value, as a share of the tolerance; a contact that is open measures nothing near it."""
    nominal, unit, tolerance = _NOMINAL.get(spot.part.prefix, _JUNCTION)
    low, high = nominal * (1 - tolerance), nominal * (1 + tolerance)
    value = nominal * (1 + tolerance * max(-0.95, min(0.95, off)))
    if bad:
        value = nominal * 0.02 if spot.part.prefix == "C" else nominal * 9.5
    return Measure(
        name=spot.designator,
        component=spot.designator,
        value=round(value, 3),
        unit=unit,
        expected=nominal,
        low=round(low, 3),
        high=round(high, 3),
        passed=not bad,
    )
