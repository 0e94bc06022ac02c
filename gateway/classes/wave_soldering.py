"""Wave soldering: what each board went through, from fluxer to cooling (IPC-CFX WaveProcessData)."""

from __future__ import annotations

from gateway.classes import common
from gateway.classes.data import UNITS_PROCESSED, processed
from gateway.classes.machine_class import MachineClass, Requirement
from gateway.classes.state import Work
from gateway.classes.structures import structure, structure_if_known
from gateway.classes.turn import Turn
from gateway.classes.words import Word, places, seen, signals
from gateway.profile.vocabulary import Kind, SignalSpec

_SIDES = common.choices("SolderWave.AggregateLocation")
_CONVEYOR = (
    Word("speed", "SpeedReadingPoint", "Speed of the conveyor.", "cm/min"),
    Word("setpoint", "SpeedSetPoint", "Its set speed.", "cm/min"),
    Word("width", "WidthReadingPoint", "Its width.", "mm"),
    Word("width.setpoint", "WidthSetPoint", "Its set width.", "mm"),
)
_BOARD = (
    Word("length", "UnitLength", "Measured length of the last board.", "mm"),
    Word("length.setpoint", "UnitLengthSetpoint", "Its length by the program.", "mm"),
)
_NITROGEN = (
    Word(
        "mode", "Mode", "Where nitrogen is used.", kind=Kind.TEXT, choices=common.choices("SolderWave.N2Mode")
    ),
    Word("pressure", "NitrogenSupplyReadingValue", "Pressure of the supply.", "mbar"),
    Word("flow", "FlowVolumeReadingValue", "Nitrogen used.", "m3/h"),
)  # fmt: skip
_ATMOSPHERE = {"preheating": "Preheating", "pot1": "SolderPot1", "pot2": "SolderPot2"}
_FLUXER = (
    Word("active", "Active", "Whether each spray head works.", kind=Kind.FLAG),
    Word("time", "ProcessTimeReadingValue", "How long it sprayed.", "s"),
    Word("dose", "DoseReadingPoint", "Its dose.", "%"),
    Word("dose.setpoint", "DoseSetValue", "Its set dose.", "%"),
    Word("volume", "ConsumptionReadingPoint", "Flux that it used for a board.", "ml"),
    Word("volume.setpoint", "ConsumptionSetValue", "The same as set.", "ml"),
    Word("pressure", "FluxTankPressureReadingPoint", "Pressure of its tank.", "mbar"),
    Word("speed", "FluxTraverseSpeedReadingPoint", "Speed at which it goes to and fro.", "mm/s"),
)
_PREHEATER = (
    Word("active", "Active", "Whether each preheater is on.", kind=Kind.FLAG),
    Word("temperature", "TemperatureReadingValue", "Temperature of each preheater.", "Cel"),
    Word("setpoint", "TemperatureSetpoint", "Its set temperature.", "Cel"),
    Word("power", "PowerReadingValue", "Its heating power.", "%"),
    Word("power.setpoint", "PowerSetpoint", "Its set power.", "%"),
    Word(
        "kind", "PreheatingType", "How it heats.", kind=Kind.TEXT,
        choices=common.choices("SolderWave.PreheatingAggregateType"),
    ),
    Word("side", "Location", "Which side of the board it heats.", kind=Kind.TEXT, choices=_SIDES),
)  # fmt: skip
_POT = (
    Word("height", "ZAxisReadingValue", "Height of each pot.", "mm"),
    Word("height.setpoint", "ZAxisSetpoint", "Its set height.", "mm"),
)
_HEATING = (
    Word("temperature", "TemperatureReadingValue", "Temperature of the solder in each pot.", "Cel"),
    Word("setpoint", "TemperatureSetpoint", "Its set temperature.", "Cel"),
)
_WAVE = (
    Word("active", "Active", "Whether each wave is on.", kind=Kind.FLAG),
    Word("speed", "NumberOfRevolutionsReadingValue", "Speed of its pump.", "1/min"),
    Word("setpoint", "NumberOfRevolutionsSetpoint", "Its set speed.", "1/min"),
    Word("contact", "ProcessTimeReadingValue", "How long the board was in it.", "s"),
)
_COOLER = (
    Word("active", "Active", "Whether each cooler is on.", kind=Kind.FLAG),
    Word(
        "kind", "CoolingType", "How it cools.", kind=Kind.TEXT, choices=common.choices("SolderWave.CoolingType")
    ),
)  # fmt: skip

