"""What a solder paste printer says of its trade: how each panel was printed, and when the stencil was cleaned."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.marks import Body, Span
from simulators.model.facts import AnyFact, FaultRaised, Printed, StencilCleaned
from simulators.model.plan import Product
from simulators.voices import cfx_faults as faults
from simulators.voices.cfx import CfxVoice
from simulators.voices.cfx_message import Message
from simulators.voices.cfx_works import Job

UNITS_PROCESSED = "CFX.Production.Processing.UnitsProcessed"
STENCIL_CLEANED = "CFX.ResourcePerformance.SolderPastePrinting.StencilCleaned"
_PRINTING = "CFX.Structures.SolderPastePrinting"
_CYCLE_S = 18.0
"""Assumption: printers are sold with cores of 7 to 12 s, to which the print itself comes."""
_WIPES = 1


class Printing:
    """As `simulators.voices.cfx.Trade`. The stencil is printed with whole, whatever board is bad."""

    tells: frozenset[str] = frozenset((UNITS_PROCESSED, STENCIL_CLEANED))
    stages: Sequence[str] = ()
    sees_marks = False
    listens: Sequence[str] = ()

    def cycle(self, product: Product) -> float:
        return _CYCLE_S

    def components(self, product: Product) -> int:
        return 0

    def trouble(self, fact: FaultRaised, machine: CfxVoice) -> faults.Trouble:
        text = fact.text.lower()
        kind = "PasteError" if "paste" in text else "SqueegeeError" if "squeegee" in text else None
        tag = f"{_PRINTING}.SMTSolderPastePrintingFault, CFX"
        more: Body = {} if kind is None else {"$type": tag, "PrintingFaultType": kind}
        return faults.Trouble(faults.cause(text), more=more)

    def hear(self, fact: AnyFact, machine: CfxVoice) -> None:
        match fact:
            case Printed():
                job = machine.works.get(fact.job)
                if job is not None:
                    lot = machine.known.lot(fact.panel)
                    recipe = machine.known.recipe or (None if lot is None else lot.recipe)
                    machine.say(_units_processed(fact, job, recipe), {"OverallResult": "Succeeded"})
            case StencilCleaned():
                machine.say(_stencil_cleaned(fact), {"StencilCleanMode": fact.mode})


def _units_processed(fact: Printed, job: Job, recipe: str | None) -> Message:
    x, y, theta = fact.offset
    data = {
        "$type": f"{_PRINTING}.SolderPastePrintingPCBProcessData, CFX",
        "Strokes": [{"PrintPressure": fact.pressure, "PrintSpeed": fact.speed}],
        "Separation": {
            "Name": None,
            "SeparationSpeed": fact.separation,
            "SeparationDistance": None,
            "SeparationDelay": None,
        },
        "PeriodicCleanings": [],
        "RecipeName": recipe,
        "OffsetX": x,
        "OffsetY": y,
        "OffsetTheta": theta,
        "FirstPrintDirection": fact.direction,
        "CycleTime": Span(fact.seconds),
        "PrePrintStretch": None,
        "PostPrintStretch": None,
    }
    units = [
        {
            "UnitIdentifier": unit["UnitIdentifier"],
            "UnitPositionNumber": unit["PositionNumber"],
            "UnitResult": "Succeeded",
            "UnitProcessData": None,
        }
        for unit in job.units
    ]
    return Message(
        UNITS_PROCESSED,
        {
            "TransactionId": job.transaction,
            "OverallResult": "Succeeded",
            "CommonProcessData": data,
            "UnitProcessData": units,
        },
    )


def _stencil_cleaned(fact: StencilCleaned) -> Message:
    return Message(
        STENCIL_CLEANED,
        {
            "Stencil": {"CleaningState": "Cleaned", "UniqueIdentifier": fact.stencil, "Name": fact.stencil},
            "StencilCleanMode": fact.mode,
            "TimeSinceLastClean": Span(fact.seconds),
            "CyclesSinceLastClean": fact.prints,
            "StencilCleanCycles": _WIPES,
            "StencilCleanTime": Span(fact.took),
        },
    )
