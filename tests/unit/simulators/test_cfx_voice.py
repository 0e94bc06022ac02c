"""What machines that speak CFX say of what happens to them, and whether a journal has exactly what they are told to say."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cfx.check import check
from simulators.faces.cfx import written
from simulators.model.facts import Departed, FaultCleared, StateChanged, Switched, WorkBegan, WorkEnded
from simulators.voices.cfx_message import Link, Spoken
from simulators.voices.cfx_mouth import CLONED, Manner
from simulators.voices.voice import Said
from tests.unit.simulators.cfx_line import (
    FAULT,
    PNP,
    PRINTER,
    REVIEW,
    SPI,
    STATIONS,
    WHEN,
    ZONE,
    differences,
    events,
    instant,
    life,
    names,
    plan,
    said,
    spoken,
    voice,
)

EACH = pytest.mark.parametrize("station", STATIONS)


@EACH
async def test_the_journal_has_what_is_told(tmp_path: Path, station: str) -> None:
    outputs, told = said(station, life(station))
    assert len(told) > 15
    assert all(each.unique_id is not None for each in told)
    assert differences(told, await events(tmp_path, outputs)) == []


@EACH
def test_every_body_is_complete_and_fits_the_catalogue(station: str) -> None:
    """Nothing is filled in on the way out, but tags that the SDK leaves out where it declares the type."""
    outputs, _ = said(station, life(station), Manner(heartbeat_s=20.0))
    assert sum(isinstance(each, Spoken) and each.name == "CFX.Heartbeat" for each in outputs) > 5
    for each in outputs:
        assert isinstance(each, Spoken)
        body = json.loads(written(each, WHEN).payload)["MessageBody"]
        check(each.name, body)
        assert _keys(body) == _keys(each.body), each.name


def _keys(value: Any) -> Any:
    """The structure of a body, without `$type` and what may be left out of a measurement."""
    if isinstance(value, dict):
        skipped = () if "CRDs" not in value else set(value) - {"CRDs", "Result"}
        return {key: _keys(item) for key, item in value.items() if key != "$type" and key not in skipped}
    return [_keys(item) for item in value] if isinstance(value, list | tuple) else None


@EACH
def test_the_same_seed_says_the_same_and_another_does_not(station: str) -> None:
    def ids(seed: int) -> list[str]:
        machine = voice(station, Manner(copies=0.3), seed)
        outputs = [each for fact in life(station) for each in machine.hear(fact).outputs]
        return [each.unique_id for each in outputs if isinstance(each, Spoken)]

    assert ids(1) == ids(1)
    assert not set(ids(1)) & set(ids(2))
    assert len(set(ids(1))) < len(ids(1))


def test_the_order_of_a_panels_messages_at_a_printer() -> None:
    heard = names(said(PRINTER, life(PRINTER))[0])
    assert heard[:4] == ["EndpointConnected", "StationOnline", "StationStateChanged", "RecipeActivated"]
    at = heard.index("UnitsArrived", heard.index("UnitsArrived") + 1)
    assert heard[at : at + 6] == ["UnitsArrived", "WorkStarted", "UnitsProcessed", "StencilCleaned", "WorkCompleted", "UnitsDeparted"]  # fmt: skip
    assert heard[-3:] == ["StationStateChanged", "StationOffline", "EndpointShuttingDown"]


def test_what_a_printer_says() -> None:
    outputs, _ = said(PRINTER, life(PRINTER))
    first = spoken(outputs, "UnitsProcessed")[0]
    data = first["CommonProcessData"]
    assert (data["Strokes"], data["OffsetY"], data["CycleTime"]) == (
        [{"PrintPressure": 62.0, "PrintSpeed": 60.0}],
        -0.02,
        "00:00:01.1500000",
    )
    assert (data["RecipeName"], [each["UnitPositionNumber"] for each in first["UnitProcessData"]]) == ("CTRL-Pri", [1, 2, 3])  # fmt: skip
    cleaned = spoken(outputs, "StencilCleaned")[0]
    assert (cleaned["Stencil"]["UniqueIdentifier"], cleaned["StencilCleanMode"], cleaned["CyclesSinceLastClean"]) == ("ST-1", "W", 10)  # fmt: skip
    (fault,) = spoken(outputs, "FaultOccurred")
    assert (fault["Fault"]["PrintingFaultType"], fault["Fault"]["Cause"]) == ("PasteError", "Refill")
    started = spoken(outputs, "WorkStarted")
    assert {each["Status"] for each in started[0]["Units"]} == {"Pass"}, "paste is printed on bad boards too"
    assert [each["RelevantSurface"] for each in started] == ["PrimarySurface"] * 2 + ["SecondarySurface"] * 2


def test_what_a_machine_knows_of_a_panel() -> None:
    """Boards have their own identifiers where the product's have them and the label was read."""
    started = spoken(said(SPI, life(SPI))[0], "WorkStarted")
    known = [(each["PrimaryIdentifier"], [unit["UnitIdentifier"] for unit in each["Units"]]) for each in started]
    assert known == [
        ("PNL-1", ["PNL-1"] * 3),
        (None, [None] * 3),
        ("PNL-3", ["SN-31", "SN-32"]),
        (None, [None] * 2),
    ]
    assert [unit["Status"] for unit in started[0]["Units"]] == ["Pass", "Skip", "Pass"]
    assert [each["Lane"] for each in started] == [1, 2, 1, 2]
    counting = spoken(said(SPI, life(SPI), Manner(count_only=True))[0], "WorkStarted")
    assert {unit["UnitIdentifier"] for each in counting for unit in each["Units"]} == {None}


