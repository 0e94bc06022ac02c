"""Writing: as the SDK would, and never what a strict peer would drop."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from gateway.cfx.catalogue import compound, messages
from gateway.cfx.check import check
from gateway.cfx.complete import complete
from gateway.cfx.envelope import compressed, read, write
from gateway.core.errors import InvalidMessage
from gateway.core.observation import CfxMessage
from gateway.core.times import parse_rfc3339

_ID = "1d598538-95b3-4e92-a376-1f1907ae5ffd"
_WORK = "2c24590d-39c5-4039-96a5-91900cecedfa"
_AT = parse_rfc3339("2026-11-20T12:44:33.940000Z")
_STARTED = "CFX.Production.WorkStarted"
_FAULT: dict[str, Any] = {
    "Cause": "MechanicalFailure",
    "Severity": "Error",
    "FaultCode": "E1",
    "FaultOccurrenceId": _WORK,
    "OccurredAt": "2026-11-20T12:44:33Z",
}


def written(name: str, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    options = dict[str, Any](source="Example.Oven.1", at=_AT, unique_id=_ID) | options
    envelope: dict[str, Any] = msgspec.json.decode(write(name, body, **options))
    return envelope


def test_an_envelope_to_the_byte() -> None:
    body = {"TransactionID": _WORK, "Lane": 1, "Units": [{"UnitIdentifier": "A", "PositionNumber": 1, "X": 5}]}
    envelope = write(_STARTED, body, source="Example.Oven.1", at=_AT, unique_id=_ID.upper())
    assert envelope == (
        b'{"MessageName":"CFX.Production.WorkStarted","Version":"2.1","TimeStamp":"2026-11-20T12:44:33.94Z",'
        b'"UniqueID":"1d598538-95b3-4e92-a376-1f1907ae5ffd","Source":"Example.Oven.1","Target":null,"RequestID":null,'
        b'"MessageBody":{"$type":"CFX.Production.WorkStarted, CFX","PrimaryIdentifier":null,"HermesIdentifier":null,'
        b'"TransactionID":"2c24590d-39c5-4039-96a5-91900cecedfa","Lane":1,"UnitCount":1,"Units":[{"UnitIdentifier":"A",'
        b'"PositionNumber":1,"PositionName":null,"X":5.0,"Y":0.0,"Z":null,"Rotation":0.0,"FlipX":false,"FlipY":false,'
        b'"Status":"Pass"}],"RecipeName":null,"Revision":null,"RelevantSurface":"Unspecified","WorkOrderIdentifier":null}}'
    )
    (message,) = read(envelope)
    assert isinstance(message, CfxMessage)
    assert message.raw is message.text
    assert (message.time, message.unique_id, message.source) == (_AT, _ID, "Example.Oven.1")
    assert gzip.decompress(compressed(envelope)) == envelope
    assert compressed(envelope) == compressed(envelope)


def test_requests_name_their_target() -> None:
    envelope = written("CFX.AreYouThereRequest", {"CFXHandle": "x"}, target="x", request_id="REQUEST-1", version="1.7")
    assert (envelope["Target"], envelope["RequestID"], envelope["Version"]) == ("x", "REQUEST-1", "1.7")


def test_pythons_own_values_get_their_form() -> None:
    at = datetime(2026, 11, 20, 13, 0, 0, 500_000, timezone(timedelta(hours=1)))
    body = written(
        "CFX.ResourcePerformance.StationStateChanged",
        {
            "OldState": "SBY_NoProduct",
            "NewState": 5300,
            "OldStateDuration": timedelta(seconds=85),
            "RelatedFault": {**_FAULT, "FaultOccurrenceId": UUID(_WORK), "OccurredAt": at},
        },
        at=at,
    )
    assert body["TimeStamp"] == "2026-11-20T13:00:00.5+01:00"
    assert body["MessageBody"]["OldState"] == "2200"
    assert body["MessageBody"]["NewState"] == "5300"
    assert body["MessageBody"]["OldStateDuration"] == "00:01:25"
    assert body["MessageBody"]["RelatedFault"]["FaultOccurrenceId"] == _WORK
    assert body["MessageBody"]["RelatedFault"]["OccurredAt"] == "2026-11-20T13:00:00.5+01:00"


def test_a_vendors_own_state_is_a_number() -> None:
    body = written("CFX.ResourcePerformance.StationStateChanged", {"OldState": 3312, "NewState": "1100"})["MessageBody"]
    assert (body["OldState"], body["NewState"], body["OldStateDuration"]) == (3312, "1100", None)


def test_bytes_and_integer_enumerations() -> None:
    recipe = {"Name": "r", "RecipeData": b"\x00\xff"}
    body = written("CFX.Production.GetRecipeResponse", {"Result": {}, "Recipe": recipe})["MessageBody"]
    assert body["Recipe"]["RecipeData"] == "AP8="
    assert body["Result"] == {"Result": "Success", "ResultCode": 0, "Message": None}
    endpoint = {"CFXHandle": "x", "OperatingSystem": "DebianLinux"}
    body = written("CFX.GetEndpointInformationResponse", {"EndpointInformation": endpoint})["MessageBody"]
    assert body["EndpointInformation"]["OperatingSystem"] == 20
    assert body["EndpointInformation"]["SupportedTopics"] == []


def test_a_subtype_says_so_where_the_sdk_does() -> None:
    fault = {"Severity": "Alarm", "ReflowOvenFaultType": "LowBeltSpeed", **_FAULT}
    fault["$type"] = "CFX.Structures.SolderReflow.ReflowOvenFault, CFX"  # last: it must come out first
    raised = written("CFX.ResourcePerformance.FaultOccurred", {"Fault": fault})["MessageBody"]["Fault"]
    assert next(iter(raised)) == "$type"
    assert raised["ReflowOvenFaultType"] == "LowBeltSpeed"
    beat = written("CFX.Heartbeat", {"CFXHandle": "x", "ActiveFaults": [fault]})["MessageBody"]
    assert "$type" not in beat["ActiveFaults"][0]
    assert beat["ActiveFaults"][0]["ReflowOvenFaultType"] == "LowBeltSpeed"


def test_a_plain_type_does_not_say_so() -> None:
    fault = {"$type": "CFX.Structures.Fault, CFX", **_FAULT}
    assert "$type" not in written("CFX.ResourcePerformance.FaultOccurred", {"Fault": fault})["MessageBody"]["Fault"]


def test_lists_as_types() -> None:
    details = {"$type": "CFX.Structures.BadVisionTestRejectionDetails, CFX", "$values": [{}]}
    material = {"NonInstalledComponents": [{"RejectionDetails": details}]}
    body = {"TransactionId": _WORK, "InstalledMaterials": [material]}
    out = written("CFX.Production.Assembly.MaterialsInstalled", body)["MessageBody"]["InstalledMaterials"][0]
    details = out["NonInstalledComponents"][0]["RejectionDetails"]
    assert list(details) == ["$type", "$values"]
    vision = compound("CFX.Structures.ComponentVisionTest")
    assert vision is not None
    assert list(details["$values"][0]) == list(vision.fields)


def test_inspection_objects_leave_out_what_they_do_not_say() -> None:
    recipe = {
        "$type": "CFX.Structures.PCBInspection.PCBInspectionRecipe, CFX",
        "Name": "r",
        "Panel": {"Name": "p", "Boards": [{"Name": "b"}]},
    }
    body = written("CFX.Production.GetRecipeResponse", {"Recipe": recipe})["MessageBody"]
    assert body["Recipe"]["Panel"] == {"Name": "p", "Boards": [{"Name": "b"}]}


def test_unknown_is_null_where_null_means_unknown() -> None:
    beat = written("CFX.Heartbeat", {"CFXHandle": "x"})["MessageBody"]
    assert (beat["ActiveFaults"], beat["ActiveRecipes"], beat["HeartbeatFrequency"]) == (None, None, "00:00:00")


@pytest.mark.parametrize("name", messages())
def test_every_message_can_be_written_from_what_must_be_given(name: str) -> None:
    message = compound(name)
    assert message is not None
    needed = {"guid": _WORK, "datetime": datetime(2026, 1, 1, tzinfo=UTC), "CFX.Structures.ResourceState": "1100"}
    body = {
        field.name: needed[field.type] for field in message.fields.values() if field.type in needed and not field.many
    }
    envelope = written(name, body)
    assert list(envelope["MessageBody"]) == ["$type", *message.fields]
    check(name, envelope["MessageBody"])


def test_what_has_no_unknown_must_be_given() -> None:
    with pytest.raises(InvalidMessage, match=r"WorkStarted\.TransactionID: not given"):
        complete(_STARTED, {})
    with pytest.raises(InvalidMessage, match=r"NewState: not given"):
        complete("CFX.ResourcePerformance.StationStateChanged", {"OldState": "1100"})


_UNITS = {"TransactionID": _WORK, "Units": [{"UnitIdentifier": "A", "PositionNumber": 1}]}


def unit(**fields: Any) -> dict[str, Any]:
    return {"TransactionID": _WORK, "Units": [{"UnitIdentifier": "A", "PositionNumber": 1, **fields}]}


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("Example.Own", {}, "no message"),
        ("CFX.Structures.Fault", {}, "no message"),
        ("CFX.ResourcePerformance.ConsumptionDetail", {}, "no message"),
        (_STARTED, {**_UNITS, "Color": "red"}, r"WorkStarted\.Color: 'red'"),
        (_STARTED, {**_UNITS, "lane": 1}, r"WorkStarted\.lane"),
        (_STARTED, {**_UNITS, "$type": "CFX.Production.WorkCompleted, CFX"}, r"\$type"),
        (_STARTED, {**_UNITS, "TransactionID": "t-1"}, "a GUID"),
        (_STARTED, {**_UNITS, "TransactionID": None}, "cannot be null"),
        (_STARTED, {**_UNITS, "TransactionID": _WORK + "\n"}, "a GUID"),
        (_STARTED, {**_UNITS, "Lane": 2**31}, "whole number"),
        (_STARTED, {**_UNITS, "Lane": 1.0}, "whole number"),
        (_STARTED, {**_UNITS, "Lane": True}, "whole number"),
        (_STARTED, {**_UNITS, "Lane": "1"}, "whole number"),
        (_STARTED, {**_UNITS, "UnitCount": 2}, "1, the number of Units"),
        (_STARTED, {**_UNITS, "Units": {"UnitIdentifier": "A"}}, "a list"),
        (_STARTED, {**_UNITS, "Units": ["A"]}, r"Units\[0\]: 'A'"),
        (_STARTED, {**_UNITS, "RelevantSurface": "Top"}, "Unspecified, PrimarySurface, SecondarySurface"),
        (_STARTED, {**_UNITS, "RelevantSurface": 1}, "PrimarySurface"),
        (_STARTED, {**_UNITS, "RelevantSurface": None}, "cannot be null"),
        (
            _STARTED,
            unit(Status="pass"),
            r"Units\[0\]\.Status: 'pass' is not allowed, but one of Pass, Fail, Scrap, Skip",
        ),
        (_STARTED, unit(UnitIdentifier=17), r"Units\[0\]\.UnitIdentifier: 17 is not allowed, but a text"),
        (_STARTED, unit(UnitIdentifier="\ud800"), "surrogates"),
        (_STARTED, unit(PositionNumber=None), "cannot be null"),
        (_STARTED, unit(X=float("nan")), "finite"),
        (_STARTED, unit(X=float("inf")), "finite"),
        (_STARTED, unit(X=10**400), "finite"),
        (_STARTED, unit(X="1.0"), "a number"),
        (_STARTED, unit(X=True), "a number"),
        (_STARTED, unit(FlipX=0), "true or false"),
        (_STARTED, unit(Extra=1), r"Units\[0\]\.Extra"),
        (_STARTED, unit(**{"$type": "CFX.Structures.Fault, CFX"}), r"Units\[0\]\.\$type"),
        (_STARTED, unit(**{"$type": "UnitInfo"}), r"\$type"),
        (_STARTED, unit(**{"$type": 7}), r"\$type"),
        (
            "CFX.ResourcePerformance.FaultOccurred",
            {"Fault": {**_FAULT, "DescriptionTranslations": {"$id": "1"}}},
            "keys",
        ),
        ("CFX.Heartbeat", {"HeartbeatFrequency": "60"}, "time span"),
        ("CFX.Heartbeat", {"HeartbeatFrequency": 60}, "time span"),
        ("CFX.ResourcePerformance.FaultOccurred", {"Fault": {**_FAULT, "OccurredAt": "yesterday"}}, "date-time"),
        ("CFX.ResourcePerformance.FaultOccurred", {"Fault": {**_FAULT, "OccurredAt": 0}}, "date-time"),
        (
            "CFX.ResourcePerformance.FaultOccurred",
            {"Fault": {**_FAULT, "Severity": "Fatal"}},
            "Information, Warning, Error, Alarm",
        ),
        (
            "CFX.ResourcePerformance.FaultOccurred",
            {"Fault": {**_FAULT, "DescriptionTranslations": {"de": 1}}},
            "a text",
        ),
        (
            "CFX.ResourcePerformance.FaultOccurred",
            {"Fault": {**_FAULT, "DescriptionTranslations": []}},
            "object of texts",
        ),
        (
            "CFX.ResourcePerformance.FaultOccurred",
            {"Fault": {**_FAULT, "ReflowOvenFaultType": "LowBeltSpeed"}},
            "ReflowOvenFaultType",
        ),
        ("CFX.ResourcePerformance.StationStateChanged", {"OldState": 999, "NewState": "1100"}, "OldState: 999"),
        ("CFX.ResourcePerformance.StationStateChanged", {"OldState": "3312", "NewState": "1100"}, "OldState: '3312'"),
        ("CFX.ResourcePerformance.StationStateChanged", {"OldState": True, "NewState": "1100"}, "OldState"),
        (
            "CFX.ResourcePerformance.StationParametersModified",
            {"ModifiedParameters": [{}]},
            r"one of .*GenericParameter",
        ),
        (
            "CFX.GetEndpointInformationResponse",
            {"EndpointInformation": {"OperatingSystem": 99}},
            "20 \\(DebianLinux\\)",
        ),
        ("CFX.GetEndpointInformationResponse", {"EndpointInformation": {"OperatingSystem": "BeOS"}}, "DebianLinux"),
        ("CFX.Production.GetRecipeResponse", {"Recipe": {"RecipeData": "no base64"}}, "base64"),
        ("CFX.Production.GetRecipeResponse", {"Recipe": {"RecipeData": 7}}, "base64"),
    ],
)
def test_what_a_strict_peer_would_drop_is_not_written(name: str, body: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidMessage, match=says):
        written(name, body)


@pytest.mark.parametrize(
    "options",
    [
        {"source": ""},
        {"source": 7},
        {"source": "\udc00"},
        {"target": 7},
        {"request_id": b"x"},
        {"unique_id": "42"},
        {"unique_id": None},
        {"version": 2.1},
        {"at": 1 << 62},
        {"at": datetime.fromisoformat("2026-11-20T12:00:00")},
    ],
)
def test_what_is_no_envelope_is_not_written(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        written("CFX.Heartbeat", {"CFXHandle": "x"}, **options)


def test_a_tag_that_is_not_first_is_found() -> None:
    fault = {**_FAULT, "$type": "CFX.Structures.SolderReflow.ReflowOvenFault, CFX"}
    with pytest.raises(InvalidMessage, match="not the first key"):
        check("CFX.ResourcePerformance.FaultOccurred", {"Fault": fault})


def test_missing_fields_are_for_the_reader() -> None:
    check(_STARTED, {"TransactionID": _WORK})


def test_an_object_that_holds_itself_is_refused() -> None:
    carrier: dict[str, Any] = {"UniqueIdentifier": "c"}
    for _ in range(100):
        carrier = {"UniqueIdentifier": "c", "ParentCarrier": carrier}
    body = {"Carriers": [{"CarrierInformation": carrier}]}
    with pytest.raises(InvalidMessage, match="nested"):
        written("CFX.Materials.Storage.MaterialCarriersLoaded", body)