SIGNALS = (
    *signals(_CONVEYOR, prefix="conveyor."),
    *signals(_BOARD, prefix="unit."),
    *signals(_NITROGEN, prefix="nitrogen."),
    *(
        SignalSpec(name=f"oxygen.{place}", kind=Kind.NUMBER, unit="[ppm]", meaning=f"Oxygen at {name}.")
        for place, name in _ATMOSPHERE.items()
    ),
    *signals(_FLUXER, prefix="flux.", array=True),
    *signals(_PREHEATER, prefix="preheater.", array=True, required=("temperature",)),
    *signals(_POT, prefix="pot.", array=True),
    *signals(_HEATING, prefix="pot.", array=True, required=("temperature",)),
    *signals(_WAVE, prefix="wave.", array=True),
    SignalSpec(
        name="wave.pot",
        kind=Kind.NUMBER,
        unit="1",
        array=True,
        meaning="Which pot each wave is of; left out: the first.",
    ),
    *signals(_COOLER, prefix="cooler.", array=True),
)


def _completed(turn: Turn, work: Work) -> None:
    heads = _each(turn, "SolderWave.WaveFluxHead", _FLUXER, "flux.")
    process = {
        "FluxAggregates": [structure("SolderWave.FluxAggregate", {"FluxHeads": heads, "Sequence": 1, "Type": "Work"})]
        if heads
        else [],
        "PreheatingAggregates": _each(turn, "SolderWave.PreheatingAggregate", _PREHEATER, "preheater.", Type="Work"),
        "SolderingAggregates": _pots(turn),
        "CoolingAggregates": _each(turn, "SolderWave.CoolingAggregate", _COOLER, "cooler.", Type="Work"),
    }
    conveyor = structure_if_known("Conveyor", seen(turn, _CONVEYOR, prefix="conveyor."))
    processed(
        turn,
        work,
        structure(
            "SolderWave.WaveProcessData",
            {
                "Conveyors": [] if conveyor is None else [{**conveyor, "Sequence": 1}],
                **seen(turn, _BOARD, prefix="unit."),
                "N2": _nitrogen(turn),
                "UnitProcessData": structure("SolderWave.WaveUnitProcessData", process),
            },
        ),
    )


def _each(turn: Turn, name: str, words: tuple[Word, ...], prefix: str, **fixed: object) -> list[dict[str, object]]:
    """All places of the arrays with this prefix."""
    return [
        structure(name, {**fixed, "Sequence": index, **seen(turn, words, prefix=prefix, index=index)})
        for index in range(1, places(turn, words, prefix=prefix) + 1)
    ]


def _nitrogen(turn: Turn) -> dict[str, object] | None:
    measured = [
        structure("SolderWave.N2Measurement", {"Location": name, "O2ReadingValue": value})
        for place, name in _ATMOSPHERE.items()
        if (value := turn.number(f"oxygen.{place}")) is not None
    ]
    return structure_if_known("SolderWave.N2", {**seen(turn, _NITROGEN, prefix="nitrogen."), "Measurements": measured})


def _pots(turn: Turn) -> list[dict[str, object]]:
    waves: dict[int, list[dict[str, object]]] = {}
    for index, wave in enumerate(_each(turn, "SolderWave.SolderingWave", _WAVE, "wave."), 1):
        pot = turn.value("wave.pot", index=index)
        waves.setdefault(int(pot) if isinstance(pot, int | float) else 1, []).append(wave)
    return [
        structure(
            "SolderWave.SolderingAggregate",
            {
                "Sequence": index,
                "Type": "Work",
                "Pot": structure(
                    "SolderWave.SolderingPot",
                    {
                        **seen(turn, _POT, prefix="pot.", index=index),
                        "Heating": structure_if_known(
                            "SolderWave.SolderPotHeating", seen(turn, _HEATING, prefix="pot.", index=index)
                        ),
                        "SolderingWaves": waves.get(index, []),
                    },
                ),
            },
        )
        for index in range(1, places(turn, (*_POT, *_HEATING), prefix="pot.") + 1)
    ]


CLASS = MachineClass(
    name="wave_soldering",
    title="Wave soldering",
    vocabulary=common.vocabulary("wave_soldering", SIGNALS),
    messages=(*common.WORKING, UNITS_PROCESSED),
    requirements=(
        *common.REQUIREMENTS,
        Requirement(
            capability="Wave soldering: process data of each unit",
            messages=(UNITS_PROCESSED,),
            needs=(
                "preheater.temperature + pot.temperature + units.out",
                "preheater.temperature + pot.temperature + unit.departed",
            ),
        ),
    ),
    completed=_completed,
)
