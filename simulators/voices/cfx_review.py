"""What a review station says of its trade: which of an AOI's defects a person has found to be true."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.marks import Body
from simulators.model.facts import AnyFact, Defect, FaultRaised, Inspected, Reviewed, Verdict
from simulators.model.plan import Product
from simulators.voices import cfx_bodies as bodies
from simulators.voices import cfx_faults as faults
from simulators.voices import cfx_findings as findings
from simulators.voices.cfx import CfxVoice
from simulators.voices.cfx_message import Message
from simulators.voices.cfx_works import Job

_WAITING = 2000
"""Inspections that wait for a verdict; what is older is never looked at."""


class Reviewing:
    """As `simulators.voices.cfx.Trade`, for the findings of the AOI at station `aoi`.

    It has no conveyor: a panel's identifier and defects come from the AOI. Work on a panel is told when it is done, as
    operators are not watched while they look.
    """

    tells: frozenset[str] = frozenset((findings.UNITS_INSPECTED,))
    stages: Sequence[str] = ()
    sees_marks = True

    def __init__(self, aoi: str) -> None:
        self.listens: Sequence[str] = (aoi,)
        self._waiting: dict[str, Inspected] = {}
        self._reviews = 0

    def cycle(self, product: Product) -> float:
        return 0.0

    def components(self, product: Product) -> int:
        return 0

    def trouble(self, fact: FaultRaised, machine: CfxVoice) -> faults.Trouble:
        return faults.Trouble(faults.cause(fact.text))

    def hear(self, fact: AnyFact, machine: CfxVoice) -> None:
        if isinstance(fact, Inspected):
            if any(board.defects for board in fact.boards):
                self._waiting[fact.job] = fact
                if len(self._waiting) > _WAITING:
                    del self._waiting[next(iter(self._waiting))]
        elif isinstance(fact, Reviewed) and fact.station == machine.station:
            self._reviewed(fact, machine)

    def _reviewed(self, fact: Reviewed, machine: CfxVoice) -> None:
        found = self._waiting.pop(fact.job, None)
        job, name = machine.works.on(fact.panel), None
        if job is None:
            self._reviews += 1
            name = f"review {self._reviews}"
            job = machine.works.begin(name, fact.panel, None, machine.now)
        defects = {} if found is None else {each.id: each for board in found.boards for each in board.defects}
        units = [
            _unit(
                unit, [each for each in fact.verdicts if each.position == unit["PositionNumber"]], defects, job, machine
            )
            for unit in job.units
            if any(each.position == unit["PositionNumber"] for each in fact.verdicts)
        ]
        recipe = machine.known.program(fact.panel)
        body = findings.inspected(job.transaction, "Human", bodies.person(fact.operator), recipe, units)
        values: Body = {f"InspectedUnits.{at}.Verification": unit["Verification"] for at, unit in enumerate(units)}
        machine.say(Message(findings.UNITS_INSPECTED, body), values)
        if name is not None:
            machine.works.end(name, "Completed", machine.now)


def _unit(unit: Body, verdicts: Sequence[Verdict], defects: dict[str, Defect], job: Job, machine: CfxVoice) -> Body:
    """One board with what was said to each of its defects."""
    confirmed = any(each.confirmed for each in verdicts)
    position = unit["PositionNumber"]
    told = [
        findings.defect(
            defects.get(each.defect, Defect(id=each.defect, component="", code="")),
            "DefectConfirmed" if each.confirmed else "DefectRejected",
        )
        for each in verdicts
    ]
    verification = "DefectConfirmed" if confirmed else "DefectRejected"
    result = findings.verdict(not confirmed)
    guid = machine.guid(f"inspection {job.transaction} {position}")
    inspection = {**findings.inspection("REVIEW", guid, result, told, []), "Verification": verification}
    return {
        "UnitIdentifier": unit["UnitIdentifier"],
        "UnitPositionNumber": position,
        "OverallResult": result,
        "Inspections": [inspection],
        "Verification": verification,
        "TotalInspectionCount": len(verdicts),
    }
