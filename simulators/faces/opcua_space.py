"""The address space of a simulated machine, made of what its profile names: variables, types of events, who tells of them.

Everything lies under one object, named after the model, unless the profile says by which way it is found.
"""

from __future__ import annotations

import uuid
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from asyncua import ua
from asyncua.common.node import Node

from gateway.core.times import to_datetime
from gateway.profile.bound import Bound
from gateway.profile.bound_nodes import Event, Nodes
from gateway.profile.node_text import NodeName, Step, parse_address, parse_node, parse_path
from gateway.profile.vocabulary import Kind
from simulators.faces.opcua_server import MachineServer
from simulators.marks import Moment
from simulators.voices.voice import When

_ROOT, _BASE_EVENT, _ANYTHING = ua.NodeId(84), ua.NodeId(2041), ua.NodeId(24)
"""Root, BaseEventType, BaseDataType: a profile does not say of which type the fields of an event are."""
_OWN = 2
"""The first namespace that is not the standard's or the server's own."""
_WHOLE = frozenset((ua.VariantType.Int32, ua.VariantType.Int64))
_NUMBERS = _WHOLE | {ua.VariantType.UInt32, ua.VariantType.Double}
_STARTING: int = ua.StatusCodes.BadWaitingForInitialData


class Space:
    """variables, notifiers, types: NodeIds by what the profile writes. kinds: of the variables. events: by their keys,
    with the way to each field."""

    def __init__(self, server: MachineServer, bound: Bound) -> None:
        if bound.nodes is None:
            raise ValueError(f"{bound.name}: only a profile with nodes can be served")
        self._server = server
        self._bound = bound
        self._nodes: Nodes = bound.nodes
        self._uris: list[str] = []
        self._examples = examples(bound)
        self.variables: dict[str, ua.NodeId] = {}
        self.kinds = kinds(bound, bound.nodes)
        self.notifiers: dict[str, ua.NodeId] = {}
        self.types: dict[str, ua.NodeId] = {}
        self.events: dict[str, tuple[Event, tuple[tuple[Step, ...], ...]]] = {}

    async def build(self, beginning: Mapping[str, Any]) -> None:
        """What nodes show in the beginning; all others wait for their first value."""
        await self._name_spaces()
        objects = self._server.nodes.objects
        machine = await objects.add_object(_OWN, self._bound.models[0])
        for each in self._nodes.subscriptions:
            for text in each.nodes:
                await self._variable(machine, text, beginning)
            for event in each.events:
                await self._event(machine, event)

    async def _name_spaces(self) -> None:
        """Those that the profile names by their URIs, from the second on; and as many as it counts."""
        steps = [step for text in self._texts() for step in _steps(text)]
        uris = list(dict.fromkeys(step.uri for step in steps if step.uri is not None))
        count = max((step.namespace for step in steps if step.uri is None), default=0) - _OWN + 1
        uris += [f"urn:lineside:namespace:{_OWN + number}" for number in range(len(uris), max(count, 1))]
        for uri in uris:
            await self._server.register_namespace(uri)
        self._uris = await self._server.get_namespace_array()

    def _texts(self) -> Iterable[str]:
        for each in self._nodes.subscriptions:
            yield from each.nodes
            for event in each.events:
                yield from (event.notifier, event.type, *event.fields)

    async def _variable(self, machine: Node, text: str, beginning: Mapping[str, Any]) -> None:
        address = parse_address(text)
        node: ua.NodeId | ua.QualifiedName
        if isinstance(address, NodeName):
            node, parent = self._id(address), machine
            if node in self._server.iserver.aspace:  # of another machine of this server too
                self.variables[text] = node
                return
            name = ua.QualifiedName(address.identifier.rpartition(".")[2], node.NamespaceIndex)
        else:
            parent = await self._way(address[:-1])
            name = self._name(address[-1])
            there = await self._child(parent, name)
            if there is not None:
                self.variables[text] = there.nodeid
                return
            node = ua.NodeId(0, name.NamespaceIndex)
        kind = self.kinds[text]
        shown = self._examples[text]  # says whether it is an array
        made = await parent.add_variable(node, name, variant(shown, kind), datatype=ua.NodeId(kind.value))
        self.variables[text] = made.nodeid
        now = self._server.now()
        if text in beginning:
            value = ua.DataValue(variant(beginning[text], kind), SourceTimestamp=now, ServerTimestamp=now)
        else:
            value = ua.DataValue(ua.Variant(), ua.StatusCode(_STARTING), ServerTimestamp=now)
        await self._server.write_attribute_value(made.nodeid, value)

    async def _way(self, steps: Iterable[Step]) -> Node:
        """The object at its end, from the root; what is not there is made."""
        at = self._server.get_node(_ROOT)
        for step in steps:
            name = self._name(step)
            there = await self._child(at, name)
            at = await at.add_object(ua.NodeId(0, name.NamespaceIndex), name) if there is None else there
        return at

    async def _child(self, parent: Node, name: ua.QualifiedName) -> Node | None:
        found = [child for child in await parent.get_children_descriptions() if child.BrowseName == name]
        return self._server.get_node(found[0].NodeId) if found else None

    async def _event(self, machine: Node, event: Event) -> None:
        space = self._server.iserver.aspace
        ways = tuple(parse_path(field) for field in event.fields)
        notifier, type_ = self._id(parse_node(event.notifier)), self._id(parse_node(event.type))
        if notifier not in space:
            await machine.add_object(notifier, ua.QualifiedName(str(notifier.Identifier), notifier.NamespaceIndex))
        await self._server.get_node(notifier).set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        if type_ not in space:
            name = ua.QualifiedName(event.key.partition(" ")[0], type_.NamespaceIndex)
            made = await self._server.get_node(_BASE_EVENT).add_object_type(type_, name)
            for way in ways:
                if len(way) == 1 and self._name(way[0]).NamespaceIndex:
                    name = self._name(way[0])
                    await made.add_property(ua.NodeId(0, name.NamespaceIndex), name, "", datatype=_ANYTHING)
        self.notifiers[event.notifier], self.types[event.type] = notifier, type_
        self.events[event.key] = (event, ways)

    def _id(self, name: NodeName) -> ua.NodeId:
        index = name.namespace if name.uri is None else self._uris.index(name.uri)
        if name.kind == "i":
            return ua.NodeId(int(name.identifier), index)
        if name.kind == "g":
            return ua.NodeId(uuid.UUID(name.identifier), index)
        if name.kind == "b":
            return ua.NodeId(b64decode(name.identifier), index)
        return ua.NodeId(name.identifier, index, ua.NodeIdType.String)

    def _name(self, step: Step) -> ua.QualifiedName:
        return ua.QualifiedName(step.name, step.namespace if step.uri is None else self._uris.index(step.uri))


