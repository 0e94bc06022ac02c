"""An event as its readers get it, for comparing it with another."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gateway.core.errors import LinesideError

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MASKED = "\0masked"


class Nothing:
    """In place of a value: there is none on this side."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = Nothing()


class Told(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """station: empty for what belongs to none. document: the whole JSON."""

    id: str
    station: str
    message: str
    origin: str
    time: str
    received: str
    time_quality: str
    units: tuple[str, ...]
    document: Mapping[str, Any]

    @property
    def native(self) -> bool:
        return self.origin == "native"

    @property
    def short(self) -> str:
        """The message without where it is in the catalogue: `WorkCompleted`."""
        return self.message.rpartition(".")[2]


def told(document: bytes) -> Told:
    """Raises ValueError for what is no event."""
    found = _decode(document)
    try:
        return Told(
            id=found["id"],
            station=found["station"] or "",
            message=found["message"],
            origin=found["origin"],
            time=found["time"],
            received=found["received"],
            time_quality=found["time_quality"],
            units=tuple(found["units"]),
            document=found,
        )
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None
    except TypeError as error:
        raise ValueError(str(error)) from None


def events(path: Path) -> Generator[bytes, None, None]:
    """The events in a file, one a line, as JSON. Raises LinesideError naming the line that is none."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    told(line)
                except (ValueError, msgspec.DecodeError) as error:
                    raise LinesideError(f"{path}:{number}: no event: {error}") from error
                yield line
    except OSError as error:
        raise LinesideError(f"{path}: {error.strerror}") from error


class Field(NamedTuple):
    """In what two differ. path: `body.Measurements[2].Value`. was, now: NOTHING where it is not there."""

    path: str
    was: Any
    now: Any


def fields(was: Any, now: Any, path: str = "") -> Iterator[Field]:
    """Of two JSON values, down to what is no longer made of parts: where they differ, and every id, whether it differs or
    not. 60 and 60.0 are the same number."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*was, *now)):
            yield from fields(was.get(key, NOTHING), now.get(key, NOTHING), f"{path}.{key}" if path else key)
    elif isinstance(was, list) and isinstance(now, list):
        for number in range(max(len(was), len(now))):
            one = was[number] if number < len(was) else NOTHING
            other = now[number] if number < len(now) else NOTHING
            yield from fields(one, other, f"{path}[{number}]")
    elif isinstance(was, bool) != isinstance(now, bool) or was != now or is_id(was):
        yield Field(path, was, now)


def is_id(value: object) -> bool:
    """Whether it looks like an id that a gateway makes."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def masked(value: Any, other: Callable[[str], bool] = lambda text: False) -> Any:
    """With something that means any id in place of each, and of every text of which `other` says so; can be hashed."""
    if isinstance(value, dict):
        return tuple((key, masked(each, other)) for key, each in value.items())
    if isinstance(value, list):
        return tuple(masked(each, other) for each in value)
    return _MASKED if is_id(value) or (isinstance(value, str) and other(value)) else value


class Renames:
    """Ids that stand for each other: every one for one only, in both directions, as far back as `most` of them."""

    def __init__(self, most: int = 200_000) -> None:
        self._most = most
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}

    def fit(self, was: str, now: str) -> bool:
        """Whether nothing is known that speaks against it."""
        return self._there.get(was, now) == now and self._back.get(now, was) == was

    def judge(self, differing: Sequence[Field]) -> tuple[list[Field], bool]:
        """What remains when ids may be others; and whether any is another. Believed from then on when nothing remains."""
        ids, rest = [], []
        for each in differing:
            if is_id(each.was) and is_id(each.now) and self.fit(each.was, each.now):
                ids.append(each)
            else:
                rest.append(each)
        if not rest:
            for each in ids:
                self._add(each.was, each.now)
        return rest, any(each.was != each.now for each in ids)

    def _add(self, was: str, now: str) -> None:
        if was not in self._there and len(self._there) >= self._most:
            oldest = next(iter(self._there))
            self._back.pop(self._there.pop(oldest), None)
        self._there[was], self._back[now] = now, was
