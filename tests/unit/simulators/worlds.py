"""Scenarios and questions for the tests of the simulated factory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeVar

import msgspec

from simulators.model.demo import demo_scenario
from simulators.model.facts import AnyFact
from simulators.model.scenario import LotSize, Scenario, Switches
from simulators.model.world import happen

F = TypeVar("F")

SMALL = (LotSize(panels=(1, 12), weight=1.0),)
"""Lots that let much happen in a short time."""


def scenario(**changes: object) -> Scenario:
    """The demo line, for 40 panels unless something else is said."""
    given = {"panels": 40, "lots": SMALL, **changes}
    return msgspec.structs.replace(demo_scenario(), **given)


def with_switches(base: Scenario, **switches: object) -> Scenario:
    return msgspec.structs.replace(base, switches=msgspec.structs.replace(Switches(), **switches))


@cache
def facts(base: Scenario, seed: int = 1) -> tuple[AnyFact, ...]:
    """Computed once for all tests."""
    return tuple(happen(base, seed))


def of(said: Iterable[AnyFact], kind: type[F], station: str | None = None) -> list[F]:
    return [each for each in said if isinstance(each, kind) and station in (None, each.station)]


def encoded(said: Sequence[AnyFact]) -> bytes:
    return b"\n".join(msgspec.json.encode(each) for each in said)
