"""Selective soldering: what was done to each board, zone by zone (IPC-CFX SelectiveSolderProcessData).

CFX has the same content as a message of its own, PCBSelectiveSoldered; it is not sent as well, since readers would count
the board twice.
"""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.data import UNITS_PROCESSED, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.state import Work
from gateway.classes.structures import structure
from gateway.classes.turn import Turn
from gateway.classes.words import Word, places, seen, signals
from gateway.profile.vocabulary import Kind

_COMMON = (
    Word("nitrogen.pressure", "Nitrogen_Pressure", "Pressure of the nitrogen supply.", "kPa"),
    Word("nitrogen.flow", "Nitrogen_Flow", "Nitrogen used.", "l/min"),
    Word("nitrogen.impurity", "Nitrogen_Purity", "Oxygen left in the nitrogen supply.", "[ppm]"),
    Word("air.pressure", "Air_Pressure", "Pressure of the compressed air.", "kPa"),
    Word("cycle.count", "Cycle_Count", "Boards since its cycle counter was reset.", "1"),
    Word("cycle.time", "Cycle_Time", "How long the last board was in the machine.", "s"),
    Word("fiducial.enabled", "Fiducial_Enabled", "Whether positions are corrected by fiducials.", kind=Kind.FLAG),
    Word("process.status", "Process_Status", "How the process ended: `Completed` or `Aborted`.", kind=Kind.TEXT),
)
_PREHEATER = (
    ("power", "Power", "Power while heating", "%"),
    ("soak", "Soak", "Power while holding", "%"),
    ("temperature", "Temp", "Highest temperature of the board", "Cel"),
    ("time", "Time", "Time of heating", "s"),
)
_ZONE = (
    Word("time", "ProcessTime", "How long the last board was in each zone.", "s"),
    Word("flux.pressure1", "Bottle1_Pressure", "Nitrogen pressure of flux applicator 1.", "kPa"),
    Word("flux.pressure2", "Bottle2_Pressure", "Nitrogen pressure of flux applicator 2.", "kPa"),
    Word("flux.mass", "Flux_Volume", "Flux put on the board.", "mg"),
    *(
        Word(f"{side}.{word}", f"{name}_Preheater_{field}", f"{meaning}, {side} preheater.", unit)
        for side, name in (("top", "Top"), ("bottom", "Bot"))
        for word, field, meaning, unit in _PREHEATER
    ),
    Word("bath.temperature", "Bath_Temp", "Temperature of the solder bath.", "Cel"),
    Word("wave.corrected", "Bath_Wave_Enabled", "Whether the wave's height is corrected.", kind=Kind.FLAG),
    Word("wave.correction", "Bath_Wave_Hgt", "By how much the wave's height was corrected.", "mm"),
    Word("solder.mass", "Solder_Quantity_Used", "Solder used for the board.", "g"),
    Word("fiducial.x", "Fid_XCorrection", "Correction by fiducials, across.", "mm"),
    Word("fiducial.y", "Fid_YCorrection", "Correction by fiducials, along.", "mm"),
)
_ZONES = "zone."

SIGNALS = (*signals(_COMMON, lane=True), *signals(_ZONE, prefix=_ZONES, array=True, lane=True))


def _completed(turn: Turn, work: Work) -> None:
    name, _ = turn.recipe(turn.lane)
    general = {**seen(turn, _COMMON), "RecipeName": name}
    zones = [_zone(turn, index) for index in range(1, places(turn, _ZONE, prefix=_ZONES) + 1)]
    processed(
        turn,
        work,
        structure("SolderApplication.SelectiveSolderProcessData", general),
        each=structure("SolderApplication.SelectiveSolderPCBProcessData", {"ZoneData": zones}) if zones else None,
    )


def _zone(turn: Turn, index: int) -> dict[str, object]:
    known = seen(turn, _ZONE, prefix=_ZONES, index=index)
    return structure("SolderApplication.ZoneData", {"StageSequence": index, **known})


CLASS = MachineClass(
    name="selective_soldering",
    title="Selective soldering",
    vocabulary=common.vocabulary("selective_soldering", SIGNALS),
    messages=(*common.WORKING, UNITS_PROCESSED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Selective soldering: process data of each unit",
            messages=(UNITS_PROCESSED,),
            needs=("units.out", "unit.departed", "work.completed"),
            note="with as much in it as the profile tells of the process and its zones",
        ),
    ),
    completed=_completed,
)
