"""Which nodes of a server are meant by the profiles of the stations on it, whoever asked for them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asyncua import ua

from gateway.profile.bound import Machine
from gateway.profile.bound_nodes import Event
from gateway.profile.node_text import NodeName, Step, parse_address, parse_node, parse_path

_ROOT = ua.NodeId(84)
_OF_TYPE = ua.FilterOperator.OfType


class Meant(NamedTuple):
    """A node of a station's profile. channel: of its frames. text: as the profile writes it."""

    station: str
    channel: str
    text: str


class Selected(NamedTuple):
    """An event of a station's profile. places: of its fields among what is selected; None for one that is not. type: its own,
    where the client did not choose by type; then place `kind` says which it is."""

    station: str
    channel: str
    event: Event
    places: tuple[int | None, ...]
    type: str | None
    kind: int | None


class Known:
    """Of one connection, through all its TCP connections. namespaces: of the server; empty until somebody has read them."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.namespaces: list[str] = []
        self._nodes: list[tuple[NodeName, Meant]] = []
        self._paths: list[tuple[tuple[Step, ...], Meant]] = []
        self._ways: dict[tuple[int, str, str], list[Meant]] = {}
        self._events: list[tuple[str, str, Event]] = []
        self._found: dict[tuple[int, str, str], tuple[Meant, ...]] = {}
        for machine in machines:
            for bound in () if machine.bound.nodes is None else machine.bound.nodes.subscriptions:
                channel = f"{machine.station}/{bound.name}"
                for text in bound.nodes:
                    address, meant = parse_address(text), Meant(machine.station, channel, text)
                    if isinstance(address, NodeName):
                        self._nodes.append((address, meant))
                    else:
                        self._paths.append((address, meant))
                self._events += [(machine.station, channel, event) for event in bound.events]

    def learn_namespaces(self, names: Iterable[str]) -> None:
        self.namespaces = list(names)
        self._found.clear()

    def learn_path(self, path: ua.BrowsePath, result: ua.BrowsePathResult) -> None:
        """What the server said to where a path leads."""
        if path.StartingNode != _ROOT or not result.StatusCode.is_good() or not result.Targets:
            return
        names = [(each.TargetName.NamespaceIndex, each.TargetName.Name) for each in path.RelativePath.Elements]
        for steps, meant in self._paths:
            mine = [(self._index(step.namespace, step.uri), step.name) for step in steps]
            if mine == names:
                place = self._ways.setdefault(_key(result.Targets[0].TargetId), [])
                if meant not in place:
                    place.append(meant)
        self._found.clear()

    def nodes(self, node: ua.NodeId) -> tuple[Meant, ...]:
        """What it is in the profiles; nothing for others."""
        key = _key(node)
        if key not in self._found:
            mine = [meant for name, meant in self._nodes if self._is(name, key)]
            self._found[key] = tuple(dict.fromkeys([*mine, *self._ways.get(key, ())]))
        return self._found[key]

    def events(self, notifier: ua.NodeId, filter_: object) -> list[Selected]:
        """What a filter lets through of events of the profiles."""
        if not isinstance(filter_, ua.EventFilter):
            return []
        clauses = [tuple(each.Name for each in clause.BrowsePath or ()) for clause in filter_.SelectClauses or ()]
        types = _types(filter_)
        found = []
        for station, channel, event in self._events:
            if not self._is(parse_node(event.notifier), _key(notifier)):
                continue
            paths = [tuple(step.name for step in parse_path(field)) for field in event.fields]
            places = tuple(clauses.index(path) if path in clauses else None for path in paths)
            kind = clauses.index(("EventType",)) if ("EventType",) in clauses else None
            wanted = any(self._is(parse_node(event.type), _key(each)) for each in types)
            if places[0] is not None and (wanted or (not types and kind is not None)):
                found.append(Selected(station, channel, event, places, None if wanted else event.type, kind))
        return found

    def is_type(self, text: str, node: object) -> bool:
        return isinstance(node, ua.NodeId) and self._is(parse_node(text), _key(node))

    def _is(self, name: NodeName, key: tuple[int, str, str]) -> bool:
        index, kind, identifier = key
        if name.kind != kind or name.identifier.lower() != identifier.lower():
            return False
        mine = self._index(name.namespace, name.uri)
        return mine == index or (mine is None and not self.namespaces and index > 0)

    def _index(self, index: int, uri: str | None) -> int | None:
        """None when the server has no such namespace, or nobody has asked it."""
        if uri is None:
            return index
        return self.namespaces.index(uri) if uri in self.namespaces else None


def _types(filter_: ua.EventFilter) -> list[ua.NodeId]:
    """That a client asks for, by the operator OfType."""
    found = []
    for element in (filter_.WhereClause.Elements if filter_.WhereClause else None) or ():
        if element.FilterOperator == _OF_TYPE:
            found += [each.Value.Value for each in element.FilterOperands or () if isinstance(each, ua.LiteralOperand)]
    return [each for each in found if isinstance(each, ua.NodeId)]


def _key(node: ua.NodeId) -> tuple[int, str, str]:
    """As profiles write it: namespace, kind, identifier."""
    identifier = node.Identifier
    if isinstance(identifier, int):
        return node.NamespaceIndex, "i", str(identifier)
    if isinstance(identifier, bytes):
        return node.NamespaceIndex, "b", base64.b64encode(identifier).decode()
    return node.NamespaceIndex, "s" if isinstance(identifier, str) else "g", str(identifier)
