"""Finding and reading profiles. Every mistake in one is found in one go, with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.document import Document, KeyPath, Place
from gateway.core.errors import ConfigError
from gateway.core.problems import Located, Problems, allowed, suggestion, unknown
from gateway.profile.models import LATER, PROTOCOLS, Profile

_NAME = re.compile(r"[a-z0-9_]+/[A-Za-z0-9][A-Za-z0-9._-]*")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """name: `reflow_oven/example-10-zone`. path: its file. written: where each part is, for messages. texts: the file, and
    the one that it extends, by the name that each goes by."""

    name: str
    path: Path
    profile: Profile
    written: Located
    texts: Mapping[str, str]


class _Layered:
    """A profile laid over the one that it extends."""

    def __init__(self, own: Document, base: Document) -> None:
        self._own = own
        self._base = base

    def place(self, path: KeyPath) -> Place:
        own, base = self._own.find(path), self._base.find(path)
        # A list is replaced as a whole, so that what is missing in one of ours is not looked for in theirs.
        replaced = any(isinstance(step, int) for step in own)
        return (self._own if replaced or len(own) >= len(base) else self._base).place(path)


def load(name: str, folders: Sequence[Path]) -> Loaded:
    """By name (`class/model`), from the first of the folders that has it; or by the path of its file.

    Raises ConfigError with every problem, `FILE:LINE: KEY: what is wrong; allowed: ...`. That it uses its class's words
    is checked by `bind`.
    """
    path = find(name, folders)
    return assembled(_name(path), path, Document.read(path), lambda base: Document.read(find(base, folders)))


Base = Callable[[str], Document]
"""Finds what a profile extends, by name. Raises ConfigError."""


def assembled(name: str, path: Path, document: Document, base: Base) -> Loaded:
    """The profile that a document says. Raises ConfigError with every problem, as `load`."""
    texts = {name: document.text}
    data, written = _with_base(document, base, texts)
    problems = Problems(written)
    profile = _profile(data, problems)
    problems.raise_any()
    assert profile is not None
    return Loaded(name=name, path=path, profile=profile, written=written, texts=texts)


def find(name: str, folders: Sequence[Path]) -> Path:
    """The file of a profile. Raises ConfigError when there is none."""
    if name.endswith(".toml"):
        return Path(name)
    if _NAME.fullmatch(name) is None:
        raise ConfigError([f"{name!r} is no name of a profile; allowed: CLASS/MODEL, or the path of a .toml file"])
    for folder in folders:
        path = folder / f"{name}.toml"
        if path.is_file():
            return path
    known = [each for each, _ in names(folders)]
    raise ConfigError([f"there is no profile {name!r}{suggestion(name, known)}{allowed(known)}"])


def names(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every profile that `load` finds by name, sorted, with its file."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*/*.toml")):
            found.setdefault(_name(path), path)
    yield from sorted(found.items())


def _name(path: Path) -> str:
    """By the folder that it lies in, whether or not that is searched."""
    return f"{path.absolute().parent.name}/{path.stem}"


def _with_base(document: Document, base: Base, texts: dict[str, str]) -> tuple[dict[str, Any], Located]:
    """The document's data, joined with those of the one that it extends, whose text goes into `texts`."""
    asked = document.data.get("extends")
    if not isinstance(asked, str):
        return document.data, document
    problems = Problems(document)
    try:
        other = base(asked)
    except ConfigError as error:
        for problem in error.problems:
            problems.add(("extends",), problem)
        problems.raise_any()
        raise
    if "extends" in other.data:
        problems.add(("extends",), f"{asked!r} extends another one itself; allowed: a profile that does not")
        problems.raise_any()
    texts[asked] = other.text
    return _merged(document.data, other.data), _Layered(document, other)


def _merged(own: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in own.items():
        below = base.get(key)
        found[key] = _merged(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return found


def _profile(data: dict[str, Any], problems: Problems) -> Profile | None:
    protocol = data.get("protocol")
    if protocol is None:
        problems.add((), f"is missing{allowed(PROTOCOLS)}", missing="protocol")
    elif not isinstance(protocol, str):
        problems.add(("protocol",), "must be text in quotes")
    elif protocol in LATER:
        problems.add(("protocol",), f"profiles for {protocol!r} are not available in this version{allowed(PROTOCOLS)}")
    elif protocol not in PROTOCOLS:
        problems.add(("protocol",), unknown(protocol, "protocol of profiles", PROTOCOLS))
    else:
        return problems.read(PROTOCOLS[protocol], data, ())
    return None
