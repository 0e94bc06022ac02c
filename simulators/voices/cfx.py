"""The voice of a machine that speaks CFX: what all such machines say of themselves and their work.

What one kind of machine says beyond that is its `Trade`: printing, inspecting paste, placing, reviewing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.cfx import states
from simulators.marks import Body
from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    FaultAcknowledged,
    FaultCleared,
    FaultRaised,
    SetUp,
    StateChanged,
    Switched,
    WorkBegan,
    WorkEnded,
)
from simulators.model.plan import Lot, Product
from simulators.voices import cfx_bodies as bodies
from simulators.voices import cfx_faults as faults
from simulators.voices.cfx_message import Message, Output
from simulators.voices.cfx_mouth import Manner, Mouth
from simulators.voices.cfx_readings import Readings
from simulators.voices.cfx_works import Plan, Works
from simulators.voices.known import Known
from simulators.voices.voice import Said

_STARTING = "6500"
"""NST_ShutdownAndStartup: how a machine stands before it has said anything, and after it has said goodbye."""
_TELLS = frozenset(
    (
        "CFX.EndpointConnected",
        "CFX.EndpointShuttingDown",
        "CFX.ResourcePerformance.StationOnline",
        "CFX.ResourcePerformance.StationOffline",
        "CFX.ResourcePerformance.StationStateChanged",
        "CFX.ResourcePerformance.FaultOccurred",
        "CFX.ResourcePerformance.FaultAcknowledged",
        "CFX.ResourcePerformance.FaultCleared",
        "CFX.Production.RecipeActivated",
        "CFX.Production.RecipeDeactivated",
        "CFX.Production.UnitsArrived",
        "CFX.Production.UnitsDeparted",
        "CFX.Production.WorkStarted",
        "CFX.Production.WorkCompleted",
    )
)
_STAGES = frozenset(f"CFX.Production.WorkStage{what}" for what in ("Started", "Completed", "Paused", "Resumed"))


class Trade(Plan, Protocol):
    """What one kind of machine does. tells: what it says of that. sees_marks: it knows which boards are bad and skips
    them. listens: stations beside its own whose facts it hears.
    """

    @property
    def tells(self) -> frozenset[str]: ...

    @property
    def sees_marks(self) -> bool: ...

    @property
    def listens(self) -> Sequence[str]: ...

    def components(self, product: Product) -> int:
        """So many it places on one board."""

    def trouble(self, fact: FaultRaised, machine: CfxVoice) -> faults.Trouble:
        """What it calls a fault."""

    def hear(self, fact: AnyFact, machine: CfxVoice) -> None:
        """Of its own station, or one that it listens to. Comes before what all machines say of the fact."""


class CfxVoice:
    """One machine. handle: its CFXHandle. seed: of its UniqueIDs and transactions.

    It is on from the first thing that happens to it, unless that is that it is switched off.
    """

    def __init__(self, station: str, handle: str, trade: Trade, *, seed: int = 0, manner: Manner | None = None) -> None:
        self._station = station
        self._trade = trade
        self._manner = manner or Manner()
        self._mouth = Mouth(station, handle, seed, self._manner)
        self.known = Known(station)
        self.now = 0.0
        self._on: bool | None = None
        self._off_since: float | None = None
        self._state = _STARTING
        self._since: float | None = None
        self._noticed = 0.0
        self._beat_due: float | None = None
        self._lot: tuple[Lot, Product, str] | None = None
        self._readings = Readings(self.known, sees_marks=trade.sees_marks, reader=not self._manner.count_only)
        self.works = Works(trade, self.known, self._readings, self.guid, self.say)
        self._faults: dict[str, Body] = {}

    @property
    def station(self) -> str:
        return self._station

    @property
    def tells(self) -> frozenset[str]:
        return _TELLS | self._trade.tells | (_STAGES if self._trade.stages else frozenset())

    def hear(self, fact: AnyFact) -> Said[Output]:
        self._pass_time(fact.at)
        own = fact.station == self._station
        if self._on is None and own:
            self._switch(not isinstance(fact, Switched) or fact.on)
        if isinstance(fact, Switched) and own and fact.on is not self._on:
            self._switch(fact.on)
        if isinstance(fact, Arrived) and fact.station in self._trade.listens:
            self._readings.elsewhere(fact.panel, fact.read)
        if own and not self._on:
            self._miss(fact)
        elif own or fact.station in self._trade.listens:
            self._trade.hear(fact, self)
        if own and self._on:
            self._tell(fact)
        self.known.hear(fact)
        return self._mouth.said()

    def ending(self, at: float) -> Said[Output]:
        """It is switched off: work is broken off, a fault that is open stays open, and what its network held is sent."""
        self._pass_time(at)
        self._mouth.restore(self.now)
        if self._on:
            self.works.abort(self.now)
            self._change(_STARTING, None)
            self.say(bodies.station_offline())
            self.say(bodies.endpoint_shutting_down(self._mouth.handle))
            self._on, self._beat_due = False, None
        return self._mouth.said()

    # for the trade

    def say(self, message: Message, values: Body | None = None) -> None:
        """values: of the body, by dotted path, for whoever compares."""
        self._mouth.say(message, self.now, self._noticed, values)

    def guid(self, what: str) -> str:
        """Of that thing at this machine."""
        return self._mouth.guid(what)

    # what all machines say

    def _tell(self, fact: AnyFact) -> None:
        match fact:
            case StateChanged():
                self._change(
                    str(states.parse(fact.state)), None if fact.fault is None else self._faults.get(fact.fault)
                )
            case SetUp():
                self._set_up(fact)
            case Arrived():
                self._readings.came(fact.panel, fact.read)
                self.say(bodies.units_moved("UnitsArrived", *self._readings.units(fact.panel), fact.lane))
            case Departed():
                if fact.read is not None:
                    self._readings.came(fact.panel, fact.read)
                self.say(bodies.units_moved("UnitsDeparted", *self._readings.units(fact.panel), fact.lane))
                self._readings.left(fact.panel)
            case WorkBegan():
                self.works.begin(fact.job, fact.panel, fact.lane, self.now)
            case WorkEnded():
                self.works.end(fact.job, fact.result, self.now)
            case FaultRaised():
                self._fail(fact)
            case FaultAcknowledged():
                self.say(faults.acknowledged(fact.occurrence, fact.operator))
            case FaultCleared():
                self._faults.pop(fact.occurrence, None)
                self.say(faults.cleared(fact.occurrence, fact.operator))
                self.works.clear(fact.occurrence, self.now)

    def _miss(self, fact: AnyFact) -> None:
        """It is off, and finds the world changed when it is on again."""
        match fact:
            case Departed():
                self._readings.left(fact.panel)
            case FaultCleared():
                self._faults.pop(fact.occurrence, None)

    def _switch(self, on: bool) -> None:
        self._on = on
        if not on:
            self._off_since, self._beat_due = self.now, None
            return
        self._mouth.connect(self.now)
        self.say(bodies.endpoint_connected(self._mouth.handle))
        self.say(bodies.station_online(None if self._off_since is None else self.now - self._off_since))
        self.works.abort(self.now)
        self._beat()
        self._beat_due = self.now + self._manner.heartbeat_s

    def _change(self, state: str, fault: Body | None) -> None:
        lasted = None if self._since is None else self.now - self._since
        if state == self._state:
            self._since = self.now if self._since is None else self._since
            return
        self.say(bodies.state_changed(self._state, lasted, state, fault), {"NewState": state})
        self._state, self._since = state, self.now

    def _set_up(self, fact: SetUp) -> None:
        if self._lot is not None:
            self.say(bodies.recipe_deactivated(*self._lot), {"RecipeName": self._lot[2]})
        lot = self.known.lots.get(fact.lot)
        product = None if lot is None else self.known.products.get(lot.product)
        self._lot = None if lot is None or product is None else (lot, product, fact.recipe)
        if self._lot is None:
            return
        stages = [bodies.stage(number, name) for number, name in enumerate(self._trade.stages, 1)]
        cycle, components = self._trade.cycle(self._lot[1]), self._trade.components(self._lot[1])
        message = bodies.recipe_activated(*self._lot, cycle=cycle, components=components, stages=stages)
        self.say(message, {"RecipeName": fact.recipe})

    def _fail(self, fact: FaultRaised) -> None:
        job = None if fact.job is None else self.works.get(fact.job)
        trouble = self._trade.trouble(fact, self)
        stage = None if job is None or job.stages is None else job.stages.now
        fault = faults.body(fact, trouble, None if job is None else job.transaction, stage)
        self._faults[fact.occurrence] = fault
        self.say(faults.occurred(fault), {"Fault.FaultCode": fact.code})
        if fact.job is not None and faults.stops(fact):
            self.works.stop(fact.job, fact.occurrence, trouble.pause, self.now)

    # time

    def _beat(self) -> None:
        recipe = None if self._lot is None else (self._lot[2], self._lot[1].revision)
        every = self._manner.heartbeat_s
        self.say(bodies.heartbeat(self._mouth.handle, every, self._faults.values(), recipe))

    def _pass_time(self, until: float) -> None:
        """What the machine does by its own clock, up to that virtual second; it is noticed at the next fact."""
        self._noticed = until = max(until, self.now)
        while True:
            stage_due = self.works.due if self._on else None
            dues = [each for each in (stage_due, self._beat_due, self._mouth.link_due) if each is not None]
            due = min(dues, default=None)
            if due is None or due > until:
                break
            self.now = due
            if due == self._mouth.link_due:
                self._mouth.turn_link(due)
            elif due == self._beat_due:
                late = due + self._manner.heartbeat_s <= until  # nobody wants to hear all that were missed
                self._beat_due = due + self._manner.heartbeat_s
                if not late:
                    self._beat()
            else:
                self.works.turn(due)
        self.now = until
