"""Which material went where, as CFX InstalledMaterials."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.classes.records import said_number, said_position, said_text, said_time
from gateway.classes.state import Work
from gateway.classes.structures import structure, structure_if_known
from gateway.core.observation import Record

Structure = dict[str, object]
_SEPARATOR = re.compile(r"[,;\s]+")
_KEYS = ("package", "part", "batch", "slot", "slot.id", "feeder", "feeder.name")
"""What tells one material from another."""


def installed_materials(work: Work, parts: Sequence[Record]) -> list[Structure]:
    """One per material and board; components that stand in no material are put together by what is said of theirs."""
    made = []
    for part in parts:
        if part.name == "material":
            made += _of_material(work, part)
    groups: dict[tuple[object, ...], list[Record]] = {}
    for part in parts:
        if part.name != "material":
            groups.setdefault((said_position(part), *(said_text(part, key) for key in _KEYS)), []).append(part)
    return [*made, *(_installed(work, group[0], said_position(group[0]), group) for group in groups.values())]


def _of_material(work: Work, record: Record) -> list[Structure]:
    """Of a material whose components say on which board they are, one per board."""
    own = said_position(record)
    boards: dict[int | None, list[Record]] = {}
    for child in record.children:
        boards.setdefault(said_position(child) or own, []).append(child)
    if len(boards) > 1:
        return [_installed(work, record, position, children) for position, children in boards.items()]
    position = next(iter(boards), own)
    names = [name for name in _SEPARATOR.split(said_text(record, "components") or "") if name]
    made = _installed(work, record, position, record.children, names)
    for field, word in (("QuantityInstalled", "installed"), ("QuantityNonInstalled", "missed")):
        said = said_number(record, word)
        if said is not None:
            made[field] = said
    return [made]


def _installed(
    work: Work, record: Record, position: int | None, parts: Sequence[Record], names: Sequence[str] = ()
) -> Structure:
    """record: the material, or the first of its components."""
    single = work.count <= 1
    placed: list[Structure] = [{"ReferenceDesignator": name} for name in names]
    placed += [_component(part) for part in parts if part.name == "component"]
    rejected = [_rejected(part) for part in parts if part.name == "component.rejected"]
    return structure(
        "InstalledMaterial",
        {
            "UnitIdentifier": work.unit if single else None,
            "UnitPositionNumber": position or (1 if single else None),
            "QuantityInstalled": len(placed) if parts or names else None,
            "QuantityNonInstalled": len(rejected) if rejected else None,
            "Material": package(record),
            "CarrierLocation": _carrier_location(record),
            "InstalledComponents": placed,
            "NonInstalledComponents": rejected,
        },
    )


def package(record: Record) -> Structure | None:
    """CFX MaterialPackage of what a record says about its material."""
    said = {
        "UniqueIdentifier": said_text(record, "package"),
        "InternalPartNumber": said_text(record, "part"),
        "BatchId": said_text(record, "batch"),
    }
    return structure_if_known("MaterialPackage", {**said, "Quantity": said_number(record, "remaining")})


def _carrier(record: Record) -> Structure | None:
    said = {"UniqueIdentifier": said_text(record, "feeder"), "Name": said_text(record, "feeder.name")}
    return structure_if_known("MaterialCarrier", said)


def _place(record: Record) -> Structure:
    return {
        "LocationIdentifier": said_text(record, "slot.id"),
        "LocationName": said_text(record, "slot"),
        "CarrierInformation": _carrier(record),
    }


def _carrier_location(record: Record) -> Structure | None:
    return structure_if_known("MaterialCarrierLocation", _place(record))


def location(record: Record) -> Structure | None:
    """CFX MaterialLocation: the material and its place; None when nothing is said of either."""
    return structure_if_known("MaterialLocation", {**_place(record), "MaterialPackage": package(record)})


def _component(record: Record) -> Structure:
    head = {
        "HeadId": said_text(record, "head"),
        "HeadNozzleNumber": said_number(record, "nozzle"),
        "NozzleType": said_text(record, "nozzle.type"),
    }
    general: Structure = {
        "ReferenceDesignator": said_text(record, "component"),
        "InstallationTime": said_time(record, "time"),
    }
    by, sequence = structure_if_known("SMTPlacement.SMTHeadAndNozzle", head), said_number(record, "sequence")
    if by is None and sequence is None:
        return structure("InstalledComponent", general)
    return structure(
        "SMTPlacement.SMTInstalledComponent", {**general, "HeadAndNozzle": by, "InstallationSequence": sequence}
    )


def _rejected(record: Record) -> Structure:
    return structure(
        "NonInstalledComponent",
        {
            "ReferenceDesignator": said_text(record, "component"),
            "NonInstallationTime": said_time(record, "time"),
            "Location": said_text(record, "where"),
            "RejectionReason": said_text(record, "reason"),
            "RejectionComment": said_text(record, "comments"),
        },
    )
