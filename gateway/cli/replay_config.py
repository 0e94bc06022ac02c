"""A configuration for a second gateway, which finds the machines of a capture where they are played."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.capture.form import Place, Site
from gateway.cli.demo_pace import LOOKS, SUBSCRIPTIONS, quicker
from gateway.config.models import NAME
from gateway.core.errors import ConfigError

_NOT_PLAYED = frozenset(
    (
        "tls",
        "auth",
        "user",
        "password",
        "external",
        "allow",
        "client_id",
        "container_id",
        "security_policy",
        "mode",
        "user_certificate",
        "user_private_key",
        "pki",
        "certificate",
        "private_key",
        "errors",
        "move_to",
        "protocol",
        "name",
    )
)
"""Settings that say who we are and how that is proven, which nobody here asks for; and folders of the first gateway."""


def write(
    path: Path,
    site: Site,
    profiles: Mapping[str, str],
    addresses: Mapping[str, Mapping[str, Any]],
    *,
    port: int,
    speed: float,
) -> None:
    """The file, and beside it `profiles/` with those in use. addresses: by connection, the settings under which it is
    reached; those of other connections are not written, nor stations that are on no other. port: of the API. Its journal
    is in a folder of its own beside the file. Raises ConfigError for a profile whose name leads elsewhere; OSError."""
    data = f"{path.stem}-data"
    played = {name: _settings(name, site.connections[name], found, Path(data)) for name, found in addresses.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / "profiles"
    for name, text in profiles.items():
        file = folder / f"{name}.toml"
        if not file.resolve().is_relative_to(folder.resolve()):  # the capture may be anybody's
            raise ConfigError([f"--config-out: the profile {name!r} of the capture would leave {folder}"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(quicker(text, speed, LOOKS + SUBSCRIPTIONS), "utf-8")
    path.write_text("\n".join(_lines(site, played, data, port)) + "\n", "utf-8")


def _settings(name: str, captured: Mapping[str, Any], found: Mapping[str, Any], data: Path) -> dict[str, Any]:
    made = {key: value for key, value in captured.items() if key not in _NOT_PLAYED and value is not None}
    if captured.get("move_to") is not None:
        made["move_to"] = str(data / "moved" / name)
    made = {"protocol": captured["protocol"], **made, **found}
    return {key: value for key, value in made.items() if value is not None}


def _lines(site: Site, played: Mapping[str, Mapping[str, Any]], data: str, port: int) -> Iterator[str]:
    yield "# Written by `lineside replay`: the machines of a capture, where they are played."
    yield from ("", "[gateway]")
    named = {**site.gateway, "name": f"{site.gateway['name']}-replay"[:64]}
    yield from (f"{key} = {toml(value)}" for key, value in named.items() if value not in (None, [], ()))
    yield from ("", "[journal]", f"path = {toml(f'{data}/lineside.db')}", "ballast = 0")
    yield from ("", "[http]", f'listen = "127.0.0.1:{port}"')
    yield from ("", "[timing]", "retry_first_s = 0.1", "retry_most_s = 1.0", "settled_s = 1.0", "tick_s = 0.2")
    for name, settings in played.items():
        if re.fullmatch(NAME, name):
            yield from ("", "[[connection]]", f"name = {toml(name)}")
            yield from (f"{key} = {toml(value)}" for key, value in settings.items())
    places = [place for place in site.stations if any(route["connection"] in played for route in place.routes)]
    for line in dict.fromkeys(place.line for place in places if place.line is not None):
        yield from ("", "[[line]]", f"name = {toml(line)}")
        for place in places:
            if place.line == line:
                yield from ("", "[[line.station]]", *_station(place, played, {each.id for each in places}))
    for place in places:
        if place.line is None:
            yield from ("", "[[station]]", *_station(place, played, set()))


def _station(place: Place, played: Mapping[str, Mapping[str, Any]], there: set[str]) -> Iterator[str]:
    yield f"name = {toml(place.name)}"
    yield f"class = {toml(place.machine_class)}"
    if place.profile is not None:
        yield f"profile = {toml(place.profile)}"
    yield f"timezone = {toml(place.zone)}"
    if place.heartbeat_s is not None:
        yield f"heartbeat_s = {toml(place.heartbeat_s)}"
    if place.line is not None:
        before = [each.removeprefix(f"{place.line}.") for each in place.after if each in there]
        yield f"after = {toml(before)}"
    sources = [_source(route, played[route["connection"]]) for route in place.routes if route["connection"] in played]
    yield f"source = {toml(sources if len(sources) > 1 else sources[0])}"


def _source(route: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A connection that a source had written in place is so again: only then has it the same name."""
    name = route["connection"]
    source: dict[str, Any] = {"connection": name} if re.fullmatch(NAME, name) else dict(settings)
    for key, claim in (("handle", "handles"), ("topic", "topics"), ("unit", "unit")):
        if route.get(claim) not in (None, [], ()):
            source[key] = route[claim]
    return source


def toml(value: Any) -> str:
    """A value as TOML has it, on one line. Raises TypeError for what has no form there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {', '.join(pairs)} }}"
    raise TypeError(f"no TOML: {value!r}")


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml(key)