def _steps(text: str) -> tuple[Step, ...]:
    address = parse_address(text)
    return (Step(address.namespace, address.uri, ""),) if isinstance(address, NodeName) else address


def examples(bound: Bound) -> dict[str, Any]:
    """What nodes show in the profile's examples."""
    nodes = bound.nodes
    assert nodes is not None
    return nodes.encode({key: value for key, value in bound.examples.items() if nodes.node(key) is not None})


def kinds(bound: Bound, nodes: Nodes) -> dict[str, ua.VariantType]:
    """What type each node is of: by what its profile's example, and all its alarms at once, would have it show."""
    values = {key: value for key, value in bound.examples.items() if nodes.node(key) is not None}
    shown = nodes.encode({key: True if key in bound.alarms else value for key, value in values.items()})
    counters = {nodes.node(key) for key, signal in bound.signals.items() if signal.kind is Kind.COUNTER}
    return {
        node: ua.VariantType.UInt32 if node in counters and isinstance(value, int) and value < 1 << 32 else kind(value)
        for node, value in shown.items()
    }


def kind(value: Any) -> ua.VariantType:
    """The type that a machine would give to such a value."""
    if isinstance(value, list):
        return next((kind(each) for each in value if each is not None), ua.VariantType.String)
    if isinstance(value, bool):
        return ua.VariantType.Boolean
    if isinstance(value, int):
        return ua.VariantType.Int32 if -(1 << 31) <= value < 1 << 31 else ua.VariantType.Int64
    return ua.VariantType.Double if isinstance(value, float) else ua.VariantType.String


def variant(value: Any, type_: ua.VariantType) -> ua.Variant:
    """A value of that type; of its own where it cannot be of that one, as where a machine mixes numbers and texts."""
    if value is None or (isinstance(value, list) and None in value):
        return ua.Variant()
    own = kind(value)
    return ua.Variant(value, type_ if own is type_ or (own in _WHOLE and type_ in _NUMBERS) else own)


def said(path: str, value: Any, when: When) -> ua.Variant:
    """What a field of an event says."""
    if isinstance(value, Moment):
        return ua.Variant(to_datetime(when.instant(value.at)), ua.VariantType.DateTime)
    if path == "Message":
        return ua.Variant(ua.LocalizedText(str(value)), ua.VariantType.LocalizedText)
    return ua.Variant(value, kind(value))
