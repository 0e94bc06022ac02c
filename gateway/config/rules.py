"""What no table can know by itself: names that are unique, routes that are clear, ports that do not meet.

Works on whatever could be read, so that these mistakes are found beside those in single tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from gateway.config.address import Address
from gateway.config.models import NAME, Http, InPlace, Source
from gateway.config.plan import Placed, before, port, share, unit
from gateway.core.document import KeyPath
from gateway.core.problems import unknown
from gateway.profile.hermes import PROTOCOL as HERMES
from gateway.transport.mqtt_topics import check_filter, overlap

UNASSIGNED = "unassigned"
"""Reserved: the line of stations made for handles that nobody claims."""

Found = Iterator[tuple[KeyPath, str]]
Connections = Sequence[tuple[KeyPath, BaseModel]]
LineOf = Callable[[KeyPath], int]

_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def all_of(
    data: dict[str, Any], connections: Connections, placed: Sequence[Placed], http: Http | None, line_of: LineOf
) -> Found:
    """Every broken rule: where, and in words.

    data: the whole document. connections, placed, http: the parts of it that could be read. line_of: where in the
    file something is.
    """
    yield from names(data, placed, line_of)
    yield from after(placed)
    yield from routes(data, connections, placed)
    yield from machines(connections, placed)
    yield from listeners(connections, placed, http)
    yield from clients(connections)
    if http and not http.listen.loopback and "auth" not in data and not http.allow_anonymous:
        yield ("http", "listen"), "other machines reach this address; allowed: with [auth], or allow_anonymous = true"


def _named(data: dict[str, Any], key: str) -> Iterator[tuple[KeyPath, str]]:
    """Where each name of `[[key]]` is, also in tables that could not be read."""
    tables = data.get(key)
    for index, table in enumerate(tables if isinstance(tables, list) else ()):
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            yield (key, index, "name"), table["name"]


def names(data: dict[str, Any], placed: Sequence[Placed], line_of: LineOf) -> Found:
    """No two of a kind. A line and a station without line share one namespace: both begin a station's id."""
    tops = list(_named(data, "line")) + [((*each.path, "name"), each.name) for each in placed if each.line is None]
    inner = [((*each.path, "name"), each.id) for each in placed if each.line is not None]
    for group in (list(_named(data, "connection")), list(_named(data, "sink")), tops, inner):
        first: dict[str, KeyPath] = {}
        for path, name in group:
            if name in first:
                yield path, f"{name!r} is the name in line {line_of(first[name])} already; names are unique"
            first.setdefault(name, path)
    for path, name in tops:
        if name == UNASSIGNED:
            yield path, f"{name!r} is reserved for handles that no station claims"
    in_place = {each.id for each in placed if any(isinstance(source, InPlace) for _, source in each.sources)}
    for path, name in _named(data, "connection"):
        if name in in_place:
            yield path, f"{name!r} is the name of the connection written in place at the station of that name"


def after(placed: Sequence[Placed]) -> Found:
    """A route names stations of its own line and comes to no place twice."""
    for line in dict.fromkeys(each.line for each in placed if each.line is not None):
        stations = [each for each in placed if each.line == line]
        known = [each.name for each in stations]
        for station in stations:
            for index, name in enumerate(station.after or ()):
                if name not in known:
                    yield (*station.path, "after", index), unknown(name, f"station of line {line}", known)
        circle = _circle(before(stations))
        if circle and len(set(known)) == len(known):
            station = next(each for each in stations if each.name == circle[0])
            yield (*station.path, "after"), f"the route goes in a circle: {' from '.join(circle)}"


def _circle(froms: dict[str, tuple[str, ...]]) -> list[str]:
    """A way from a station back to itself, or nothing."""
    done: set[str] = set()
    for start in froms:
        way: list[str] = []
        rest = [(start, 0)]
        while rest:
            name, depth = rest.pop()
            del way[depth:]
            if name in way:
                return [*way[way.index(name) :], name]
            if name in done and depth:
                continue
            done.add(name)
            way.append(name)
            rest += [(each, depth + 1) for each in froms.get(name, ())]
    return []


