"""What was placed, from which reel, and what is wrong with feeders."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import START, Machine, alarm, counter, names, one, record, special, transactions


def counting() -> Machine:
    machine = Machine("pick_and_place", "units.in@1", "units.out@1", "units.in@2", "units.out@2", counter("components.placed@1", modulus=2**32), "components.missed@1")  # fmt: skip
    machine.see({"units.in@1": 0, "units.out@1": 0, "units.in@2": 0, "units.out@2": 0})
    machine.see({"components.placed@1": 2**32 - 100, "components.missed@1": 7})
    machine.see({"units.in@1": 1})
    machine.see({"units.out@1": 1})
    machine.see({"units.in@1": 2})
    return machine


def test_components_placed_since_the_board_before() -> None:
    machine = counting()
    assert "ComponentsPlaced" not in names(machine.made), "of the first board nobody saw where the counter began"
    since = machine.made[-1].time - 1_000_000
    machine.see({"components.placed@1": 20, "components.missed@1": 9})
    body = one(machine.see({"units.out@1": 2, "components.placed@1": 30}), "ComponentsPlaced").body
    assert (body["TotalComponentsPlaced"], body["TotalComponentsNotPlaced"]) == (130, 2)
    assert since < machine.now
    assert (body["StartTime"][:19], body["EndTime"][:19]) == ("2026-11-20T12:00:04", "2026-11-20T12:00:07")


def test_a_lane_without_a_counter_of_its_own_tells_nothing_of_the_others() -> None:
    machine = counting()
    machine.see({"units.in@2": 1})
    assert "ComponentsPlaced" not in names(machine.see({"units.out@2": 1}))


def test_after_a_gap_nobody_knows_what_was_placed() -> None:
    machine = counting()
    machine.lose()
    machine.see({"units.in@1": 2, "units.out@1": 1, "components.placed@1": 900, "components.missed@1": 7})
    assert "ComponentsPlaced" not in names(machine.see({"units.out@1": 2}))
    machine.see({"units.in@1": 3})
    made = machine.see({"units.out@1": 3, "components.placed@1": 1000})
    assert one(made, "ComponentsPlaced").body["TotalComponentsPlaced"] == 100


def test_a_count_of_what_was_missed_that_is_not_known_is_no_zero() -> None:
    machine = Machine("pick_and_place", "units.out", "components.placed")
    machine.see({"units.out": 0, "components.placed": 0})
    machine.see({"units.out": 1, "components.placed": 50})
    body = one(machine.see({"units.out": 2, "components.placed": 90}), "ComponentsPlaced").body
    assert (body["TotalComponentsPlaced"], "TotalComponentsNotPlaced" in body) == (40, False)


def test_material_with_its_components() -> None:
    machine = Machine("pick_and_place", told=("placement",))
    material = record(
        "material",
        {"package": "REEL-1", "part": "IPN47788", "slot": "R-12", "feeder": "F99", "remaining": 887, "components": "R1, R2 R3", "missed": 1},
        record("component.rejected", {"component": "R9", "reason": "BadVisionTestAfterPickup", "where": "RejectionBox"}),
    )  # fmt: skip
    said: dict[str, Value] = {
        "unit": "B1",
        "started": "2026-11-20T11:59:00Z",
        "ended": "2026-11-20T11:59:40Z",
        "placed": 3,
        "missed": 1,
    }
    made = machine.say(record("placement", said, material, time=START, lane=1))
    assert names(made) == ["WorkStarted", "MaterialsInstalled", "ComponentsPlaced", "WorkCompleted"]
    assert len(transactions(made)) == 1
    (installed,) = made[1].body["InstalledMaterials"]
    assert (installed["UnitIdentifier"], installed["UnitPositionNumber"]) == ("B1", 1)
    assert (installed["QuantityInstalled"], installed["QuantityNonInstalled"]) == (3.0, 1.0)
    assert (installed["Material"]["UniqueIdentifier"], installed["Material"]["Quantity"]) == ("REEL-1", 887.0)
    assert installed["CarrierLocation"]["LocationName"] == "R-12"
    assert installed["CarrierLocation"]["CarrierInformation"]["UniqueIdentifier"] == "F99"
    assert [each["ReferenceDesignator"] for each in installed["InstalledComponents"]] == ["R1", "R2", "R3"]
    (rejected,) = installed["NonInstalledComponents"]
    assert (rejected["RejectionReason"], rejected["Location"]) == ("BadVisionTestAfterPickup", "RejectionBox")
    assert (made[2].body["TotalComponentsPlaced"], made[2].body["StartTime"][:19]) == (3, "2026-11-20T11:59:00")


def test_a_flat_list_of_components_is_sorted_by_board_and_material() -> None:
    machine = Machine("pick_and_place", told=("placement",))
    rows = [("R1", 1, "REEL-1"), ("R2", 1, "REEL-1"), ("R1", 2, "REEL-1"), ("C1", 1, "REEL-2")]
    parts = [
        record("component", {"component": name, "position": position, "package": package, "head": "H1", "nozzle": 3, "time": "2026-11-20T11:59:01Z"})
        for name, position, package in rows
    ]  # fmt: skip
    made = one(machine.say(record("placement", {"unit": "P1", "units": 2}, *parts)), "MaterialsInstalled")
    found = {
        (each["UnitPositionNumber"], each["Material"]["UniqueIdentifier"]): [
            part["ReferenceDesignator"] for part in each["InstalledComponents"]
        ]
        for each in made.body["InstalledMaterials"]
    }
    assert found == {(1, "REEL-1"): ["R1", "R2"], (2, "REEL-1"): ["R1"], (1, "REEL-2"): ["C1"]}
    component = made.body["InstalledMaterials"][0]["InstalledComponents"][0]
    assert component["$type"] == "CFX.Structures.SMTPlacement.SMTInstalledComponent, CFX"
    assert (component["HeadAndNozzle"]["HeadId"], component["HeadAndNozzle"]["HeadNozzleNumber"]) == ("H1", 3)
    assert made.body["InstalledMaterials"][0]["UnitIdentifier"] is None


def test_material_of_which_nothing_else_is_known() -> None:
    machine = Machine("pick_and_place", told=("placement",))
    (installed,) = one(machine.say(record("placement", {}, record("material", {"part": "IPN1"}))), "MaterialsInstalled").body["InstalledMaterials"]  # fmt: skip
    assert ("QuantityInstalled" in installed, "Quantity" in installed["Material"]) == (False, False)
    assert (installed["CarrierLocation"], installed["InstalledComponents"]) == (None, [])


def test_a_feeders_fault_names_its_place_and_reel() -> None:
    machine = Machine("pick_and_place", "feeder.fault[1]", "feeder.fault[2]", "feeder.material[2]", constants={"feeder.slot[2]": "R-2"})  # fmt: skip
    machine.see({"feeder.fault[1]": "", "feeder.fault[2]": "", "feeder.material[2]": "REEL-2"})
    fault = one(machine.see({"feeder.fault[2]": "PartsExhaust"}), "FaultOccurred").body["Fault"]
    assert (fault["PlacementFaultType"], fault["FaultCode"]) == ("PartsExhaust", "PartsExhaust")
    assert fault["MaterialLocation"]["LocationName"] == "R-2"
    assert fault["MaterialLocation"]["MaterialPackage"]["UniqueIdentifier"] == "REEL-2"
    made = machine.see({"feeder.fault[1]": "E77", "feeder.fault[2]": ""})
    other = one(made, "FaultOccurred").body["Fault"]
    assert (other["MaterialLocation"]["LocationName"], "PlacementFaultType" in other) == ("1", False)
    assert one(made, "FaultCleared").body["FaultOccurrenceId"] == fault["FaultOccurrenceId"]


def test_a_feeders_fault_has_to_last() -> None:
    machine = Machine("pick_and_place", special("feeder.fault[1]", debounce=2_000_000))
    machine.see({"feeder.fault[1]": ""})
    assert machine.see({"feeder.fault[1]": "PickupError"}) == []
    assert names(machine.tick(wait=2.0)) == ["FaultOccurred"]
    assert machine.outcome.wake is None


def test_faults_of_several_feeders_come_in_the_order_of_their_places() -> None:
    keys = [f"feeder.fault[{n}]" for n in range(1, 10)]
    machine = Machine("pick_and_place", *keys)
    machine.see(dict.fromkeys(keys, ""))
    made = machine.see(dict.fromkeys(reversed(keys), "PickupError"))
    assert [each.body["Fault"]["MaterialLocation"]["LocationName"] for each in made] == [str(n) for n in range(1, 10)]


def test_reels_are_changed() -> None:
    machine = Machine("pick_and_place", "feeder.material[1]", "feeder.remaining[1]")
    assert machine.see({"feeder.material[1]": "A", "feeder.remaining[1]": 10}) == []
    made = machine.see({"feeder.material[1]": "B", "feeder.remaining[1]": 5000})
    assert [each.name for each in made] == ["MaterialsUnloaded", "MaterialsLoaded"]
    assert made[0].body["MaterialPackageIdentifiers"] == ["A"]
    (loaded,) = made[1].body["Materials"]
    assert (loaded["MaterialPackage"]["UniqueIdentifier"], loaded["MaterialPackage"]["Quantity"]) == ("B", 5000.0)
    assert names(machine.see({"feeder.material[1]": ""})) == ["MaterialsUnloaded"]
    assert machine.see({"feeder.material[1]": None}) == []
    machine.lose()
    assert machine.see({"feeder.material[1]": "C"}) == []


def test_a_fault_that_the_machine_tells_of() -> None:
    machine = Machine("pick_and_place", alarms=[alarm("E5", text="no pickup", severity="Warning")])
    said: dict[str, Value] = {
        "code": "E5",
        "kind": "PickupError",
        "slot": "R-9",
        "package": "REEL-1",
        "component": "R31",
        "head": "H1",
        "step": 56,
    }
    fault = one(machine.say(record("feeder.fault", said, lane=1, stage="2")), "FaultOccurred").body["Fault"]
    assert (fault["PlacementFaultType"], fault["ProgramStep"], fault["Severity"], fault["Description"]) == ("PickupError", 56, "Warning", "no pickup")  # fmt: skip
    assert (fault["Designator"]["ReferenceDesignator"], fault["HeadAndNozzle"]["HeadId"]) == ("R31", "H1")
    assert fault["MaterialLocation"]["MaterialPackage"]["UniqueIdentifier"] == "REEL-1"
    assert "NumberOfTriesBeforeError" not in fault
    assert names(machine.say(record("fault.cleared", {"code": "E5"}, lane=1, stage="2"))) == ["FaultCleared"]


def test_material_that_the_machine_tells_of() -> None:
    machine = Machine("pick_and_place")
    made = machine.say(record("material.loaded", {"package": "REEL-1", "part": "IPN1", "slot": "R-1", "feeder": "F1"}))
    (loaded,) = one(made, "MaterialsLoaded").body["Materials"]
    assert (loaded["LocationName"], loaded["CarrierInformation"]["UniqueIdentifier"]) == ("R-1", "F1")
    assert one(machine.say(record("material.unloaded", {"package": "REEL-1"})), "MaterialsUnloaded").body["MaterialPackageIdentifiers"] == ["REEL-1"]  # fmt: skip
    assert machine.say(record("material.unloaded")) == []
