"""Single steps of writing files as machines do. Blocking: for a thread."""

from __future__ import annotations

import os
import time
from pathlib import Path

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [
 <!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
 <!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">
]>
<lolz>&e;</lolz>
"""


def append(path: Path, data: bytes, head: bytes = b"") -> None:
    """head: only where the file is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data if file.tell() else head + data)


def begin(path: Path, data: bytes) -> None:
    """Whatever it held before is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def rename(path: Path, data: bytes) -> None:
    """It is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def another(path: Path, word: str) -> Path:
    """A name beside it."""
    return path.with_name(f"{path.stem}_{word}{path.suffix}")


def skew(path: Path, seconds: float) -> None:
    at = time.time() + seconds
    os.utime(path, (at, at))


def lock(path: Path, *, on: bool) -> None:
    if path.exists():
        path.chmod(0o000 if on else 0o644)


def leave(path: Path, *, empty: bool) -> None:
    """The folder goes out of sight, what is in it stays; empty: another one is in its place."""
    path.rename(_away(path))
    if empty:
        path.mkdir()


def come_back(path: Path) -> None:
    """The same folder as before. What stands in its place goes, if it is empty."""
    away = _away(path)
    if away.exists():
        if path.exists():
            path.rmdir()
        away.rename(path)


def _away(path: Path) -> Path:
    return path.with_name(f".{path.name}.away")
