"""The life of a line: its machines, what feeds them and what takes their panels, as one stream of steps.

The machines share one world: a panel that leaves the first arrives at the second with the same ids, a
machine starves when the one before it stands still, and is blocked by the one after it. Same model and
seed, same steps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from uuid import UUID, uuid5

from simulators import bodies
from simulators.bodies import Message
from simulators.kernel import Kernel, Process, Until
from simulators.machine import Machine, Place
from simulators.model import LineModel, Lot, Naming, Panel, running_order
from simulators.step import Standing, Step


class _End:
    """What stands after the last machine. It takes a panel and may then be busy for a while."""

    def __init__(self, model: LineModel, kernel: Kernel, rng: random.Random) -> None:
        self._model = model
        self._kernel = kernel
        self._rng = rng
        self._busy = False

    def ready(self, panel: Panel) -> bool:
        return not self._busy

    def send(self, panel: Panel) -> None:
        if self._rng.random() < self._model.downstream_stop:
            self._busy = True
            self._kernel.start(self._stop())

    def _stop(self) -> Process:
        yield self._rng.uniform(*self._model.stop)
        self._busy = False


def _panel(model: LineModel, lot: Lot, number: int, rng: random.Random) -> Panel:
    product = lot.product
    label = f"PNL-{number:06d}"
    positions = range(1, product.boards + 1)
    names = tuple(f"{product.name}-{number:06d}-{position}" for position in positions)
    if product.naming is Naming.BOARD and product.boards == 1:
        names = (label,)  # a panel of one board is the board
    skipped = frozenset(each for each in positions if rng.random() < model.bad_mark)
    if len(skipped) == product.boards:
        skipped = frozenset()  # nobody would send a panel without a good board
    return Panel(label, lot, names, skipped)


def _feed(model: LineModel, order: Iterator[Lot], first: Place, rng: random.Random) -> Process:
    """The line before the first machine: one panel per takt, with stops of its own."""
    number = rng.randrange(10_000, 900_000)
    for lot in order:
        for _ in range(lot.panels):
            panel = _panel(model, lot, number, rng)
            number += 1

            def ready(panel: Panel = panel) -> bool:
                return first.ready(panel)

            yield Until(ready)
            first.send(panel)
            yield rng.uniform(*model.takt)
            if rng.random() < model.upstream_stop:
                yield rng.uniform(*model.stop)


def life(model: LineModel, seed: int) -> Iterator[Step]:
    """What the machines of the line say, in order of virtual time from 0 on, without end. Deterministic."""

    def rng(part: str) -> random.Random:
        return random.Random(f"{seed}/{part}")  # a stream each: a change in one does not stir the others

    def order() -> Iterator[Lot]:
        return running_order(model, rng("order"))

    said: list[Step] = []
    kernel = Kernel()
    after: Place = _End(model, kernel, rng("end"))
    machines: list[tuple[Machine, Place]] = []
    for number, machine in reversed(list(enumerate(model.machines))):
        this = Machine(machine, number, model.transit, kernel, rng(machine.handle), said.append)
        machines.append((this, after))
        after = this
    for this, follower in reversed(machines):
        kernel.start(this.run(order(), follower))
    kernel.start(_feed(model, order(), after, rng("feed")))
    while kernel.advance():
        yield from said
        said.clear()


def ending(last: Step, at: float) -> list[Step]:
    """What a machine says when it is switched off at virtual second `at`, its last step being `last`.

    Work in progress is aborted; a fault that is open stays open.
    """
    now = max(at, last.at)
    standing = last.standing
    said: list[Step] = []

    def say(message: Message) -> None:
        identifier = str(uuid5(UUID(last.unique_id), f"{len(said)}"))
        said.append(Step(now, last.handle, message.name, message.body, identifier, standing))

    work = standing.work
    if work is not None:
        if work.stage is not None:
            say(bodies.stage_completed(work.transaction, work.stage, "Aborted"))
        standing = Standing(standing.state, standing.since)
        say(bodies.work_completed(work, "Aborted"))
    old, standing = standing, Standing(bodies.STARTING, now)
    say(bodies.state_changed(old.state, now - old.since, bodies.STARTING, None))
    say(bodies.station_offline())
    say(bodies.endpoint_shutting_down(last.handle))
    return said
