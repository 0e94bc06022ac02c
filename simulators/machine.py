"""The life of one placement machine on the line, told as a process of the kernel."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from simulators import bodies, faults, materials
from simulators.bodies import Message
from simulators.faults import Trouble
from simulators.kernel import Kernel, Process, Until
from simulators.materials import Feeder, Placed, Placement, placements
from simulators.model import Lot, MachineModel, Panel, Part
from simulators.step import Body, Standing, Step, Work


class Place(Protocol):
    """Where a panel can go next: another machine, or the end of the line."""

    def ready(self, panel: Panel) -> bool:
        """It would take this panel now."""

    def send(self, panel: Panel) -> None:
        """The panel is on its way; the place is taken from now on. Only when `ready`."""


@dataclass
class _Job:
    """The panel in work."""

    panel: Panel
    work: Work
    placed: dict[tuple[int, int, str], Placed]
    sequence: int = 0


class Machine:
    """One machine with room for one panel before and one in its working place.

    `number` counts the machines from 0: it chooses the bill. `emit` gets every step when it happens.
    """

    def __init__(
        self,
        model: MachineModel,
        number: int,
        transit: float,
        kernel: Kernel,
        rng: random.Random,
        emit: Callable[[Step], None],
    ) -> None:
        self._model = model
        self._number = number
        self._transit = transit
        self._kernel = kernel
        self._rng = rng
        self._emit = emit
        self._standing = Standing(bodies.STARTING, -model.boot)
        self._lot: Lot | None = None
        self._feeders: dict[Part, Feeder] = {}
        self._faults: list[Body] = []
        self._expected = False  # a panel is on the belt to us
        self._inlet: Panel | None = None

    def ready(self, panel: Panel) -> bool:
        """Room before the machine, and its program set up."""
        return panel.lot == self._lot and not self._expected and self._inlet is None

    def send(self, panel: Panel) -> None:
        self._expected = True
        self._kernel.start(self._carry(panel))

    def run(self, order: Iterator[Lot], after: Place) -> Process:
        """The whole life: start, then lot after lot."""
        self._say(bodies.endpoint_connected(self._model.handle))
        self._kernel.start(self._beat())
        yield 0.3
        self._say(bodies.station_online())
        first = True
        for lot in order:
            self._change(bodies.SETUP)
            yield self._model.first_setup if first else self._rng.uniform(*self._model.changeover)
            first = False
            self._set_up(lot)
            self._change(bodies.STARVED)
            for _ in range(lot.panels):
                yield from self._wait_for_panel()
                assert self._inlet is not None
                panel, self._inlet = self._inlet, None
                self._change(bodies.PRODUCING)
                yield from self._work(panel, lot)
                yield from self._hand_over(panel, after)
            self._lot = None
            self._say(bodies.recipe_deactivated(lot, self._model.lane))

    def _carry(self, panel: Panel) -> Process:
        yield self._transit
        self._inlet = panel
        self._expected = False
        self._say(bodies.units_arrived(panel, self._model.lane))

    def _beat(self) -> Process:
        while True:
            model = self._model
            self._say(bodies.heartbeat(model.handle, model.heartbeat, self._faults, self._lot, model.lane))
            yield model.heartbeat

    def _set_up(self, lot: Lot) -> None:
        """Reels on feeders, then the program."""
        bill = lot.product.bills[self._number]
        if self._feeders:
            self._say(materials.materials_unloaded(self._feeders.values()))
        self._feeders = {
            part: Feeder(
                slot,
                f"FDR{self._rng.randrange(10**6):06d}",
                part,
                self._reel(),
                self._rng.randint(*self._model.reel),
            )
            for slot, (part, _) in enumerate(bill, 1)
        }
        self._say(materials.materials_loaded(self._feeders.values()))
        per_board = sum(count for _, count in bill)
        stages = [
            (bodies.stage(number, name), float(len(range(number - 1, per_board, len(self._model.stages)))))
            for number, name in enumerate(self._model.stages, 1)
        ]
        cycle = (
            self._model.load
            + self._model.align
            + self._model.unload
            + per_board * lot.product.boards * self._model.tact
        )
        self._lot = lot
        self._say(bodies.recipe_activated(lot, self._model.lane, cycle, per_board, stages))

    def _wait_for_panel(self) -> Process:
        if self._standing.state == bodies.BLOCKED and self._inlet is None:
            self._change(bodies.STARVED)
        if not (yield Until(self._arrived, self._model.patience)):
            self._change(bodies.STARVED)
            yield Until(self._arrived)

    def _arrived(self) -> bool:
        return self._inlet is not None

    def _hand_over(self, panel: Panel, after: Place) -> Process:
        def free() -> bool:
            return after.ready(panel)

        if not (yield Until(free, self._model.patience)):
            self._change(bodies.BLOCKED)
            yield Until(free)
        self._say(bodies.units_departed(panel, self._model.lane))
        after.send(panel)

    def _work(self, panel: Panel, lot: Lot) -> Process:
        yield self._model.load
        work = Work(self._id(), panel.id, bodies.units(panel))
        job = _Job(panel, work, {})
        self._stand(work)
        self._say(bodies.work_started(work, lot, self._model.lane))
        yield self._model.align
        todo = placements(panel, self._number)
        count = len(self._model.stages)
        for number, name in enumerate(self._model.stages, 1):
            stage = bodies.stage(number, name)
            self._stand(replace(work, stage=stage))
            self._say(bodies.stage_started(work.transaction, stage))
            yield from self._place(job, stage, todo[number - 1 :: count])
            self._stand(work)
            self._say(bodies.stage_completed(work.transaction, stage, "Completed"))
        self._say(materials.materials_installed(work.transaction, job.placed.values()))
        self._stand(None)
        self._say(bodies.work_completed(work, "Completed"))
        yield self._model.unload

    def _place(self, job: _Job, stage: Body, todo: list[Placement]) -> Process:
        """Places the components of one stage; stops where a reel runs out or something goes wrong."""
        stop_at = self._rng.randrange(len(todo)) if todo and self._rng.random() < self._model.stop_probability else -1
        passed = 0.0  # seconds of placing that the kernel has not been told yet
        for index, item in enumerate(todo):
            feeder = self._feeders[item.part]
            head = materials.head_and_nozzle(stage["StageSequence"], item.part.nozzle)
            trouble = self._rng.choice(faults.STOPS) if index == stop_at else None
            if feeder.left == 0:
                trouble = faults.EXHAUSTED
            if trouble is not None:
                yield passed
                passed = 0.0
                if trouble.placement in ("PickupError", "RecognitionError") and feeder.left > 1:
                    missed = materials.missed_component(item.designator, self._kernel.now, stage, head)
                    self._from_reel(job, item.position, feeder).missed.append(missed)
                    feeder.left -= 1
                yield from self._stopped(job, stage, item, trouble, head)
            passed += self._model.tact
            job.sequence += 1
            at = self._kernel.now + passed
            component = materials.installed_component(item.designator, at, stage, head, job.sequence)
            self._from_reel(job, item.position, feeder).components.append(component)
            feeder.left -= 1
        yield passed

    def _from_reel(self, job: _Job, position: int, feeder: Feeder) -> Placed:
        key = (position, feeder.slot, feeder.reel)
        if key not in job.placed:
            unit = job.work.units[position - 1]["UnitIdentifier"]
            job.placed[key] = Placed(unit, position, feeder, feeder.package)
        return job.placed[key]

    def _stopped(self, job: _Job, stage: Body, item: Placement, trouble: Trouble, head: Body) -> Process:
        """From the fault to going on: the operator comes, mends it or brings a reel, and clears it."""
        feeder = self._feeders[item.part]
        transaction = job.work.transaction
        stop = faults.Stop(
            trouble=trouble,
            occurrence=self._id(),
            at=self._kernel.now,
            transaction=transaction,
            lane=self._model.lane,
            stage=stage,
            unit=job.work.units[item.position - 1],
            designator=item.designator,
            sequence=job.sequence + 1,
            feeder=feeder,
            head=head,
        )
        fault = faults.placement_fault(stop)
        refill = trouble is faults.EXHAUSTED
        badge = f"OP{self._rng.randrange(1, 5)}"
        self._faults.append(fault)
        self._say(faults.fault_occurred(fault))
        self._change(bodies.REFILL if refill else bodies.WAITING_FOR_REPAIR, fault)
        self._say(bodies.stage_paused(transaction, stage, trouble.pause))
        yield self._rng.uniform(*self._model.walk)
        self._say(faults.fault_acknowledged(fault, badge))
        if not refill:
            self._change(bodies.REPAIR, fault)
        yield self._rng.uniform(*self._model.repair)
        if refill:
            self._say(materials.materials_unloaded([feeder]))
            feeder.reel, feeder.left = self._reel(), self._rng.randint(*self._model.reel)
            self._say(materials.materials_loaded([feeder]))
        self._faults.remove(fault)
        self._say(faults.fault_cleared(fault, badge))
        self._change(bodies.PRODUCING)
        self._say(bodies.stage_resumed(transaction, stage))

    def _change(self, state: int, fault: Body | None = None) -> None:
        old = self._standing
        if state == old.state:
            return
        self._standing = replace(old, state=state, since=self._kernel.now)
        self._say(bodies.state_changed(old.state, self._kernel.now - old.since, state, fault))

    def _stand(self, work: Work | None) -> None:
        self._standing = replace(self._standing, work=work)

    def _say(self, message: Message) -> None:
        at, handle = self._kernel.now, self._model.handle
        self._emit(Step(at, handle, message.name, message.body, self._id(), self._standing))

    def _id(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def _reel(self) -> str:
        return f"REEL{self._rng.randrange(10**8):08d}"
