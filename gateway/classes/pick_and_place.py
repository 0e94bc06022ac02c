"""Pick-and-place: which material went where, how much was placed, and what is wrong with feeders."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.classes import common, counters, faults
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.placement_materials import installed_materials, location
from gateway.classes.placement_words import FAULTS, RECORDS, SIGNALS
from gateway.classes.records import fault_key, said_number, said_text, said_time, said_unit
from gateway.classes.state import Work
from gateway.classes.structures import structure, structure_if_known, whole
from gateway.classes.turn import Turn, known
from gateway.classes.works import within_work
from gateway.core.observation import Record
from gateway.core.sample import SignalKey, signal_key
from gateway.core.times import Micros, to_datetime

MATERIALS_INSTALLED = "CFX.Production.Assembly.MaterialsInstalled"
COMPONENTS_PLACED = "CFX.ResourcePerformance.SMTPlacement.ComponentsPlaced"
MATERIALS_LOADED = "CFX.Materials.Storage.MaterialsLoaded"
MATERIALS_UNLOADED = "CFX.Materials.Storage.MaterialsUnloaded"


def _completed(turn: Turn, work: Work) -> None:
    """What the counters say was placed since the last board. At first, and after a gap, that is not known."""
    key = _counter(turn, "components.placed")
    if key is None or turn.setup.tells("placement"):
        return
    missed_key = _counter(turn, "components.missed")
    placed = counters.since_last(turn, key)
    missed = None if missed_key is None else counters.since_last(turn, missed_key)
    started, turn.kept[f"since.{key}"] = turn.kept.get(f"since.{key}"), turn.time
    if placed is not None and isinstance(started, int) and started <= turn.time:
        _placed(turn, started, turn.time, placed, missed)


def _counter(turn: Turn, name: str) -> str | None:
    """Of the lane, or of all lanes together."""
    lane = None if turn.lane is None else str(SignalKey(name, lane=turn.lane))
    return next((key for key in (lane, name) if key in turn.setup.bound.signals), None)


def _placed(turn: Turn, started: Micros, ended: Micros, placed: float, missed: float | None) -> None:
    if whole(placed) is None:
        return
    turn.emit(
        COMPONENTS_PLACED,
        {
            "StartTime": to_datetime(started),
            "EndTime": to_datetime(ended),
            "TotalComponentsPlaced": whole(placed),
            "TotalComponentsNotPlaced": known(whole(missed)),
        },
    )


def _populated(turn: Turn, record: Record) -> None:
    """The record `placement`."""
    started, ended = said_time(record, "started"), said_time(record, "ended") or record.time
    count, placed = said_number(record, "units"), said_number(record, "placed")
    with within_work(turn, record.lane, said_unit(turn, record), count=count, began=started) as work:
        if record.children:
            turn.emit(
                MATERIALS_INSTALLED,
                {"TransactionId": work.transaction, "InstalledMaterials": installed_materials(work, record.children)},
            )
        if placed is not None and started is not None and ended is not None:
            _placed(turn, started, ended, placed, said_number(record, "missed"))


def _looked(turn: Turn, before: Mapping[str, object]) -> None:
    for key, old in before.items():
        parts = signal_key(key)
        if parts.name == "feeder.fault":
            faults.follow_code(turn, key, turn.values.get(key), _feeder(turn, key))
        elif parts.name == "feeder.material" and old is not None:
            _material(turn, parts, str(old), turn.values.get(key))


def _feeder(turn: Turn, key: str) -> dict[str, object]:
    kind, parts = turn.values.get(key), signal_key(key)
    material = turn.value("feeder.material", index=parts.index, stage=parts.stage)
    package = None if material in (None, "") else structure("MaterialPackage", {"UniqueIdentifier": material})
    place = {"LocationName": _slot(turn, parts), "MaterialPackage": package}
    return {
        "MaterialLocation": structure("MaterialLocation", place),
        **({"PlacementFaultType": kind} if kind in FAULTS else {}),
    }


def _slot(turn: Turn, parts: SignalKey) -> str | None:
    said = turn.value("feeder.slot", index=parts.index, stage=parts.stage)
    return str(said or "") or (None if parts.index is None else str(parts.index))


def _material(turn: Turn, parts: SignalKey, old: str, new: object) -> None:
    """Reels change hands. What is not known now may still be there."""
    if new is None or new == old:
        return
    if old:
        turn.emit(MATERIALS_UNLOADED, {"MaterialPackageIdentifiers": [old]})
    if new:
        remaining = turn.value("feeder.remaining", index=parts.index, stage=parts.stage)
        package = structure("MaterialPackage", {"UniqueIdentifier": new, "Quantity": remaining})
        place = {"LocationName": _slot(turn, parts), "MaterialPackage": package}
        turn.emit(MATERIALS_LOADED, {"Materials": [structure("MaterialLocation", place)]})


def _feeder_fault(turn: Turn, record: Record) -> None:
    code = said_text(record, "code") or ""
    component, alarm = said_text(record, "component"), faults.alarm_of(turn, code)
    head = structure_if_known(
        "SMTPlacement.SMTHeadAndNozzle",
        {
            "HeadId": said_text(record, "head"),
            "HeadNozzleNumber": said_number(record, "nozzle"),
            "NozzleType": said_text(record, "nozzle.type"),
        },
    )
    step, kind = said_number(record, "step"), said_text(record, "kind")
    extra = {
        "PlacementFaultType": kind,
        "MaterialLocation": location(record),
        "HeadAndNozzle": head,
        "Designator": None if component is None else {"ReferenceDesignator": component},
        "ProgramStep": whole(step),
    }
    faults.occur(
        turn,
        fault_key(code, record.lane, record.stage),
        code,
        text=said_text(record, "text") or (None if alarm is None else alarm.text),
        severity=said_text(record, "severity") or (None if alarm is None else alarm.severity),
        lane=record.lane,
        stage=record.stage,
        extra={
            **({} if alarm is None else alarm.extra),
            **{name: value for name, value in extra.items() if value is not None},
        },
    )


def _loaded(turn: Turn, record: Record) -> None:
    turn.emit(MATERIALS_LOADED, {"Materials": [location(record)]})


def _unloaded(turn: Turn, record: Record) -> None:
    package = said_text(record, "package")
    if package is not None:
        turn.emit(MATERIALS_UNLOADED, {"MaterialPackageIdentifiers": [package]})


CLASS = MachineClass(
    name="pick_and_place",
    title="Pick-and-place machine",
    vocabulary=common.vocabulary("pick_and_place", SIGNALS, RECORDS),
    messages=(*common.WORKING, MATERIALS_INSTALLED, COMPONENTS_PLACED, MATERIALS_LOADED, MATERIALS_UNLOADED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="SMT placement: material trace of each unit",
            messages=(MATERIALS_INSTALLED,),
            needs=("placement + material", "placement + component"),
            note="counters cannot say which reel went where",
        ),
        Requirement(
            capability="SMT placement: components placed (optional)",
            messages=(COMPONENTS_PLACED,),
            needs=("components.placed + units.out", "components.placed + unit.departed", "placement"),
        ),
        Requirement(
            capability="SMT placement: faults of feeders",
            messages=(common.FAULT_OCCURRED, common.FAULT_CLEARED),
            needs=("feeder.fault", "[[alarm]]"),
        ),
        Requirement(
            capability="Setup of material (optional)",
            messages=(MATERIALS_LOADED, MATERIALS_UNLOADED),
            needs=("feeder.material", "material.loaded + material.unloaded"),
            note="ValidateStationSetup and GetLoadedMaterials are requests, which such machines do not answer",
        ),
    ),
    completed=_completed,
    records={
        "placement": _populated,
        "feeder.fault": _feeder_fault,
        "material.loaded": _loaded,
        "material.unloaded": _unloaded,
    },
    looked=_looked,
    watched=frozenset({"feeder.fault", "feeder.material"}),
    fault_type="SMTPlacement.SMTPlacementFault",
)
