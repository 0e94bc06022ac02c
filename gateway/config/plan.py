"""From the configuration to what has to run: connections by name, and stations with their routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel

from gateway.config.models import Config, InPlace, LooseStation, Source, Station
from gateway.core.document import KeyPath
from gateway.profile import hermes
from gateway.profile.bound import Bound

ENDPOINT = frozenset(
    (
        "protocol",
        "host",
        "listen",
        "vhost",
        "path",
        "pattern",
        "url",
        "user",
        "password",
        "client_id",
        "container_id",
        "external",
        "tls",
        "auth",
    )
)
"""Settings that say, beside the port, where a connection goes and as whom. Sources written in place that agree in them share one."""

JOINED = frozenset(("topics", "addresses"))
"""Settings of which a shared connection gets what each of its sources names. All others must agree."""


class RoutePlan(msgspec.Struct, frozen=True):
    """What a station claims of a connection: these handles and topics, or (both empty) whatever comes in; of a bus, the
    machine with this number."""

    connection: str
    handles: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    unit: int | None = None


class StationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A station with everything that the configuration leaves to defaults filled in.

    id: `LINE.NAME`, or the name of a station without line. zone: for time stamps that name none. heartbeat_s: seconds
    between heartbeats, None when only the machine says. after: ids of the stations that boards come from. bound: its
    profile, or what stands for it; None for a machine that speaks CFX. hermes: beside the profile's source there is one
    of IPC-HERMES-9852.
    """

    id: str
    line: str | None
    name: str
    machine_class: str
    zone: ZoneInfo
    routes: tuple[RoutePlan, ...]
    heartbeat_s: float | None
    after: tuple[str, ...]
    bound: Bound | None = None
    hermes: bool = False


class Resolved(msgspec.Struct, frozen=True):
    """connections: settings by name, in the order of the file. A connection written in place has its station's id for
    a name, its second one `ID.2`; the settings' own `name` says the same."""

    config: Config
    connections: Mapping[str, BaseModel]
    stations: tuple[StationPlan, ...]


class Placed(NamedTuple):
    """A station of the file and where it stands. `sources` with their positions, as some may be unreadable.

    after: as written; None where it is left out. profile: the protocol that its profile is for; empty when it has one that
    cannot be read; None without one.
    """

    path: KeyPath
    line: str | None
    name: str
    sources: tuple[tuple[int, Source], ...]
    after: tuple[str, ...] | None
    profile: str | None = None

    @property
    def id(self) -> str:
        return self.name if self.line is None else f"{self.line}.{self.name}"


class Conflict(NamedTuple):
    """A source written in place shares a connection with `other` but says something else in `key`."""

    path: KeyPath
    key: str
    other: str


class Sharing(NamedTuple):
    """connections: by name. names: which one the source at a path is on. conflicts: where sharing fails."""

    connections: dict[str, BaseModel]
    names: dict[KeyPath, str]
    conflicts: list[Conflict]


def share(named: Sequence[BaseModel], placed: Sequence[Placed]) -> Sharing:
    """Which connections there are, and which source is on which."""
    connections: dict[str, BaseModel] = {str(getattr(each, "name", "")): each for each in named}
    names: dict[KeyPath, str] = {}
    conflicts: list[Conflict] = []
    for station in placed:
        for index, source in station.sources:
            path: KeyPath = (*station.path, "source", index)
            if not isinstance(source, InPlace):
                names[path] = source.connection
                continue
            name = next((each for each, other in connections.items() if _same(other, source.settings)), None)
            if name is None:
                name = station.id if index == 0 else f"{station.id}.{index + 1}"
                connections[name] = source.settings.model_copy(update={"name": name})
            else:
                conflicts += [Conflict(path, key, name) for key in _differing(connections[name], source.settings)]
                connections[name] = _joined(connections[name], source.settings)
            names[path] = name
    return Sharing(connections, names, conflicts)


def _same(one: BaseModel, other: BaseModel) -> bool:
    keys = ENDPOINT & type(one).model_fields.keys()
    return (
        type(one) is type(other)
        and port(one) == port(other)
        and all(getattr(one, key) == getattr(other, key) for key in keys)
    )


def port(settings: BaseModel) -> object:
    """The port a connection goes to; models whose `port` may be left out tell by `effective_port`."""
    return getattr(settings, "effective_port", getattr(settings, "port", None))


