"""Feeders and reels, and the CFX messages that say which reel gave which component.

`$type` comes first in an object whose class differs from the declared one: the SDK's reader loses the subclass
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.marks import Body, Moment
from simulators.model.plan import Part
from simulators.voices.cfx_message import Message

MATERIALS_LOADED = "CFX.Materials.Storage.MaterialsLoaded"
MATERIALS_UNLOADED = "CFX.Materials.Storage.MaterialsUnloaded"
SPLICE_POINT_DETECTED = "CFX.Materials.Storage.SplicePointDetected"
MATERIALS_INSTALLED = "CFX.Production.Assembly.MaterialsInstalled"
COMPONENTS_PLACED = "CFX.ResourcePerformance.SMTPlacement.ComponentsPlaced"
_PLACEMENT = "CFX.Structures.SMTPlacement"
_TAPE = (8.0, 4.0)


@dataclass
class Reel:
    """left: components that remain on it. before: the one that it is spliced onto."""

    identifier: str
    part: str
    package: str | None
    batch: str
    left: int
    before: Reel | None = None

    def body(self) -> Body:
        """CFX MaterialPackage, as it is now."""
        return {
            "UniqueIdentifier": self.identifier,
            "InternalPartNumber": self.part,
            "InternalPackageName": self.package,
            "Quantity": float(self.left),
            "LeadingMaterialPackage": None if self.before is None else self.before.body(),
            "BatchId": self.batch,
            "BatchMaterialPackage": None,
            "GreyZone": 0.0,
        }


@dataclass
class Feeder:
    """A tape feeder in its slot. reels: in the order in which they give their components; the first is in use."""

    slot: int
    identifier: str
    part: Part | None
    reels: list[Reel] = field(default_factory=list)

    def carrier(self) -> Body:
        """CFX SMDTapeFeeder."""
        width, pitch = _TAPE if self.part is None else self.part.tape
        return {
            "$type": f"{_PLACEMENT}.SMDTapeFeeder, CFX",
            "BaseUniqueIdentifier": self.identifier,
            "BaseName": None,
            "LaneNumber": 1,
            "TapeWidth": width,
            "TapePitch": pitch,
            "UniqueIdentifier": self.identifier,
            "Name": f"TAPE{width:.0f}MM-{self.identifier}",
            "ParentCarrier": None,
        }

    def location(self) -> Body:
        """CFX MaterialCarrierLocation."""
        return {
            "ResourceLocation": None,
            "LocationIdentifier": str(self.slot),
            "LocationName": f"SLOT{self.slot}",
            "CarrierInformation": self.carrier(),
        }

    def material(self, reel: Reel | None) -> Body:
        """CFX MaterialLocation."""
        return {**self.location(), "MaterialPackage": None if reel is None else reel.body()}


@dataclass
class Gift:
    """What one reel gave to one board; components and missed as CFX writes them."""

    unit: str | None
    position: int
    location: Body
    reel: Body
    components: list[Body] = field(default_factory=list)
    missed: list[Body] = field(default_factory=list)


def head_and_nozzle(head: int, nozzle: str | None) -> Body:
    named = nozzle or "NOZZLE"
    return {
        "UniqueIdentifier": f"{named}-{head}",
        "Name": named,
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


def materials_loaded(feeder: Feeder, reel: Reel) -> Message:
    return Message(MATERIALS_LOADED, {"Materials": [feeder.material(reel)]})


def materials_unloaded(reel: str) -> Message:
    return Message(MATERIALS_UNLOADED, {"MaterialPackageIdentifiers": [reel]})


def splice_point(feeder: Feeder, depleted: Reel, active: Reel) -> Message:
    return Message(
        SPLICE_POINT_DETECTED,
        {"DepletedMaterial": feeder.material(depleted), "NewlyActiveMaterial": feeder.material(active)},
    )


def materials_installed(transaction: str, gifts: Iterable[Gift]) -> Message:
    return Message(
        MATERIALS_INSTALLED,
        {
            "TransactionId": transaction,
            "InstalledMaterials": [
                {
                    "UnitIdentifier": each.unit,
                    "UnitPositionNumber": each.position,
                    "QuantityInstalled": float(len(each.components)),
                    "QuantityNonInstalled": float(len(each.missed)),
                    "Material": each.reel,
                    "CarrierLocation": each.location,
                    "InstalledComponents": each.components,
                    "NonInstalledComponents": each.missed,
                    "ReferencePartNumber": None,
                }
                for each in gifts
            ],
        },
    )


def components_placed(start: float, end: float, placed: int, missed: int) -> Message:
    return Message(
        COMPONENTS_PLACED,
        {
            "StartTime": Moment(start),
            "EndTime": Moment(end),
            "TotalComponentsPlaced": placed,
            "TotalComponentsNotPlaced": missed,
        },
    )
