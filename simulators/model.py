"""What a simulated line consists of: products, parts, machines and the running order. Plain data.

Where the figures come from (all are settings). Placement time: 10,000 components an hour, the slow end of
what flexible placers are sold with under IPC-9850, is 0.36 s a component; with 40 to 64 components a panel
and some seconds for loading, alignment and unloading, a panel takes 20 to 30 s, within the 15 to 40 s that
are usual. How often machines stop, and change-overs of a few minutes between small lots, are assumptions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Part:
    """A component on tape. prefix: of its reference designators; widths in mm; nozzle: which one picks it."""

    number: str
    package: str
    prefix: str
    nozzle: str
    tape_width: float = 8.0
    tape_pitch: float = 4.0


class Naming(StrEnum):
    """How the messages name the boards of a panel (both forms are usual in CFX)."""

    PANEL = "panel"  # every board by the panel's id, told apart by position
    BOARD = "board"  # every board by an id of its own


@dataclass(frozen=True, slots=True)
class Product:
    """A panel of 1 to 8 equal boards. bills: for each machine, its parts with the number a board takes."""

    name: str
    revision: str
    boards: int
    naming: Naming
    bills: tuple[tuple[tuple[Part, int], ...], ...]


@dataclass(frozen=True, slots=True)
class Lot:
    """`panels` panels of one product, run on one program."""

    number: int
    work_order: str
    batch: str
    product: Product
    panels: int

    @property
    def recipe(self) -> str:
        return f"{self.product.name}-TOP"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel on its way through the line. skipped: positions marked bad, where nothing is placed."""

    id: str
    lot: Lot
    boards: tuple[str, ...]
    skipped: frozenset[int]


@dataclass(frozen=True, slots=True)
class MachineModel:
    """One placement machine. Times in seconds of virtual time; a pair is the range that one is drawn from.

    load, align, unload: around the placing of one panel; tact: per component. patience: how long it waits
    before it calls itself starved or blocked. first_setup, changeover: before the first lot and between
    lots. stop_probability: of a fault that needs an operator, per stage of a panel. walk, repair: until the
    operator is there, and then until it is mended. reel: components left on a reel when it is mounted.
    """

    handle: str
    vendor: str = "SMTPlus"
    stages: tuple[str, ...] = ("STAGE1", "STAGE2")
    lane: int = 1
    boot: float = 42.0
    load: float = 3.0
    align: float = 3.0
    unload: float = 1.5
    tact: float = 0.36
    patience: float = 6.0
    heartbeat: float = 60.0
    first_setup: float = 8.0
    changeover: tuple[float, float] = (90.0, 240.0)
    stop_probability: float = 0.03
    walk: tuple[float, float] = (8.0, 40.0)
    repair: tuple[float, float] = (10.0, 60.0)
    reel: tuple[int, int] = (400, 2000)


@dataclass(frozen=True, slots=True)
class LineModel:
    """Machines in the order in which panels pass them, what they make, and what happens at both ends.

    Times in seconds of virtual time. transit: from one machine to the next. takt: between panels that come
    to the first. lot: panels in one. bad_mark: probability that a board of a panel is to be skipped.
    upstream_stop, downstream_stop: probability per panel that the neighbour outside the line holds up;
    stop: for how long.
    """

    machines: tuple[MachineModel, ...]
    products: tuple[Product, ...]
    transit: float = 2.5
    takt: tuple[float, float] = (22.0, 28.0)
    lot: tuple[int, int] = (12, 40)
    bad_mark: float = 0.01
    upstream_stop: float = 0.03
    downstream_stop: float = 0.03
    stop: tuple[float, float] = (40.0, 150.0)

    def __post_init__(self) -> None:
        for product in self.products:
            if not 1 <= product.boards <= 8:
                raise ValueError(f"product {product.name}: {product.boards} boards, allowed 1 to 8")
            if len(product.bills) != len(self.machines):
                raise ValueError(f"product {product.name}: {len(product.bills)} bills, {len(self.machines)} machines")


def running_order(model: LineModel, rng: random.Random) -> Iterator[Lot]:
    """The lots, without end; two neighbours never make the same product when there are several."""
    number = rng.randrange(1000, 9000)
    last: Product | None = None
    while True:
        choice = [product for product in model.products if product is not last] or list(model.products)
        last = rng.choice(choice)
        work_order = f"WO-{number}"
        yield Lot(number, work_order, f"{work_order}-B1", last, rng.randint(*model.lot))
        number += 1


_R0402 = Part("RES-10K-0402", "0402", "R", "N0402")
_C0402 = Part("CAP-100N-0402", "0402", "C", "N0402")
_C0805 = Part("CAP-10U-0805", "0805", "C", "N0805")
_LED = Part("LED-GN-0603", "0603", "D", "N0603")
_SOT23 = Part("FET-N-SOT23", "SOT-23", "Q", "N0805")
_SOIC8 = Part("OPA-2X-SOIC8", "SOIC-8", "U", "NSOIC", 12.0, 8.0)
_QFN32 = Part("MCU-M0-QFN32", "QFN-32", "U", "NQFN", 12.0, 8.0)

DEMO_PRODUCTS = (
    Product(
        "CTRL-100",
        "C",
        4,
        Naming.PANEL,
        (((_R0402, 7), (_C0402, 5)), ((_C0805, 6), (_SOT23, 4), (_QFN32, 1))),
    ),
    Product(
        "PWR-20",
        "A",
        1,
        Naming.BOARD,
        (((_R0402, 24), (_C0402, 18)), ((_C0805, 20), (_SOT23, 12), (_SOIC8, 8))),
    ),
    Product("SENS-8", "B", 8, Naming.BOARD, (((_R0402, 4), (_C0402, 3)), ((_LED, 3), (_SOT23, 2), (_SOIC8, 1)))),
)


def demo_line(*, heartbeat: float = 60.0) -> LineModel:
    """The two machines of the packaged configuration; `heartbeat` in seconds of virtual time."""
    return LineModel(
        machines=(
            MachineModel("SMTPlus.Model_21232.SN23123", heartbeat=heartbeat),
            MachineModel("SMTPlus.Model_21232.SN23124", heartbeat=heartbeat),
        ),
        products=DEMO_PRODUCTS,
    )
