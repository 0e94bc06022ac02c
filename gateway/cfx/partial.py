"""Decoding of a message body that makes objects only of what facts are taken from.

Everything else is skipped by the parser, at every depth: the measurements of an inspection, the bytes of a recipe. So
a body costs little more than its identifiers do, and one made to explode in memory costs no more than another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import msgspec

from gateway.cfx.catalogue import compound
from gateway.cfx.units import Plan, plan_of

_Scalar = str | int | float | bool | None


class _Stage(TypedDict, total=False):
    StageName: _Scalar
    StageSequence: _Scalar


_FAULT: Mapping[str, Any] = {
    "Stage": _Stage | _Scalar,
    **dict.fromkeys(
        (
            "TransactionID",
            "TransactionId",
            "Lane",
            "StageName",
            "FaultOccurrenceId",
            "FaultCode",
            "Severity",
            "Description",
        ),
        _Scalar,
    ),
}
_FAULTS = ("Fault", "RelatedFault", "ActiveFaults")


class _Skipped(TypedDict):
    """An object of which nothing is taken."""


_NULL = msgspec.Raw(b"null")
_OBJECTS = 1_000_000
"""More than a body of 32 MB has that is about boards. Each becomes at most one object of ours, of some 100 bytes."""


class Partial:
    """For one message of the catalogue, or for a name that it does not have (`fields` empty)."""

    __slots__ = ("_lenient", "_strict", "_wanted")

    def __init__(self, fields: tuple[str, ...], wanted: dict[str, Any]) -> None:
        self._wanted = tuple(wanted)
        self._strict = _decoder(fields, wanted, strict=True)
        self._lenient = _decoder(fields, wanted, strict=False)

    def decode(self, body: bytes, *, strict: bool) -> dict[str, Any] | None:
        """The wanted fields that are given and not null.

        None when a wanted field has a type that is not expected, the body is no object, or it has more objects than
        anybody means. strict: also when it has a field that the catalogue does not, which may be one in another case.
        """
        try:
            value = (self._strict if strict else self._lenient)(body)
        except msgspec.ValidationError:
            return None
        return {field: said for field in self._wanted if (said := getattr(value, field)) is not None}


def _decoder(fields: tuple[str, ...], wanted: dict[str, Any], *, strict: bool) -> Callable[[bytes], Any]:
    skipped = [(field, msgspec.Raw, _NULL) for field in fields if field not in wanted]
    struct = msgspec.defstruct(
        "Body",
        [*((field, shape, None) for field, shape in wanted.items()), ("type_", msgspec.Raw, _NULL), *skipped],
        rename={"type_": "$type"},
        forbid_unknown_fields=strict,
    )
    return msgspec.json.Decoder(struct).decode


def too_many_objects(body: bytes) -> bool:
    """Whether even the partial way would cost too much."""
    return len(body) > _OBJECTS and body.count(b"{") > _OBJECTS


def partial(name: str, wanted: tuple[str, ...]) -> Partial:
    """The way to decode bodies of `name`, a message of the catalogue, for its units and the `wanted` fields."""
    message = compound(name)
    fields = () if message is None else tuple(message.fields)
    shapes: dict[str, Any] = dict.fromkeys(wanted, _Scalar)
    shapes |= {"Stage": _Stage | _Scalar, "Result": _Skipped | _Scalar, "PrimaryIdentifier": _Scalar}
    plan = plan_of(name)
    below = {} if plan is None else dict(plan.below)
    shapes |= {} if plan is None else _values(plan)
    shapes |= {field: _one_or_many(_object(plan, {})) for field, plan in below.items()}
    shapes |= {field: _one_or_many(_object(below.get(field), _FAULT)) for field in _FAULTS}
    return Partial(fields, {field: shape for field, shape in shapes.items() if field in fields})


def _values(plan: Plan) -> dict[str, Any]:
    """The single values that a plan looks at."""
    shapes: dict[str, Any] = {field: _Scalar for field, _ in plan.identifiers}
    if plan.unit is not None:
        shapes |= dict.fromkeys(("UnitIdentifier", "PositionNumber", "UnitPositionNumber", "Status"), _Scalar)
    if plan.unique is not None:
        shapes |= dict.fromkeys(("UniqueIdentifier", "PositionNumber"), _Scalar)
    return shapes


def _object(plan: Plan | None, more: Mapping[str, Any]) -> Any:
    """What a plan looks at, and more, as a type."""
    shapes = dict(more)
    if plan is not None:
        shapes |= _values(plan)
        shapes |= {field: _one_or_many(_object(below, {})) for field, below in plan.below}
    return TypedDict("_Object", shapes, total=False)  # type: ignore[operator]


def _one_or_many(shape: Any) -> Any:
    return shape | list[shape | None] | None
