"""How a machine stands: its state as it shows it, what stops it, and who helps."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.model.crew import Crew
from simulators.model.facts import FaultAcknowledged, FaultCleared, FaultRaised, StateChanged
from simulators.model.floor import Floor, Panel, Process, occurrence
from simulators.model.scenario import Station
from simulators.model.troubles import Trouble

PRODUCING, STARVED, BLOCKED = "PRD_RegularWork", "SBY_NoProductStarved", "SBY_NoProductBlocked"
SETUP, SUPPLY = "SDT_Setup", "SDT_ChangeOfConsumables"
WAITING, REPAIR, REFILL = "USD_UserMaintentanceDelay", "USD_Repair", "USD_ChangeOfConsumables"  # as CFX spells them
OFF = "NST_ShutdownAndStartup"
_PATIENCE = 10.0  # assumption: machines call themselves starved or blocked after some seconds, not between two boards
_MOMENT = 1.0


@dataclass(frozen=True)
class Where:
    """What a fault happens to, as far as it happens to something."""

    lane: int | None = None
    job: str | None = None
    designator: str | None = None
    feeder: int | None = None


class Conduct:
    """Of one station. silent: it has no states to tell of, as a plain reader. patience: seconds until it calls
    itself starved or blocked.

    What its lanes do is told by `work`, `blocked` and `idle`; what stops all of it by `hold` and `go_on`. The worst
    counts.
    """

    def __init__(
        self, floor: Floor, station: Station, crew: Crew, *, silent: bool = False, patience: float = _PATIENCE
    ) -> None:
        self.rng = floor.rng(f"conduct/{station.id}")
        self._floor = floor
        self._station = station
        self._crew = crew
        self._silent = silent
        self._patience = patience
        self._busy = 0
        self._waiting = 0
        self._held: list[tuple[str, str | None]] = []
        self._shown: str | None = None
        self._turn = 0

    def working(self, change: int) -> None:
        """So many more panels in work."""
        self._busy += change
        self._look()

    def blocked(self, change: int) -> None:
        """So many more lanes on which a panel cannot leave."""
        self._waiting += change
        self._look()

    def hold(self, state: str, fault: str | None = None) -> None:
        """It does nothing else until `go_on`."""
        self._held.append((state, fault))
        self._look()

    def go_on(self, state: str, fault: str | None = None) -> None:
        self._held.remove((state, fault))
        self._look()

    def show(self, state: str, fault: str | None = None) -> None:
        """At once, whatever it does."""
        self._turn += 1
        if state != self._shown and not self._silent:
            self._shown = state
            said = StateChanged(at=self._floor.now, station=self._station.id, state=state, fault=fault)
            self._floor.say(said)

    def ready(self) -> None:
        """It has started, and stands by unless somebody wants something already."""
        if self._shown == OFF:
            self._look()

    def stop(self, trouble: Trouble, where: Where, *, mending: str = REPAIR) -> Process:
        """From the fault until somebody has cleared it. mending: state while somebody is at it."""
        figures, rng = self._station.usual, self.rng
        fault = self.raised(trouble, where)
        self.hold(WAITING, fault)
        badge = yield from self._crew.fetch(self._station.id, figures.walk)
        now, station = self._floor.now, self._station.id
        self._floor.say(FaultAcknowledged(at=now, station=station, occurrence=fault, operator=badge))
        self._held[self._held.index((WAITING, fault))] = (mending, fault)
        self._look()
        yield self._floor.pause(rng.uniform(*figures.repair))
        self.cleared(fault, badge)
        self.go_on(mending, fault)
        self._crew.release(badge)

    def warn(self, trouble: Trouble) -> Process:
        """A fault that stops nothing; it goes away by itself or is seen to."""
        fault = self.raised(trouble, Where())
        badge = yield from self._crew.fetch(self._station.id, self._station.usual.walk)
        now, station = self._floor.now, self._station.id
        self._floor.say(FaultAcknowledged(at=now, station=station, occurrence=fault, operator=badge))
        self._crew.release(badge)
        yield self._floor.pause(self.rng.uniform(*self._station.usual.repair))
        self.cleared(fault, badge)

    def raised(self, trouble: Trouble, where: Where) -> str:
        """Returns the occurrence."""
        fault = occurrence(self.rng)
        self._floor.say(
            FaultRaised(
                at=self._floor.now,
                station=self._station.id,
                occurrence=fault,
                code=trouble.code,
                text=trouble.text,
                severity=trouble.severity,
                lane=where.lane,
                job=where.job,
                designator=where.designator,
                feeder=where.feeder,
            )
        )
        return fault

    def cleared(self, fault: str, badge: str) -> None:
        now, station = self._floor.now, self._station.id
        self._floor.say(FaultCleared(at=now, station=station, occurrence=fault, operator=badge))

    def read(self, panel: Panel) -> str | None:
        """What the reader makes of the label now."""
        if not self._station.reads or panel.label is None:
            return None
        return None if self.rng.random() < self._floor.switches.unreadable_labels else panel.label

    def fails(self, seconds: float) -> bool:
        """Whether something stops it in so many seconds of work."""
        rate = self._station.usual.faults * self._floor.scenario.faults
        return self.rng.random() < rate * seconds / 3600.0

    def _look(self) -> None:
        if self._held:
            state, fault = self._held[-1]
            self.show(state, fault)
        elif self._busy:
            self.show(PRODUCING)
        else:
            at_rest = self._shown in (PRODUCING, STARVED, BLOCKED)
            self._turn += 1
            self._floor.start(self._after(self._patience if at_rest else _MOMENT, self._turn))

    def _standing_by(self) -> str:
        return BLOCKED if self._waiting else STARVED

    def _after(self, seconds: float, turn: int) -> Process:
        yield self._floor.pause(seconds)
        if turn == self._turn and not self._silent:
            self.show(self._standing_by())
