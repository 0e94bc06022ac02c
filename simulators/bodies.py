"""CFX messages about a machine and its work: (name, body) pairs, complete and in the catalogue's spelling.

Field names, `TransactionID` beside `TransactionId` included, are those of IPC-2591 and its SDK 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from simulators.model import Lot, Naming, Panel
from simulators.step import Body, Seconds, Span, Work

PRODUCING, STARVED, BLOCKED = 1100, 2202, 2201  # codes of CFX ResourceState (SEMI E10 with E58's subdivision)
SETUP, WAITING_FOR_REPAIR, REPAIR, REFILL, STARTING = 4500, 5100, 5300, 5500, 6500


class Message(NamedTuple):
    name: str
    body: Body


def stage(sequence: int, name: str) -> Body:
    return {"StageSequence": sequence, "StageName": name, "StageType": "Work"}


def units(panel: Panel) -> tuple[Body, ...]:
    """Its boards as CFX UnitPosition, in two rows across the panel; X and Y in mm from its corner."""
    own = panel.lot.product.naming is Naming.BOARD
    return tuple(
        {
            "UnitIdentifier": board if own else panel.id,
            "PositionNumber": position,
            "PositionName": f"CIRCUIT{position}",
            "X": 10.0 + 60.0 * ((position - 1) // 2),
            "Y": 10.0 + 80.0 * ((position - 1) % 2),
            "Z": None,
            "Rotation": 0.0,
            "FlipX": False,
            "FlipY": False,
            "Status": "Skip" if position in panel.skipped else "Pass",
        }
        for position, board in enumerate(panel.boards, 1)
    )


def _work_order(lot: Lot) -> Body:
    return {"WorkOrderId": lot.work_order, "Batch": lot.batch}


def endpoint_connected(handle: str) -> Message:
    return Message(
        "CFX.EndpointConnected",
        {"CFXHandle": handle, "RequestNetworkUri": None, "RequestTargetAddress": None},
    )


def endpoint_shutting_down(handle: str) -> Message:
    return Message("CFX.EndpointShuttingDown", {"CFXHandle": handle})


def heartbeat(handle: str, every: float, faults: Iterable[Body], lot: Lot | None, lane: int) -> Message:
    recipes: list[Body] = []
    if lot is not None:
        recipe = {"RecipeName": lot.recipe, "Revision": lot.product.revision}
        recipes = [{"RecipeIdentifier": recipe, "Recipe": None, "Lane": lane, "Stage": None}]
    return Message(
        "CFX.Heartbeat",
        {
            "CFXHandle": handle,
            "HeartbeatFrequency": Span(every),
            "ActiveFaults": list(faults),
            "ActiveRecipes": recipes,
        },
    )


def station_online() -> Message:
    return Message("CFX.ResourcePerformance.StationOnline", {"OfflineDuration": None})


def station_offline() -> Message:
    return Message("CFX.ResourcePerformance.StationOffline", {})


def state_changed(old: int, lasted: float, new: int, fault: Body | None) -> Message:
    return Message(
        "CFX.ResourcePerformance.StationStateChanged",
        {"OldState": str(old), "OldStateDuration": Span(lasted), "NewState": str(new), "RelatedFault": fault},
    )


def recipe_activated(
    lot: Lot, lane: int, cycle: float, per_board: int, stages: Sequence[tuple[Body, float]]
) -> Message:
    """`stages`: each with its share of the components of one board; `cycle`: expected seconds for a panel."""
    return Message(
        "CFX.Production.RecipeActivated",
        {
            "RecipeName": lot.recipe,
            "Revision": lot.product.revision,
            "Lane": lane,
            "Stage": None,
            "ExpectedCycleTime": Seconds(cycle),
            "ExpectedWorkTime": Seconds(cycle),
            "ExpectedUnitsPerWorkTransaction": float(lot.product.boards),
            "NumberOfComponentsPerUnit": float(per_board),
            "WorkOrderIdentifier": _work_order(lot),
            "TargetQuantity": float(lot.panels * lot.product.boards),
            "RelevantSurface": "PrimarySurface",
            "RecipeStagesInformation": [
                {
                    "Stage": each,
                    "ExpectedCycleTime": Seconds(cycle / len(stages)),
                    "ExpectedWorkTime": None,
                    "NumberOfComponentsPerUnit": share,
                }
                for each, share in stages
            ],
        },
    )


def recipe_deactivated(lot: Lot, lane: int) -> Message:
    return Message(
        "CFX.Production.RecipeDeactivated",
        {
            "RecipeName": lot.recipe,
            "Revision": lot.product.revision,
            "Lane": lane,
            "Stage": None,
            "WorkOrderIdentifier": _work_order(lot),
        },
    )


def _moved(what: str, panel: Panel, lane: int) -> Message:
    boards = units(panel)
    return Message(
        f"CFX.Production.{what}",
        {
            "PrimaryIdentifier": panel.id,
            "HermesIdentifier": None,
            "UnitCount": len(boards),
            "Units": list(boards),
            "Lane": lane,
        },
    )


def units_arrived(panel: Panel, lane: int) -> Message:
    return _moved("UnitsArrived", panel, lane)


def units_departed(panel: Panel, lane: int) -> Message:
    return _moved("UnitsDeparted", panel, lane)


def work_started(work: Work, lot: Lot, lane: int) -> Message:
    return Message(
        "CFX.Production.WorkStarted",
        {
            "PrimaryIdentifier": work.panel,
            "HermesIdentifier": None,
            "TransactionID": work.transaction,
            "Lane": lane,
            "UnitCount": len(work.units),
            "Units": list(work.units),
            "RecipeName": lot.recipe,
            "Revision": lot.product.revision,
            "RelevantSurface": "PrimarySurface",
            "WorkOrderIdentifier": _work_order(lot),
        },
    )


def work_completed(work: Work, result: str) -> Message:
    """`result`: CFX WorkResult."""
    return Message(
        "CFX.Production.WorkCompleted",
        {
            "TransactionID": work.transaction,
            "Result": result,
            "PrimaryIdentifier": work.panel,
            "HermesIdentifier": None,
            "UnitCount": len(work.units),
            "Units": list(work.units),
            "PerformanceImpacts": [],
        },
    )


def stage_started(transaction: str, at: Body) -> Message:
    return Message("CFX.Production.WorkStageStarted", {"TransactionID": transaction, "Stage": at})


def stage_paused(transaction: str, at: Body, reason: str) -> Message:
    """`reason`: CFX WorkStagePauseReason."""
    return Message("CFX.Production.WorkStagePaused", {"TransactionID": transaction, "Stage": at, "PauseReason": reason})


def stage_resumed(transaction: str, at: Body) -> Message:
    return Message("CFX.Production.WorkStageResumed", {"TransactionID": transaction, "Stage": at})


def stage_completed(transaction: str, at: Body, result: str) -> Message:
    return Message(
        "CFX.Production.WorkStageCompleted",
        {"TransactionID": transaction, "Stage": at, "Result": result, "PerformanceImpacts": []},
    )
