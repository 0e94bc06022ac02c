"""Data messages that several classes make: what was done to the units of one work."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.classes.state import Work
from gateway.classes.turn import Turn

UNITS_PROCESSED = "CFX.Production.Processing.UnitsProcessed"

_OUTCOMES = {"Completed": "Succeeded", "Failed": "Failed", "Aborted": "Aborted", "Skipped": "Skipped"}
"""CFX ProcessingResult of a WorkResult."""


def process_data(kind: str, fields: Mapping[str, object]) -> dict[str, object]:
    """A CFX ProcessData of this kind, named below CFX.Structures."""
    return {"$type": f"CFX.Structures.{kind}, CFX", **fields}


def processed(
    turn: Turn,
    work: Work,
    common: Mapping[str, object] | None,
    result: str | None = None,
    *,
    each: Mapping[str, object] | None = None,
) -> None:
    """UnitsProcessed of all units of a work, with what is the same for them all: `common` once, `each` in every unit.

    A result (CFX ProcessingResult) that is not given is that of the work.
    """
    outcome = result or _OUTCOMES[turn.result or "Completed"]
    units = turn.units(work.unit, work.count)
    turn.emit(
        UNITS_PROCESSED,
        {
            "TransactionId": work.transaction,
            "OverallResult": outcome,
            "CommonProcessData": common,
            "UnitProcessData": [
                {
                    "UnitIdentifier": unit["UnitIdentifier"],
                    "UnitPositionNumber": unit["PositionNumber"],
                    "UnitResult": outcome,
                    "UnitProcessData": each,
                }
                for unit in units
            ],
        },
    )
