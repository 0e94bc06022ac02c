"""Where profiles are looked for, and a profile joined with its machine class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway import resources
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.errors import ConfigError
from gateway.core.problems import unknown
from gateway.profile.bind import bind
from gateway.profile.bound import Bound
from gateway.profile.load import Loaded, load


def folders(beside: Path) -> tuple[Path, ...]:
    """Folders with profiles, the first that has one wins: beside the configuration, of the system, packaged."""
    return resources.profile_folders(beside / resources.FILE)


def read(name: str, where: Sequence[Path], beside: Path) -> Bound:
    """The profile of this name (`CLASS/MODEL`), or at this path (`….toml`, relative to `beside`).

    Raises ConfigError with every problem in it, by file and line.
    """
    return joined(load(str(beside / name) if name.endswith(".toml") else name, where), name)


def joined(loaded: Loaded, name: str) -> Bound:
    """With its machine class, under this name. Raises ConfigError as `read`."""
    profile = loaded.profile
    if profile.class_ not in CLASSES:
        raise ConfigError(
            [f"{loaded.path}: class: {unknown(profile.class_, 'machine class of this version', CLASSES)}"]
        )
    machine_class = CLASSES[profile.class_]
    bound = bind(profile, machine_class.vocabulary, name, written=loaded.written)
    bound = msgspec.structs.replace(bound, texts=loaded.texts)
    set_up("", machine_class, bound)
    return bound
