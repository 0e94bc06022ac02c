"""What is in work at a machine that speaks CFX: WorkStarted to WorkCompleted, with the stages between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from simulators.marks import Body
from simulators.model.plan import Product
from simulators.voices import cfx_bodies as bodies
from simulators.voices.cfx_message import Message
from simulators.voices.cfx_readings import Readings
from simulators.voices.cfx_stages import Stages
from simulators.voices.known import Known


class Say(Protocol):
    """Says a message now. values: of its body, by dotted path, for whoever compares."""

    def __call__(self, message: Message, values: Body | None = None) -> None: ...


class Plan(Protocol):
    """How this machine works. stages: of its work; none when it has no stages."""

    @property
    def stages(self) -> Sequence[str]: ...

    def cycle(self, product: Product) -> float:
        """Seconds that it expects to need for a panel."""


@dataclass
class Job:
    """A panel in work. primary: what the machine read of its label. units: its boards, as CFX UnitPosition."""

    transaction: str
    panel: str
    primary: str | None
    units: Sequence[Body]
    began: float
    stages: Stages | None = None


class Works:
    """By the names of the jobs. guid: makes transactions. `at` is always the virtual second that it is."""

    def __init__(self, plan: Plan, known: Known, readings: Readings, guid: Callable[[str], str], say: Say) -> None:
        self._plan = plan
        self._known = known
        self._readings = readings
        self._guid = guid
        self._say = say
        self._jobs: dict[str, Job] = {}

    def get(self, name: str) -> Job | None:
        return self._jobs.get(name)

    def on(self, panel: str) -> Job | None:
        """The work on that panel."""
        return next((job for job in self._jobs.values() if job.panel == panel), None)

    def begin(self, name: str, panel: str, lane: int | None, at: float) -> Job:
        primary, units = self._readings.units(panel)
        transaction = self._guid(f"job {name}")
        lot = self._known.lot(panel)
        product = None if lot is None else self._known.products.get(lot.product)
        job = self._jobs[name] = Job(transaction, panel, primary, units, at)
        revision = None if product is None else product.revision
        self._say(bodies.work_started(transaction, primary, units, lane, lot, revision))
        if self._plan.stages:
            seconds = 0.0 if product is None else self._plan.cycle(product) / len(self._plan.stages)
            job.stages = Stages(transaction, self._plan.stages, seconds, at)
            self._all(job.stages.begun())
        return job

    def end_stages(self, job: Job, result: str, at: float) -> None:
        """Its work is done, before it is over."""
        if job.stages is not None:
            self._all(job.stages.finished(at, result))
            job.stages = None

    def end(self, name: str, result: str, at: float) -> None:
        """result: CFX WorkResult. Does nothing when there is no work of that name."""
        job = self._jobs.pop(name, None)
        if job is not None:
            self.end_stages(job, result, at)
            self._say(bodies.work_completed(job.transaction, result, job.primary, job.units), {"Result": result})

    def abort(self, at: float) -> None:
        """All of it."""
        for name in tuple(self._jobs):
            self.end(name, "Aborted", at)

    def stop(self, name: str, fault: str, reason: str, at: float) -> None:
        """A fault stops it. reason: CFX WorkStagePauseReason."""
        job = self._jobs.get(name)
        if job is not None and job.stages is not None:
            self._all(job.stages.stopped(at, fault, reason))

    def clear(self, fault: str, at: float) -> None:
        """What that fault stopped goes on."""
        for job in self._jobs.values():
            if job.stages is not None:
                self._all(job.stages.cleared(at, fault))

    @property
    def due(self) -> float | None:
        """When a stage is over next."""
        found = [job.stages.due for job in self._jobs.values() if job.stages is not None and job.stages.due is not None]
        return min(found, default=None)

    def turn(self, at: float) -> None:
        """Stages that are over at `at` give way to the next."""
        for job in self._jobs.values():
            if job.stages is not None and job.stages.due == at:
                self._all(job.stages.turned(at))

    def _all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._say(message)
