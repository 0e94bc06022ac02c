"""What a CFX message says about units, work and the station, whatever its class and however it is written.

Nothing here raises over a message's content: what has the wrong type is not said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from gateway.cfx import catalogue, states
from gateway.cfx.partial import Partial, partial, too_many_objects
from gateway.cfx.times import read_span
from gateway.cfx.units import FloatIdentifier, Token, identifier, number, units
from gateway.core.observation import NO_FACTS, Facts, FaultFact, Kind

_NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"
"""The SDK's empty GUID: what it writes for one that was never set."""
_MOMENTS = {
    "CFX.EndpointConnected": True,
    "CFX.ResourcePerformance.StationOnline": True,
    "CFX.ResourcePerformance.StationOffline": False,
    "CFX.EndpointShuttingDown": False,
}

_GENERAL = (
    "TransactionID",
    "TransactionId",
    "Lane",
    "Stage",
    "StageName",
    "Result",
    "OverallResult",
    "Fault",
    "RelatedFault",
)
_SMALL = 200_000
"""Values in a body that may all become objects of ours; some 20 MB."""

Body = Mapping[str, Any]
_any = msgspec.json.Decoder(float_hook=Token)


def body_facts(name: str, body: bytes) -> Facts:
    """`facts` of a MessageBody as JSON text.

    A body of which we expect every field is decoded only as far as it is needed. Any other is searched as a whole, but
    when it is so large that this would take much memory, only as far as it is as expected.
    """
    if too_many_objects(body):
        return _facts(name, {}, False)
    small = len(body) < _SMALL or sum(map(body.count, (b",", b"{", b"["))) < _SMALL
    if (way := _way(name)) is not None:
        said = way.decode(body, strict=small)
        if said is not None:
            try:
                return _facts(name, said, True)
            except FloatIdentifier:
                pass
    return facts(name, _whole(body) if small else {})


def _whole(body: bytes) -> Body:
    try:
        value = _any.decode(body)
    except msgspec.ValidationError:
        # Valid JSON, but a number is too long or too large for a number of ours. Such numbers are no facts.
        value = json.loads(body, parse_int=Token, parse_float=Token)
    return value if type(value) is dict else {}


_ways: dict[str, Partial] = {}


def _way(name: str) -> Partial | None:
    """How to decode bodies of a message of the catalogue; None for a name that it does not have."""
    way = _ways.get(name)
    if way is None and catalogue.kind(name) is not Kind.UNKNOWN:
        way = _ways[name] = partial(name, _GENERAL + _SPECIAL[name][1] if name in _SPECIAL else _GENERAL)
    return way


def facts(name: str, body: Body) -> Facts:
    """What the message `name` with this body (as decoded from JSON) says.

    Field names match in any case when those of the outermost object need it.
    """
    if not _names().issuperset(body) and any(key not in _names() and key.lower() in _spellings() for key in body):
        body = _respelled(body)
    known = catalogue.kind(name) is not Kind.UNKNOWN
    try:
        return _facts(name, body, known)
    except FloatIdentifier:
        return _facts(name, _tokens(body), known)


def _facts(name: str, body: Body, known: bool) -> Facts:
    said: dict[str, Any] = {}
    if body:
        if found := units(name, body, known):
            said["units"] = found
        _place(body, said)
        fault = body.get("Fault") or body.get("RelatedFault")
        if type(fault) is dict:
            _place(fault, said)
        result = body.get("Result") or body.get("OverallResult")
        if result and type(result) is str:
            said["result"] = result
        if special := _SPECIAL.get(name):
            special[0](body, said)
    if name in _MOMENTS:
        said["online"] = _MOMENTS[name]
    return Facts(**said) if said else NO_FACTS


def _place(place: Body, said: dict[str, Any]) -> None:
    """Work and place: what the body itself says counts before what its fault says."""
    if "transaction" not in said and (transaction := _transaction(place)):
        said["transaction"] = transaction
    if "Lane" in place and "lane" not in said and (lane := number(place["Lane"])) is not None:
        said["lane"] = lane
    if ("Stage" in place or "StageName" in place) and "stage" not in said and (stage := _stage(place)):
        said["stage"] = stage


def _transaction(place: Body) -> str | None:
    value = place.get("TransactionID") or place.get("TransactionId")
    return value if type(value) is str and value != _NO_TRANSACTION else None


