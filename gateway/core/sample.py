"""One value of one signal at one time."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gateway.core.times import Micros


class Quality(StrEnum):
    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"
    UNAVAILABLE = "unavailable"  # not known: never the last value


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`time` is the machine's where it gave one; `value` is None exactly when it is not known."""

    station: str
    signal: str
    value: float | int | str | bool | None
    quality: Quality
    time: Micros
    received: Micros
