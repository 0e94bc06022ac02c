"""What a gateway noted of an OPC UA server, as that server had said it: the way back from gateway.profile.node_frame.

What it had left out stays out: the fields of structures, the language of texts, the namespace of qualified names.
"""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.event_objects import BaseEvent

from gateway.core.times import parse_rfc3339, to_datetime
from gateway.profile.bound_nodes import Change, Event, Happening

_NO_TIME = datetime(1601, 1, 1, tzinfo=UTC)
"""OPC 10000-6, 5.2.2.5: it stands for none."""
_BAD = 2
"""The lowest of the severities that are bad (OPC 10000-4, 7.39)."""


def _time(value: Any) -> datetime:
    return _NO_TIME if value is None else to_datetime(parse_rfc3339(value))


_MAKE: Mapping[int, Callable[[Any], Any]] = {
    ua.VariantType.Float.value: float,
    ua.VariantType.Double.value: float,
    ua.VariantType.DateTime.value: _time,
    ua.VariantType.Guid.value: uuid.UUID,
    ua.VariantType.ByteString.value: lambda value: None if value is None else b64decode(value),
    ua.VariantType.NodeId.value: ua.NodeId.from_string,
    ua.VariantType.ExpandedNodeId.value: ua.ExpandedNodeId.from_string,
    ua.VariantType.StatusCode.value: ua.StatusCode,
    ua.VariantType.QualifiedName.value: lambda value: ua.QualifiedName(value or "", 0),
    ua.VariantType.LocalizedText.value: ua.LocalizedText,
}
"""By built-in type, of those whose Python values are not JSON's."""


def variant(value: Any, type_: int) -> ua.Variant:
    """Null where there is no such value, or where it was not noted."""
    if value is None or not type_:
        return ua.Variant()
    make = _MAKE.get(type_)
    try:
        return ua.Variant(value if make is None else _each(value, make), ua.VariantType(type_))
    except (ValueError, TypeError, AttributeError, ua.UaError):
        return ua.Variant()


def _each(value: Any, make: Callable[[Any], Any]) -> Any:
    return [_each(part, make) for part in value] if isinstance(value, list) else make(value)


def data_value(change: Change) -> ua.DataValue:
    return ua.DataValue(
        variant(change.v, change.y),
        ua.StatusCode(change.s),
        SourceTimestamp=None if change.t is None else to_datetime(change.t),
        ServerTimestamp=None if change.r is None else to_datetime(change.r),
    )


def refused(change: Change) -> bool:
    """No value of a node, but that the server would not let us see it."""
    return change.s >> 30 >= _BAD and change.y == 0 and change.t is None and change.r is None


class Told(BaseEvent):  # type: ignore[misc]
    """An event that says what it said then; what nobody had asked for is made up. said: by the way to it, with its type."""

    def __init__(
        self, notifier: ua.NodeId, type_: ua.NodeId, said: Mapping[str, tuple[int, Any]], at: datetime
    ) -> None:
        super().__init__()
        self.said = dict(said)
        self.emitting_node = self.SourceNode = notifier
        self.EventType = type_
        self.EventId = uuid.uuid4().bytes
        self.Severity = 1
        self.Time = self.ReceiveTime = at

    @property
    def alarm(self) -> tuple[Any, Any]:
        """Which it is of, for events of alarms."""
        return self._word("SourceName"), self._word("ConditionName")

    @property
    def active(self) -> bool:
        return self._word("ActiveState/Id") is True

    def over(self) -> Told:
        """The same alarm when it is not active any more."""
        said = {**self.said, "ActiveState/Id": (ua.VariantType.Boolean.value, False)}
        return Told(self.emitting_node, self.EventType, said, self.Time)

    def _word(self, name: str) -> Any:
        return self.said.get(name, (0, None))[1]

    def to_event_fields(self, select_clauses: list[ua.SimpleAttributeOperand]) -> list[ua.Variant]:
        found: list[ua.Variant] = []
        for clause in select_clauses:
            part = self.said.get("/".join(name.Name for name in clause.BrowsePath))
            if part is None:
                found += super().to_event_fields([clause])
            else:
                found.append(variant(part[1], part[0]))
        return found


def together(happenings: Iterable[Happening], events: Mapping[str, Event]) -> list[list[Happening]]:
    """What was one event of the server's: several records of a profile may be made of the same, each with its fields."""
    found: dict[tuple[Any, ...], list[Happening]] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for each in happenings:
        event = events[each.k]
        number = seen[each.k, each.t] = seen.get((each.k, each.t), 0) + 1
        found.setdefault((event.notifier, event.type, each.t, number), []).append(each)
    return list(found.values())
