"""Selective soldering: the process data of each board."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import Machine, names, one, transactions

COMMON = "CFX.Structures.SolderApplication.SelectiveSolderProcessData, CFX"
ZONES = "CFX.Structures.SolderApplication.SelectiveSolderPCBProcessData, CFX"


def machine(*signals: str) -> Machine:
    made = Machine("selective_soldering", "units.in", "units.out", "recipe.name", "work.result", *signals)
    made.see({"units.in": 1, "units.out": 1, "recipe.name": "CTRL-B"})
    made.made.clear()
    return made


def test_a_board_with_its_zones() -> None:
    shown: dict[str, Value] = {
        "nitrogen.pressure": 540,
        "cycle.count": 671261,
        "cycle.time": 104.2,
        "fiducial.enabled": True,
        "zone.time[1]": 15.0,
        "zone.time[2]": 37.5,
        "zone.flux.mass[1]": 210,
        "zone.bath.temperature[2]": 305.0,
    }
    soldering = machine(*shown)
    soldering.see({"units.in": 2})
    soldering.see({"units.out": 2, **shown})
    assert names(soldering.made) == ["UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(soldering.made)) == 1
    body = one(soldering.made, "UnitsProcessed").body
    assert body["OverallResult"] == "Succeeded"
    assert body["CommonProcessData"] == {
        "$type": COMMON,
        "Process_Status": None,
        "RecipeName": "CTRL-B",
        "Nitrogen_Pressure": 540.0,
        "Cycle_Count": 671261,
        "Cycle_Time": "00:01:44.2000000",
        "Fiducial_Enabled": True,
    }
    (unit,) = body["UnitProcessData"]
    assert unit["UnitProcessData"] == {
        "$type": ZONES,
        "ZoneData": [
            {"StageSequence": 1, "ProcessTime": "00:00:15", "Flux_Volume": 210.0},
            {"StageSequence": 2, "ProcessTime": "00:00:37.5000000", "Bath_Temp": 305.0},
        ],
    }


def test_what_the_machine_does_not_tell_is_left_out() -> None:
    soldering = machine()
    soldering.see({"units.in": 2})
    body = one(soldering.see({"units.out": 2}), "UnitsProcessed").body
    assert body["CommonProcessData"] == {"$type": COMMON, "Process_Status": None, "RecipeName": "CTRL-B"}
    assert body["UnitProcessData"][0]["UnitProcessData"] is None


def test_a_board_that_failed() -> None:
    soldering = machine()
    soldering.see({"units.in": 2})
    made = soldering.see({"units.out": 2, "work.result": "Aborted"})
    body = one(made, "UnitsProcessed").body
    assert (body["OverallResult"], body["UnitProcessData"][0]["UnitResult"]) == ("Aborted", "Aborted")
    assert one(made, "WorkCompleted").body["Result"] == "Aborted"


def test_each_lane_has_its_own_zones() -> None:
    soldering = Machine(
        "selective_soldering", "units.out@1", "units.out@2", "zone.time[1]@1", "zone.time[1]@2", "air.pressure"
    )
    soldering.see({"units.out@1": 1, "units.out@2": 1})
    made = soldering.see({"units.out@2": 2, "zone.time[1]@1": 1.0, "zone.time[1]@2": 2.0, "air.pressure": 600.0})
    body = one(made, "UnitsProcessed").body
    assert body["CommonProcessData"]["Air_Pressure"] == 600.0, "what there is once holds for both"
    assert body["UnitProcessData"][0]["UnitProcessData"]["ZoneData"][0]["ProcessTime"] == "00:00:02"