def routes(data: dict[str, Any], connections: Connections, placed: Sequence[Placed]) -> Found:
    """Each message of a connection belongs to one station."""
    known = [name for _, name in _named(data, "connection")]
    sharing = share([settings for _, settings in connections], placed)
    for conflict in sharing.conflicts:
        yield (
            (*conflict.path, conflict.key),
            f"differs from what connection {conflict.other!r} says of the same endpoint, which they share",
        )
    claims: dict[str, list[_Claimed]] = {}
    for station in placed:
        paths = [(*station.path, "source", index) for index, _ in station.sources]
        found = [(each, sharing.connections.get(sharing.names[each])) for each in paths]
        yield from _beside(station, [(each, connection) for each, connection in found if connection is not None])
        for index, source in station.sources:
            path: KeyPath = (*station.path, "source", index)
            name = sharing.names[path]
            if name not in known and not isinstance(source, InPlace):
                yield (*path, "connection"), unknown(name, "connection", known)
            if source.topic and name in sharing.connections:
                yield from _topics((*path, "topic"), source.topic, sharing.connections[name])
            yield from _profiled(path, station, source, sharing.connections.get(name))
            claims.setdefault(name, []).append(
                _Claimed(path, station, source.handle or (), source.topic or (), unit(source))
            )
    for name, claim in claims.items():
        if _bus(sharing.connections.get(name)):
            yield from _units(name, sharing.connections[name], claim)
        elif getattr(sharing.connections.get(name), "protocol", "") == HERMES:
            yield from _alone(name, claim)
        elif getattr(sharing.connections.get(name), "protocol", "") != _OPC_UA:  # there the profiles tell them apart
            yield from _clear(name, claim)


def machines(connections: Connections, placed: Sequence[Placed]) -> Found:
    """Where profiles say what machines tell, every connection has a station, and every station is one machine."""
    sharing = share([settings for _, settings in connections], placed)
    used = set(sharing.names.values())
    for path, settings in connections:
        if getattr(settings, "name", "") not in used and hasattr(settings, "profile_protocol"):
            yield path, f"no station is on it; allowed: on {getattr(settings, 'protocol', '')} at least one"
    for station in placed:
        first: tuple[str, int] | None = None
        for index, source in station.sources:
            path = (*station.path, "source", index)
            protocol = getattr(sharing.connections.get(sharing.names[path]), "profile_protocol", None)
            machine = (sharing.names[path], unit(source))
            if protocol in _LOOKED_AT and machine != (first := first or machine):
                yield path, f"is another machine than {station.id} is already; allowed: one station for each machine"


_OPC_UA = "opcua"
_LOOKED_AT = frozenset(("modbus", _OPC_UA))
"""Of two such machines the values of one would be taken for changes of the other's."""


class _Claimed(NamedTuple):
    path: KeyPath
    station: Placed
    handles: tuple[str, ...]
    topics: tuple[str, ...]
    unit: int


def _profiled(path: KeyPath, station: Placed, source: Source, connection: BaseModel | None) -> Found:
    """Machines that speak CFX need no profile, all others do, and one for their protocol."""
    if connection is None:
        return
    protocol = getattr(connection, "protocol", "")
    wanted = getattr(connection, "profile_protocol", None)
    if protocol == HERMES:
        if source.handle or source.unit is not None:
            yield path, f"machines on {HERMES} have neither handle nor unit; allowed: none of them"
        return
    if wanted is None:
        if station.profile is not None:
            yield (*station.path, "profile"), f"machines on {protocol} speak CFX and need none"
        if source.unit is not None:
            yield (*path, "unit"), f"connections of protocol {protocol!r} have no units; allowed: on Modbus"
        return
    if station.profile is None:
        yield station.path, f"needs a profile: a machine on {protocol} says nothing by itself; lineside profile list"
    elif station.profile and station.profile != wanted:
        yield (*station.path, "profile"), f"is for {station.profile}, but its source is {protocol}"
    bus = _bus(connection)
    if source.handle:
        yield (*path, "handle"), f"machines on {protocol} have no handle{'; allowed: unit' if bus else ''}"
    if source.unit is not None and not bus:
        yield (*path, "unit"), f"connections of protocol {protocol!r} have no units; allowed: on Modbus"


def _beside(station: Placed, sources: Sequence[tuple[KeyPath, BaseModel]]) -> Found:
    """A machine tells of its boards over Hermes alone, or beside the source that its profile is for."""
    tracked = [path for path, connection in sources if getattr(connection, "protocol", "") == HERMES]
    others = [each for path, each in sources if path not in tracked]
    if not tracked:
        return
    if station.profile is not None and not others:
        yield (*station.path, "profile"), f"is for another source, and there is none; on {HERMES} none is needed"
    if any(getattr(each, "profile_protocol", None) is None for each in others):
        yield tracked[0], "its machine speaks CFX too, and tells of its boards by that; allowed: one of them"


