"""What really happens on the simulated line, as plain data: the truth that a journal is compared with.

A fact is true whether or not any machine notices. `at` is in seconds of virtual time, `station` the id of the place
where it happens, empty for the whole line. Facts come in one order, that of time, and the same seed gives the same.
A panel is named by its `key` everywhere: nothing ever reads that; what can be read is on its label.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from simulators.model.plan import Lot, Product


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="what", tag=str.lower):
    """at: virtual second, whole milliseconds. station: `L1.pnp1`, or empty."""

    at: float
    station: str = ""


# The whole line


class ProductKnown(Fact, frozen=True, kw_only=True, tag="product-known"):
    """Somebody has written the programs for it. Comes before anything else names the product."""

    product: Product


class LotReleased(Fact, frozen=True, kw_only=True, tag="lot-released"):
    """The lot is next."""

    lot: Lot


class PanelMade(Fact, frozen=True, kw_only=True, tag="panel-made"):
    """A panel comes into being for the line, or comes back to it for its second side.

    label: what is printed on it as its identifier; None while there is none. boards: identifiers of its boards in the
    order of their positions, from 1. x_outs: positions marked bad, where nothing is done. carrier, magazine: what it
    lies on and came in, identifiers that come back again and again.
    """

    panel: str
    lot: int
    label: str | None
    boards: tuple[str, ...]
    x_outs: tuple[int, ...] = ()
    carrier: str | None = None
    magazine: str | None = None


class Labelled(Fact, frozen=True, kw_only=True, tag="labelled"):
    """It gets its label, at that station."""

    panel: str
    label: str


class ShiftBegan(Fact, frozen=True, kw_only=True, tag="shift-began"):
    """operators: badge numbers by station."""

    shift: str
    operators: dict[str, str]


class Scrapped(Fact, frozen=True, kw_only=True, tag="scrapped"):
    """A board, or with position None all of the panel, is thrown away; its machine may not know."""

    panel: str
    position: int | None
    reason: str


class TakenOut(Fact, frozen=True, kw_only=True, tag="taken-out"):
    """Somebody takes the panel off the line by hand, at or inside that station. No machine sees it."""

    panel: str
    lane: int


class PutBack(Fact, frozen=True, kw_only=True, tag="put-back"):
    """Somebody puts it back by hand, before that station; perhaps in another order."""

    panel: str
    lane: int


# A machine


class Switched(Fact, frozen=True, kw_only=True, tag="switched"):
    """On or off. on=False: power is gone; what it counted may be lost."""

    on: bool


class StateChanged(Fact, frozen=True, kw_only=True, tag="state-changed"):
    """state: name of a CFX ResourceState (SEMI E10, E58), such as `PRD_RegularWork`. fault: occurrence behind it."""

    state: str
    fault: str | None = None


class SetUp(Fact, frozen=True, kw_only=True, tag="set-up"):
    """The changeover is over: the machine runs that lot's program. recipe: its name. Comes before panels of the lot."""

    lot: int
    recipe: str


class Arrived(Fact, frozen=True, kw_only=True, tag="arrived"):
    """A panel is in the machine's inlet. read: what its reader made of the label; None: nothing, or no reader."""

    panel: str
    lane: int
    read: str | None = None


class WorkBegan(Fact, frozen=True, kw_only=True, tag="work-began"):
    """job: a name for this work, unique on the line."""

    panel: str
    lane: int
    job: str


class WorkEnded(Fact, frozen=True, kw_only=True, tag="work-ended"):
    """Comes after what was done or found in this job. result: of CFX WorkResult."""

    panel: str
    lane: int
    job: str
    result: str = "Completed"


class Departed(Fact, frozen=True, kw_only=True, tag="departed"):
    """It has left towards the next station. read: what a reader at the outlet made of its label."""

    panel: str
    lane: int
    read: str | None = None


class Scanned(Fact, frozen=True, kw_only=True, tag="scanned"):
    """It passes a barcode reader. read: None when it could not be read."""

    panel: str
    lane: int
    read: str | None


class MagazineChanged(Fact, frozen=True, kw_only=True, tag="magazine-changed"):
    """came: it is in the loader or unloader now; else it is taken away."""

    magazine: str
    came: bool


class FaultRaised(Fact, frozen=True, kw_only=True, tag="fault-raised"):
    """occurrence: a GUID, the same when it is cleared. code: of the machine's own list. severity: of CFX.

    job, designator, feeder: where it happened, as far as it happened to something.
    """

    occurrence: str
    code: str
    text: str
    severity: str = "Error"
    lane: int | None = None
    job: str | None = None
    designator: str | None = None
    feeder: int | None = None


