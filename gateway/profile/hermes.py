"""What a machine tells that is followed over IPC-HERMES-9852: the same of every one, so that it needs no profile."""

from __future__ import annotations

from gateway.profile.bound import Bound

PROTOCOL = "hermes-vertical"
TOLD = frozenset(("unit.arrived", "unit.departed"))
"""Records of its messages BoardArrived and BoardDeparted."""


def bound(machine_class: str) -> Bound:
    """Stands where other machines have their profile."""
    return Bound(
        name="hermes",
        machine_class=machine_class,
        protocol=PROTOCOL,
        models=("any with IPC-HERMES-9852",),
        evidence="datasheet",
        evidence_source="IPC-HERMES-9852, as public implementations have it",
        signals={},
        told=TOLD,
    )
