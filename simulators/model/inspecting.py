"""Paste and solder inspection in the line, and the person who looks at what the AOI calls a defect."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

from simulators.model import flaws
from simulators.model.conduct import Conduct
from simulators.model.crew import Crew
from simulators.model.facts import (
    BoardResult,
    Defect,
    Inspected,
    Measure,
    Repaired,
    Reviewed,
    Scrapped,
    TakenOut,
    Verdict,
)
from simulators.model.floor import Flaw, Floor, Panel, Process, Spot
from simulators.model.machine import Machine
from simulators.model.orders import PRIMARY
from simulators.model.scenario import Station

_PADS = 8
"""Pads of a panel whose figures are kept; a board has at least one and at most five of them."""
_LOW, _HIGH = 50.0, 150.0  # % of the stencil opening: usual limits for volume
_SPREAD = 9.0  # %; a printer in control has 8 to 12
_THICKNESS = 120.0  # um, a usual stencil
_WASHED = 0.3  # assumption; the others are found good enough
_TAKES = (1.0, 4.0)
_NEVER = 0.04  # assumption: panels that nobody looks at again
_LOOKS = (30.0, 1500.0)  # assumption: at once, or after the break
_WRONG = 0.02  # assumption: verdicts that are wrong
_REPAIRED = 0.97


def found(
    panel: Panel, defects: dict[int, list[Defect]], measures: dict[int, list[Measure]]
) -> tuple[BoardResult, ...]:
    """The results of all boards. A board with a defect or a bad figure has not passed."""
    return tuple(
        BoardResult(position=position, board=board, skipped=True)
        if position in panel.x_outs
        else BoardResult(
            position=position,
            board=board,
            passed=not defects.get(position) and all(each.passed for each in measures.get(position, ())),
            defects=tuple(defects.get(position, ())),
            measures=tuple(measures.get(position, ())),
        )
        for position, board in enumerate(panel.boards, 1)
    )


class Spi(Machine):
    """Panels without enough paste are washed, or go on: somebody decides. With parts on them they are not washed."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        self._defects = itertools.count(1)
        self._to_wash: list[Panel] = []

    def work(self, panel: Panel, job: str) -> Process:
        yield from super().work(panel, job)
        wrong: dict[tuple[int, str], Flaw | None] = {
            (position, spot.designator): None for position, spot in flaws.false_calls_spi(self.floor, panel, self.rng)
        }
        wrong |= {(each.position, each.component): each for each in panel.flaws if flaws.seen_by_spi(each, self.rng)}
        defects: dict[int, list[Defect]] = {}
        measures = {position: list(self._sample(panel, wrong, position)) for position in panel.positions}
        for (position, component), flaw in wrong.items():
            what = flaws.LITTLE_PASTE if flaw is None else flaw.what
            measures[position] += paste(component, what, self.rng)
            defects.setdefault(position, []).append(
                Defect(
                    id=f"{job}-{next(self._defects)}",
                    component=component,
                    code=what,
                    real=flaw is not None,
                    cause=None if flaw is None else flaw.cause,
                )
            )
        pads = 2 * len(self.floor.spots[panel.product.name]) * len(panel.positions)
        boards = found(panel, defects, measures)
        said = Inspected(
            at=self.floor.now, station=self.station.id, panel=panel.key, job=job, boards=boards, count=pads
        )
        self.floor.say(said)
        if defects and panel.lot.surface == PRIMARY and self.rng.random() < _WASHED:
            self._to_wash.append(panel)

    def depart(self, panel: Panel, *, kept: bool = False) -> None:
        super().depart(panel, kept=kept)
        after = self.after(panel)
        if panel in self._to_wash:
            self._to_wash.remove(panel)
            if after is not None:
                self.floor.start(self._wash(panel, after))

    def _wash(self, panel: Panel, after: Machine) -> Process:
        """Somebody takes it off the conveyor behind, unless it is too late."""
        yield self.floor.pause(self.rng.uniform(*_TAKES))
        if after.belt(panel).remove(panel):
            now, lane = self.floor.now, after.lane(panel)
            self.floor.say(TakenOut(at=now, station=after.station.id, panel=panel.key, lane=lane))
            self.floor.say(
                Scrapped(at=now, station=self.station.id, panel=panel.key, position=None, reason="paste washed off")
            )
            self.scrapped(panel)

    def _sample(self, panel: Panel, wrong: Iterable[tuple[int, str]], position: int) -> Iterable[Measure]:
        spots = self.floor.spots[panel.product.name]
        pads = max(1, min(5, _PADS // len(panel.boards), len(spots)))
        for number in range(pads):
            component = spots[number * len(spots) // pads].designator
            if (position, component) not in wrong:
                yield from paste(component, None, self.rng)


def paste(component: str, wrong: str | None, rng: random.Random) -> list[Measure]:
    """Figures of one pad, in the words of the SPI class."""
    volume = min(max(rng.gauss(100.0, _SPREAD), _LOW + 5), _HIGH - 5)
    if wrong is not None:
        volume = rng.uniform(18.0, 47.0) if wrong == flaws.LITTLE_PASTE else rng.uniform(155.0, 210.0)
    passed = wrong is None
    pad = f"{component}.1"
    return [
        Measure(
            name="volume.percent",
            component=pad,
            value=round(volume, 1),
            unit="%",
            expected=100.0,
            low=_LOW,
            high=_HIGH,
            passed=passed,
        ),
        Measure(
            name="height",
            component=pad,
            value=round(_THICKNESS * (0.4 + 0.6 * volume / 100.0) + rng.gauss(0, 2), 1),
            unit="um",
            expected=_THICKNESS,
        ),
        Measure(name="offset.x", component=pad, value=round(rng.gauss(0, 12), 1), unit="um"),
        Measure(name="offset.y", component=pad, value=round(rng.gauss(0, 12), 1), unit="um"),
    ]


class Aoi(Machine):
    """Sees most of what is wrong, and some things that are not. review: who is told of a panel with defects."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        super().__init__(floor, station, crew)
        self.review: Review | None = None
        self._defects = itertools.count(1)

    def work(self, panel: Panel, job: str) -> Process:
        yield from super().work(panel, job)
        defects: dict[int, list[Defect]] = {}
        seen = [each for each in panel.flaws if flaws.seen_by_aoi(each, panel.lot.surface, self.rng)]
        for flaw in seen:
            self._add(defects, job, flaw.position, flaw.component, flaw.what, flaw.cause)
        taken = [(each.position, each.component) for each in panel.flaws]
        for position, spot, code in flaws.false_calls_aoi(self.floor, panel, self.rng):
            if (position, spot.designator) not in taken:
                self._add(defects, job, position, spot.designator, code, None)
        count = len(self.floor.spots[panel.product.name]) * len(panel.positions)
        boards = found(panel, defects, {})
        said = Inspected(
            at=self.floor.now, station=self.station.id, panel=panel.key, job=job, boards=boards, count=count
        )
        self.floor.say(said)
        if self.review is not None and defects:
            self.review.look(panel, said)

    def _add(
        self, defects: dict[int, list[Defect]], job: str, position: int, component: str, code: str, cause: str | None
    ) -> None:
        name = f"{job}-{next(self._defects)}"
        each = Defect(id=name, component=component, code=code, real=cause is not None, cause=cause)
        defects.setdefault(position, []).append(each)


class Review:
    """Beside the AOI: looks at its pictures minutes later or never, and mends what is real."""

    def __init__(self, floor: Floor, station: Station, crew: Crew) -> None:
        self.station = station
        self._floor = floor
        self._crew = crew
        self._rng = floor.rng(f"review/{station.id}")
        self.conduct = Conduct(floor, station, crew)

    def look(self, panel: Panel, seen: Inspected) -> None:
        """Somebody is to look at that some time."""
        if self._rng.random() >= _NEVER:
            self._floor.begin()
            self._floor.start(self._review(panel, seen))

    def _review(self, panel: Panel, seen: Inspected) -> Process:
        rng, floor = self._rng, self._floor
        yield floor.pause(rng.uniform(*_LOOKS))
        self.conduct.working(1)
        yield floor.pause(rng.uniform(*self.station.usual.work))
        badge = self._crew.minding(self.station.id)
        verdicts = [
            (Verdict(position=board.position, defect=each.id, confirmed=each.real != (rng.random() < _WRONG)), each)
            for board in seen.boards
            for each in board.defects
        ]
        floor.say(
            Reviewed(
                at=floor.now,
                station=self.station.id,
                panel=panel.key,
                job=seen.job,
                operator=badge,
                verdicts=tuple(verdict for verdict, _ in verdicts),
            )
        )
        for verdict, defect in verdicts:
            if verdict.confirmed:
                yield from self._mend(panel, verdict.position, defect, badge)
        self.conduct.working(-1)
        floor.end()

    def _mend(self, panel: Panel, position: int, defect: Defect, badge: str) -> Process:
        yield self._floor.pause(self._rng.uniform(*MENDING))
        mend(self._floor, self.station.id, panel, position, defect.component, badge, self._rng)


MENDING = (60.0, 240.0)  # assumption: a component soldered by hand


def mend(
    floor: Floor, station: str, panel: Panel, position: int, component: str, badge: str, rng: random.Random
) -> None:
    """A component is mended, or its board thrown away."""
    if position in panel.x_outs:
        return
    panel.flaws[:] = [each for each in panel.flaws if (each.position, each.component) != (position, component)]
    if rng.random() < _REPAIRED:
        floor.say(
            Repaired(
                at=floor.now,
                station=station,
                panel=panel.key,
                position=position,
                component=component,
                operator=badge,
            )
        )
    else:
        panel.x_outs = (*panel.x_outs, position)
        floor.say(Scrapped(at=floor.now, station=station, panel=panel.key, position=position, reason="not repairable"))


def hidden(floor: Floor, panel: Panel) -> list[Spot]:
    """What X-rays are for; the first components where nothing on the board needs them."""
    spots = floor.spots[panel.product.name]
    return [spot for spot in spots if flaws.hidden_joints(spot)] or list(spots[:2])
