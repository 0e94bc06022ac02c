"""Reading the configuration: every mistake in it is found in one go, and no connection is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway.config import profiles, rules
from gateway.config.capture import Capture
from gateway.config.journal import Journal
from gateway.config.models import (
    NAME,
    Auth,
    Claim,
    Config,
    Gateway,
    Http,
    InPlace,
    Limits,
    Line,
    LooseStation,
    Named,
    Source,
    Station,
    Timing,
)
from gateway.config.plan import Placed
from gateway.config.table import Table
from gateway.core.document import Document, KeyPath
from gateway.core.errors import ConfigError
from gateway.core.problems import Problems, allowed, fields, suggestion, unknown
from gateway.core.secrets import Secret
from gateway.profile.bound import Bound

T = TypeVar("T", bound=Table)
S = TypeVar("S", bound=LooseStation)
Protocols = Mapping[str, type[BaseModel]]
"""The settings model of a `[[connection]]` by the name of its protocol. Each has the fields `protocol` and `name`."""

Kinds = Mapping[str, type[BaseModel]]
"""The settings model of a `[[sink]]` by its kind. Each has the fields `kind` and `name`."""

LATER_KINDS = ("cfx-amqp", "file", "mqtt", "nats", "webhook")
"""Kinds of sinks of the design that this version does not have yet: said so, instead of asking whether it is a
misspelling."""

IN_PLACE = "in-place"  # stands for the name until the plan gives one


def claim_keys(settings: type[BaseModel] | None) -> frozenset[str]:
    """What a source on a connection of this protocol, written in place, says beside the connection's settings."""
    return frozenset(getattr(settings, "claims", ("handle",)))


def load(
    path: Path,
    protocols: Protocols,
    *,
    sinks: Kinds = MappingProxyType({}),
    folder: Path | None = None,
    profile_folders: Sequence[Path] | None = None,
) -> Config:
    """Read and check a configuration file.

    `folder` is where relative paths start: the file's own unless given. profile_folders: where profiles are looked for,
    the first that has one wins; by default those of `profiles.folders`. Secrets are not looked up (`check_secrets`).
    Raises ConfigError with one line per problem, `FILE:LINE: KEY: what is wrong; allowed: ...`, in the order of the file.
    """
    base = folder or path.absolute().parent
    return _Reading(Document.read(path), protocols, sinks, base, profile_folders or profiles.folders(base)).config()


def check_secrets(path: Path, config: Config) -> None:
    """Look up every secret that connections and sinks name. Raises ConfigError with all that cannot be found."""
    problems = Problems(Document.read(path))
    for place, secret in _secrets(config, ()):
        try:
            secret.reveal()
        except ConfigError as error:
            problems.add(place, str(error))
    problems.raise_any()


def _secrets(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, InPlace):  # its settings stand in the table itself
        yield from _secrets(value.settings, path)
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _secrets(getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, tuple | list):
        for index, each in enumerate(value):
            yield from _secrets(each, (*path, index))


_TABLES: Mapping[str, type[Table]] = {
    "gateway": Gateway,
    "journal": Journal,
    "auth": Auth,
    "limits": Limits,
    "timing": Timing,
    "capture": Capture,
}