def test_what_a_paste_inspection_says() -> None:
    body = spoken(said(SPI, life(SPI))[0], "UnitsInspected")[0]
    assert (body["InspectionMethod"], body["RecipeName"], body["RecipeRevision"]) == ("SPI", "CTRL-Pri", "C")
    assert [each["OverallResult"] for each in body["InspectedUnits"]] == ["Failed", "Skipped", "Passed"]
    assert [each["TotalInspectionCount"] for each in body["InspectedUnits"]] == [10, 0, 10]
    (inspection,) = body["InspectedUnits"][0]["Inspections"]
    paste, warpage = inspection["Measurements"]
    assert paste["$type"] == "CFX.Structures.SolderPasteInspection.SolderPasteMeasurement, CFX"
    assert paste["Vol"] / paste["EVol"] == pytest.approx(0.48)
    assert (paste["Z"], paste["EZ"], paste["DX"]) == pytest.approx((0.118, 0.12, 0.012))
    assert (paste["CRDs"], paste["Result"]) == ("R1.1", "Failed")
    assert warpage["MeasuredValue"]["Value"] == 0.4
    assert inspection["DefectsFound"][0]["DefectCode"] == "InsufficientSolder"


def test_what_a_review_station_says() -> None:
    outputs, told = said(REVIEW, life(REVIEW))
    body = spoken(outputs, "UnitsInspected")[0]
    assert (body["InspectionMethod"], body["Inspector"]["OperatorIdentifier"]) == ("Human", "4712")
    units = body["InspectedUnits"]
    assert [each["UnitPositionNumber"] for each in units] == [1, 2]
    assert [each["Verification"] for each in units] == ["DefectConfirmed", "DefectRejected"]
    assert [each["OverallResult"] for each in units] == ["Failed", "Passed"]
    defects = [each["Inspections"][0]["DefectsFound"][0] for each in units]
    assert [(each["UniqueIdentifier"], each["ComponentOfInterest"]["ReferenceDesignator"]) for each in defects] == [("p1-d1", "R1"), ("p1-d2", "R2")]  # fmt: skip
    assert [each.units for each in told if each.message.endswith("UnitsInspected")] == [("PNL-1",), (), ("SN-31", "SN-32"), ()]  # fmt: skip
    assert names(outputs).count("WorkStarted") == names(outputs).count("WorkCompleted") == 4
    assert "UnitsArrived" not in names(outputs), "it has no conveyor"


def test_stages_pause_with_a_fault_and_end_with_the_work() -> None:
    outputs, told = said(PNP, life(PNP))
    heard = names(outputs)
    first = heard[heard.index("WorkStarted") : heard.index("WorkCompleted") + 1]
    assert first == [
        "WorkStarted",
        "WorkStageStarted",
        "FaultOccurred",
        "WorkStagePaused",
        "StationStateChanged",
        "FaultAcknowledged",
        "FaultCleared",
        "WorkStageResumed",
        "StationStateChanged",
        "WorkStageCompleted",
        "WorkStageStarted",
        "WorkStageCompleted",
        "MaterialsInstalled",
        "WorkCompleted",
    ]
    assert spoken(outputs, "WorkStagePaused")[0]["PauseReason"] == "InformationMessageConfirmation"
    times = {each.message.rpartition(".")[2]: each for each in reversed(told) if each.at is not None}
    cycle = spoken(outputs, "RecipeActivated")[0]["ExpectedCycleTime"] * 10.0
    turn = next(each for each in told if each.message.endswith("WorkStageCompleted"))
    assert turn.at is not None
    began, paused, resumed = (times[name].at or 0.0 for name in ("WorkStageStarted", "WorkStagePaused", "WorkStageResumed"))  # fmt: skip
    assert turn.at - began - (resumed - paused) == pytest.approx(cycle / 2)
    assert turn.seen > turn.at, "it is noticed at the next fact"