def _stage(place: Body) -> str | None:
    value = place.get("Stage")
    if type(value) is dict:
        name = identifier(value.get("StageName"))
        if name is not None:
            return name
        sequence = number(value.get("StageSequence"))
        return None if sequence is None else str(sequence)
    return value if type(value) is str and value else identifier(place.get("StageName"))


def _fault(value: object) -> FaultFact | None:
    if type(value) is not dict:
        return None
    return FaultFact(
        occurrence=identifier(value.get("FaultOccurrenceId")) or "",
        code=identifier(value.get("FaultCode")),
        severity=identifier(value.get("Severity")),
        description=identifier(value.get("Description")),
        lane=number(value.get("Lane")),
        stage=_stage(value),
    )


def _faults(value: object) -> tuple[FaultFact, ...] | None:
    if type(value) is not list:
        return None
    return tuple(fault for item in value if (fault := _fault(item)) is not None)


def _heartbeat(body: Body, said: dict[str, Any]) -> None:
    said["heartbeat_s"] = read_span(body.get("HeartbeatFrequency"))
    said["faults_active"] = _faults(body.get("ActiveFaults"))


def _active_faults(body: Body, said: dict[str, Any]) -> None:
    said["faults_active"] = _faults(body.get("ActiveFaults"))


def _fault_occurred(body: Body, said: dict[str, Any]) -> None:
    fault = _fault(body.get("Fault"))
    said["faults_raised"] = () if fault is None else (fault,)


def _fault_cleared(body: Body, said: dict[str, Any]) -> None:
    said["fault_cleared"] = identifier(body.get("FaultOccurrenceId"))


def _fault_acknowledged(body: Body, said: dict[str, Any]) -> None:
    said["fault_acknowledged"] = identifier(body.get("FaultOccurrenceId"))


def _station_state(body: Body, said: dict[str, Any]) -> None:
    said["state"] = states.parse(body.get("NewState"))


def _stage_state(body: Body, said: dict[str, Any]) -> None:
    said["stage_state"] = states.parse(body.get("NewState"))


def _recipe(body: Body, said: dict[str, Any]) -> None:
    said["recipe"] = (identifier(body.get("RecipeName")), identifier(body.get("Revision")))


def _recipe_deactivated(body: Body, said: dict[str, Any]) -> None:
    _recipe(body, said)
    said["recipe_deactivated"] = True


_SPECIAL: Mapping[str, tuple[Callable[[Body, dict[str, Any]], None], tuple[str, ...]]] = {
    "CFX.Heartbeat": (_heartbeat, ("HeartbeatFrequency", "ActiveFaults")),
    "CFX.ResourcePerformance.GetActiveFaultsResponse": (_active_faults, ("ActiveFaults",)),
    "CFX.ResourcePerformance.FaultOccurred": (_fault_occurred, ()),
    "CFX.ResourcePerformance.FaultCleared": (_fault_cleared, ("FaultOccurrenceId",)),
    "CFX.ResourcePerformance.FaultAcknowledged": (_fault_acknowledged, ("FaultOccurrenceId",)),
    "CFX.ResourcePerformance.StationStateChanged": (_station_state, ("NewState",)),
    "CFX.ResourcePerformance.StageStateChanged": (_stage_state, ("NewState",)),
    "CFX.Production.RecipeActivated": (_recipe, ("RecipeName", "Revision")),
    "CFX.Production.RecipeDeactivated": (_recipe_deactivated, ("RecipeName", "Revision")),
}
"""What some messages say beyond the general, with the fields that say it."""


@cache
def _names() -> frozenset[str]:
    types = (*catalogue.messages(), *catalogue.structures())
    entries = (entry for name in types if (entry := catalogue.compound(name)) is not None)
    return frozenset(field for entry in entries for field in entry.fields) | {"$type"}


@cache
def _spellings() -> Mapping[str, str]:
    return {name.lower(): name for name in sorted(_names(), reverse=True)}


def _respelled(value: Any) -> Any:
    """With every known field name as the catalogue spells it."""
    if type(value) is dict:
        return {
            key if key in _names() else _spellings().get(key.lower(), key): _respelled(inner)
            for key, inner in value.items()
        }
    return [_respelled(inner) for inner in value] if type(value) is list else value


def _tokens(value: Any) -> Any:
    """With floats as the text that Python gives them."""
    if type(value) is dict:
        return {key: _tokens(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_tokens(inner) for inner in value]
    return Token(value) if type(value) is float else value
