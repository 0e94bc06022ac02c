"""A TOML file with the line of every key: tomllib gives values only."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from gateway.core.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the top of a document to a value."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}\n#]*")  # a date may hold a blank
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


class Place(NamedTuple):
    """Where something is written: file, 1-based line, and its key for people (empty: the document itself)."""

    file: str
    line: int
    key: str


class Document:
    """`data` as tomllib reads `text`; `place` says where a value is and what to call it."""

    def __init__(self, file: str, text: str) -> None:
        """Raises ConfigError when it is no TOML."""
        self.file = file
        self.text = text
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            place = _PLACE.search(message)
            line = int(place[1]) if place and place[1] else text.count("\n") + 1
            raise ConfigError([f"{file}:{line}: no valid TOML: {_PLACE.sub('', message)}"]) from None
        except RecursionError:
            raise ConfigError([f"{file}:1: no valid TOML: nested too deeply"]) from None
        self._offsets = _locate(text)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Raises ConfigError when the file is not there, not readable, or no TOML in UTF-8."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ConfigError([f"{path}: there is no such file"]) from None
        except IsADirectoryError:
            raise ConfigError([f"{path}: is a folder; name the file in it"]) from None
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
        try:
            return cls(str(path), data.decode("utf-8-sig"))  # editors on Windows put a mark in front
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ConfigError([f"{path}:{line}: is not UTF-8 text (byte 0x{data[error.start]:02x})"]) from None

    def find(self, path: KeyPath) -> KeyPath:
        """The longest part of `path` that is written in the file.

        Positions that the file leaves out are skipped: one table or one string stands for a list of one.
        """
        found: KeyPath = ()
        for step in path:
            if (*found, step) in self._offsets:
                found = (*found, step)
            elif not isinstance(step, int):
                break
        return found

    def line(self, path: KeyPath) -> int:
        """1-based line where `path`, or else what it would stand in, begins."""
        return self.text.count("\n", 0, self._offsets.get(self.find(path), 0)) + 1

    def place(self, path: KeyPath) -> Place:
        """Where `path`, or else what it would stand in, is written."""
        written = self.find(path)
        return Place(self.file, self.line(written), self.name(written))

    def name(self, path: KeyPath) -> str:
        """`line[L1].station[pnp1].class`: a table of a list goes by its `name` if it has one."""
        text, value = "", self.data
        for step in path:
            try:
                value = value[step]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                value = {}
            if isinstance(step, int):
                name = value.get("name") if isinstance(value, dict) else None
                text += f"[{name}]" if isinstance(name, str) and _BARE.fullmatch(name) else f"[{step}]"
            else:
                text += ("." if text else "") + (step if _BARE.fullmatch(step) else repr(step))
        return text


def _locate(text: str) -> dict[KeyPath, int]:
    """Where each key and each element of `text`, which is valid TOML, begins. Only the first place of each counts."""
    found: dict[KeyPath, int] = {}
    lengths: dict[KeyPath, int] = {}
    table: KeyPath = ()
    pos = _skip(_SPACE, text, 0)
    while pos < len(text):
        start = pos
        if text[pos] == "[":
            array = text.startswith("[[", pos)
            keys, pos = _key(text, pos + 1 + array)
            table = _enter(keys, lengths, found, start, array=array)
            pos += 1 + array
        else:
            pos = _pair(text, pos, table, found)
        pos = _skip(_SPACE, text, pos)
    return found


def _skip(pattern: re.Pattern[str], text: str, pos: int) -> int:
    match = pattern.match(text, pos)
    return match.end() if match else pos


def _enter(
    keys: list[str], lengths: dict[KeyPath, int], found: dict[KeyPath, int], start: int, *, array: bool
) -> KeyPath:
    """The path of a `[table]` or of the next `[[table]]`: a list in between means its last element."""
    path: KeyPath = ()
    for depth, key in enumerate(keys, 1):
        path = (*path, key)
        found.setdefault(path, start)
        if array and depth == len(keys):
            lengths[path] = lengths.get(path, 0) + 1
        if path in lengths:
            path = (*path, lengths[path] - 1)
            found.setdefault(path, start)
    return path


def _key(text: str, pos: int) -> tuple[list[str], int]:
    """A dotted key and where it ends."""
    keys: list[str] = []
    while True:
        pos = _skip(_BLANK, text, pos)
        if text[pos] in "\"'":
            end = _skip(_STRING, text, pos)
            keys.append(tomllib.loads(f"k = {text[pos:end]}")["k"])
        else:
            end = _skip(_BARE, text, pos)
            keys.append(text[pos:end])
        pos = _skip(_BLANK, text, end)
        if text[pos] != ".":
            return keys, pos
        pos += 1


def _pair(text: str, pos: int, table: KeyPath, found: dict[KeyPath, int]) -> int:
    start = pos
    keys, pos = _key(text, pos)
    path = table
    for key in keys:
        path = (*path, key)
        found.setdefault(path, start)
    return _value(text, _skip(_BLANK, text, pos + 1), path, found)


def _value(text: str, pos: int, path: KeyPath, found: dict[KeyPath, int]) -> int:
    if text[pos] in "\"'":
        return _skip(_STRING, text, pos)
    if text[pos] not in "[{":
        return _skip(_SCALAR, text, pos)
    close = "]" if text[pos] == "[" else "}"
    index = 0
    pos = _skip(_SPACE, text, pos + 1)
    while text[pos] != close:
        if close == "]":
            found.setdefault((*path, index), pos)
            pos = _value(text, pos, (*path, index), found)
            index += 1
        else:
            pos = _pair(text, pos, path, found)
        pos = _skip(_SPACE, text, pos)
        if text[pos] == ",":
            pos = _skip(_SPACE, text, pos + 1)
    return pos + 1