def _bus(connection: BaseModel | None) -> bool:
    return getattr(connection, "profile_protocol", None) == "modbus"


def _units(connection: str, settings: BaseModel, claims: list[_Claimed]) -> Found:
    """Each machine of a bus belongs to one station, and has a number that a machine can have there."""
    owners: dict[int, Placed] = {}
    protocol, units = getattr(settings, "protocol", ""), getattr(settings, "units", range(256))
    for each in claims:
        if each.unit not in units:
            yield (*each.path, "unit"), f"{each.unit} is no machine on {protocol}; allowed: {units[0]} to {units[-1]}"
        owner = owners.setdefault(each.unit, each.station)
        if owner.path != each.station.path:
            yield (
                (*each.path, "unit"),
                f"{each.unit} on connection {connection!r} is {owner.id} already; allowed: one station for each unit",
            )


def _alone(connection: str, claims: list[_Claimed]) -> Found:
    """One machine has one connection."""
    for each in claims[1:]:
        if each.station.path != claims[0].station.path:
            yield each.path, f"connection {connection!r} is {claims[0].station.id} already; allowed: one station"


def _topics(path: KeyPath, topics: tuple[str, ...], connection: BaseModel) -> Found:
    if getattr(connection, "protocol", None) != "cfx-mqtt":
        yield path, "only connections of protocol 'cfx-mqtt' have topics; allowed: handle"
        return
    for topic in topics:
        try:
            check_filter(topic)
        except ValueError as error:
            yield path, str(error)


def _clear(connection: str, claims: list[_Claimed]) -> Found:
    owners: dict[str, Placed] = {}
    seen: list[tuple[str, Placed]] = []
    for path, station, handles, topics, _ in claims:
        for handle in handles:
            owner = owners.setdefault(handle, station)
            if owner.path != station.path:
                yield (
                    (*path, "handle"),
                    f"{handle!r} on connection {connection!r} is claimed by {owner.id} and by {station.id}; allowed: one station",
                )
        for topic in topics:
            for other_topic, owner in seen:
                if owner.path != station.path and overlap(topic, other_topic):
                    yield (
                        (*path, "topic"),
                        f"{topic!r} on connection {connection!r} overlaps {other_topic!r} of {owner.id}; allowed: topics of one station",
                    )
            seen.append((topic, station))
        other = next((each.station for each in claims if each.station.path != station.path), None)
        if not handles and not topics and other is not None:
            yield path, f"needs a handle: connection {connection!r} serves {station.id} and {other.id}"


def listeners(connections: Connections, placed: Sequence[Placed], http: Http | None) -> Found:
    """No two listen on the same port."""
    taken = [(f"http.listen, {http.listen}", http.listen)] if http else []
    sharing = share([settings for _, settings in connections], placed)
    paths: dict[str, KeyPath] = {str(getattr(settings, "name", "")): path for path, settings in connections}
    for path, name in sharing.names.items():
        paths.setdefault(name, path)
    for name, settings in sharing.connections.items():
        address = listening(settings)
        if address is None or name not in paths:
            continue
        owner = next((each for each, other in taken if address.meets(other)), None)
        if owner is not None:
            yield (*paths[name], "listen"), f"{address} is in use by {owner}"
        taken.append((f"connection {name!r}, {address}", address))


def clients(connections: Connections) -> Found:
    """A broker knows one client by an id, and disconnects the one that came first when a second comes."""
    first: dict[tuple[object, ...], str] = {}
    for path, settings in connections:
        client = getattr(settings, "client_id", None)
        if client is not None:
            key = (type(settings), getattr(settings, "host", None), port(settings), client)
            name = first.setdefault(key, str(getattr(settings, "name", "")))
            if name != getattr(settings, "name", ""):
                yield (*path, "client_id"), f"is that of connection {name!r} too, which is on the same broker"


def listening(settings: BaseModel) -> Address | None:
    """Where a connection waits for machines; None for one that goes out."""
    value = getattr(settings, "listen", None)
    try:
        return None if value is None else Address.parse(str(value))
    except ValueError:  # its own model says so
        return None
