"""CFX messages about what goes wrong, and what machines call it.

A fault of the model has a code and a text of its machine's own. CFX wants a cause too, which a maker takes from a list
of his own; here it follows from the words of the text.
"""

from __future__ import annotations

from typing import NamedTuple

from simulators.marks import Body, Moment
from simulators.model.facts import FaultRaised
from simulators.voices import cfx_bodies as bodies
from simulators.voices.cfx_message import Message

_STOPPING = ("Error", "Alarm")
_CAUSES = (
    ("reel", "Refill"),
    ("refill", "Refill"),
    ("empty", "Refill"),
    ("run out", "Refill"),
    ("paste", "Refill"),
    ("door", "SafetyStop"),
    ("cover", "SafetyStop"),
    ("emergency", "SafetyStop"),
    ("recogni", "RejectedComponent"),
    ("vision", "RejectedComponent"),
    ("nozzle", "MechanicalFailure"),
    ("feeder", "MechanicalFailure"),
    ("squeegee", "MechanicalFailure"),
    ("stencil", "MechanicalFailure"),
    ("clamp", "MechanicalFailure"),
    ("axis", "MechanicalFailure"),
    ("camera", "ElectricalFailure"),
    ("sensor", "ElectricalFailure"),
    ("software", "SoftwareFailure"),
    ("program", "SoftwareFailure"),
    ("power", "PowerFailure"),
    ("air", "ServicesFailure"),
    ("jam", "LoadError"),
    ("conveyor", "LoadError"),
    ("board", "LoadError"),
)
"""A word of the text, and the CFX FaultCause that it means; the first that is found counts."""


class Trouble(NamedTuple):
    """What a machine calls a fault. cause: CFX FaultCause. pause: WorkStagePauseReason. more: fields of its own kind of
    Fault, with `$type` first; empty for a plain one."""

    cause: str
    pause: str = "ProductionStoppedByOperator"
    more: Body = {}  # noqa: RUF012  never changed


def cause(text: str, otherwise: str = "ProcessError") -> str:
    """The FaultCause that a text means."""
    words = text.lower()
    return next((found for word, found in _CAUSES if word in words), otherwise)


def stops(fact: FaultRaised) -> bool:
    """The machine cannot go on with its work."""
    return fact.severity in _STOPPING


def body(fact: FaultRaised, trouble: Trouble, transaction: str | None, stage: Body | None) -> Body:
    """CFX Fault, for FaultOccurred, RelatedFault and ActiveFaults alike.

    The envelope keeps `$type` where the SDK writes it, which is in FaultOccurred alone.
    """
    return {
        **trouble.more,
        "TransactionID": transaction,
        "Cause": trouble.cause,
        "Severity": fact.severity,
        "FaultCode": fact.code,
        "FaultOccurrenceId": fact.occurrence,
        "Lane": fact.lane,
        "Stage": stage,
        "SideLocation": "Unknown",
        "AccessType": "Local",
        "Description": fact.text,
        "DescriptionTranslations": {},
        "OccurredAt": Moment(fact.at),
        "DueDateTime": None,
    }


def occurred(fault: Body) -> Message:
    return Message("CFX.ResourcePerformance.FaultOccurred", {"Fault": fault})


def acknowledged(occurrence: str, badge: str) -> Message:
    return _handled("FaultAcknowledged", occurrence, badge)


def cleared(occurrence: str, badge: str) -> Message:
    return _handled("FaultCleared", occurrence, badge)


def _handled(what: str, occurrence: str, badge: str) -> Message:
    return Message(
        f"CFX.ResourcePerformance.{what}",
        {"FaultOccurrenceId": occurrence, "Operator": bodies.person(badge) if badge else None},
    )
