"""What the nodes of a simulated machine show, and the events that its server can raise, as far as its profile has words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway.core.sample import Value, signal_key
from gateway.profile.bound import Bound
from gateway.profile.bound_nodes import Nodes
from gateway.profile.happenings import Condition, ConditionReader, RecordReader
from gateway.profile.vocabulary import Kind
from simulators.voices.opcua_found import Says
from simulators.voices.registers_words import state_words

_IDS = frozenset(("unit.in.id", "unit.out.id", "order.id", "order.lot", "operator.id", "fault.code"))
"""Texts that are empty as long as there is nothing to say."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes have other values. at: virtual second, their source time. values: by node, as the profile writes it, in the
    order in which they change; None for no value."""

    at: float
    values: Mapping[str, Any]


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """An event. at: its Time. event: key of gateway.profile.bound_nodes.Event. fields: by their places there; a
    simulators.marks.Moment is written out when it is raised."""

    at: float
    event: str
    fields: Mapping[int, Any]


class Alarmed(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm of the server's own is active, or not any more. event: by which it is told. severity: of CFX."""

    at: float
    event: str
    condition: Condition
    active: bool
    text: str
    severity: str


Output = Shown | Raised | Alarmed


class NodePanel:
    """values: by signal or alarm key. In the beginning nothing has been counted or read, no alarm is active, and all
    else is unknown: None."""

    def __init__(self, bound: Bound) -> None:
        if bound.nodes is None:
            raise ValueError(f"{bound.name}: only a profile with nodes can be shown")
        self.bound = bound
        self.nodes: Nodes = bound.nodes
        self.values: dict[str, Value] = {key: self._first(key) for key in (*bound.signals, *bound.alarms)}
        self._names: dict[str, list[str]] = {}
        self._sharing: dict[str, list[str]] = {}
        for key in bound.signals:
            self._names.setdefault(signal_key(key).name, []).append(key)
        for key in self.values:
            node = self.nodes.node(key)
            if node is not None:
                self._sharing.setdefault(node, []).append(key)

    def _first(self, key: str) -> Value:
        if key in self.bound.alarms:
            return False
        if self.bound.signals[key].kind is Kind.COUNTER:
            return 0
        return "" if signal_key(key).name in _IDS else None

    @property
    def beginning(self) -> Mapping[str, Any]:
        """What nodes show before anything has happened; those that are not there wait for their first value."""
        known = (key for key, value in self.values.items() if value is not None and self.nodes.node(key) is not None)
        return self._contents(known)

    def keys(self, name: str, lane: int | None = None) -> list[str]:
        """Signals of that name: those of the lane and those of none; without a lane, all."""
        return [key for key in self._names.get(name, ()) if lane is None or signal_key(key).lane in (None, lane)]

    def say(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """These are so from now on: what their nodes show, in the same order. What cannot be said is left out."""
        said = {key: value for key, value in values.items() if key in self.values and self.can_say(key, value)}
        self.values.update(said)
        return self._contents(said)

    def can_say(self, key: str, value: Value) -> bool:
        if self.nodes.node(key) is None:
            return False
        try:
            self._encoded(key, {**self.values, key: value})
        except ValueError:
            return False
        return True

    def state(self, key: str, state: str) -> str | None:
        """In which word of its own the machine says a CFX ResourceState; None where it has none."""
        return next((word for word in state_words(state) if self.can_say(key, word)), None)

    def _contents(self, keys: Iterator[str] | Mapping[str, Value]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in keys:
            found |= self._encoded(key, self.values)
        return found

    def _encoded(self, key: str, values: Mapping[str, Value]) -> dict[str, Any]:
        """With everything that is in the same node."""
        node = self.nodes.node(key)
        assert node is not None, key
        return self.nodes.encode({each: values[each] for each in self._sharing[node]})

    # -- events

    def tells(self, record: str) -> bool:
        return self._reader(record) is not None

    def says(self, record: str) -> Says:
        """Of the record, what its event can say."""
        found = self._reader(record)
        if found is None:
            return Says(frozenset(), {})
        nested = {each.name: frozenset(field.name for field in each.fields) for each in found[1].nested}
        return Says(frozenset(field.name for field in found[1].fields), nested)

    def lane(self, record: str, lane: int) -> int | None:
        """Of the record, as its event says it."""
        found = self._reader(record, lane)
        return None if found is None else lane if found[1].lane_place is not None else found[1].lane

    def raised(
        self,
        record: str,
        at: float,
        fields: Mapping[str, Any],
        children: Sequence[tuple[str, Mapping[str, Any]]] = (),
        *,
        lane: int,
    ) -> tuple[Raised, ...]:
        """The event that tells this, if the profile has one. Moments stand for times."""
        found = self._reader(record, lane)
        if found is None:
            return ()
        key, reader = found
        return (Raised(at=at, event=key, fields=reader.write(fields, children, lane=lane)),)

    def _reader(self, record: str, lane: int | None = None) -> tuple[str, RecordReader] | None:
        for key, reader in self.nodes.events.items():
            if (
                isinstance(reader, RecordReader)
                and reader.name == record
                and (lane is None or reader.lane in (None, lane))
            ):
                return key, reader
        return None

    def alarm(self, at: float, key: str, active: bool) -> Output:
        """It is active, or not any more."""
        self.values[key] = active
        if self.nodes.node(key) is not None:
            return Shown(at=at, values=self._contents({key: active}))
        alarm = self.bound.alarms[key]
        event, condition = next(
            (event, each)
            for event, reader in self.nodes.events.items()
            if isinstance(reader, ConditionReader)
            for each in reader.conditions
            if each.key == key
        )
        return Alarmed(at=at, event=event, condition=condition, active=active, text=alarm.text, severity=alarm.severity)
