"""Facts about a few panels for machines that report what they have found, and how events are compared with what is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from gateway.cfx.units import units
from gateway.core.times import Micros, parse_rfc3339
from simulators.model.facts import (
    AnyFact,
    Arrived,
    BoardResult,
    Defect,
    Inspected,
    LotReleased,
    Measure,
    PanelMade,
    ProductKnown,
    ShiftBegan,
    Tested,
    WorkBegan,
    WorkEnded,
)
from simulators.model.plan import Lot, Product
from simulators.voices.voice import Told, When

START = parse_rfc3339("2026-11-21T08:00:00Z")
WHEN = When(lambda at: START + round(at * 1_000_000), 1.0)
UTC = ZoneInfo("UTC")
STATION = "xray"

PASTE = {"volume": "%", "height": "mm", "offset.x": "mm"}


def resistor(value: float, *, passed: bool = True, component: str = "R21") -> Measure:
    return Measure(
        name="Resistance",
        component=component,
        value=value,
        unit="kOhm",
        expected=28.2,
        low=28,
        high=28.4,
        passed=passed,
    )


def paste(pad: str, volume: float, *, passed: bool = True) -> tuple[Measure, ...]:
    values = {"volume": volume, "height": 0.1215, "offset.x": -0.012}
    return tuple(
        Measure(name=name, component=pad, value=value, unit=PASTE[name], passed=passed)
        for name, value in values.items()
    )


def good(position: int, board: str, *measures: Measure) -> BoardResult:
    return BoardResult(position=position, board=board, measures=measures)


def bad(position: int, board: str, *measures: Measure, component: str = "R22.1", code: str = "Open") -> BoardResult:
    defect = Defect(id=f"{board}-1", component=component, code=code)
    return BoardResult(position=position, board=board, passed=False, measures=measures, defects=(defect,))


def skipped(position: int, board: str) -> BoardResult:
    return BoardResult(position=position, board=board, skipped=True)


BOARDS = (
    good(1, "SN1", resistor(28.31), resistor(0.00047, component="C4")),
    bad(2, "SN2", resistor(28.52, passed=False), code="Solder bridging"),
    skipped(3, "SN3"),
)


def known() -> list[AnyFact]:
    product = Product(name="CTRL", revision="C", boards=3, parts=(), bill=(), zones=(), belt=1.0)
    lot = Lot(number=1, order="WO1", batch="B1", product="CTRL", surface="Top", panels=3)
    return [
        ProductKnown(at=0.0, product=product),
        LotReleased(at=0.0, lot=lot),
        ShiftBegan(at=0.0, shift="A", operators={STATION: "4711"}),
    ]


def looked_at(
    panel: str,
    at: float,
    boards: Sequence[BoardResult],
    *,
    read: str | None = "PNL",
    attempt: int = 0,
    station: str = STATION,
) -> list[AnyFact]:
    """From its arrival to the end of the work, which takes 20.5 seconds. read: `PNL` for its label. attempt: of a test."""
    label, job = f"PNL-{panel}", f"job-{panel}-{at}"
    found: Inspected | Tested
    if attempt:
        found = Tested(at=at + 20.5, station=station, panel=panel, job=job, attempt=attempt, boards=tuple(boards))
    else:
        found = Inspected(at=at + 20.5, station=station, panel=panel, job=job, boards=tuple(boards), count=77)
    return [
        PanelMade(at=at, panel=panel, lot=1, label=label, boards=tuple(each.board for each in boards)),
        Arrived(at=at, station=station, panel=panel, lane=1, read=label if read else None),
        WorkBegan(at=at + 0.25, station=station, panel=panel, lane=1, job=job),
        found,
        WorkEnded(at=at + 20.5, station=station, panel=panel, lane=1, job=job),
    ]


Event = tuple[str, tuple[str, ...], int | None, Micros | None, dict[str, Any]]
"""Message, identifiers, count of units, time, and what Told says about the body."""


def wanted(told: Told) -> Event:
    """Machines tell whole seconds."""
    time = None if told.at is None else START + int(told.at) * 1_000_000
    return told.message, told.units, told.count, time, dict(told.values)


def found(message: str, body: dict[str, Any], time: Micros, told: Told) -> Event:
    ids = tuple(dict.fromkeys(each.id for each in units(message, body, True) if each.id is not None))
    values = {path: at(body, path) for path in told.values}
    return message, ids, body.get("UnitCount"), time, values


def at(body: Any, path: str) -> Any:
    for step in path.split("."):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, TypeError):
            return f"nothing at {step} of {path}"
    return body
