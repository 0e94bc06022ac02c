"""What a placement machine says of its trade: its stages, which reels it has, and which of them gave which component."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.marks import Body
from simulators.model.facts import AnyFact, Component, FaultRaised, Placed, ReelHow, ReelMoved, SetUp
from simulators.model.plan import Part, Product
from simulators.voices import cfx_bodies as bodies
from simulators.voices import cfx_faults as faults
from simulators.voices import cfx_materials as materials
from simulators.voices.cfx import CfxVoice
from simulators.voices.cfx_materials import Feeder, Gift, Reel
from simulators.voices.cfx_works import Job

_TACT_S = 0.36
"""10,000 components an hour, the slow end of what flexible placers are sold with under IPC-9850."""
_HANDLING_S = 7.5
"""Assumption: loading, alignment and unloading."""
_TRIES = 3
_KINDS = (
    ("reel", "PartsExhaust", "MaterialMissing"),
    ("picked", "PickupError", "InformationMessageConfirmation"),
    ("recogni", "RecognitionError", "InformationMessageConfirmation"),
    ("nozzle", "NozzleError", "NozzleMissing"),
    ("fiducial", "FiducialError", "ManualAlignmentNeeded"),
    ("feeder", "FeederError", "InformationMessageConfirmation"),
)
"""A word of the fault's text, the SMTPlacementFaultType that it means, and why the stage pauses."""


