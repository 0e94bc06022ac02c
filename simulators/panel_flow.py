"""The life of a machine that shows itself in registers: panels come in, stay a while and leave in order.

It knows no class and no wall clock. Whatever the profile reads that is not named here keeps its example's value, or
varies a little around it when it is measured.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Alarm, Reset
from gateway.profile.vocabulary import Kind
from simulators.display import Display
from simulators.kernel import Kernel, Process, Until
from simulators.measuring import measure, measured_signals


@dataclass(frozen=True, slots=True)
class FlowModel:
    """Times in seconds of virtual time; a pair is the range that one is drawn from. All figures are assumptions.

    takt: from one panel to the next, on each lane. transit: how long one stays inside. lot: panels of one program.
    panels: after so many on each lane no more come; None for without end. misread: probability that the reader sees no
    code. fault: of a fault with each panel, lasting `repair`. scan: how often measured values are new. noise: their
    standard deviation, as a share of the value. first: number of the first panel.
    """

    takt: tuple[float, float] = (22.0, 28.0)
    transit: float = 180.0
    lot: tuple[int, int] = (12, 40)
    changeover: tuple[float, float] = (60.0, 180.0)
    panels: int | None = None
    misread: float = 0.01
    fault: float = 0.01
    repair: tuple[float, float] = (20.0, 90.0)
    scan: float = 1.0
    noise: float = 0.002
    first: int = 1


class What(StrEnum):
    """What can happen."""

    ARRIVED = "arrived"
    DEPARTED = "departed"
    FAULT_RAISED = "fault-raised"
    FAULT_CLEARED = "fault-cleared"
    STATE = "state"
    RECIPE = "recipe"
    RESTARTED = "restarted"


@dataclass(frozen=True, slots=True)
class Happening:
    """at: virtual second. unit: the panel's true identifier. read: whether the registers tell it.

    text: code of the fault, or name of the state or recipe as the registers show it.
    """

    at: float
    what: What
    lane: int | None = None
    unit: str | None = None
    read: bool = False
    text: str | None = None


_PRODUCING: tuple[Value, ...] = ("PRD_RegularWork", "PRD")
_STARVED: tuple[Value, ...] = ("SBY_NoProductStarved", "SBY_NoProduct", "SBY")
_SETUP: tuple[Value, ...] = ("SDT_Setup", "SDT", "SBY_NoProduct", "SBY")
_DOWN: tuple[Value, ...] = ("USD_Repair", "USD_UserMaintentanceDelay", "USD")
"""CFX ResourceState names, the most telling first."""
_STOPPING = frozenset(("Error", "Alarm"))
_NOTHING: tuple[Value, ...] = ("", None)


class PanelFlow:
    """truth: everything that has happened, in order. display: what can be read from outside at the moment."""

    def __init__(self, display: Display, model: FlowModel, seed: int) -> None:
        self.display = display
        self.truth: list[Happening] = []
        self._model = model
        self._kernel = Kernel()
        self._rng = random.Random(f"{seed}/flow")
        self._noise = random.Random(f"{seed}/noise")  # apart, so that `scan` does not stir what happens
        self._numbers = itertools.count(model.first)
        self._inside: Counter[int | None] = Counter()
        self._came: Counter[int | None] = Counter()
        self._setting_up = False
        self._faults: list[Alarm] = []
        self._recipes = _recipes(display)
        self._state: Value = None
        self._lot = 0
        self._begin()

    def _begin(self) -> None:
        display = self.display
        lanes = display.lanes()
        for lane in lanes:
            for name in ("unit.in.id", "unit.out.id"):
                display.show(name, *_NOTHING, lane=lane)
            for key in display.keys("units.in", lane):  # empty: as many have come as gone
                out = next(iter(display.keys("units.out", signal_key(key).lane)), key)
                display.say(key, display.values[out])
        display.show("fault.code", *_NOTHING)
        self._next_lot(self._recipes[:1])
        self._show_state()
        for lane in lanes:
            self._kernel.start(self._feed(lane))
        model = self._model
        measured = measured_signals(display, model.noise)
        if measured:
            self._kernel.start(measure(display, measured, model.noise, model.scan, self._noise))

    @property
    def inside(self) -> int:
        """Panels in the machine, on all lanes."""
        return self._inside.total()

    @property
    def over(self) -> bool:
        """No more panels come, and the last has left."""
        model = self._model
        return (
            model.panels is not None
            and self.inside == 0
            and all(self._came[lane] >= model.panels for lane in self.display.lanes())
        )

    def due(self) -> float:
        """The virtual second at which something happens next."""
        return self._kernel.due()

    def run(self, until: float) -> None:
        """All that happens up to that virtual second."""
        while self._kernel.due() <= until:
            self._kernel.advance()

    def restart(self, at: float) -> None:
        """The machine was off for a moment: counters that do not survive it are 0. Panels inside stay there."""
        self._reset(Reset.POWER)
        self.truth.append(Happening(at, What.RESTARTED))

    def _reset(self, reason: Reset) -> None:
        for key in self.display.of_kind(Kind.COUNTER):
            if reason in self.display.bound.signals[key].reset:
                self.display.say(key, 0)

    def _happened(
        self,
        what: What,
        *,
        lane: int | None = None,
        unit: str | None = None,
        read: bool = False,
        text: str | None = None,
    ) -> None:
        self.truth.append(Happening(self._kernel.now, what, lane, unit, read, text))

    # panels

    def _feed(self, lane: int | None) -> Process:
        model = self._model
        while model.panels is None or self._came[lane] < model.panels:
            yield self._rng.uniform(*model.takt)
            if self._lot <= 0 and not self._setting_up:
                self._setting_up = True
                self._kernel.start(self._change_over())
            if not self._setting_up and not self._stopped():
                self._arrive(lane)

    def _arrive(self, lane: int | None) -> None:
        unit = f"PNL{next(self._numbers):06d}"
        self._lot -= 1
        self._came[lane] += 1
        self._inside[lane] += 1
        self._pass_reader(What.ARRIVED, "in", lane, unit)
        self._show_state()
        self._kernel.start(self._pass(lane, unit))
        if self.display.bound.alarms and self._rng.random() < self._model.fault:
            self._kernel.start(self._fail())

    def _pass(self, lane: int | None, unit: str) -> Process:
        yield self._model.transit
        self._inside[lane] -= 1
        self._pass_reader(What.DEPARTED, "out", lane, unit)
        for key in self.display.of_kind(Kind.COUNTER):  # whatever else is counted is counted once a panel
            if signal_key(key).name not in ("units.in", "units.out") and signal_key(key).lane in (None, lane):
                self.display.count(key)
        self._show_state()

    def _pass_reader(self, what: What, way: str, lane: int | None, unit: str) -> None:
        read = self._rng.random() >= self._model.misread
        name = f"unit.{way}.id"
        self.display.show(name, *((unit,) if read else _NOTHING), lane=lane)
        shown = any(self.display.values[key] == unit for key in self.display.keys(name, lane))
        for key in self.display.keys(f"units.{way}", lane):
            self.display.count(key)
        self._happened(what, lane=lane, unit=unit, read=shown)

    # what stops it

    def _stopped(self) -> bool:
        return any(alarm.severity in _STOPPING for alarm in self._faults)

    def _fail(self) -> Process:
        alarm = self._rng.choice(list(self.display.bound.alarms.values()))
        if alarm in self._faults:
            return
        self._faults.append(alarm)
        self.display.say(alarm.key, True)
        self.display.show("fault.code", alarm.code, lane=alarm.lane)
        self._happened(What.FAULT_RAISED, lane=alarm.lane, text=alarm.code)
        self._show_state()
        yield self._rng.uniform(*self._model.repair)
        self._faults.remove(alarm)
        self.display.say(alarm.key, False)
        self.display.show("fault.code", *(each.code for each in self._faults), *_NOTHING, lane=alarm.lane)
        self._happened(What.FAULT_CLEARED, lane=alarm.lane, text=alarm.code)
        self._show_state()

    def _change_over(self) -> Process:
        """Once the machine is empty, another program."""
        yield Until(lambda: self.inside == 0)
        self._show_state()
        yield self._rng.uniform(*self._model.changeover)
        self._next_lot(self._recipes)
        self._setting_up = False
        self._show_state()

    def _next_lot(self, recipes: list[Value]) -> None:
        self._lot = self._rng.randint(*self._model.lot)
        order = self._rng.randrange(1000, 10_000)
        self.display.show("order.id", f"WO-{order}")
        self.display.show("order.lot", f"WO-{order}-1")
        names = self.display.keys("recipe.name")
        if not names:
            return
        before = self.display.values[names[0]]
        recipe = self._rng.choice([each for each in recipes if each != before] or recipes)
        self.display.show("recipe.name", recipe)
        if recipe != before:
            self._reset(Reset.RECIPE)
        if recipe != before or not self.truth:
            self._happened(What.RECIPE, text=str(recipe))

    def _show_state(self) -> None:
        if self._stopped():
            words = _DOWN
        elif self.inside:
            words = _PRODUCING
        else:
            words = _SETUP if self._setting_up else _STARVED
        self.display.show("state", *words)
        for key in self.display.keys("state")[:1]:
            state = self.display.values[key]
            if state != self._state:
                self._state = state
                self._happened(What.STATE, text=str(state))


def _recipes(display: Display) -> list[Value]:
    """The example's and two like it, as far as the machine can show them."""
    keys = display.keys("recipe.name")
    if not keys:
        return []
    example = display.values[keys[0]]
    stem = example[:-1] if isinstance(example, str) else ""
    words = (example, *(f"{stem}{end}" for end in "23"))
    return [word for word in words if all(display.can_say(key, word) for key in keys)] or [example]
