"""What goes wrong on a placement machine, and the CFX messages about it."""

from __future__ import annotations

from typing import NamedTuple

from simulators.bodies import Message
from simulators.materials import Feeder
from simulators.step import Body, Moment


class Trouble(NamedTuple):
    """A kind of fault, in words of CFX FaultCause, SMTPlacementFaultType and WorkStagePauseReason."""

    code: str
    cause: str
    placement: str
    pause: str
    text: str


EXHAUSTED = Trouble("E2011", "Refill", "PartsExhaust", "MaterialMissing", "Reel is empty")
STOPS = (
    Trouble(
        "E3101",
        "ProcessError",
        "PickupError",
        "InformationMessageConfirmation",
        "Component was not picked up",
    ),
    Trouble(
        "E3204",
        "RejectedComponent",
        "RecognitionError",
        "InformationMessageConfirmation",
        "Component not recognised",
    ),
    Trouble("E3307", "MechanicalFailure", "NozzleError", "NozzleMissing", "Nozzle is clogged"),
    Trouble("E3402", "ProcessError", "FiducialError", "ManualAlignmentNeeded", "Fiducial was not found"),
)


class Stop(NamedTuple):
    """Where and when a fault stops the machine. sequence: program step; designator: of the next component."""

    trouble: Trouble
    occurrence: str
    at: float
    transaction: str
    lane: int
    stage: Body
    unit: Body
    designator: str
    sequence: int
    feeder: Feeder
    head: Body


def placement_fault(stop: Stop) -> Body:
    """CFX SMTPlacementFault, for FaultOccurred, RelatedFault and ActiveFaults alike.

    The envelope keeps `$type` where the SDK writes it, which is in FaultOccurred alone.
    """
    return {
        "$type": "CFX.Structures.SMTPlacement.SMTPlacementFault, CFX",
        "PlacementFaultType": stop.trouble.placement,
        "ProgramStep": stop.sequence,
        "Designator": {
            "ReferenceDesignator": stop.designator,
            "UnitPosition": stop.unit,
            "PartNumber": stop.feeder.part.number,
        },
        "MaterialLocation": stop.feeder.material,
        "HeadAndNozzle": stop.head,
        "NumberOfTriesBeforeError": 3,
        "ReferencePartNumber": None,
        "TransactionID": stop.transaction,
        "Cause": stop.trouble.cause,
        "Severity": "Error",
        "FaultCode": stop.trouble.code,
        "FaultOccurrenceId": stop.occurrence,
        "Lane": stop.lane,
        "Stage": stop.stage,
        "SideLocation": "Unknown",
        "AccessType": "Local",
        "Description": f"{stop.trouble.text} (slot {stop.feeder.slot}, {stop.feeder.part.number})",
        "DescriptionTranslations": {},
        "OccurredAt": Moment(stop.at),
        "DueDateTime": None,
    }


def fault_occurred(fault: Body) -> Message:
    return Message("CFX.ResourcePerformance.FaultOccurred", {"Fault": fault})


def _operator(badge: str) -> Body:
    return {
        "OperatorIdentifier": badge,
        "ActorType": "Human",
        "LastName": None,
        "FirstName": None,
        "LoginName": badge,
    }


def _fault_handled(what: str, fault: Body, badge: str) -> Message:
    return Message(
        f"CFX.ResourcePerformance.{what}",
        {"FaultOccurrenceId": fault["FaultOccurrenceId"], "Operator": _operator(badge)},
    )


def fault_acknowledged(fault: Body, badge: str) -> Message:
    return _fault_handled("FaultAcknowledged", fault, badge)


def fault_cleared(fault: Body, badge: str) -> Message:
    return _fault_handled("FaultCleared", fault, badge)