class _Reading:
    """Reads piece by piece, so that a mistake in one table hides none in another."""

    def __init__(
        self, document: Document, protocols: Protocols, sinks: Kinds, folder: Path, profile_folders: Sequence[Path]
    ) -> None:
        self._document = document
        self._data = document.data
        self._problems = Problems(document)
        self._protocols = protocols
        self._sinks = sinks
        self._folder = folder
        self._profiles = profile_folders

    def config(self) -> Config:
        problems, data = self._problems, self._data
        for key in data.keys() - fields(Config).keys():
            problems.add((key,), f"unknown key{suggestion(key, fields(Config))}{allowed(fields(Config))}")
        http = self._table(Http, "http")
        tables = {
            key: self._table(model, key)
            for key, model in _TABLES.items()
            if key in data or key != "auth"  # whose absence means something
        }
        connections = [
            (path, settings)
            for path, table in self._tables(data, "connection", ())
            if (settings := self._connection(table, path)) is not None
        ]
        lines: list[Line] = []
        placed: list[Placed] = []
        for path, table in self._tables(data, "line", ()):
            name = str(table.get("name", "?"))
            stations = [
                self._station(Station, inner, each, name, placed)
                for each, inner in self._tables(table, "station", path)
            ]
            rest = {key: value for key, value in table.items() if key != "station"}
            line = problems.read(Line, rest, path, self._folder)
            if line:
                lines.append(line.model_copy(update={"station": tuple(filter(None, stations))}))
        loose = [
            self._station(LooseStation, table, path, None, placed) for path, table in self._tables(data, "station", ())
        ]
        sinks = [self._sink(table, path) for path, table in self._tables(data, "sink", ())]
        for path, message in rules.all_of(data, connections, placed, http, self._document.line):
            problems.add(path, message)
        problems.raise_any()
        return Config.model_validate(
            {
                **tables,
                "http": http,
                "connection": tuple(settings for _, settings in connections),
                "line": tuple(lines),
                "station": tuple(filter(None, loose)),
                "sink": tuple(filter(None, sinks)),
            }
        )

    def _table(self, model: type[T], key: str) -> T | None:
        return self._problems.read(model, self._data.get(key, {}), (key,), self._folder)

    def _tables(self, parent: dict[str, Any], key: str, path: KeyPath) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
        """The tables of `[[key]]`."""
        value = parent.get(key, [])
        if not isinstance(value, list):
            self._problems.add(
                (*path, key), f"must be a list of tables: write [[{_header(path, key)}]] in double brackets"
            )
            return
        for index, table in enumerate(value):
            if isinstance(table, dict):
                yield (*path, key, index), table
            else:
                self._problems.add((*path, key, index), "must be a table")

    def _sink(self, table: dict[str, Any], path: KeyPath) -> BaseModel | None:
        self._name(table, path)
        kind = table.get("kind")
        if kind is None:
            self._problems.add(path, f"is missing{allowed(self._sinks)}", missing="kind")
        elif not isinstance(kind, str):
            self._problems.add((*path, "kind"), "must be text in quotes")
        elif kind in LATER_KINDS:
            self._problems.add((*path, "kind"), f"{kind!r} is not in this version{allowed(self._sinks)}")
        elif kind not in self._sinks:
            self._problems.add((*path, "kind"), unknown(kind, "kind of sink", self._sinks))
        else:
            return self._problems.read(self._sinks[kind], table, path, self._folder)
        return None

    def _name(self, table: dict[str, Any], path: KeyPath) -> None:
        name = table.get("name")
        if isinstance(name, str) and not rules.is_name(name):
            self._problems.add((*path, "name"), f"is no name; allowed: {NAME}")

    def _connection(self, table: dict[str, Any], path: KeyPath) -> BaseModel | None:
        self._name(table, path)
        model = self._model(table, path)
        return self._problems.read(model, table, path, self._folder) if model else None

    def _model(self, table: dict[str, Any], path: KeyPath) -> type[BaseModel] | None:
        protocol = table.get("protocol")
        if protocol is None:
            self._problems.add(path, f"is missing{allowed(self._protocols)}", missing="protocol")
        elif not isinstance(protocol, str):
            self._problems.add((*path, "protocol"), "must be text in quotes")
        elif protocol not in self._protocols:
            self._problems.add((*path, "protocol"), unknown(protocol, "protocol of this version", self._protocols))
        else:
            return self._protocols[protocol]
        return None

    def _station(
        self, model: type[S], table: dict[str, Any], path: KeyPath, line: str | None, placed: list[Placed]
    ) -> S | None:
        """Into `placed` goes what is readable of it, for the rules, even if something is wrong."""
        value = table.get("source", [])
        tables = value if isinstance(value, list) else [value]
        read = [(index, self._source(each, (*path, "source", index))) for index, each in enumerate(tables)]
        sources = tuple((index, source) for index, source in read if source is not None)
        if not tables:
            self._problems.add(path, "is missing: where does it hear this machine?", missing="source")
        name, after = table.get("name"), table.get("after")
        bound = self._profile(table, path)
        if isinstance(name, str):
            steps = tuple(each for each in after if isinstance(each, str)) if isinstance(after, list) else None
            profile = None if "profile" not in table else bound.protocol if bound else ""
            placed.append(Placed(path, line, name, sources, steps, profile))
        # Sources are checked already; a stand-in lets the model check the other keys.
        rest = {**table, "source": (Named(connection=IN_PLACE),)}
        station = self._problems.read(model, rest, path, self._folder)
        if station is None:
            return None
        return station.model_copy(update={"source": tuple(source for _, source in sources)}).with_bound(bound)

    def _profile(self, table: dict[str, Any], path: KeyPath) -> Bound | None:
        """The station's profile, joined with its class."""
        name = table.get("profile")
        if not isinstance(name, str):
            return None
        try:
            bound = profiles.read(name, self._profiles, self._folder)
        except ConfigError as error:
            for problem in error.problems:
                self._problems.add((*path, "profile"), problem)
            return None
        class_ = table.get("class")
        if isinstance(class_, str) and class_ != bound.machine_class:
            self._problems.add((*path, "class"), f"the profile {name} is for machines of class {bound.machine_class!r}")
        return bound

    def _source(self, table: object, path: KeyPath) -> Source | None:
        if not isinstance(table, dict):
            self._problems.add(path, 'must be a table, such as { connection = "NAME", handle = "HANDLE" }')
            return None
        if "connection" in table:
            if "protocol" in table:
                self._problems.add(path, "has both connection and protocol; allowed: one of them")
                return None
            return self._problems.read(Named, table, path, self._folder)
        if "protocol" not in table:
            hint = suggestion(next(iter(table), ""), ("connection", "protocol"))
            self._problems.add(path, f"names neither a connection nor a protocol{hint}; allowed: one of them")
            return None
        claims = claim_keys(self._protocols.get(str(table["protocol"])))
        claim = self._problems.read(
            Claim, {key: value for key, value in table.items() if key in claims}, path, self._folder
        )
        settings = self._in_place(table, path, claims)
        return InPlace(handle=claim.handle, unit=claim.unit, settings=settings) if claim and settings else None

    def _in_place(self, table: dict[str, Any], path: KeyPath, claims: frozenset[str]) -> BaseModel | None:
        model = self._model(table, path)
        if model is None:
            return None
        if "name" in table:
            self._problems.add(
                (*path, "name"), "does not belong here: a connection written in place goes by its station"
            )
        rest = {key: value for key, value in table.items() if key not in claims} | {"name": IN_PLACE}
        return self._problems.read(model, rest, path, self._folder, keys=fields(model).keys() - {"name"} | claims)


def _header(path: KeyPath, key: str) -> str:
    return ".".join([step for step in path if isinstance(step, str)] + [key])
