"""Small lives of one station, written by hand: what the world's model makes of a line, but with a few panels."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    FaultCleared,
    FaultRaised,
    LotReleased,
    PanelMade,
    ProductKnown,
    SetUp,
    ShiftBegan,
    StateChanged,
    TakenOut,
    WorkBegan,
    WorkEnded,
)
from simulators.model.plan import Lot, Product

ZONES = (151.0, 161.0, 171.0, 181.0, 191.0, 201.0, 221.0, 246.0, 241.0, 91.0)


def product(name: str, boards: int = 1, **more: object) -> Product:
    return Product(name=name, revision="C", boards=boards, parts=(), bill=(), zones=ZONES, belt=900.0, **more)  # type: ignore[arg-type]


def lot(number: int, name: str, panels: int = 10) -> Lot:
    return Lot(number=number, order=f"WO-{number}", batch=f"WO-{number}-1", product=name, surface="TOP", panels=panels)


def plan(*lots: Lot, boards: int = 1) -> list[AnyFact]:
    """Everything that is known before the line runs."""
    names = sorted({each.product for each in lots})
    return [
        *(ProductKnown(at=0.0, product=product(name, boards)) for name in names),
        *(LotReleased(at=0.0, lot=each) for each in lots),
        ShiftBegan(at=0.0, shift="early", operators={"L1.station": "4711", "probe2": "4712"}),
    ]


def made(panel: str, lot: int, *, at: float = 0.0, label: str | None = None, boards: int = 1) -> PanelMade:
    return PanelMade(
        at=at,
        panel=panel,
        lot=lot,
        label=label or panel,
        boards=tuple(f"{panel}-{position}" for position in range(1, boards + 1)),
    )


def set_up(station: str, of: Lot, at: float) -> Iterator[AnyFact]:
    yield StateChanged(at=at, station=station, state="SDT_Setup")
    yield SetUp(at=at + 60.0, station=station, lot=of.number, recipe=of.recipe)
    yield StateChanged(at=at + 60.0, station=station, state="PRD_RegularWork")


def comes(station: str, panel: str, at: float, *, read: str | None = None, lane: int = 1) -> Iterator[AnyFact]:
    yield Arrived(at=at, station=station, panel=panel, lane=lane, read=read)
    yield WorkBegan(at=at, station=station, panel=panel, lane=lane, job=f"{panel}@{station}")


def goes(
    station: str, panel: str, at: float, *, read: str | None = None, lane: int = 1, result: str = "Completed"
) -> Iterator[AnyFact]:
    yield WorkEnded(at=at, station=station, panel=panel, lane=lane, job=f"{panel}@{station}", result=result)
    yield Departed(at=at, station=station, panel=panel, lane=lane, read=read)


def in_order(facts: list[AnyFact]) -> list[AnyFact]:
    return sorted(facts, key=lambda fact: fact.at)


def life(station: str, *, lane: int = 1, strange: bool = True) -> list[AnyFact]:
    """Two lots, a fault that stops it, a code that is not read. strange: one is read twice in a row, one taken out."""
    first, second = lot(1, "CTRL"), lot(2, "PSU")
    facts: list[AnyFact] = [*plan(first, second), *set_up(station, first, 10.0)]
    reads = ["PNL-1", "PNL-2", None, "PNL-4", "PNL-4" if strange else "PNL-5", "PNL-6", "PNL-7", "PNL-8"]
    for number, read in enumerate(reads, 1):
        panel = f"PNL-{number}"
        facts.append(made(panel, 1))
        facts += comes(station, panel, 100.0 + 25.0 * number, read=read, lane=lane)
        if number != 6 or not strange:
            facts += goes(station, panel, 200.0 + 25.0 * number, read=read, lane=lane, result="Failed" if number == 2 else "Completed")  # fmt: skip
    facts += [
        *([TakenOut(at=260.0, station=station, panel="PNL-6", lane=lane)] if strange else []),
        FaultRaised(at=300.0, station=station, occurrence="f-1", code="J-17", text="jam"),
        StateChanged(at=300.0, station=station, state="USD_Repair", fault="f-1"),
        FaultRaised(at=310.0, station=station, occurrence="f-2", code="J-17", text="jam, again"),
        FaultCleared(at=330.0, station=station, occurrence="f-1", operator="4711"),
        FaultCleared(at=340.0, station=station, occurrence="f-2", operator="4711"),
        StateChanged(at=341.0, station=station, state="PRD_RegularWork"),
        StateChanged(at=450.0, station=station, state="SBY_NoProductStarved"),
        *set_up(station, second, 500.0),
        made("PNL-21", 2),
        *comes(station, "PNL-21", 600.0, read="PNL-21", lane=lane),
        *goes(station, "PNL-21", 700.0, read="PNL-21", lane=lane),
    ]
    return in_order(facts)
