"""How boards were printed, and when the stencil was cleaned."""

from __future__ import annotations

from gateway.core.sample import Value
from tests.unit.classes.machines import START, Machine, counter, names, one, record, transactions

PRINT = ("stroke.pressure[1]", "stroke.pressure[2]", "stroke.speed[1]", "stroke.speed[2]", "separation.speed", "print.time", "offset.x", "clean.every", "clean.program")  # fmt: skip


def test_a_board_is_printed() -> None:
    printer = Machine("solder_paste_printer", "units.in", "units.out", "recipe.name", "work.result", *PRINT)
    printer.see({"units.in": 0, "units.out": 0, "recipe.name": "R7"})
    printer.see({"units.in": 1})
    made = printer.see({
        "units.out": 1, "stroke.pressure[1]": 55.0, "stroke.pressure[2]": 60.0, "stroke.speed[1]": 40.0,
        "stroke.speed[2]": None, "separation.speed": 1.5, "print.time": 18.25, "clean.every": 10, "clean.program": "WVD",
        "work.result": "Failed",
    })  # fmt: skip
    assert names(made) == ["UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(printer.made)) == 1
    body = made[0].body
    data = body["CommonProcessData"]
    assert data["$type"] == "CFX.Structures.SolderPastePrinting.SolderPastePrintingPCBProcessData, CFX"
    assert data["Strokes"] == [{"PrintPressure": 55.0, "PrintSpeed": 40.0}, {"PrintPressure": 60.0, "PrintSpeed": None}]
    assert data["Separation"] == {"Name": None, "SeparationSpeed": 1.5, "SeparationDistance": None, "SeparationDelay": None}  # fmt: skip
    assert data["PeriodicCleanings"] == [{"CleanFrequency": 10, "CleanMode": "WVD"}]
    assert (data["RecipeName"], data["CycleTime"], data["OffsetX"]) == ("R7", "00:00:18.2500000", None)
    assert (body["OverallResult"], made[1].body["Result"]) == ("Failed", "Failed")


def test_without_any_data_of_the_print_there_is_no_such_message() -> None:
    printer = Machine("solder_paste_printer", "units.in", "units.out")
    printer.see({"units.in": 0, "units.out": 0})
    printer.see({"units.in": 1})
    assert names(printer.see({"units.out": 1})) == ["WorkCompleted", "UnitsDeparted"]


def test_a_time_of_printing_that_is_not_known_is_no_zero() -> None:
    printer = Machine("solder_paste_printer", "units.out", "print.time")
    printer.see({"units.out": 0, "print.time": None})
    data = one(printer.see({"units.out": 1}), "UnitsProcessed").body["CommonProcessData"]
    assert ("CycleTime" in data, data["Separation"], data["Strokes"]) == (False, None, [])


def cleaning() -> Machine:
    printer = Machine("solder_paste_printer", "units.out", counter("clean.count", modulus=65_536), "clean.mode", "clean.time", "clean.strokes", "stencil.id")  # fmt: skip
    printer.see({"units.out": 5, "clean.count": 65_535, "clean.mode": "W", "clean.time": 38.0, "clean.strokes": 2, "stencil.id": "ST-1"})  # fmt: skip
    return printer


def test_the_stencil_is_cleaned() -> None:
    printer = cleaning()
    first = one(printer.see({"clean.count": 0}), "StencilCleaned").body
    assert first["Stencil"]["UniqueIdentifier"] == "ST-1"
    assert (first["StencilCleanMode"], first["StencilCleanTime"], first["StencilCleanCycles"]) == ("W", "00:00:38", 2)
    assert ("TimeSinceLastClean" in first, "CyclesSinceLastClean" in first) == (False, False), "nobody saw the one before"  # fmt: skip
    for count in (6, 7, 8):
        printer.see({"units.out": count}, wait=20.0)
    second = one(printer.see({"clean.count": 1, "clean.mode": "V"}, wait=40.0), "StencilCleaned").body
    assert (second["TimeSinceLastClean"], second["CyclesSinceLastClean"]) == ("00:01:40", 3)
    assert second["StencilCleanMode"] == "V"


def test_after_a_gap_nobody_knows_when_it_was_cleaned_before() -> None:
    printer = cleaning()
    printer.see({"clean.count": 0})
    printer.restart()
    assert printer.see({"units.out": 5, "clean.count": 3, "clean.mode": "W"}) == []
    made = one(printer.see({"clean.count": 4}), "StencilCleaned").body
    assert ("TimeSinceLastClean" in made, "CyclesSinceLastClean" in made) == (False, False)


def test_a_counter_of_cleanings_that_was_set_is_no_cleaning() -> None:
    printer = cleaning()
    assert printer.see({"clean.count": 500}) == []
    assert printer.see({"clean.count": 7}) == []
    assert names(printer.see({"clean.count": 9})) == ["StencilCleaned", "StencilCleaned"]


def test_a_cleaning_that_the_printer_tells_of() -> None:
    printer = Machine("solder_paste_printer", "stencil.name")
    printer.see({"stencil.name": "S-77"})
    said: dict[str, Value] = {"mode": "D", "stencil": "ST-9", "prints": 12, "since": 620.0, "time": 30.0}
    made = one(printer.say(record("stencil.cleaned", said, time=START)), "StencilCleaned")
    assert made.time == START
    assert made.body["Stencil"]["Name"] == "S-77"
    assert (made.body["TimeSinceLastClean"], made.body["CyclesSinceLastClean"]) == ("00:10:20", 12)
    assert "StencilCleanMode" not in one(printer.say(record("stencil.cleaned")), "StencilCleaned").body


def test_a_print_that_the_printer_tells_of() -> None:
    printer = Machine("solder_paste_printer", "units.in", "units.out", told=("print",))
    printer.see({"units.in": 0, "units.out": 0})
    printer.see({"units.in": 1})
    said: dict[str, Value] = {
        "unit": "B1",
        "result": "Error",
        "recipe": "R9",
        "offset.theta": 0.02,
        "separation.name": "slow",
    }
    printer.say(record("print", said, record("stroke", {"pressure": 50.0, "speed": 30.0})))
    printer.see({"units.out": 1})
    assert names(printer.made) == ["UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    assert len(transactions(printer.made)) == 1
    body = one(printer.made, "UnitsProcessed").body
    data = body["CommonProcessData"]
    assert (body["OverallResult"], data["RecipeName"], data["OffsetTheta"]) == ("Error", "R9", 0.02)
    assert (data["Strokes"], data["Separation"]["Name"]) == ([{"PrintPressure": 50.0, "PrintSpeed": 30.0}], "slow")
    assert body["UnitProcessData"][0]["UnitIdentifier"] == "B1"
