"""What a solder paste inspection says of its trade: the paste on each board of a panel."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.marks import Body
from simulators.model.facts import AnyFact, BoardResult, FaultRaised, Inspected
from simulators.model.plan import Product
from simulators.voices import cfx_faults as faults
from simulators.voices import cfx_findings as findings
from simulators.voices.cfx import CfxVoice
from simulators.voices.cfx_message import Message
from simulators.voices.cfx_works import Job

_CYCLE_S = 14.0
"""3D inspection runs at 15 to 40 cm2/s on data sheets: a panel of 400 cm2 in 10 to 20 s with handling."""


class Inspecting:
    """As `simulators.voices.cfx.Trade`."""

    tells: frozenset[str] = frozenset((findings.UNITS_INSPECTED,))
    stages: Sequence[str] = ()
    sees_marks = True
    listens: Sequence[str] = ()

    def cycle(self, product: Product) -> float:
        return _CYCLE_S

    def components(self, product: Product) -> int:
        return 0

    def trouble(self, fact: FaultRaised, machine: CfxVoice) -> faults.Trouble:
        return faults.Trouble(faults.cause(fact.text))

    def hear(self, fact: AnyFact, machine: CfxVoice) -> None:
        if not isinstance(fact, Inspected) or (job := machine.works.get(fact.job)) is None:
            return
        looked = sum(not board.skipped for board in fact.boards)
        each = fact.count // looked if looked else 0
        units = [_unit(board, job, each, machine) for board in fact.boards]
        recipe = machine.known.program(fact.panel)
        body = findings.inspected(job.transaction, "SPI", None, recipe, units)
        values = {f"InspectedUnits.{at}.OverallResult": unit["OverallResult"] for at, unit in enumerate(units)}
        machine.say(Message(findings.UNITS_INSPECTED, body), values)


def _unit(board: BoardResult, job: Job, count: int, machine: CfxVoice) -> Body:
    """count: of pads looked at on one board."""
    result = findings.verdict(board.passed, skipped=board.skipped)
    guid = machine.guid(f"inspection {job.transaction} {board.position}")
    inspection = findings.inspection(
        "PASTE", guid, result, [findings.defect(each) for each in board.defects], findings.paste(board)
    )
    known = next((unit["UnitIdentifier"] for unit in job.units if unit["PositionNumber"] == board.position), None)
    return {
        "UnitIdentifier": known,
        "UnitPositionNumber": board.position,
        "OverallResult": result,
        "Inspections": [] if board.skipped else [inspection],
        "Verification": "NotVerifiedYet",
        "TotalInspectionCount": 0 if board.skipped else count,
    }
