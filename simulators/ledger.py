"""The truth ledger: one file of what really happened on a simulated line, and of what its machines told of it.

Lines of JSON: a header, then facts, told events, shown values and troubles, in the order in which they came about.
All times are virtual, so that the same scenario and seed give the same file, byte for byte, however fast it was played.
How it was played, which virtual second was which instant, stands in a second file beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import msgspec

from gateway.core.errors import LinesideError
from gateway.core.times import Micros
from simulators.model.facts import AnyFact
from simulators.voices.voice import Looked, Showing, Told

VERSION = 2
"""1 had no shown values."""


class LedgerError(LinesideError):
    """It cannot be read; the message names the file and the line."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="ledger"):
    """scenario: digest of what was to be simulated. tells: by station, the messages that are compared with a journal.
    shows: by station, the signals whose samples are; None: in a ledger that says nothing of samples.
    """

    version: int
    seed: int
    scenario: str
    tells: dict[str, tuple[str, ...]]
    shows: dict[str, dict[str, Looked]] | None = None


class Troubled(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="trouble"):
    """Something was made to go wrong with what a station tells, from `at` on for `seconds` of virtual time."""

    at: float
    seconds: float
    station: str
    trouble: str


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """From virtual second `at` on, that second was the instant `wall`, and `speed` of them passed in a real one."""

    at: float
    wall: Micros
    speed: float


Entry = Told | Showing | Troubled | AnyFact
Line = Header | Entry

_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def digest(scenario: msgspec.Struct) -> str:
    """SHA-256 of a scenario, the same wherever and whenever it is computed."""
    return hashlib.sha256(msgspec.json.encode(scenario, order="deterministic")).hexdigest()


def played_path(path: Path) -> Path:
    """Where it says how the ledger at `path` was played."""
    return path.with_name(f"{path.name}.played")


class Ledger:
    """Writes one. Files that are there already are replaced."""

    def __init__(
        self,
        path: Path,
        seed: int,
        scenario: str,
        tells: Mapping[str, frozenset[str]],
        shows: Mapping[str, Mapping[str, Looked]] | None = None,
    ) -> None:
        self.path = path
        self.facts = 0
        self.told_count = 0
        self._file: BinaryIO = path.open("wb")
        self._played: BinaryIO = played_path(path).open("wb")
        ordered = {station: tuple(sorted(names)) for station, names in sorted(tells.items())}
        looked = None if shows is None else {station: dict(signals) for station, signals in sorted(shows.items())}
        self._write(Header(version=VERSION, seed=seed, scenario=scenario, tells=ordered, shows=looked))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fact(self, fact: AnyFact) -> int:
        """Its number, from 1."""
        self._write(fact)
        self.facts += 1
        return self.facts

    def told(self, told: Told) -> None:
        self._write(told)
        self.told_count += 1

    def shown(self, shown: Showing) -> None:
        self._write(shown)

    def trouble(self, trouble: Troubled) -> None:
        self._write(trouble)

    def anchor(self, anchor: Anchor) -> None:
        self._played.write(_encode(anchor) + b"\n")
        self._played.flush()

    def close(self) -> None:
        self._file.close()
        self._played.close()

    def _write(self, line: Line) -> None:
        self._file.write(_encode(line) + b"\n")


class Read(NamedTuple):
    """lines: whatever follows the header, read as it is asked for; they raise LedgerError."""

    header: Header
    lines: Iterator[Entry]


def read(path: Path) -> Read:
    """Raises LedgerError: no ledger, or one of a newer version; and OSError."""
    lines = _lines(path)
    header = next(lines, None)
    if not isinstance(header, Header):
        raise LedgerError(f"{path}: line 1: this is not the beginning of a ledger")
    if header.version > VERSION:
        raise LedgerError(f"{path}: version {header.version}; this program reads up to {VERSION}")
    return Read(header, _after(path, lines))


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _decode(line)
            except msgspec.MsgspecError as error:
                cut = "" if line.endswith(b"\n") else ", the file was cut off"
                raise LedgerError(f"{path}: line {number}: {error}{cut}") from error


def _after(path: Path, lines: Iterator[Line]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 2):
        if isinstance(line, Header):
            raise LedgerError(f"{path}: line {number}: a second beginning")
        yield line


class Played:
    """Which instant a virtual second was."""

    def __init__(self, anchors: tuple[Anchor, ...]) -> None:
        self._anchors = anchors

    def __bool__(self) -> bool:
        return bool(self._anchors)

    @property
    def speed(self) -> float:
        return self._anchors[-1].speed

    def instant(self, at: float) -> Micros:
        """Raises IndexError when it was never played."""
        anchor = self._anchors[0]
        for each in self._anchors:
            if each.at <= at:
                anchor = each
        return anchor.wall + round((at - anchor.at) / anchor.speed * 1_000_000)


def played(path: Path) -> Played:
    """How the ledger at `path` was played; empty when that is not known. Raises LedgerError."""
    try:
        text = played_path(path).read_bytes()
    except FileNotFoundError:
        return Played(())
    try:
        return Played(tuple(msgspec.json.decode(line, type=Anchor) for line in text.splitlines()))
    except msgspec.MsgspecError as error:
        raise LedgerError(f"{played_path(path)}: {error}") from error
