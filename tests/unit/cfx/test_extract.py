"""What messages say: units with their roles, work, states, faults."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.cfx.catalogue import messages
from gateway.cfx.envelope import read
from gateway.cfx.extract import body_facts, facts
from gateway.core.event import Role, UnitRef
from gateway.core.observation import NO_FACTS, CfxMessage, Facts, FaultFact

_SAMPLES = Path(__file__).parent / "samples"
_UNIT, _PANEL, _CARRIER, _MAGAZINE, _TOOL = Role.UNIT, Role.PANEL, Role.CARRIER, Role.MAGAZINE, Role.TOOL
_PRODUCTION = "CFX.Production"


def both(name: str, body: dict[str, Any]) -> Facts:
    """Of the decoded body and of its text: two ways that must agree."""
    said = facts(name, body)
    assert body_facts(name, msgspec.json.encode(body)) == said
    return said


def sample(name: str) -> Facts:
    (message,) = read((_SAMPLES / f"{name}.json").read_bytes())
    assert isinstance(message, CfxMessage)
    return message.facts


def test_one_unit_that_is_also_the_primary_identifier() -> None:
    said = sample("work_started")
    assert said.units == (UnitRef("PNL-000123", 1, _UNIT, "Pass"),)
    assert (said.transaction, said.lane) == ("2c24590d-39c5-4039-96a5-91900cecedfa", 1)


def test_one_identifier_at_several_positions_is_a_panel() -> None:
    refs = (UnitRef("PALLET-7", 1, _PANEL), UnitRef("PALLET-7", 2, _PANEL))
    assert sample("units_arrived_pretty").units == refs


def test_units_of_a_body_in_another_case() -> None:
    assert sample("inspected_lower_case").units == (UnitRef("PNL-000123", 1, _PANEL), UnitRef("PNL-000123", 2, _PANEL))


def test_units_and_transactions_of_a_message_that_nobody_knows() -> None:
    said = sample("vendor_message")
    assert said.units == (UnitRef("SN-1", 1, _UNIT),)
    assert said.transaction is None  # the SDK's zero GUID is no transaction


def test_legacy_state_numbers() -> None:
    assert sample("state_changed_1_0").state == 2201


def test_a_fault_brings_its_own_work_and_place() -> None:
    said = sample("fault_occurred")
    assert (said.transaction, said.lane, said.stage) == ("2c24590d-39c5-4039-96a5-91900cecedfa", 2, "3")
    fault = FaultFact(
        occurrence="8088e369-14ee-4730-af42-69b3b372fe1f",
        code="E 17",
        severity="Error",
        description="D\u00fcse verstopft",
        lane=2,
        stage="3",
    )
    assert said.faults_raised == (fault,)


_TWO = [{"UnitIdentifier": "A", "PositionNumber": 1}, {"UnitIdentifier": "B", "PositionNumber": 2}]
_ANONYMOUS = [{"UnitIdentifier": None, "PositionNumber": 1}, {"UnitIdentifier": None, "PositionNumber": 2}]


@pytest.mark.parametrize(
    ("name", "body", "refs"),
    [
        (
            "UnitsArrived",
            {"PrimaryIdentifier": "P", "HermesIdentifier": "H", "Units": _TWO},
            [("P", None, _PANEL), ("A", 1, _UNIT), ("B", 2, _UNIT)],
        ),
        ("UnitsArrived", {"PrimaryIdentifier": "A", "Units": _TWO}, [("A", 1, _UNIT), ("B", 2, _UNIT)]),
        ("UnitsArrived", {"PrimaryIdentifier": "P", "Units": None}, [("P", None, _UNIT)]),
        ("UnitsArrived", {"PrimaryIdentifier": "P", "Units": []}, [("P", None, _UNIT)]),
        ("UnitsArrived", {"PrimaryIdentifier": "P", "Units": _ANONYMOUS[:1]}, [("P", 1, _UNIT)]),
        (
            "UnitsArrived",
            {"PrimaryIdentifier": "P", "Units": _ANONYMOUS},
            [("P", None, _PANEL), (None, 1, _UNIT), (None, 2, _UNIT)],
        ),
        ("UnitsArrived", {"Units": _ANONYMOUS}, [(None, 1, _UNIT), (None, 2, _UNIT)]),
        ("UnitsArrived", {"HermesIdentifier": "H", "Units": []}, []),
        ("UnitsArrived", {"Units": [*_TWO, *_TWO]}, [("A", 1, _UNIT), ("B", 2, _UNIT)]),
        ("UnitsArrived", {"Units": [{"UnitIdentifier": 170, "PositionNumber": "3"}]}, [("170", 3, _UNIT)]),
        ("UnitsArrived", {"Units": [{"UnitIdentifier": "007", "PositionNumber": 0}]}, [("007", None, _UNIT)]),
        (
            "LoadingAndUnloading.UnitsLoaded",
            {"UniqueIdentifier": "TRAY", "Units": _TWO},
            [("A", 1, _UNIT), ("B", 2, _UNIT), ("TRAY", None, _CARRIER)],
        ),
        (
            "LoadingAndUnloading.UnitsUnloaded",
            {"UniqueIdentifier": "T", "Units": [{"UnitIdentifier": "T", "PositionNumber": n} for n in (1, 2)]},
            [("T", 1, _CARRIER), ("T", 2, _CARRIER), ("T", None, _CARRIER)],
        ),
        (
            "Hermes.MagazineArrived",
            {
                "MagazineData": {
                    "MagazineId": "M",
                    "HermesUnits": [{"BoardId": "x", "TopBarcode": "T", "BottomBarcode": ""}],
                }
            },
            [("M", None, _MAGAZINE), ("T", None, _UNIT)],
        ),
        (
            "TestAndInspection.UnitsInspected",
            {
                "InspectedPanel": {"UnitIdentifier": "P"},
                "InspectedUnits": [
                    {
                        "UnitIdentifier": "A",
                        "UnitPositionNumber": 2,
                        "Inspections": [
                            {
                                "DefectsFound": [
                                    {
                                        "ComponentOfInterest": {
                                            "UnitPosition": {"UnitIdentifier": "C", "PositionNumber": 4}
                                        }
                                    }
                                ]
                            }
                        ],
                    }
                ],
            },
            [("A", 2, _UNIT), ("C", 4, _UNIT), ("P", None, _PANEL)],
        ),
        (
            "Assembly.MaterialsInstalled",
            {
                "InstalledMaterials": [
                    {
                        "UnitIdentifier": "A",
                        "UnitPositionNumber": 1,
                        "Material": {"UniqueIdentifier": "REEL"},
                        "InstalledComponents": [{"InstalledUnitIdentifier": "SHIELD-9", "ReferenceDesignator": "R1"}],
                    }
                ]
            },
            [("A", 1, _UNIT), ("SHIELD-9", None, _UNIT)],
        ),
        (
            "ToolsUsed",
            {"UsedTools": [{"UnitIdentifier": "A", "UnitPositionNumber": 1, "Tool": {"UniqueIdentifier": "STENCIL"}}]},
            [("A", 1, _UNIT), ("STENCIL", None, _TOOL)],
        ),
        (
            "Processing.UnitsProcessed",
            {
                "CommonProcessData": {
                    "$type": "CFX.Structures.ReflowProfiling.ReflowProfilingProcessData, CFX",
                    "Barcode": "B",
                }
            },
            [("B", None, _UNIT)],
        ),
    ],
)
def test_units(name: str, body: dict[str, Any], refs: list[tuple[str | None, int | None, Role]]) -> None:
    found = both(f"{_PRODUCTION}.{name}", body).units
    assert sorted(map(repr, found)) == sorted(repr(UnitRef(*ref)) for ref in refs)
    assert len(found) == len(set(found))


def test_the_answer_to_a_validation_names_its_units() -> None:
    body = {
        "ValidationResults": [{"UniqueIdentifier": "A", "PositionNumber": 1}],
        "PrimaryResult": {"UniqueIdentifier": "P"},
    }
    found = both("CFX.InformationSystem.UnitValidation.ValidateUnitsResponse", body).units
    assert set(found) == {UnitRef("A", 1), UnitRef("P", None)}


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"1.50", "1.50"),
        (b'"1.50"', "1.50"),
        (b"null", None),
        (b"true", None),
    ],
)
def test_a_serial_number_is_a_text_exactly(text: bytes, identifier: str | None) -> None:
    said = body_facts(
        "CFX.Production.UnitsArrived", b'{"Units":[{"UnitIdentifier":' + text + b',"PositionNumber":1.0}]}'
    )
    assert said.units == (UnitRef(identifier, 1),)


def _large(extra: bytes) -> bytes:
    """A body with 250,000 lists that nobody asks for."""
    filler = b"[" + b"[0]," * 250_000 + b"0]"
    unit = b'{"UnitIdentifier":"A","UnitPositionNumber":1,"Inspections":[{"Own":' + filler + b"}]}"
    return b'{"TransactionId":"t"' + extra + b',"InspectedUnits":[' + unit + b"]}"


@pytest.mark.parametrize(
    ("name", "extra", "expected"),
    [
        ("Production.TestAndInspection.UnitsInspected", b"", Facts(units=(UnitRef("A", 1),), transaction="t")),
        # a field that CFX does not have; one that is not looked at; one that is, and has another type
        ("Production.TestAndInspection.UnitsInspected", b',"Own":1', Facts(units=(UnitRef("A", 1),), transaction="t")),
        (
            "Production.TestAndInspection.UnitsInspected",
            b',"Tester":7',
            Facts(units=(UnitRef("A", 1),), transaction="t"),
        ),
        ("Production.TestAndInspection.UnitsInspected", b',"InspectedPanel":7', NO_FACTS),
        ("Own.UnitsInspected", b"", NO_FACTS),
    ],
)
def test_a_large_body_is_never_made_into_objects(name: str, extra: bytes, expected: Facts) -> None:
    body = _large(extra)
    tracemalloc.start()
    try:
        assert body_facts(f"CFX.{name}", body) == expected
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20  # 250,000 lists would be 16 MB


def test_a_body_of_countless_objects_says_nothing() -> None:
    body = b'{"TransactionID":"t","Units":[' + b",".join([b"{}"] * 1_000_001) + b"]}"
    assert body_facts("CFX.Production.WorkStarted", body) == NO_FACTS
    assert body_facts("CFX.ResourcePerformance.StationOnline", body) == Facts(online=True)


def test_a_status_goes_with_its_unit() -> None:
    body = {
        "Units": [{"UnitIdentifier": "A", "PositionNumber": 1, "Status": "Scrap"}, {"UnitIdentifier": "B", "Status": 3}]
    }
    assert both("CFX.Production.UnitsArrived", body).units == (UnitRef("A", 1, _UNIT, "Scrap"), UnitRef("B"))


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        (
            "Production.WorkCompleted",
            {"TransactionID": "t", "Result": "Failed"},
            Facts(transaction="t", result="Failed"),
        ),
        ("Production.WorkStageStarted", {"Stage": {"StageSequence": 2, "StageName": "Soak"}}, Facts(stage="Soak")),
        ("Production.WorkStageStarted", {"Stage": {"StageSequence": 2, "StageName": ""}}, Facts(stage="2")),
        ("Production.WorkStageStarted", {"Stage": "Soak"}, Facts(stage="Soak")),
        (
            "Production.Processing.UnitsProcessed",
            {"TransactionId": "t", "OverallResult": "Error"},
            Facts(transaction="t", result="Error"),
        ),
        ("Production.LockStationResponse", {"Result": {"Result": "Success"}}, NO_FACTS),
        (
            "Production.RecipeActivated",
            {"RecipeName": "R", "Revision": None, "Lane": "2"},
            Facts(recipe=("R", None), lane=2),
        ),
        (
            "Production.RecipeDeactivated",
            {"RecipeName": "R", "Revision": "B"},
            Facts(recipe=("R", "B"), recipe_deactivated=True),
        ),
        ("ResourcePerformance.StationStateChanged", {"NewState": "SDT_Setup"}, Facts(state=4500)),
        ("ResourcePerformance.StationStateChanged", {"NewState": 3312}, Facts(state=3312)),
        ("ResourcePerformance.StationStateChanged", {"NewState": 1100.0}, Facts(state=1100)),
        (
            "ResourcePerformance.StationStateChanged",
            {"NewState": "5000", "RelatedFault": {"TransactionID": "t", "Lane": 1, "Stage": {"StageName": "S"}}},
            Facts(state=5000, transaction="t", lane=1, stage="S"),
        ),
        (
            "ResourcePerformance.StageStateChanged",
            {"NewState": "1100", "Stage": {"StageName": "S"}, "Lane": 2, "RelatedFault": {"Lane": 1}},
            Facts(stage_state=1100, stage="S", lane=2),
        ),
        ("ResourcePerformance.FaultCleared", {"FaultOccurrenceId": "f"}, Facts(fault_cleared="f")),
        ("ResourcePerformance.FaultAcknowledged", {"FaultOccurrenceId": "f"}, Facts(fault_acknowledged="f")),
        ("ResourcePerformance.GetActiveFaultsResponse", {"ActiveFaults": []}, Facts(faults_active=())),
        ("Heartbeat", {"HeartbeatFrequency": "00:01:00", "ActiveFaults": None}, Facts(heartbeat_s=60.0)),
        (
            "Heartbeat",
            {"HeartbeatFrequency": "often", "ActiveFaults": [{"FaultOccurrenceId": "f", "FaultCode": 17}, None, 3]},
            Facts(faults_active=(FaultFact(occurrence="f", code="17"),)),
        ),
        ("EndpointConnected", {"CFXHandle": "x"}, Facts(online=True)),
        ("EndpointShuttingDown", {}, Facts(online=False)),
        ("ResourcePerformance.StationOnline", {}, Facts(online=True)),
        ("ResourcePerformance.StationOffline", {}, Facts(online=False)),
        ("Production.WorkStarted", {"TransactionID": "00000000-0000-0000-0000-000000000000", "Lane": 2**40}, NO_FACTS),
    ],
)
def test_what_messages_say(name: str, body: dict[str, Any], expected: Facts) -> None:
    assert both(f"CFX.{name}", body) == expected


@pytest.mark.parametrize(("name", "online"), [("StationOffline", False), ("StationOnline", True)])
def test_a_message_without_a_body_says_what_its_name_says(name: str, online: bool) -> None:
    assert body_facts(f"CFX.ResourcePerformance.{name}", b"null") == Facts(online=online)


_NONSENSE: list[Any] = [
    None,
    True,
    7,
    1.5,
    "x",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": 1},
    ["x", 3],
    {"UnitIdentifier": []},
    [{"Units": 3}],
]


@pytest.mark.parametrize("name", [*messages(), "Example.Own"])
def test_wrong_types_anywhere_are_ignored(name: str) -> None:
    """Every field that is looked at somewhere, in every message, with every kind of value that is not expected."""
    fields = [
        "Units",
        "InspectedUnits",
        "InspectedPanel",
        "InstalledMaterials",
        "MagazineData",
        "ToolsUsed",
        "Tools",
        "PrimaryIdentifier",
        "UnitIdentifier",
        "UniqueIdentifier",
        "TransactionID",
        "TransactionId",
        "Lane",
        "Stage",
        "StageName",
        "Result",
        "OverallResult",
        "Fault",
        "RelatedFault",
        "ActiveFaults",
        "HeartbeatFrequency",
        "FaultOccurrenceId",
        "NewState",
        "RecipeName",
        "Revision",
        "units",
        "RELATEDFAULT",
    ]
    for value in _NONSENSE:
        said = both(name, dict.fromkeys(fields, value))
        assert isinstance(said, Facts)
