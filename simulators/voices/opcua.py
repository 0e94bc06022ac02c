"""How a machine with an OPC UA server tells what happens to it: values of nodes, events, alarms.

For machines that inspect what passes through them, and for any other as far as panels, states, programs and faults
go. Rules of a profile are not played. A subscription with queues loses nothing, so nothing of it is fleeting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.cfx import states
from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound, Reset
from simulators.marks import Moment
from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    FaultCleared,
    FaultRaised,
    Inspected,
    Measured,
    SetUp,
    ShiftBegan,
    StateChanged,
    WorkBegan,
    WorkEnded,
)
from simulators.voices import opcua_found as found
from simulators.voices import registers_words as words
from simulators.voices.inside import Inside, Panel, Stage
from simulators.voices.known import Known
from simulators.voices.opcua_nodes import NodePanel, Output, Shown
from simulators.voices.voice import Said, Told

_OPERATOR = "CFX.Production.OperatorActivated"
_INSPECTED = "CFX.Production.TestAndInspection.UnitsInspected"


class OpcUaVoice:
    """What one station tells. Implements simulators.voices.voice.Voice.

    beginning: what its nodes show before the first fact. Raises ValueError for a profile without nodes.
    """

    def __init__(self, station: str, bound: Bound) -> None:
        self.station = station
        self._panel = NodePanel(bound)
        self._bound = bound
        self._known = Known(station)
        self._inside = Inside()
        self._results: dict[str, Inspected] = {}
        self._lanes: dict[str, int] = {}
        self._faults: dict[str, str] = {}
        self._recipe: tuple[str | None, str | None] = (None, None)
        self._work_told = self._panel.tells("work.started"), self._panel.tells("work.completed")

    @property
    def beginning(self) -> Mapping[str, Any]:
        return NodePanel(self._bound).beginning

    @property
    def tells(self) -> frozenset[str]:
        has = self._panel.keys
        sources = {
            words.STATE: has("state"),
            words.FAULT_OCCURRED: self._bound.alarms,
            words.FAULT_CLEARED: self._bound.alarms,
            words.RECIPE_ACTIVATED: has("recipe.name"),
            _OPERATOR: has("operator.id"),
            words.UNITS_ARRIVED: has("units.in"),
            words.WORK_STARTED: has("units.in") or self._work_told[0],
            words.WORK_COMPLETED: has("units.out") or self._work_told[1],
            words.UNITS_DEPARTED: has("units.out"),
            _INSPECTED: self._panel.tells("inspection") or self._signalled,
        }
        return frozenset(message for message, source in sources.items() if source)

    @property
    def _signalled(self) -> bool:
        """The result of a panel stands in nodes, and is told when it goes out."""
        shown = self._panel.keys("inspection.result") or self._panel.keys("board.result")
        return bool(shown) and not self._panel.tells("inspection")

    def hear(self, fact: AnyFact) -> Said[Output]:
        self._known.hear(fact)
        if isinstance(fact, ShiftBegan):
            return self._operator(fact)
        if fact.station != self.station:
            return Said()
        match fact:
            case StateChanged():
                return self._state(fact)
            case SetUp():
                return self._set_up(fact)
            case Arrived():
                return self._arrived(fact)
            case WorkBegan() if self._work_told[0]:
                return self._began(fact)
            case Inspected():
                return self._inspected(fact)
            case WorkEnded():
                return self._ended(fact)
            case Departed():
                return self._departed(fact)
            case FaultRaised():
                return self._raised(fact)
            case FaultCleared():
                return self._cleared(fact)
            case Measured():
                return Said(self._shown(fact.at, fact.values))
        return Said()

    def _told(self, message: str, at: float, **more: Any) -> Told:
        return Told(station=self.station, message=message, at=at, seen=at, **more)

    def _shown(self, at: float, *steps: Mapping[str, Value]) -> tuple[Output, ...]:
        """One after the other, all at that time."""
        return tuple(Shown(at=at, values=values) for step in steps if (values := self._panel.say(step)))

    def _all(self, name: str, value: Value, lane: int | None = None) -> dict[str, Value]:
        return dict.fromkeys(self._panel.keys(name, lane), value)

    # -- what the machine is doing

    def _state(self, fact: StateChanged) -> Said[Output]:
        outputs: tuple[Output, ...] = ()
        told: tuple[Told, ...] = ()
        for key in self._panel.keys("state"):
            if signal_key(key).stage is not None:
                continue
            word = self._panel.state(key, fact.state)
            if word is None or word == self._panel.values[key]:
                continue
            outputs += self._shown(fact.at, {key: word})
            told += (self._told(words.STATE, fact.at, values={"NewState": str(states.parse(word))}),)
        return Said(outputs, told)

    def _set_up(self, fact: SetUp) -> Said[Output]:
        lot = self._known.lots.get(fact.lot)
        product = None if lot is None else self._known.products.get(lot.product)
        values = {
            **self._all("order.id", None if lot is None else lot.order),
            **self._all("order.lot", None if lot is None else lot.batch),
            **self._all("panel.units", None if product is None else product.boards),
            **self._all("recipe.revision", None if product is None else product.revision),
            **self._all("recipe.name", fact.recipe),
            **{key: 0 for key, signal in self._bound.signals.items() if Reset.RECIPE in signal.reset},
        }
        outputs = self._shown(fact.at, values)
        told: tuple[Told, ...] = ()
        for lane in dict.fromkeys(signal_key(key).lane for key in self._panel.keys("recipe.name")):
            revision = product.revision if product is not None and self._panel.keys("recipe.revision") else None
            if (fact.recipe, revision) != self._recipe:
                wanted = {"RecipeName": fact.recipe, "Revision": revision}
                told += (self._told(words.RECIPE_ACTIVATED, fact.at, lane=lane, values=wanted),)
        self._recipe = (
            fact.recipe,
            product.revision if product is not None and self._panel.keys("recipe.revision") else None,
        )
        return Said(outputs, told)

    def _operator(self, fact: ShiftBegan) -> Said[Output]:
        keys = self._panel.keys("operator.id")
        who = fact.operators.get(self.station, "")
        if not keys or self._panel.values[keys[0]] == who:
            return Said()
        wanted = {"Operator.OperatorIdentifier": who}
        told = (self._told(_OPERATOR, fact.at, values=wanted),) if who else ()
        return Said(self._shown(fact.at, {keys[0]: who}), told)

    # -- faults

    def _raised(self, fact: FaultRaised) -> Said[Output]:
        """As the alarm of that code, else as one that stands for it. It is active as long as one of its faults is."""
        alarms = self._bound.alarms.values()
        known = next((each.key for each in alarms if each.code == fact.code), None)
        alike = [each for each in alarms if each.severity == fact.severity] or alarms
        key = known or words.picked(fact.code, (each.key for each in alike))
        if key is None:
            return Said()
        active = key in self._faults.values()
        self._faults[fact.occurrence] = key
        if active:
            return Said()
        alarm = self._bound.alarms[key]
        values = {"Fault.FaultCode": alarm.code, "Fault.Severity": alarm.severity, "Fault.Description": alarm.text}
        told = self._told(words.FAULT_OCCURRED, fact.at, lane=alarm.lane, values=values)
        return Said((self._panel.alarm(fact.at, key, True),), (told,))

    def _cleared(self, fact: FaultCleared) -> Said[Output]:
        key = self._faults.pop(fact.occurrence, None)
        if key is None or key in self._faults.values():
            return Said()
        told = self._told(words.FAULT_CLEARED, fact.at, lane=self._bound.alarms[key].lane)
        return Said((self._panel.alarm(fact.at, key, False),), (told,))

    # -- panels

    def _lane(self, name: str, lane: int) -> int | None:
        """Of the counter that this panel moves: None where the machine has one for all."""
        keys = self._panel.keys(name, lane)
        return signal_key(keys[0]).lane if keys else None

    def _boards(self, lane: int | None) -> int:
        value = next((self._panel.values[key] for key in self._panel.keys("panel.units", lane)), None)
        return int(value) if isinstance(value, int | float) else 1

    def _passing(
        self, name: str, reader: str, fact: Arrived | Departed, more: Mapping[str, Value]
    ) -> tuple[Output, ...]:
        """The reader's code and the counter, together. The same code again is shown once the one before is gone."""
        ids = self._all(reader, fact.read or "", fact.lane)
        again = {key: "" for key, value in ids.items() if value and self._panel.values[key] == value}
        counts = {key: self._next(key) for key in self._panel.keys(name, fact.lane)}
        return self._shown(fact.at, again, {**ids, **more, **counts})

    def _next(self, key: str) -> int:
        value, modulus = self._panel.values[key], self._bound.signals[key].modulus
        assert isinstance(value, int), key
        return value + 1 if modulus is None else (value + 1) % modulus

    def _read(self, name: str, fact: Arrived | Departed) -> str | None:
        return fact.read if self._panel.keys(name, fact.lane) else None

    def _arrived(self, fact: Arrived) -> Said[Output]:
        if not self._panel.keys("units.in", fact.lane):
            return Said()
        outputs = self._passing("units.in", "unit.in.id", fact, {})
        lane = self._lane("units.in", fact.lane)
        stage = Stage.WAITING if self._work_told[0] else Stage.OPEN
        panel = Panel(self._read("unit.in.id", fact), self._boards(lane), stage)
        self._inside.arrive(lane, panel)
        self._lanes[fact.panel] = fact.lane
        told: tuple[Told, ...] = (self._moved(words.UNITS_ARRIVED, fact.at, lane, panel),)
        if not self._work_told[0]:
            told += (self._moved(words.WORK_STARTED, fact.at, lane, panel),)
        return Said(outputs, told)

    def _moved(self, message: str, at: float, lane: int | None, panel: Panel, **values: Any) -> Told:
        units = () if panel.unit is None else (panel.unit,)
        return self._told(message, at, lane=lane, units=units, count=panel.boards, values=values)

    def _began(self, fact: WorkBegan) -> Said[Output]:
        read, lane = self._named("work.started", fact.panel), self._panel.lane("work.started", fact.lane)
        raised = self._panel.raised("work.started", fact.at, {"unit": read}, lane=fact.lane)
        panel = self._inside.begin(lane, read, self._boards(lane))
        return Said(raised, (self._moved(words.WORK_STARTED, fact.at, lane, panel),))

    def _ended(self, fact: WorkEnded) -> Said[Output]:
        outputs = self._shown(fact.at, self._all("work.result", fact.result, fact.lane))
        if not self._work_told[1]:
            return Said(outputs)
        read, lane = self._named("work.completed", fact.panel), self._panel.lane("work.completed", fact.lane)
        said = {"unit": read, "result": fact.result}
        raised = self._panel.raised("work.completed", fact.at, said, lane=fact.lane)
        panel = self._inside.end(lane, read, self._boards(lane))
        return Said((*outputs, *raised), (self._moved(words.WORK_COMPLETED, fact.at, lane, panel),))

    def _named(self, record: str, panel: str) -> str | None:
        """Who the panel is for the machine, if its event says that."""
        return self._known.read(panel) if "unit" in self._panel.says(record).whole else None

    def _departed(self, fact: Departed) -> Said[Output]:
        inspected = self._results.pop(fact.panel, None)
        self._lanes.pop(fact.panel, None)
        if not self._panel.keys("units.out", fact.lane):
            return Said()
        shown = dict(self._found(inspected, fact.lane)) if self._signalled and inspected is not None else {}
        outputs = self._passing("units.out", "unit.out.id", fact, shown)
        lane = self._lane("units.out", fact.lane)
        panel = self._inside.depart(lane, self._read("unit.out.id", fact), self._boards(lane))
        told: tuple[Told, ...] = (self._moved(words.UNITS_DEPARTED, fact.at, lane, panel),)
        if not self._work_told[1]:
            result = next((self._panel.values[key] for key in self._panel.keys("work.result", fact.lane)), None)
            told = (self._moved(words.WORK_COMPLETED, fact.at, lane, panel, Result=result or "Completed"), *told)
        if shown and inspected is not None:
            told = (self._in_signals(fact.at, lane, panel, inspected), *told)
        return Said(outputs, told)

    # -- what was found

    def _inspected(self, fact: Inspected) -> Said[Output]:
        self._results[fact.panel] = fact
        if not self._panel.tells("inspection"):
            return Said()
        recipe, revision = self._known.program(fact.panel)
        began = self._known.began(fact.job)
        whole = {
            "unit": self._known.read(fact.panel),
            "units": len(fact.boards),
            "result": found.result(fact),
            "count": fact.count,
            "started": None if began is None else Moment(began),
            "ended": Moment(fact.at),
            "recipe": recipe,
            "revision": revision,
            "operator": self._known.operator,
        }
        says = self._panel.says("inspection")
        lane = self._lanes.get(fact.panel, 1)
        raised = self._panel.raised("inspection", fact.at, whole, tuple(found.parts(says, fact)), lane=lane)
        where = self._lane("units.in", lane)
        read = self._named("inspection", fact.panel)
        panel = self._inside.named(read) or Panel(read, self._boards(where))
        units, values = found.told(says, fact, whole, panel.unit, panel.boards)
        return Said(raised, (self._told(_INSPECTED, fact.at, lane=where, units=units, values=values),))

    def _found(self, fact: Inspected, lane: int) -> Iterator[tuple[str, Value]]:
        defects = sum(len(board.defects) for board in fact.boards)
        for name, value in (
            ("inspection.result", found.result(fact)),
            ("inspection.defects", defects),
            ("inspection.count", fact.count),
        ):
            yield from self._all(name, value, lane).items()
        results = {board.position: found.result_of(board) for board in fact.boards}
        for key in self._panel.keys("board.result", lane):
            yield key, results.get(signal_key(key).index or 0)

    def _in_signals(self, at: float, lane: int | None, panel: Panel, fact: Inspected) -> Told:
        has = self._panel.keys
        positions = {signal_key(key).index for key in has("board.result", lane)}
        single = not positions and panel.boards <= 1
        where = "InspectedUnits.0" if single else "InspectedPanel"
        values: dict[str, Any] = {}
        if has("inspection.result", lane):
            values[f"{where}.OverallResult"] = found.result(fact)
        if has("inspection.count", lane):
            values[f"{where}.TotalInspectionCount"] = fact.count
        boards = sorted((board for board in fact.boards if board.position in positions), key=lambda each: each.position)
        for index, board in enumerate(boards):
            values[f"InspectedUnits.{index}.OverallResult"] = found.result_of(board)
        units = () if panel.unit is None else (panel.unit,)
        return self._told(_INSPECTED, at, lane=lane, units=units, values=values)
