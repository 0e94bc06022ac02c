"""Reflow oven: what each board went through, as far as the oven's zones tell (IPC-CFX ReflowProcessData)."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.data import UNITS_PROCESSED, process_data, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.state import Work
from gateway.classes.turn import Turn, known
from gateway.core.sample import Value
from gateway.profile.vocabulary import Kind, SignalSpec

_SUBZONES = {"": "WholeZone", ".top": "Top", ".bottom": "Bottom"}
_READINGS = {
    "temperature": ("Temperature", "Cel", "Temperature"),
    "oxygen": ("O2", "[ppm]", "Oxygen"),
    "power": ("PowerLevel", "%", "Heating power"),
    "convection": ("ConvectionRate", "%", "Speed of the blower"),
}
_SETPOINTS = {"setpoint": ("Temperature", "Cel", "Set temperature")}

SIGNALS = (
    *(
        SignalSpec(
            name=f"zone{sub}.{word}",
            kind=Kind.NUMBER,
            unit=unit,
            array=True,
            meaning=f"{meaning} of each zone{'' if not sub else ', its ' + sub[1:]}.",
            required=sub == "" and word == "temperature",
        )
        for sub in _SUBZONES
        for word, (_, unit, meaning) in {**_READINGS, **_SETPOINTS}.items()
    ),
    SignalSpec(
        name="zone.kind",
        kind=Kind.TEXT,
        array=True,
        choices=common.choices("SolderReflow.ReflowZoneType"),
        meaning="What each zone is for.",
    ),
    SignalSpec(name="conveyor.speed", kind=Kind.NUMBER, unit="cm/min", lane=True, meaning="Speed of the conveyor."),
    SignalSpec(name="conveyor.setpoint", kind=Kind.NUMBER, unit="cm/min", lane=True, meaning="Its set speed."),
    SignalSpec(name="oxygen", kind=Kind.NUMBER, unit="[ppm]", meaning="Oxygen in the tunnel."),
)


def _completed(turn: Turn, work: Work) -> None:
    lane = turn.lane
    fields = {
        "ConveyorSpeed": known(turn.number("conveyor.speed", lane=lane)),
        "ConveyorSpeedSetpoint": known(turn.number("conveyor.setpoint", lane=lane)),
        "ZoneData": [_zone(turn, index) for index in range(1, _zones(turn) + 1)],
    }
    processed(turn, work, process_data("SolderReflow.ReflowProcessData", fields))


def _zones(turn: Turn) -> int:
    return max(len(turn.array(f"zone{sub}.temperature")) for sub in _SUBZONES)


def _zone(turn: Turn, index: int) -> dict[str, object]:
    kind = turn.value("zone.kind", index=index)
    return {
        "Zone": {
            "ReflowZoneType": known(kind),
            "StageSequence": index,
            "StageName": f"Zone {index}",
            "StageType": "Work",
        },
        "Setpoints": [
            {"SubZone": name, "SetpointType": type_, "Setpoint": value}
            for sub, name in _SUBZONES.items()
            for word, (type_, _, _) in _SETPOINTS.items()
            if (value := _number(turn.value(f"zone{sub}.{word}", index=index))) is not None
        ],
        "Readings": [
            {"SubZone": name, "ReadingType": type_, "ReadingValue": value}
            for sub, name in _SUBZONES.items()
            for word, (type_, _, _) in _READINGS.items()
            if (value := _number(turn.value(f"zone{sub}.{word}", index=index))) is not None
        ],
    }


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


CLASS = MachineClass(
    name="reflow_oven",
    title="Reflow oven",
    vocabulary=common.vocabulary("reflow_oven", SIGNALS),
    messages=(*common.WORKING, UNITS_PROCESSED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Reflow: process data of each unit",
            messages=(UNITS_PROCESSED,),
            needs=("zone.temperature + units.out", "zone.temperature + unit.departed"),
        ),
    ),
    completed=_completed,
    fault_type="SolderReflow.ReflowOvenFault",
)
