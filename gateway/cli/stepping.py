"""A capture made ready to be stepped again: its own configuration, with profiles replaced where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.registry import protocols
from gateway.capture.reading import Capture
from gateway.config.captured import rebuild
from gateway.config.plan import Resolved
from gateway.core.document import Document
from gateway.core.errors import ConfigError
from gateway.core.problems import unknown
from gateway.core.times import Micros
from gateway.ingest.stations import UNASSIGNED
from gateway.replay.offline import Offline
from gateway.wiring import cast


def resolved(capture: Capture, profiles: Sequence[str] = ()) -> Resolved:
    """profiles: `FILE` or `FILE=STATION`, in place of those in the capture. Raises ConfigError with every problem."""
    first = capture.first
    return rebuild(first.site, first.profiles, protocols(), replaced=_replaced(capture, profiles))


def offline(
    capture: Capture, profiles: Sequence[str] = (), *, since: Micros | None = None, fresh: bool = False
) -> Offline:
    """As `resolved`; of Offline the rest."""
    run = Offline(capture, cast(resolved(capture, profiles)), since=since, fresh=fresh)
    first = capture.first
    if other := next((p for p in capture.parts if (p.site, p.profiles) != (first.site, first.profiles)), None):
        run.notes.append(f"configuration or profiles are others from {other.path} on; those of {first.path} are taken")
    return run


def check_stations(capture: Capture, asked: Sequence[str]) -> None:
    """Raises ConfigError for one that no part of the capture has: of it nothing could differ. Stations that nobody had
    configured are in none, and are not looked for."""
    known = {place.id for part in capture.parts for place in part.site.stations}
    problems = [
        f"--station: {unknown(each, 'station of this capture', known)}"
        for each in asked
        if each not in known and not each.startswith(f"{UNASSIGNED}.")
    ]
    if problems:
        raise ConfigError(problems)


def _replaced(capture: Capture, profiles: Sequence[str]) -> Mapping[str, Path]:
    stations = {place.id for place in capture.first.site.stations}
    found: dict[str, Path] = {}
    for text in profiles:
        file, sign, station = text.rpartition("=")
        if sign and station in stations:
            found[station] = Path(file)
        elif sign and file.endswith(".toml"):
            raise ConfigError([f"--profile: {station!r} is no station of this capture; allowed: {_listed(stations)}"])
        else:
            found[_meant(capture, Path(text))] = Path(text)
    return found


def _meant(capture: Capture, path: Path) -> str:
    """The profile that a file stands for: of its name, else the only one of its class. Raises ConfigError."""
    held = capture.first.profiles
    name = f"{path.absolute().parent.name}/{path.stem}"
    if name in held:
        return name
    document = Document.read(path)
    class_ = document.data.get("class")
    used = {
        place.profile
        for place in capture.first.site.stations
        if place.profile is not None and place.machine_class == class_
    }
    if len(used) == 1:
        return used.pop()
    stations = [place.id for place in capture.first.site.stations if place.profile is not None]
    raise ConfigError(
        [f"--profile: {path}: say whose profile it is, as {path}=STATION; stations with one: {_listed(stations)}"]
    )


def _listed(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
