"""What all parts of the simulated factory share: time, chance, what is said, and panels on their way."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import simpy

from simulators.model.facts import AnyFact
from simulators.model.plan import Lot, Part, Product
from simulators.model.scenario import Scenario, Switches

Process = Generator[simpy.Event, Any, Any]


class Signal:
    """Wakes those who wait for something to change; each looks for itself whether it is what it waits for."""

    def __init__(self, env: simpy.Environment) -> None:
        self._env = env
        self._waiting: list[simpy.Event] = []

    def wait(self) -> simpy.Event:
        """Happens at the next `fire`."""
        event = self._env.event()
        self._waiting.append(event)
        return event

    def fire(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.succeed()


@dataclass(frozen=True)
class Spot:
    """A component of a board. spots of a product are in the order of its bill."""

    designator: str
    part: Part
    station: str


@dataclass
class Flaw:
    """Something that is really wrong on a panel. what: as it shows by now. cause: where it came from. side: of it."""

    position: int
    component: str
    what: str
    cause: str
    side: str


@dataclass(eq=False)
class Panel:
    """A panel on the floor. label: None until there is one; wanted: the one that it is to get on the way.

    looked_at: of the first of a lot: when its inspection is over. foreign: it is another line's.
    """

    key: str
    number: int
    lot: Lot
    product: Product
    lane: int
    label: str | None
    wanted: str | None
    boards: tuple[str, ...]
    x_outs: tuple[int, ...] = ()
    carrier: str | None = None
    flaws: list[Flaw] = field(default_factory=list)
    looked_at: simpy.Event | None = None
    foreign: bool = False

    @property
    def positions(self) -> list[int]:
        """Of its good boards."""
        return [each for each in range(1, len(self.boards) + 1) if each not in self.x_outs]


@dataclass(frozen=True)
class Changeover:
    """Follows the last panel of a lot along the line: from here on comes the next."""

    lot: Lot


class Floor:
    """env: virtual time. spots: by product, what is placed on one board. changed: something came to its end.

    released: all is begun that ever will be.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.env = simpy.Environment()
        self.switches: Switches = scenario.switches
        self.products = {each.name: each for each in scenario.products}
        self.spots = {each.name: _spots(each) for each in scenario.products}
        self.released = False
        self.changed = Signal(self.env)
        self._open = 0
        self._seed = seed
        self._said: deque[AnyFact] = deque()

    @property
    def now(self) -> float:
        return round(self.env.now, 3)

    def rng(self, part: str) -> random.Random:
        """A stream for each part: more chance in one does not stir the others."""
        return random.Random(f"{self._seed}/{part}")

    def say(self, fact: AnyFact) -> None:
        self._said.append(fact)

    def heard(self) -> Iterator[AnyFact]:
        """What has been said since the last call."""
        while self._said:
            yield self._said.popleft()

    def begin(self) -> None:
        """Something is under way that has to end before the floor is empty."""
        self._open += 1

    def end(self) -> None:
        self._open -= 1
        self.changed.fire()

    def release(self) -> None:
        """All is begun that ever will be."""
        self.released = True
        self.changed.fire()

    @property
    def busy(self) -> bool:
        """Something is under way."""
        return self._open > 0

    @property
    def empty(self) -> bool:
        """Nothing will ever be under way again."""
        return self.released and not self.busy

    def start(self, process: Process) -> None:
        self.env.process(process)

    def pause(self, seconds: float) -> simpy.Event:
        return self.env.timeout(max(seconds, 0.0))


def occurrence(rng: random.Random) -> str:
    """A new GUID."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def _spots(product: Product) -> tuple[Spot, ...]:
    parts = {part.number: part for part in product.parts}
    return tuple(
        Spot(designator, parts[line.part], line.station) for line in product.bill for designator in line.designators
    )
