"""The voice of a machine that shows itself in registers: ovens, selective soldering, any with a profile of Modbus.

It tells no time and cannot be heard, only looked at: what is told is what somebody sees who looks often enough, and for
how long he could have seen it stands in `Told.fleeting`. That makes told events come up to ten minutes of virtual time
after the fact; what is left comes with `ending`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.cfx import states
from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound, Poll, Reset, Table
from gateway.profile.vocabulary import Kind
from simulators.display import Display
from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    FaultCleared,
    FaultRaised,
    Measured,
    SetUp,
    Soldered,
    StateChanged,
    Switched,
    WorkEnded,
)
from simulators.model.plan import Product
from simulators.voices import registers_words as words
from simulators.voices.glimpses import Glimpse, Place, Telling
from simulators.voices.known import Known
from simulators.voices.readout import Readout
from simulators.voices.registers_alarms import Alarms, Change
from simulators.voices.registers_units import Board, Inside, Reader
from simulators.voices.voice import Looked, Said, Showing, Told

_NOTHING: tuple[Value, ...] = ("", None)
_MOST_BOARDS = 10_000


class Shown(msgspec.Struct, frozen=True):
    """contents: of all registers, by address. on: the machine has power; else nobody gets an answer."""

    contents: dict[Table, dict[int, int]]
    on: bool = True


class RegisterVoice:
    """bound: a profile with registers; raises ValueError for any other. count_only: its readers are not connected."""

    def __init__(self, station: str, bound: Bound, *, count_only: bool = False) -> None:
        self.station = station
        self.tells = words.tells(bound)
        self.bound = bound
        self._display = display = Display(bound)
        self._working = words.works(bound.machine_class)
        self._known = Known(station)
        self._telling = Telling()
        self._places: dict[str, Place] = {}
        self._inside: dict[int | None, Inside] = {}
        self._counted: dict[str, list[Glimpse]] = {}
        self._below: dict[
            str, tuple[int, Glimpse]
        ] = {}  # of counters that began anew: where they stood, and since when
        self._results: dict[str, str] = {}
        self._meant: dict[str, list[str]] = {}
        self._facts = 0
        self._on = True
        for name in ("unit.in.id", "unit.out.id", "recipe.name", "recipe.revision", "order.id", "order.lot", "fault.code"):  # fmt: skip
            display.show(name, *_NOTHING)
        display.show("state", *words.state_words("SBY_NoProductStarved"))
        for key in display.keys("units.in"):  # empty: as many have come as gone
            lane = signal_key(key).lane
            display.say(key, *(display.values[out] for out in display.keys("units.out", lane)[:1]))
        self._alarms = Alarms(display)
        readers = [] if count_only else [*display.keys("unit.in.id"), *display.keys("unit.out.id")]
        self._readers = {key: Reader(display, key) for key in readers}
        self._readout = Readout(station, bound, display.registers)

    @property
    def polls(self) -> Sequence[Poll]:
        """Which registers there are."""
        return self._display.polls

    @property
    def looked_at(self) -> Mapping[str, Looked]:
        """Of what signals it is said what can be read."""
        return self._readout.looked_at

    @property
    def shown(self) -> Shown:
        """As it is now; before the first fact, as it is found by whoever comes early."""
        return Shown(self._display.contents(), self._on)

    def hear(self, fact: AnyFact) -> Said[Shown]:
        self._facts += 1
        read: tuple[Showing, ...] = ()
        if self._facts == 1:
            self._begin(fact.at)
            read = self._readout.read(fact.at, self.shown.contents)
        self._known.hear(fact)
        if fact.station != self.station or not self._here(fact):
            return Said((), self._telling.ready(fact.at), read)
        shown = self.shown
        read += self._readout.read(fact.at, shown.contents if shown.on else None)
        return Said((shown,), self._telling.ready(fact.at), read)

    def ending(self, at: float) -> Said[Shown]:
        return Said((), self._telling.ready(at, over=True))

    def _here(self, fact: AnyFact) -> bool:
        """Whether it shows."""
        match fact:
            case Switched():
                self._switch(fact)
            case StateChanged():
                self._state(fact.state, fact.at)
            case SetUp():
                self._set_up(fact)
            case Arrived():
                for key in self._display.keys("units.in", fact.lane):
                    self._arrive(key, fact)
            case WorkEnded():
                self._results[fact.panel] = fact.result
                return False
            case Departed():
                self._depart_all(fact)
            case FaultRaised():
                self._faults(list(self._alarms.raised(fact)), fact.at)
            case FaultCleared():
                self._faults(list(self._alarms.cleared(fact.occurrence, fact.at)), fact.at)
            case Measured() | Soldered():
                self._measure(fact.values)
            case _:
                return False
        return True

    # -- what it shows

    def _begin(self, at: float) -> None:
        """Who looks before anything happens sees it stand, with whatever program it cannot hide."""
        for key in self._display.keys("state"):
            self._tell_state(key, at)
        for key in self._display.keys("recipe.name"):
            self._tell_recipe(key, at)

    def _state(self, state: str, at: float) -> None:
        before = dict(self._display.values)
        self._display.show("state", *words.state_words(state))
        for key in self._display.keys("state"):
            if self._display.values[key] != before[key]:
                self._tell_state(key, at)

    def _set_up(self, fact: SetUp) -> None:
        display, lot = self._display, self._known.lots.get(fact.lot)
        product = None if lot is None else self._known.products.get(lot.product)
        before = dict(display.values)
        display.show("recipe.name", fact.recipe)
        if lot is not None:
            display.show("order.id", lot.order, *_NOTHING)
            display.show("order.lot", lot.batch, *_NOTHING)
        if product is not None:
            self._set_points(product)
        recipes = display.keys("recipe.name")
        if any(display.values[key] != before[key] for key in recipes):
            self._reset(Reset.RECIPE, fact.at)
        revisions = display.keys("recipe.revision")
        for key in recipes:
            lane = signal_key(key).lane
            if any(display.values[each] != before[each] for each in (key, *revisions) if signal_key(each).lane == lane):
                self._tell_recipe(key, fact.at)

    def _set_points(self, product: Product) -> None:
        display = self._display
        display.show("recipe.revision", product.revision, *_NOTHING)
        display.show("panel.units", product.boards)
        self._measure(
            {
                **{f"zone.setpoint[{number}]": value for number, value in enumerate(product.zones, 1)},
                "conveyor.setpoint": product.belt / 10,  # the class has it in cm/min
            }
        )

    def _measure(self, values: dict[str, float]) -> None:
        """On every lane and stage that has such a signal. What the registers cannot hold, they do not show."""
        for text, value in values.items():
            if (keys := self._meant.get(text)) is None:
                wanted = signal_key(text)
                keys = self._meant[text] = [
                    key for key in self._display.keys(wanted.name, wanted.lane) if signal_key(key).index == wanted.index
                ]
            for key in keys:
                self._display.say(key, value)

    def _switch(self, fact: Switched) -> None:
        self._on = fact.on
        if fact.on:
            self._reset(Reset.POWER, fact.at)

    def _reset(self, reason: Reset, at: float) -> None:
        display = self._display
        for key in display.of_kind(Kind.COUNTER):
            if reason not in display.bound.signals[key].reset:
                continue
            stood = display.values[key]
            display.say(key, 0)
            self._below[key] = (int(stood) if isinstance(stood, int | float) else 0, Glimpse(key, at))
            for counted in self._counted.pop(key, ()):
                counted.until = at
            if reason is Reset.POWER and signal_key(key).name in ("units.in", "units.out"):
                self._lane(signal_key(key).lane).doubt(at)

    # -- units

    def _arrive(self, key: str, fact: Arrived) -> None:
        lane, count = signal_key(key).lane, self._boards(key)
        unit, seen = self._read("unit.in.id", lane, fact.read, fact.at)
        counted, begun = self._count(key, fact.at)
        self._lane(lane).come(Board(unit, count, seen))
        for message in (words.UNITS_ARRIVED, words.WORK_STARTED):
            self._tell(message, fact.at, seen, counted, begun, unit=unit, count=count, lane=lane)

    def _depart_all(self, fact: Departed) -> None:
        display, result = self._display, self._results.pop(fact.panel, "Completed")
        if "process.status" in {signal_key(key).name for key in display.bound.signals}:
            display.show("process.status", "Completed" if result == "Completed" else "Aborted", lane=fact.lane)
        display.show("work.result", result, lane=fact.lane)
        for key in display.of_kind(Kind.COUNTER):  # whatever else is counted is counted once a panel
            if signal_key(key).name not in ("units.in", "units.out") and signal_key(key).lane in (None, fact.lane):
                display.count(key)
        for key in display.keys("units.out", fact.lane):
            self._depart(key, fact)

    def _depart(self, key: str, fact: Departed) -> None:
        lane = signal_key(key).lane
        unit, seen = self._read("unit.out.id", lane, fact.read, fact.at)
        counted, begun = self._count(key, fact.at)
        board = self._lane(lane).go(unit, seen, self._boards(key))
        shown = [self._display.values[each] for each in self._display.keys("work.result", lane)]
        result = str(shown[0]) if shown and shown[0] else "Completed"
        # Of units between two looks, the result of the last is known, and all others are taken for completed.
        said = result == "Completed"
        where = lane if board.came else None  # only of a work that began it is known on which lane that was
        same: dict[str, Any] = {"unit": board.unit, "count": board.units}
        needs = (board.seen, counted, begun)
        processed = {**same, "unit": board.unit if board.units == 1 else None}
        self._tell(words.UNITS_PROCESSED, fact.at, *needs, lane=where, values={"OverallResult": "Succeeded"} if said else {}, **processed)  # fmt: skip
        self._tell(words.WORK_COMPLETED, fact.at, *needs, lane=where, values={"Result": result} if said else {}, **same)
        self._tell(words.UNITS_DEPARTED, fact.at, *needs, lane=lane, **same)

    def _lane(self, lane: int | None) -> Inside:
        return self._inside.setdefault(lane, Inside())

    def _read(self, name: str, lane: int | None, unit: str | None, at: float) -> tuple[str | None, tuple[Glimpse, ...]]:
        reader = self._readers.get(name if lane is None else f"{name}@{lane}") or self._readers.get(name)
        return (None, ()) if reader is None else reader.read(unit, at)

    def _count(self, key: str, at: float) -> tuple[tuple[Glimpse, ...], tuple[Glimpse, ...]]:
        """What must have been seen of it. Who does not look before a counter begins anew does not know what it had
        counted; who does not look before it is where it stood then takes it for one that has stood still."""
        self._display.count(key)
        value = self._display.values[key]
        stood, below = self._below.get(key, (0, None))
        begun: tuple[Glimpse, ...] = ()
        if below is not None and isinstance(value, int | float) and value <= stood:
            begun = (below,)
            if value == stood:
                below.until = at
        if Reset.RECIPE not in self._display.bound.signals[key].reset:
            return (), begun
        counted = Glimpse(key, at)
        kept = self._counted.setdefault(key, [])
        kept[:] = [each for each in kept if each.seconds(at) is None]
        kept.append(counted)
        return (counted,), begun

    def _boards(self, key: str) -> int:
        """On a panel, as far as it says so."""
        lane = signal_key(key).lane
        said = [self._display.values[each] for each in self._display.keys("panel.units", lane)]
        count = said[0] if said else 1
        return int(count) if isinstance(count, int | float) and 1 <= count <= _MOST_BOARDS else 1

    # -- what comes of it

    def _tell_state(self, key: str, at: float) -> None:
        value = self._display.values[key]
        shown = self._places.setdefault(key, Place()).show(value, at)
        code = states.parse(value)
        if key == "state" and code is not None:
            self._tell(words.STATE, at, (shown,), values={"NewState": str(code)})

    def _tell_recipe(self, key: str, at: float) -> None:
        name = self._display.values[key]
        lane = signal_key(key).lane
        revision = next((self._display.values[each] for each in self._display.keys("recipe.revision", lane)), None)
        shown = self._places.setdefault(key, Place()).show((name, revision), at)
        if name:
            self._tell(words.RECIPE_ACTIVATED, at, (shown,), lane=lane, values={"RecipeName": str(name)})

    def _faults(self, changes: list[Change], at: float) -> None:
        for change in changes:
            message = words.FAULT_OCCURRED if change.raised else words.FAULT_CLEARED
            needs = [(each,) for each in change.needs]
            values = {"Fault.FaultCode": change.code} if change.raised else {}
            self._tell(message, at, *needs, lane=change.lane if change.raised else None, values=values)

    def _tell(
        self,
        message: str,
        at: float,
        *needs: tuple[Glimpse, ...],
        unit: str | None = None,
        count: int | None = None,
        lane: int | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        if message in self.tells:
            told = Told(
                station=self.station,
                message=message,
                seen=at,
                units=() if unit is None else (unit,),
                count=count,
                lane=lane,
                values=values or {},
                fact=self._facts,
            )
            self._telling.add(told, *needs)
