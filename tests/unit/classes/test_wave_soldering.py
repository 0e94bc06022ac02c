"""Wave soldering: the process data of each board, aggregate by aggregate."""

from __future__ import annotations

from typing import Any

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, names, one, transactions

SHOWN: dict[str, Value] = {
    "conveyor.speed": 120.0,
    "nitrogen.flow": 18.5,
    "nitrogen.mode": "N2On",
    "oxygen.pot1": 350.0,
    "flux.dose[1]": 62.0,
    "flux.pressure[1]": 849.6,
    "preheater.temperature[1]": 110.0,
    "preheater.temperature[2]": 125.0,
    "preheater.kind[1]": "Convection",
    "preheater.kind[2]": "IrEmitter",
    "preheater.side[1]": "Bottom",
    "pot.temperature[1]": 261.4,
    "pot.setpoint[1]": 262.0,
    "wave.active[1]": True,
    "wave.active[2]": False,
    "wave.speed[1]": 620.0,
    "cooler.kind[1]": "HeatExchanger",
}


def process_data(shown: dict[str, Value], *signals: str) -> dict[str, Any]:
    wave = Machine("wave_soldering", "units.in", "units.out", *shown, *signals)
    wave.see({"units.in": 1, "units.out": 1})
    wave.see({"units.in": 2})
    wave.see({"units.out": 2, **shown})
    assert names(wave.made) == ["UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(wave.made)) == 1
    found = one(wave.made, "UnitsProcessed").body["CommonProcessData"]
    assert isinstance(found, dict)
    return found


def test_a_board_with_everything_from_fluxer_to_cooling() -> None:
    data = process_data(SHOWN)
    assert data["$type"] == "CFX.Structures.SolderWave.WaveProcessData, CFX"
    assert "UnitLength" not in data
    (conveyor,) = data["Conveyors"]
    assert (conveyor["Sequence"], conveyor["SpeedReadingPoint"]) == (1, 120.0)
    assert "SpeedSetPoint" not in conveyor
    assert data["N2"] == {
        "Mode": 1,
        "FlowVolumeReadingValue": 18.5,
        "Measurements": [{"Location": 1, "O2ReadingValue": 350.0}],
    }
    process = data["UnitProcessData"]
    (head,) = process["FluxAggregates"][0]["FluxHeads"]
    assert head == {"Sequence": 1, "DoseReadingPoint": 62.0, "FluxTankPressureReadingPoint": 850}
    first, second = process["PreheatingAggregates"]
    assert (first["Sequence"], first["PreheatingType"], first["Location"]) == (1, 1, 2)
    assert (second["TemperatureReadingValue"], second["PreheatingType"]) == (125.0, 3)
    assert "Location" not in second
    (pot,) = process["SolderingAggregates"]
    assert pot["Pot"]["Heating"] == {"TemperatureSetpoint": 262.0, "TemperatureReadingValue": 261.4}
    assert pot["Pot"]["SolderingWaves"] == [
        {"Active": True, "Sequence": 1, "NumberOfRevolutionsReadingValue": 620.0},
        {"Active": False, "Sequence": 2},
    ]
    assert [each["CoolingType"] for each in process["CoolingAggregates"]] == [2]


def test_what_the_machine_does_not_tell_is_left_out() -> None:
    data = process_data({"pot.temperature[1]": None, "preheater.temperature[1]": None})
    assert data["Conveyors"] == []
    assert data["N2"] is None
    process = data["UnitProcessData"]
    assert process["FluxAggregates"] == process["CoolingAggregates"] == []
    assert process["SolderingAggregates"][0]["Pot"] == {"Heating": None, "SolderingWaves": []}
    assert "TemperatureReadingValue" not in process["PreheatingAggregates"][0]


def test_a_conveyor_that_stands_still_is_told() -> None:
    (conveyor,) = process_data({"conveyor.speed": 0.0, "pot.temperature[1]": 1.0})["Conveyors"]
    assert conveyor["SpeedReadingPoint"] == 0.0


def test_waves_of_two_pots() -> None:
    shown: dict[str, Value] = {f"pot.temperature[{index}]": 260.0 for index in (1, 2)}
    shown |= {"wave.speed[1]": 1.0, "wave.speed[2]": 2.0, "wave.pot[2]": 2}
    process = process_data(shown)["UnitProcessData"]
    speeds = [
        [wave["NumberOfRevolutionsReadingValue"] for wave in pot["Pot"]["SolderingWaves"]]
        for pot in process["SolderingAggregates"]
    ]
    assert speeds == [[1.0], [2.0]]
