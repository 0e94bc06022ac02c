"""CFX messages that every machine sends about itself and its work, complete and in the catalogue's spelling.

Field names, `TransactionID` beside `TransactionId` included, are those of IPC-2591 and its SDK 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulators.marks import Body, Seconds, Span
from simulators.model.plan import Lot, Product
from simulators.voices.cfx_message import Message

_SECOND_SIDE = ("bot", "sec")
"""How names of the side begin that is assembled second."""


def stage(sequence: int, name: str) -> Body:
    return {"StageSequence": sequence, "StageName": name, "StageType": "Work"}


def unit(identifier: str | None, position: int, *, skipped: bool) -> Body:
    """A board as CFX UnitPosition. Boards lie in two rows across the panel; X and Y in mm from its corner."""
    return {
        "UnitIdentifier": identifier,
        "PositionNumber": position,
        "PositionName": f"CIRCUIT{position}",
        "X": 10.0 + 60.0 * ((position - 1) // 2),
        "Y": 10.0 + 80.0 * ((position - 1) % 2),
        "Z": None,
        "Rotation": 0.0,
        "FlipX": False,
        "FlipY": False,
        "Status": "Skip" if skipped else "Pass",
    }


def person(badge: str) -> Body:
    return {
        "OperatorIdentifier": badge,
        "ActorType": "Human",
        "LastName": None,
        "FirstName": None,
        "LoginName": badge,
    }


def surface(lot: Lot) -> str:
    """CFX Surface."""
    return "SecondarySurface" if lot.surface.lower().startswith(_SECOND_SIDE) else "PrimarySurface"


def _work_order(lot: Lot) -> Body:
    return {"WorkOrderId": lot.order, "Batch": lot.batch}


def endpoint_connected(handle: str) -> Message:
    return Message(
        "CFX.EndpointConnected", {"CFXHandle": handle, "RequestNetworkUri": None, "RequestTargetAddress": None}
    )


def endpoint_shutting_down(handle: str) -> Message:
    return Message("CFX.EndpointShuttingDown", {"CFXHandle": handle})


def heartbeat(handle: str, every: float, faults: Iterable[Body], recipe: tuple[str, str] | None) -> Message:
    """recipe: name and revision of what is active."""
    active: list[Body] = []
    if recipe is not None:
        named = {"RecipeName": recipe[0], "Revision": recipe[1]}
        active = [{"RecipeIdentifier": named, "Recipe": None, "Lane": None, "Stage": None}]
    return Message(
        "CFX.Heartbeat",
        {
            "CFXHandle": handle,
            "HeartbeatFrequency": Span(every),
            "ActiveFaults": list(faults),
            "ActiveRecipes": active,
        },
    )


def station_online(offline: float | None) -> Message:
    """offline: seconds that it was; None when it does not know."""
    return Message(
        "CFX.ResourcePerformance.StationOnline", {"OfflineDuration": None if offline is None else Span(offline)}
    )


def station_offline() -> Message:
    return Message("CFX.ResourcePerformance.StationOffline", {})


def state_changed(old: str, lasted: float | None, new: str, fault: Body | None) -> Message:
    """old, new: codes of CFX ResourceState."""
    duration = None if lasted is None else Span(lasted)
    return Message(
        "CFX.ResourcePerformance.StationStateChanged",
        {"OldState": old, "OldStateDuration": duration, "NewState": new, "RelatedFault": fault},
    )


def recipe_activated(
    lot: Lot, product: Product, recipe: str, *, cycle: float, components: int, stages: Sequence[Body]
) -> Message:
    """cycle: expected seconds for a panel. components: placed here on one board; shared among the stages."""
    return Message(
        "CFX.Production.RecipeActivated",
        {
            "RecipeName": recipe,
            "Revision": product.revision,
            "Lane": None,
            "Stage": None,
            "ExpectedCycleTime": Seconds(cycle),
            "ExpectedWorkTime": Seconds(cycle),
            "ExpectedUnitsPerWorkTransaction": float(product.boards),
            "NumberOfComponentsPerUnit": float(components),
            "WorkOrderIdentifier": _work_order(lot),
            "TargetQuantity": float(lot.panels * product.boards),
            "RelevantSurface": surface(lot),
            "RecipeStagesInformation": [
                {
                    "Stage": each,
                    "ExpectedCycleTime": Seconds(cycle / len(stages)),
                    "ExpectedWorkTime": None,
                    "NumberOfComponentsPerUnit": float(len(range(number, components, len(stages)))),
                }
                for number, each in enumerate(stages)
            ],
        },
    )


def recipe_deactivated(lot: Lot, product: Product, recipe: str) -> Message:
    return Message(
        "CFX.Production.RecipeDeactivated",
        {
            "RecipeName": recipe,
            "Revision": product.revision,
            "Lane": None,
            "Stage": None,
            "WorkOrderIdentifier": _work_order(lot),
        },
    )


def units_moved(what: str, primary: str | None, units: Sequence[Body], lane: int | None) -> Message:
    """what: `UnitsArrived` or `UnitsDeparted`."""
    return Message(
        f"CFX.Production.{what}",
        {
            "PrimaryIdentifier": primary,
            "HermesIdentifier": None,
            "UnitCount": len(units),
            "Units": list(units),
            "Lane": lane,
        },
    )


def work_started(
    transaction: str,
    primary: str | None,
    units: Sequence[Body],
    lane: int | None,
    lot: Lot | None,
    revision: str | None,
) -> Message:
    return Message(
        "CFX.Production.WorkStarted",
        {
            "PrimaryIdentifier": primary,
            "HermesIdentifier": None,
            "TransactionID": transaction,
            "Lane": lane,
            "UnitCount": len(units),
            "Units": list(units),
            "RecipeName": None if lot is None else lot.recipe,
            "Revision": revision,
            "RelevantSurface": "Unspecified" if lot is None else surface(lot),
            "WorkOrderIdentifier": None if lot is None else _work_order(lot),
        },
    )


def work_completed(transaction: str, result: str, primary: str | None, units: Sequence[Body]) -> Message:
    """result: CFX WorkResult."""
    return Message(
        "CFX.Production.WorkCompleted",
        {
            "TransactionID": transaction,
            "Result": result,
            "PrimaryIdentifier": primary,
            "HermesIdentifier": None,
            "UnitCount": len(units),
            "Units": list(units),
            "PerformanceImpacts": [],
        },
    )


def stage_started(transaction: str, at: Body) -> Message:
    return Message("CFX.Production.WorkStageStarted", {"TransactionID": transaction, "Stage": at})


def stage_paused(transaction: str, at: Body, reason: str) -> Message:
    """reason: CFX WorkStagePauseReason."""
    return Message("CFX.Production.WorkStagePaused", {"TransactionID": transaction, "Stage": at, "PauseReason": reason})


def stage_resumed(transaction: str, at: Body) -> Message:
    return Message("CFX.Production.WorkStageResumed", {"TransactionID": transaction, "Stage": at})


def stage_completed(transaction: str, at: Body, result: str) -> Message:
    return Message(
        "CFX.Production.WorkStageCompleted",
        {"TransactionID": transaction, "Stage": at, "Result": result, "PerformanceImpacts": []},
    )