class Placing:
    """As `simulators.voices.cfx.Trade`, for the machine at `station`."""

    tells: frozenset[str] = frozenset(
        (
            materials.MATERIALS_LOADED,
            materials.MATERIALS_UNLOADED,
            materials.SPLICE_POINT_DETECTED,
            materials.MATERIALS_INSTALLED,
            materials.COMPONENTS_PLACED,
        )
    )
    stages: Sequence[str] = ("STAGE1", "STAGE2")
    sees_marks = True
    listens: Sequence[str] = ()

    def __init__(self, station: str) -> None:
        self._station = station
        self._feeders: dict[int, Feeder] = {}
        self._gone: dict[str, Reel] = {}
        self._placed, self._missed, self._counted_from = 0, 0, 0.0

    def cycle(self, product: Product) -> float:
        return _HANDLING_S + self.components(product) * product.boards * _TACT_S

    def components(self, product: Product) -> int:
        return sum(len(line.designators) for line in product.bill if line.station == self._station)

    def trouble(self, fact: FaultRaised, machine: CfxVoice) -> faults.Trouble:
        words = fact.text.lower()
        cause = faults.cause(words)
        found = next((each for each in _KINDS if each[0] in words), None)
        if found is None:
            return faults.Trouble(cause)
        _, kind, pause = found
        feeder = None if fact.feeder is None else self._feeders.get(fact.feeder)
        reel = None if feeder is None or not feeder.reels else feeder.reels[0]
        designator = {
            "ReferenceDesignator": fact.designator,
            "UnitPosition": None,
            "PartNumber": None if reel is None else reel.part,
        }
        nozzle = None if feeder is None or feeder.part is None else feeder.part.nozzle
        more = {
            "$type": "CFX.Structures.SMTPlacement.SMTPlacementFault, CFX",
            "PlacementFaultType": kind,
            "ProgramStep": 0,
            "Designator": None if fact.designator is None else designator,
            "MaterialLocation": None if feeder is None else feeder.material(reel),
            "HeadAndNozzle": None if nozzle is None else materials.head_and_nozzle(1, nozzle),
            "NumberOfTriesBeforeError": _TRIES,
            "ReferencePartNumber": None,
        }
        return faults.Trouble(cause, pause, more)

    def hear(self, fact: AnyFact, machine: CfxVoice) -> None:
        match fact:
            case ReelMoved():
                self._moved(fact, machine)
            case Placed():
                self._installed(fact, machine)
            case SetUp():
                self._report(machine)
                self._gone.clear()

    def _moved(self, fact: ReelMoved, machine: CfxVoice) -> None:
        feeder = self._feeders.get(fact.slot)
        if fact.how is ReelHow.UNLOADED:
            machine.say(materials.materials_unloaded(fact.reel))
            if feeder is not None:
                self._take_off(feeder, fact.reel)
            return
        part = _part(machine, fact.part)
        reel = Reel(fact.reel, fact.part, None if part is None else part.package, fact.batch, fact.left)
        if feeder is None or fact.how is ReelHow.LOADED:
            feeder = self._feeders[fact.slot] = Feeder(fact.slot, fact.feeder, part)
        elif feeder.reels:
            reel.before = feeder.reels[-1]
        feeder.reels.append(reel)
        machine.say(materials.materials_loaded(feeder, reel))

    def _take_off(self, feeder: Feeder, identifier: str) -> None:
        """What it has given is told when the panel is done."""
        self._gone.update((each.identifier, each) for each in feeder.reels if each.identifier == identifier)
        feeder.reels = [each for each in feeder.reels if each.identifier != identifier]

    def _installed(self, fact: Placed, machine: CfxVoice) -> None:
        job = machine.works.get(fact.job)
        if job is None:
            return
        boards = {unit["PositionNumber"]: unit["UnitIdentifier"] for unit in job.units}
        gifts: dict[tuple[int, int, str], Gift] = {}
        parts = [(part, False) for part in fact.components] + [(part, True) for part in fact.missed]
        for sequence, (part, missed) in enumerate(sorted(parts, key=lambda each: each[0].second), 1):
            gift = self._give(part, boards, gifts, machine)
            at, stage, head = self._where(part, job)
            if missed:
                gift.missed.append(materials.missed_component(part.designator, at, stage, head))
            else:
                gift.components.append(materials.installed_component(part.designator, at, stage, head, sequence))
        self._placed += len(fact.components)
        self._missed += len(fact.missed)
        machine.works.end_stages(job, "Completed", machine.now)
        machine.say(materials.materials_installed(job.transaction, gifts.values()))

    def _give(
        self,
        part: Component,
        boards: dict[int, str | None],
        gifts: dict[tuple[int, int, str], Gift],
        machine: CfxVoice,
    ) -> Gift:
        feeder = self._feeders.get(part.slot)
        if feeder is None:  # mounted while nobody listened
            feeder = self._feeders[part.slot] = Feeder(part.slot, f"SLOT{part.slot}", None)
        reel = self._in_use(feeder, part.reel, machine)
        reel.left = max(reel.left - 1, 0)
        key = (part.position, part.slot, part.reel)
        if key not in gifts:
            gifts[key] = Gift(boards.get(part.position), part.position, feeder.location(), reel.body())
        return gifts[key]

    def _in_use(self, feeder: Feeder, identifier: str, machine: CfxVoice) -> Reel:
        """That reel, after a splice point where the one before it ended."""
        reels = feeder.reels
        if identifier not in [each.identifier for each in reels]:
            return self._gone.setdefault(identifier, Reel(identifier, "", None, "", 0))
        while reels[0].identifier != identifier:
            depleted = reels[0]
            self._take_off(feeder, depleted.identifier)
            reels = feeder.reels
            depleted.left, reels[0].before = 0, None
            machine.say(materials.splice_point(feeder, depleted, reels[0]))
        return reels[0]

    def _where(self, part: Component, job: Job) -> tuple[float, Body, Body]:
        at = job.began + part.second
        stage = bodies.stage(1, self.stages[0]) if job.stages is None else job.stages.at(at)
        feeder = self._feeders[part.slot]
        nozzle = None if feeder.part is None else feeder.part.nozzle
        return at, stage, materials.head_and_nozzle(stage["StageSequence"], nozzle)

    def _report(self, machine: CfxVoice) -> None:
        """How much was placed since the last changeover."""
        if self._placed or self._missed:
            placed = materials.components_placed(self._counted_from, machine.now, self._placed, self._missed)
            machine.say(placed, {"TotalComponentsPlaced": self._placed})
        self._placed, self._missed, self._counted_from = 0, 0, machine.now


def _part(machine: CfxVoice, number: str) -> Part | None:
    products = machine.known.products.values()
    return next((part for product in products for part in product.parts if part.number == number), None)