def test_what_goes_wrong_with_a_component() -> None:
    outputs, _ = said(PNP, life(PNP))
    (occurred,) = spoken(outputs, "FaultOccurred")
    fault = occurred["Fault"]
    assert fault["$type"] == "CFX.Structures.SMTPlacement.SMTPlacementFault, CFX"
    assert (fault["PlacementFaultType"], fault["Designator"]["ReferenceDesignator"]) == ("PickupError", "R1")
    assert fault["MaterialLocation"]["MaterialPackage"]["UniqueIdentifier"] == "REEL1"
    assert fault["TransactionID"] == spoken(outputs, "WorkStarted")[0]["TransactionID"]
    related = [each["RelatedFault"] for each in spoken(outputs, "StationStateChanged")]
    assert [each["FaultOccurrenceId"] for each in related if each] == [FAULT]
    assert [each["FaultOccurrenceId"] for each in spoken(outputs, "FaultCleared")] == [FAULT]


def test_which_reel_gave_which_component() -> None:
    outputs, _ = said(PNP, life(PNP))
    given = spoken(outputs, "MaterialsInstalled")
    boards = [[(each["UnitIdentifier"], each["UnitPositionNumber"]) for each in body["InstalledMaterials"]] for body in given]  # fmt: skip
    assert boards == [[("PNL-1", 1), ("PNL-1", 3)], [(None, 1), (None, 2), (None, 3)], [("SN-31", 1), ("SN-32", 2)], [(None, 1), (None, 2)]]  # fmt: skip
    first = given[0]["InstalledMaterials"][0]
    assert (first["QuantityInstalled"], first["QuantityNonInstalled"]) == (2.0, 1.0)
    assert first["Material"]["BatchId"] == "B7"
    assert [each["ReferenceDesignator"] for each in first["InstalledComponents"]] == ["R1", "R2"]
    assert {each["Stage"]["StageName"] for each in first["InstalledComponents"]} == {"STAGE2"}
    assert first["NonInstalledComponents"][0]["Stage"]["StageName"] == "STAGE1"
    reels = [{each["Material"]["UniqueIdentifier"] for each in body["InstalledMaterials"]} for body in given]
    assert reels == [{"REEL1"}, {"REEL1"}, {"REEL1"}, {"REEL2"}]
    loaded = spoken(outputs, "MaterialsLoaded")[1]["Materials"][0]["MaterialPackage"]
    assert (loaded["UniqueIdentifier"], loaded["LeadingMaterialPackage"]["UniqueIdentifier"]) == ("REEL2", "REEL1")
    (splice,) = spoken(outputs, "SplicePointDetected")
    assert [splice[key]["MaterialPackage"]["UniqueIdentifier"] for key in ("DepletedMaterial", "NewlyActiveMaterial")] == ["REEL1", "REEL2"]  # fmt: skip
    (placed,) = spoken(outputs, "ComponentsPlaced")
    assert (placed["TotalComponentsPlaced"], placed["TotalComponentsNotPlaced"]) == (10, 1)


def test_work_is_broken_off_when_it_is_switched_off() -> None:
    facts = life(PNP)
    began = next(number for number, fact in enumerate(facts) if isinstance(fact, WorkBegan))
    outputs, _ = said(PNP, facts[: began + 1])
    assert names(outputs)[-5:] == ["WorkStageCompleted", "WorkCompleted", "StationStateChanged", "StationOffline", "EndpointShuttingDown"]  # fmt: skip
    assert [spoken(outputs, name)[-1]["Result"] for name in ("WorkStageCompleted", "WorkCompleted")] == ["Aborted"] * 2


def test_without_power_it_says_nothing() -> None:
    """What went on meanwhile it does not know of; when it comes back, what was in work is aborted."""
    facts = life(PNP)
    began = next(number for number, fact in enumerate(facts) if isinstance(fact, WorkBegan))
    at = facts[began].at
    machine = voice(PNP, Manner(heartbeat_s=1.0))
    for fact in facts[: began + 1]:
        machine.hear(fact)
    off = [Switched(at=at + 0.2, station=PNP, on=False)]
    off += [msgspec.structs.replace(each, at=at + 30.0) for each in facts if isinstance(each, WorkEnded | Departed | FaultCleared)]  # type: ignore[misc]  # fmt: skip
    assert [machine.hear(fact) for fact in off] == [Said()] * len(off)
    back = machine.hear(Switched(at=at + 60.2, station=PNP, on=True))
    assert [each.message.rpartition(".")[2] for each in back.told] == [
        "EndpointConnected",
        "StationOnline",
        "WorkStageCompleted",
        "WorkCompleted",
    ]
    assert spoken(back.outputs, "StationOnline")[0]["OfflineDuration"] == "00:00:06"
    assert spoken(back.outputs, "WorkCompleted")[0]["Result"] == "Aborted"
    end = machine.ending(at + 61.0)
    assert "CFX.Production.WorkCompleted" not in [each.message for each in end.told]


