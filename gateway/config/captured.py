"""What a capture says about the gateway that made it, and that gateway made again from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import BaseModel

from gateway.capture.form import Place, Site
from gateway.config import profiles
from gateway.config.load import Protocols
from gateway.config.models import NAME, Config, Gateway
from gateway.config.plan import Resolved, RoutePlan, StationPlan
from gateway.core.document import Document, KeyPath
from gateway.core.document import Place as Written
from gateway.core.errors import ConfigError
from gateway.core.problems import Problems, unknown
from gateway.profile import hermes
from gateway.profile.bound import Bound
from gateway.profile.load import assembled, find

_FILE = "site.json"
_CONNECTION = re.compile(rf"{NAME}(\.[A-Za-z0-9_-]+)*")
"""Also one that a source had written in place: its station's id, with a number behind it."""
_NOWHERE = Path("/")  # paths in a capture are absolute


def describe(resolved: Resolved) -> tuple[Site, dict[str, bytes]]:
    """For the beginning of a capture's files: the configuration, and the profiles in use by name, with those that they
    extend, as they were read when the gateway started."""
    bounds = {plan.id: plan.bound for plan in resolved.stations if plan.bound is not None and plan.bound.texts}
    texts: dict[str, bytes] = {}
    for bound in bounds.values():  # what is extended is found by its name alone, so nothing else may have that
        texts |= {name: text.encode() for name, text in [*bound.texts.items()][1:]}
    names = {station: _kept(bound, texts) for station, bound in bounds.items()}
    site = Site(
        gateway=resolved.config.gateway.model_dump(mode="json"),
        connections={
            # What was left out is left out: many settings may not be said beside others, even with their defaults.
            name: settings.model_dump(mode="json", by_alias=True, exclude_unset=True)
            for name, settings in resolved.connections.items()
        },
        stations=tuple(
            Place(
                id=plan.id,
                line=plan.line,
                name=plan.name,
                machine_class=plan.machine_class,
                zone=str(plan.zone),
                routes=tuple(msgspec.to_builtins(route) for route in plan.routes),
                heartbeat_s=plan.heartbeat_s,
                after=plan.after,
                profile=names.get(plan.id),
                hermes=plan.hermes,
            )
            for plan in resolved.stations
        ),
    )
    return site, texts


def _kept(bound: Bound, texts: dict[str, bytes]) -> str:
    """Into `texts`, under a name that means nothing else there."""
    name, text = next(iter(bound.texts.items()))
    free, number = name, 2
    while texts.setdefault(free, text.encode()) != text.encode():  # another folder's
        free, number = f"{name}~{number}", number + 1
    return free


def rebuild(
    site: Site, texts: Mapping[str, str], protocols: Protocols, *, replaced: Mapping[str, Path] = MappingProxyType({})
) -> Resolved:
    """What to run, as `resolve` gave it then. texts: profiles by name. replaced: files in place of them, by a station's
    id, or by a profile's name, which is then another one for those that extend it too.

    Raises ConfigError with everything in it that this version does not know, or that does not fit.
    """
    known = {place.id for place in site.stations} | texts.keys()
    problems = [
        f"{path}: {unknown(each, 'station or profile of this capture', known)}"
        for each, path in replaced.items()
        if each not in known
    ]
    settings = Problems(_Table())
    gateway = settings.read(Gateway, site.gateway, ("gateway",), _NOWHERE)
    connections = {
        name: found
        for name, table in site.connections.items()
        if (found := _connection(name, table, protocols, settings)) is not None
    }
    try:
        settings.raise_any()
    except ConfigError as error:
        problems += error.problems
    library = _Library(texts, {name: path for name, path in replaced.items() if name in texts})
    stations = []
    for place in site.stations:
        try:
            stations.append(_station(place, connections, library, replaced.get(place.id)))
        except ConfigError as error:
            problems += error.problems
    if problems or gateway is None:
        raise ConfigError(list(dict.fromkeys(problems)))
    return Resolved(Config(gateway=gateway), connections, tuple(stations))


class _Table:
    """Names the places of a capture's configuration: `connection[plant].port`."""

    def place(self, path: KeyPath) -> Written:
        table, *steps = path
        named = f"{table}[{steps.pop(0)}]" if table == "connection" else str(table)
        return Written(_FILE, 1, ".".join([named, *map(str, steps)]))


