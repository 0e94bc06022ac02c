"""One value of one signal at one time, and how a signal of a machine is named."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from gateway.core.times import Micros

Value = float | int | str | bool | None


class Quality(StrEnum):
    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"
    UNAVAILABLE = "unavailable"  # not known: never the last value


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """station, signal: which series (`signal` is a SignalKey's text). unit: UCUM code, None for texts and states.

    time: the machine's where it gave one, else when it was received. value: None exactly when it is not known; never
    NaN or infinite.
    """

    station: str
    signal: str
    unit: str | None
    value: Value
    quality: Quality
    time: Micros
    received: Micros


class SignalKey(msgspec.Struct, frozen=True, gc=False):
    """`name[index]@lane:stage`, each part but the name only where the machine has it.

    name: of the class's vocabulary (`zone.temperature`), or a vendor's own (`x.n2.flow`). index: 1-based place in an
    array. lane: CFX Lane. stage: name of a CFX Stage.
    """

    name: str
    index: int | None = None
    lane: int | None = None
    stage: str | None = None

    def __str__(self) -> str:
        index = "" if self.index is None else f"[{self.index}]"
        lane = "" if self.lane is None else f"@{self.lane}"
        return f"{self.name}{index}{lane}{'' if self.stage is None else f':{self.stage}'}"


_KEY = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?:\[(?P<index>[1-9]\d{0,4})\])?(?:@(?P<lane>\d{1,3}))?"
    r"(?::(?P<stage>[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}))?"
)


def signal_key(text: str) -> SignalKey:
    """The parts of a signal's text. Raises ValueError when it is none."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no signal; allowed: name, name@lane, name:stage, name[index]@lane:stage")
    index, lane = found["index"], found["lane"]
    return SignalKey(
        found["name"], None if index is None else int(index), None if lane is None else int(lane), found["stage"]
    )
