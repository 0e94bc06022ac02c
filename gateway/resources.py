"""Where the files are that come with Lineside, and which configuration is meant: nothing else looks for them."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.core.errors import ConfigError

FILE = "lineside.toml"
VARIABLE = "LINESIDE_CONFIG"
SYSTEM = Path("/etc/lineside")
PROFILES = "profiles"

_HERE = Path(__file__).resolve().parent


def config_dir(package: Path = _HERE) -> Path:
    """The folder with the demo line, profiles and schemas: inside an installed package, beside it in a checkout.

    Raises ConfigError when the installation is incomplete.
    """
    for folder in (package / "_config", package.parent / "config"):
        if (folder / FILE).is_file():
            return folder
    raise ConfigError([f"{package}: this installation lacks its folder _config; install Lineside again"])


def find_config(explicit: Path | None = None, *, system: Path = SYSTEM) -> Path:
    """The configuration file to use, the first of: `explicit`, $LINESIDE_CONFIG, ./config/lineside.toml,
    /etc/lineside/lineside.toml, the packaged demo.

    What is named explicitly or by the variable is returned even if it does not exist: loading it says so.
    """
    if explicit is not None:
        return explicit
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    for path in (Path("config") / FILE, system / FILE):
        if path.is_file():
            return path
    return config_dir() / FILE


def base_folder(config: Path) -> Path:
    """Where the relative paths of a configuration file start: its own folder.

    An installed package may be read-only and is no place for data, so the packaged demo counts as ./config/lineside.toml.
    """
    packaged = _HERE / "_config" / FILE
    return Path.cwd() / "config" if config.absolute() == packaged else config.absolute().parent


def profile_folders(config: Path, *, system: Path = SYSTEM) -> tuple[Path, ...]:
    """Where profiles are looked for, the first that has one wins: beside the configuration file, in the system's
    folder, in the package. They need not exist."""
    folders = (base_folder(config) / PROFILES, system / PROFILES, config_dir() / PROFILES)
    return tuple(dict.fromkeys(folder.absolute() for folder in folders))