def _differing(shared: BaseModel, added: BaseModel) -> Iterator[str]:
    for key in sorted(added.model_fields_set - ENDPOINT - JOINED - {"name", "port"}):
        if getattr(shared, key) != getattr(added, key):
            yield key


def _joined(shared: BaseModel, added: BaseModel) -> BaseModel:
    update = {
        key: type(getattr(shared, key))(dict.fromkeys((*getattr(shared, key), *getattr(added, key))))
        for key in JOINED & type(shared).model_fields.keys()
    }
    return shared.model_copy(update=update)


def before(stations: Sequence[Placed]) -> dict[str, tuple[str, ...]]:
    """Of the stations of one line, by name: which ones boards come from."""
    found: dict[str, tuple[str, ...]] = {}
    previous: tuple[str, ...] = ()
    for station in stations:
        found[station.name] = previous if station.after is None else station.after
        previous = (station.name,)
    return found


def places(config: Config) -> Iterator[tuple[Placed, LooseStation]]:
    """Every station, in the order of the file: those of the lines first."""
    for number, line in enumerate(config.line):
        for index, station in enumerate(line.station):
            yield _placed(("line", number, "station", index), line.name, station), station
    for index, loose in enumerate(config.station):
        yield _placed(("station", index), None, loose), loose


def _placed(path: KeyPath, line: str | None, station: LooseStation) -> Placed:
    after = station.after if isinstance(station, Station) else ()
    profile = None if station.profile is None else station.bound.protocol if station.bound else ""
    return Placed(path, line, station.name, tuple(enumerate(station.source)), after, profile)


def resolve(config: Config) -> Resolved:
    """What to run. The configuration is one that `load` has accepted, so nothing can be wrong with it any more."""
    found = list(places(config))
    sharing = share(config.connection, [placed for placed, _ in found])
    after: dict[str, tuple[str, ...]] = {}
    for line in config.line:
        names = before([placed for placed, _ in found if placed.line == line.name])
        after |= {
            f"{line.name}.{name}": tuple(f"{line.name}.{each}" for each in froms) for name, froms in names.items()
        }
    stations = tuple(
        StationPlan(
            id=placed.id,
            line=placed.line,
            name=station.name,
            machine_class=station.class_ or (station.bound.machine_class if station.bound else "generic"),
            zone=station.timezone or config.gateway.timezone,
            routes=_routes(placed, sharing),
            heartbeat_s=station.heartbeat_s,
            after=after.get(placed.id, ()),
            bound=station.bound or _built_in(station, placed, sharing),
            hermes=station.bound is not None and _tracked(placed, sharing),
        )
        for placed, station in found
    )
    return Resolved(config, sharing.connections, stations)


def _tracked(placed: Placed, sharing: Sharing) -> bool:
    """Whether one of its sources tells of boards over Hermes."""
    connections = [sharing.connections[sharing.names[(*placed.path, "source", index)]] for index, _ in placed.sources]
    return any(getattr(connection, "protocol", None) == hermes.PROTOCOL for connection in connections)


def _built_in(station: LooseStation, placed: Placed, sharing: Sharing) -> Bound | None:
    """What stands for the profile of a machine that needs none and speaks no CFX."""
    return hermes.bound(station.class_ or "generic") if _tracked(placed, sharing) else None


def unit(source: Source) -> int:
    """Of a machine on a bus; where there is only one, it is left out often."""
    return 1 if source.unit is None else source.unit


def _routes(placed: Placed, sharing: Sharing) -> tuple[RoutePlan, ...]:
    """One per connection; a source without handles and topics claims everything, whatever the others say."""
    claims: dict[str, list[Source]] = {}
    for index, source in placed.sources:
        claims.setdefault(sharing.names[(*placed.path, "source", index)], []).append(source)
    return tuple(
        RoutePlan(name, unit=unit(sources[0]))
        if getattr(sharing.connections[name], "profile_protocol", None) == "modbus"
        else RoutePlan(name)
        if any(not source.handle and not source.topic for source in sources)
        else RoutePlan(
            name,
            tuple(dict.fromkeys(each for source in sources for each in source.handle or ())),
            tuple(dict.fromkeys(each for source in sources for each in source.topic or ())),
        )
        for name, sources in claims.items()
    )
