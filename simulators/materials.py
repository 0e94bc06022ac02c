"""Feeders, and the CFX messages that say which reel gave which component.

`$type` comes first in an object whose class differs from the declared one: the SDK's reader loses the
subclass otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from simulators.bodies import Message
from simulators.model import Panel, Part
from simulators.step import Body, Moment

_PLACEMENT = "CFX.Structures.SMTPlacement"


@dataclass
class Feeder:
    """A tape feeder in its slot with the reel on it. left: components that remain."""

    slot: int
    identifier: str
    part: Part
    reel: str
    left: int

    @property
    def carrier(self) -> Body:
        return {
            "$type": f"{_PLACEMENT}.SMDTapeFeeder, CFX",
            "BaseUniqueIdentifier": self.identifier,
            "BaseName": None,
            "LaneNumber": 1,
            "TapeWidth": self.part.tape_width,
            "TapePitch": self.part.tape_pitch,
            "UniqueIdentifier": self.identifier,
            "Name": f"TAPE{self.part.tape_width:.0f}MM-{self.identifier}",
            "ParentCarrier": None,
        }

    @property
    def package(self) -> Body:
        return {
            "UniqueIdentifier": self.reel,
            "InternalPartNumber": self.part.number,
            "InternalPackageName": self.part.package,
            "Quantity": float(self.left),
            "LeadingMaterialPackage": None,
            "BatchId": None,
            "BatchMaterialPackage": None,
            "GreyZone": 0.0,
        }

    @property
    def location(self) -> Body:
        return {
            "ResourceLocation": None,
            "LocationIdentifier": str(self.slot),
            "LocationName": f"SLOT{self.slot}",
            "CarrierInformation": self.carrier,
        }

    @property
    def material(self) -> Body:
        return {**self.location, "MaterialPackage": self.package}


class Placement(NamedTuple):
    """One component to place. position: of the board, 1-based."""

    position: int
    designator: str
    part: Part


def placements(panel: Panel, machine: int) -> list[Placement]:
    """What that machine (from 0) has to place, board by board; designators are unique on a board."""
    names: list[tuple[str, Part]] = []
    used: dict[str, int] = {}
    for number, bill in enumerate(panel.lot.product.bills):
        for part, count in bill:
            start = used.get(part.prefix, 0)
            used[part.prefix] = start + count
            if number == machine:
                names += [(f"{part.prefix}{index + 1}", part) for index in range(start, start + count)]
    return [
        Placement(position, name, part)
        for position in range(1, len(panel.boards) + 1)
        if position not in panel.skipped
        for name, part in names
    ]


@dataclass
class Placed:
    """What one reel gave to one board; components and missed as CFX writes them."""

    unit: str
    position: int
    feeder: Feeder
    reel: Body
    components: list[Body] = field(default_factory=list)
    missed: list[Body] = field(default_factory=list)


def head_and_nozzle(head: int, nozzle: str) -> Body:
    return {
        "UniqueIdentifier": f"{nozzle}-{head}",
        "Name": nozzle,
        "HeadId": f"HEAD{head}",
        "HeadNozzleNumber": 1,
        "NozzleType": nozzle,
    }


def installed_component(designator: str, at: float, stage: Body, head: Body, sequence: int) -> Body:
    return {
        "$type": f"{_PLACEMENT}.SMTInstalledComponent, CFX",
        "HeadAndNozzle": head,
        "PickingTime": None,
        "PickingSequence": None,
        "InstallationSequence": sequence,
        "CycleSequence": None,
        "ReferenceDesignator": designator,
        "InstalledUnitIdentifier": None,
        "InstallationTime": Moment(at),
        "Stage": stage,
        "ElectricalTest": None,
        "Tests": None,
    }


def missed_component(designator: str, at: float, stage: Body, head: Body) -> Body:
    """One that was picked and thrown away, before another took its place."""
    return {
        "$type": f"{_PLACEMENT}.SMTNonInstalledComponent, CFX",
        "HeadAndNozzle": head,
        "PickingTime": None,
        "PickingSequence": None,
        "CycleSequence": None,
        "ReferenceDesignator": designator,
        "NonInstallationTime": Moment(at),
        "Location": "RejectionBox",
        "Stage": stage,
        "RejectionBoxId": "BOX1",
        "RejectionComment": None,
        "RejectionReason": "BadVisionTestAfterPickup",
        "RejectionDetails": None,
    }


def materials_loaded(feeders: Iterable[Feeder]) -> Message:
    return Message("CFX.Materials.Storage.MaterialsLoaded", {"Materials": [each.material for each in feeders]})


def materials_unloaded(feeders: Iterable[Feeder]) -> Message:
    return Message(
        "CFX.Materials.Storage.MaterialsUnloaded",
        {"MaterialPackageIdentifiers": [each.reel for each in feeders]},
    )


def materials_installed(transaction: str, placed: Iterable[Placed]) -> Message:
    return Message(
        "CFX.Production.Assembly.MaterialsInstalled",
        {
            "TransactionId": transaction,
            "InstalledMaterials": [
                {
                    "UnitIdentifier": each.unit,
                    "UnitPositionNumber": each.position,
                    "QuantityInstalled": float(len(each.components)),
                    "QuantityNonInstalled": float(len(each.missed)),
                    "Material": each.reel,
                    "CarrierLocation": each.feeder.location,
                    "InstalledComponents": each.components,
                    "NonInstalledComponents": each.missed,
                    "ReferencePartNumber": None,
                }
                for each in placed
            ],
        },
    )