class FaultAcknowledged(Fact, frozen=True, kw_only=True, tag="fault-acknowledged"):
    """Somebody stands before it."""

    occurrence: str
    operator: str


class FaultCleared(Fact, frozen=True, kw_only=True, tag="fault-cleared"):
    """It is over."""

    occurrence: str
    operator: str


class Measured(Fact, frozen=True, kw_only=True, tag="measured"):
    """What can be measured at the machine now, by signal of its class's vocabulary: `zone.temperature[3]`, in its unit."""

    values: dict[str, float]


# What machines do


class Printed(Fact, frozen=True, kw_only=True, tag="printed"):
    """Paste is printed. pressure: N; speed: mm/s; separation: mm/s; offsets: mm, degrees; seconds: of the stroke."""

    panel: str
    job: str
    direction: str
    pressure: float
    speed: float
    separation: float
    offset: tuple[float, float, float]
    seconds: float


class StencilCleaned(Fact, frozen=True, kw_only=True, tag="stencil-cleaned"):
    """mode: W wet, V vacuum, D dry. prints, seconds: since the cleaning before. took: seconds."""

    stencil: str
    mode: str
    prints: int
    seconds: float
    took: float


class ReelMoved(Fact, frozen=True, kw_only=True, tag="reel-moved"):
    """How: loaded, unloaded, or spliced onto the one before. batch: the maker's lot. left: components on it."""

    how: ReelHow
    slot: int
    feeder: str
    reel: str
    part: str
    batch: str
    left: int


class ReelHow(StrEnum):
    LOADED = "loaded"
    UNLOADED = "unloaded"
    SPLICED = "spliced"


class Component(msgspec.Struct, frozen=True, array_like=True):
    """One component on one board. second: after the beginning of the job."""

    position: int
    designator: str
    slot: int
    reel: str
    second: float


class Placed(Fact, frozen=True, kw_only=True, tag="placed"):
    """All that one machine has placed in one job; missed: picked, and thrown away."""

    panel: str
    job: str
    components: tuple[Component, ...]
    missed: tuple[Component, ...] = ()


class Measure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measurement. component: designator, pin or net. unit: UCUM. Limits and value in it."""

    name: str
    component: str
    value: float
    unit: str
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool = True


class Defect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a machine calls a defect. code: as IPC-7912 names them. real: there is one; else it is a false call.

    cause: the station where it came from and what went wrong there, for a real one.
    """

    id: str
    component: str
    code: str
    real: bool = True
    cause: str | None = None


class BoardResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found on one board. skipped: an X-out, not looked at."""

    position: int
    board: str
    passed: bool = True
    skipped: bool = False
    defects: tuple[Defect, ...] = ()
    measures: tuple[Measure, ...] = ()


class Inspected(Fact, frozen=True, kw_only=True, tag="inspected"):
    """SPI, AOI or X-ray have looked at a panel. count: of things looked at."""

    panel: str
    job: str
    boards: tuple[BoardResult, ...]
    count: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says to a defect of the AOI. confirmed: it is one."""

    position: int
    defect: str
    confirmed: bool


class Reviewed(Fact, frozen=True, kw_only=True, tag="reviewed"):
    """A person has looked at the AOI's defects. job: that of the AOI. May come minutes later, and never."""

    panel: str
    job: str
    operator: str
    verdicts: tuple[Verdict, ...]


class Soldered(Fact, frozen=True, kw_only=True, tag="soldered"):
    """The panel has been through the oven or over the solder. values: by signal of the class, when it left."""

    panel: str
    job: str
    values: dict[str, float] = {}


class Tested(Fact, frozen=True, kw_only=True, tag="tested"):
    """A panel on the flying probe. attempt: from 1; a retest can say exactly the same again."""

    panel: str
    job: str
    attempt: int
    boards: tuple[BoardResult, ...]


class Repaired(Fact, frozen=True, kw_only=True, tag="repaired"):
    """Somebody has mended one component of one board."""

    panel: str
    position: int
    component: str
    operator: str


AnyFact = (
    ProductKnown
    | LotReleased
    | PanelMade
    | Labelled
    | ShiftBegan
    | Scrapped
    | TakenOut
    | PutBack
    | Switched
    | StateChanged
    | SetUp
    | Arrived
    | WorkBegan
    | WorkEnded
    | Departed
    | Scanned
    | MagazineChanged
    | FaultRaised
    | FaultAcknowledged
    | FaultCleared
    | Measured
    | Printed
    | StencilCleaned
    | ReelMoved
    | Placed
    | Inspected
    | Reviewed
    | Soldered
    | Tested
    | Repaired
)