def test_heartbeats_come_by_its_own_clock() -> None:
    machine = voice(SPI, Manner(heartbeat_s=60.0))
    facts = [*plan(), StateChanged(at=0.0, station=SPI, state="SDT_Setup"), StateChanged(at=200.0, station="L1.x", state="SDT_Setup")]  # fmt: skip
    beats = [each for fact in facts for each in machine.hear(fact).outputs if isinstance(each, Spoken) and each.name == "CFX.Heartbeat"]  # fmt: skip
    assert [each.at for each in beats] == [0.0, 180.0], "two were missed, and nobody wants to hear them late"
    (first, _) = spoken(beats, "Heartbeat")
    assert first["HeartbeatFrequency"] == "00:00:06", "at ten times the speed"


@EACH
def test_how_often_its_heart_beats_changes_nothing_that_it_tells(station: str) -> None:
    """A line that is played faster has other heartbeats, and the same ledger."""
    slow, fast = (said(station, life(station), Manner(heartbeat_s=each, copies=0.5)) for each in (300.0, 2.0))
    assert slow[1] == fast[1]
    without = [
        [each for each in outputs if isinstance(each, Spoken) and each.name != "CFX.Heartbeat"]
        for outputs, _ in (slow, fast)
    ]
    assert without[0] == without[1]
    assert len(fast[0]) > len(slow[0]) + 3


# What breaks integrators


@EACH
async def test_a_message_sent_twice_is_one_event(tmp_path: Path, station: str) -> None:
    outputs, told = said(station, life(station), Manner(copies=0.5))
    sent = [each.unique_id for each in outputs if isinstance(each, Spoken)]
    assert len(sent) > len(set(sent)) + 3
    assert differences(told, await events(tmp_path, outputs)) == []


@EACH
async def test_always_the_same_unique_id(tmp_path: Path, station: str) -> None:
    outputs, told = said(station, life(station), Manner(constant_id=True, copies=0.5))
    assert {each.unique_id for each in outputs if isinstance(each, Spoken)} == {CLONED}
    assert {each.unique_id for each in told} == {None}
    found = await events(tmp_path, outputs)
    assert differences(told, found) == []
    assert len({each.id for each in found}) == len(told)


@EACH
async def test_local_time_without_zone(tmp_path: Path, station: str) -> None:
    outputs, told = said(station, life(station), Manner(zone=ZONE))
    first = next(each for each in outputs if isinstance(each, Spoken))
    stamp = json.loads(written(first, WHEN).payload)["TimeStamp"]
    assert datetime.fromisoformat(stamp).tzinfo is None
    assert stamp.startswith("2026-11-20T13:00:0")
    faults = spoken(outputs, "FaultOccurred")
    assert all(len(each["Fault"]["OccurredAt"]) < 27 and "Z" not in each["Fault"]["OccurredAt"] for each in faults)
    assert differences(told, await events(tmp_path, outputs, ZONE)) == []


@EACH
async def test_a_burst_after_an_outage(tmp_path: Path, station: str) -> None:
    manner = Manner(outage_every_s=40.0, outage_s=(20.0, 60.0))
    outputs, told = said(station, life(station), manner)
    links = [each.up for each in outputs if isinstance(each, Link)]
    assert links == [False, True] * (len(links) // 2)
    assert len(links) >= 4
    quiet, same = said(station, life(station))
    assert [each for each in names(outputs) if each not in ("up", "down")] == names(quiet), "it says all the same"
    assert [(each.at, each.unique_id is None) for each in told] == [(each.at, each.unique_id is None) for each in same]
    away, down = False, 0
    for each in outputs:
        away = not each.up if isinstance(each, Link) else away
        down += away and isinstance(each, Spoken) and each.name != "CFX.Heartbeat"
    later = [a.seen - b.seen for a, b in zip(told, same, strict=True)]
    assert min(later) >= 0.0
    assert 0 < sum(each > 0.0 for each in later) <= down, "what would have been noticed after it anyway is not later"
    assert differences(told, await events(tmp_path, outputs)) == []


def test_times_in_a_body_agree_with_the_stamp() -> None:
    outputs, told = said(PNP, life(PNP))
    (fault,) = spoken(outputs, "FaultOccurred")
    at = next(each.at for each in told if each.message.endswith("FaultOccurred"))
    assert at is not None
    assert datetime.fromisoformat(fault["Fault"]["OccurredAt"]).timestamp() * 1e6 == instant(at)