def _connection(name: str, table: Mapping[str, Any], protocols: Protocols, problems: Problems) -> BaseModel | None:
    path: KeyPath = ("connection", name)
    if not _CONNECTION.fullmatch(name):  # files and folders are called by it
        problems.add(path, "is no name of a connection")
        return None
    protocol = str(table.get("protocol"))
    if protocol not in protocols:
        problems.add((*path, "protocol"), unknown(protocol, "protocol of this version", protocols))
        return None
    return problems.read(protocols[protocol], table, path, _NOWHERE)


def _station(
    place: Place, connections: Mapping[str, BaseModel], library: _Library, replaced: Path | None
) -> StationPlan:
    """Raises ConfigError."""
    routes = _routes(place)
    on = [connections[route.connection] for route in routes if route.connection in connections]
    bound = None
    if replaced is not None:
        bound = library.file(replaced)
    elif place.profile is not None:
        bound = library.named(place.profile)
    elif any(getattr(each, "protocol", None) == hermes.PROTOCOL for each in on):
        bound = hermes.bound(place.machine_class)
    if bound is not None:
        _fits(bound, place, on)
    return StationPlan(
        id=place.id,
        line=place.line,
        name=place.name,
        machine_class=place.machine_class,
        zone=_zone(place),
        routes=routes,
        heartbeat_s=place.heartbeat_s,
        after=place.after,
        bound=bound,
        hermes=place.hermes,
    )


def _fits(bound: Bound, place: Place, on: Sequence[BaseModel]) -> None:
    if bound.machine_class != place.machine_class:
        raise ConfigError([f"{place.id}: is a {place.machine_class}, and {bound.name} is for {bound.machine_class}"])
    spoken = {str(each.profile_protocol) for each in on if hasattr(each, "profile_protocol")}
    if spoken and bound.protocol not in spoken | {hermes.PROTOCOL}:
        raise ConfigError([f"{place.id}: {bound.name} is for {bound.protocol}, and its source is {', '.join(spoken)}"])


def _routes(place: Place) -> tuple[RoutePlan, ...]:
    try:
        return tuple(msgspec.convert(route, RoutePlan) for route in place.routes)
    except msgspec.ValidationError as error:
        raise ConfigError([f"{_FILE}: station {place.id}: {error}"]) from None


def _zone(place: Place) -> ZoneInfo:
    try:
        return ZoneInfo(place.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"{_FILE}: station {place.id}: {place.zone!r} is no time zone of this system"]) from None


class _Library:
    """Profiles of a capture, some of them replaced by files. Each is read once, and complained of once."""

    def __init__(self, texts: Mapping[str, str], replaced: Mapping[str, Path]) -> None:
        self._texts = texts
        self._replaced = replaced
        self._named: dict[str, Bound] = {}
        self._files: dict[Path, Bound] = {}

    def named(self, name: str) -> Bound:
        """Raises ConfigError."""
        if name not in self._named:
            if name in self._replaced:
                self._named[name] = self.file(self._replaced[name])
            else:
                loaded = assembled(name, Path(name), self._document(name), self._base)
                self._named[name] = profiles.joined(loaded, name)
        return self._named[name]

    def file(self, path: Path) -> Bound:
        """What a file extends may be beside it too. Raises ConfigError."""
        if path not in self._files:
            folder = path.absolute().parent

            def base(name: str) -> Document:
                beside = folder.parent / f"{name}.toml"
                return Document.read(beside) if beside.is_file() else self._base(name)

            name = f"{folder.name}/{path.stem}"
            self._files[path] = profiles.joined(assembled(name, path, Document.read(path), base), name)
        return self._files[path]

    def _base(self, name: str) -> Document:
        if name in self._replaced:
            return Document.read(self._replaced[name])
        if name in self._texts:
            return self._document(name)
        return Document.read(find(name, profiles.folders(Path.cwd())))

    def _document(self, name: str) -> Document:
        if name not in self._texts:
            raise ConfigError([f"the capture lacks the profile {name!r}"])
        return Document(f"profile/{name}.toml", self._texts[name])
