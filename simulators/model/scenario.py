"""What is simulated: the places of a line, what they make, how well, and what disturbs them. Plain data, from TOML too."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from simulators.model.figures import Figures, figures_of
from simulators.model.plan import Product

Range = tuple[float, float]
_MOST_BOARDS = 12
_BY_STATION = ("count_only", "buffered_burst", "local_time_without_zone", "constant_unique_ids")
_PROBABILITIES = (
    *("x_outs", "unreadable_labels", "missing_labels"),
    *("taken_out_and_back", "identical_retest", "duplicate_unique_ids"),
)
_LONGEST_NAME = 12
"""With `-Pri` behind it, a program's name fits 16 characters."""


class ScenarioError(ValueError):
    """A scenario that cannot be simulated: what is wrong and where."""


class Kind(StrEnum):
    """What stands at a station; the names are those of the gateway's machine classes."""

    LOADER = "magazine_loader"
    READER = "barcode_reader"
    PRINTER = "solder_paste_printer"
    SPI = "spi"
    PLACER = "pick_and_place"
    OVEN = "reflow_oven"
    AOI = "aoi"
    REVIEW = "review_station"
    SELECTIVE = "selective_soldering"
    XRAY = "axi"
    TEST = "electrical_test"


OFF_LINE = (Kind.XRAY, Kind.TEST)
"""Panels are carried there by hand, some time after they have left the line."""


class Station(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place. Stations of a line stand in the order in which panels pass them.

    reads: it has a reader for labels. lanes: how many it has, used as far as the line uses them. figures: instead of
    those that are usual for its kind.
    """

    id: str
    kind: Kind
    reads: bool = True
    lanes: int = 2
    figures: Figures | None = None

    @property
    def usual(self) -> Figures:
        """Its figures: its own, or those of its kind."""
        return self.figures or figures_of(self.kind.value)

    @property
    def in_line(self) -> bool:
        """Panels pass it on the conveyor; a review station stands beside one."""
        return self.kind not in OFF_LINE and self.kind is not Kind.REVIEW


class Switches(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes integration hard. As they are here: what happens on any line now and then, and nothing else.

    Probabilities: x_outs of a board being bad from the start; unreadable_labels of one reading; missing_labels of a
    panel; taken_out_and_back of a panel on its way; identical_retest of a panel that failed being tested once more
    with exactly the same figures; duplicate_unique_ids of a message (for machines that speak CFX).
    What a machine says, by the ids of the stations where it is so: count_only (it counts, and tells no identifiers),
    buffered_burst (it loses its connection now and then, and sends all at once afterwards), local_time_without_zone,
    constant_unique_ids. The model knows nothing of these; the voices do.
    second_side: two-sided products come back for it. label_applied_mid_line: labels are put on in the middle of the
    line. reused_carriers, reused_magazines: the same identifiers come again and again. clock_change: clocks that tell
    local time without a zone are put back by an hour in the middle of the shift.
    """

    x_outs: float = 0.005  # assumption: boards marked bad by their maker, 0.5 %
    unreadable_labels: float = 0.003  # assumption; readers are sold with 99.9 % and better on clean labels
    missing_labels: float = 0.0
    label_applied_mid_line: bool = False
    second_side: bool = False
    taken_out_and_back: float = 0.0
    reused_carriers: bool = False
    reused_magazines: bool = False
    count_only: tuple[str, ...] = ()
    buffered_burst: tuple[str, ...] = ()
    local_time_without_zone: tuple[str, ...] = ()
    clock_change: bool = False
    duplicate_unique_ids: float = 0.0
    constant_unique_ids: tuple[str, ...] = ()
    identical_retest: float = 0.0


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shifts follow each other round and round. operators: so many for the whole line."""

    name: str
    hours: float = 8.0
    operators: int = 3


class LotSize(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many panels (from, to), as often as `weight` says."""

    panels: tuple[int, int]
    weight: float


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lot that is made before lots are drawn at random."""

    product: str
    panels: int


MIXED = (
    # Assumption, as high-mix, low-volume makers describe their work: half of all lots are a dozen panels or fewer.
    LotSize(panels=(1, 4), weight=20.0),
    LotSize(panels=(5, 12), weight=35.0),
    LotSize(panels=(13, 40), weight=32.0),
    LotSize(panels=(41, 120), weight=11.0),
    LotSize(panels=(121, 300), weight=2.0),
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that, with a seed, decides what happens.

    orders: lots that come first. lanes: of the line, 1 or 2. takt: seconds between panels that the line begins, when
    it can take them. first_article: in lots of at least so many panels one goes first and the others wait for its
    inspection; 0: never. tested: share of the panels that are tested electrically, where there is a tester. other_line:
    seconds between the panels that another line brings to the X-ray. scan: seconds between measured values of the oven;
    selective soldering takes twice as long. faults, defects: times as many as is usual, 0 for none. hours, panels:
    nothing is begun after that; then the line runs empty, which may take an hour or two off line, and the facts end.
    """

    stations: tuple[Station, ...]
    products: tuple[Product, ...]
    lots: tuple[LotSize, ...] = MIXED
    orders: tuple[Order, ...] = ()
    lanes: int = 1
    takt: Range = (20.0, 24.0)
    first_article: int = 5
    tested: float = 0.5
    other_line: Range = (300.0, 1500.0)
    scan: float = 5.0  # assumption, as trend recorders of ovens are set
    faults: float = 1.0
    defects: float = 1.0
    shifts: tuple[Shift, ...] = (Shift(name="early"), Shift(name="late"), Shift(name="night", operators=2))
    hours: float | None = None
    panels: int | None = None
    switches: Switches = Switches()

    def __post_init__(self) -> None:
        for where, message in _wrong(self):
            raise ScenarioError(f"{where}: {message}")

    @property
    def line(self) -> tuple[Station, ...]:
        """The stations that panels pass, in order."""
        return tuple(each for each in self.stations if each.in_line)

    def of(self, *kinds: Kind) -> tuple[Station, ...]:
        return tuple(each for each in self.stations if each.kind in kinds)

    def station(self, name: str) -> Station:
        """Raises ScenarioError when there is none of that id."""
        for each in self.stations:
            if each.id == name:
                return each
        raise ScenarioError(f"station {name!r}: not in the scenario, which has {[each.id for each in self.stations]}")

    def only(self, name: str) -> Scenario:
        """That station alone, with panels that come from nowhere; a review station keeps the AOIs whose findings it
        reviews. Raises ScenarioError when there is none of that id.
        """
        station = self.station(name)
        kept = (*self.of(Kind.AOI), station) if station.kind is Kind.REVIEW else (station,)
        ids = [each.id for each in kept]
        said = {switch: tuple(each for each in getattr(self.switches, switch) if each in ids) for switch in _BY_STATION}
        switches = msgspec.structs.replace(self.switches, **said)
        return msgspec.structs.replace(self, stations=kept, switches=switches)

    def all_switches(self) -> Scenario:
        """The same with every switch on, each as far as a line can still be run with it."""

        def ids(*kinds: Kind) -> tuple[str, ...]:
            return tuple(each.id for each in self.of(*kinds))

        switches = Switches(
            x_outs=0.03,
            unreadable_labels=0.02,
            missing_labels=0.01,
            label_applied_mid_line=True,
            second_side=True,
            taken_out_and_back=0.02,
            reused_carriers=True,
            reused_magazines=True,
            count_only=ids(Kind.OVEN, Kind.SELECTIVE),
            buffered_burst=ids(Kind.PLACER),
            local_time_without_zone=ids(Kind.XRAY, Kind.TEST),
            clock_change=True,
            duplicate_unique_ids=0.01,
            constant_unique_ids=ids(Kind.PRINTER),
            identical_retest=0.5,
        )
        return msgspec.structs.replace(self, switches=switches)


def _wrong(scenario: Scenario) -> list[tuple[str, str]]:
    found = []
    ids = [each.id for each in scenario.stations]
    products = [each.name for each in scenario.products]
    if not scenario.stations:
        found.append(("stations", "there must be at least one"))
    for what, names in (("stations", ids), ("products", products)):
        found += [(what, f"{name!r} twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    if not scenario.products:
        found.append(("products", "there must be at least one"))
    if scenario.of(Kind.REVIEW) and not scenario.of(Kind.AOI):
        found.append(("stations", "a review station needs an aoi whose findings it reviews"))
    loaders = scenario.of(Kind.LOADER)
    if loaders and scenario.line[:1] != loaders:
        found.append(("stations", "a loader stands at the beginning of the line, once"))
    for product in scenario.products:
        found += [(f"product {product.name}", each) for each in _wrong_product(product)]
    found += [
        ("orders", f"product {each.product!r} is unknown; there are {products}")
        for each in scenario.orders
        if each.product not in products
    ]
    found += [("orders", f"{each.panels} panels: at least 1") for each in scenario.orders if each.panels < 1]
    if not scenario.lots and not scenario.orders:
        found.append(("lots", "there are neither lots nor orders"))
    for size in scenario.lots:
        low, high = size.panels
        if not 1 <= low <= high or size.weight <= 0:
            found.append(("lots", f"{low} to {high} panels with weight {size.weight}: 1 to more, and above 0"))
    if scenario.lanes not in (1, 2):
        found.append(("lanes", f"{scenario.lanes}: 1 or 2"))
    if not scenario.shifts or any(each.operators < 1 or each.hours <= 0 for each in scenario.shifts):
        found.append(("shifts", "there must be one at least, each with hours and an operator"))
    found += _wrong_numbers(scenario)
    for switch in _BY_STATION:
        found += [
            (f"switches.{switch}", f"station {name!r} is not in the scenario, which has {ids}")
            for name in getattr(scenario.switches, switch)
            if name not in ids
        ]
    return found


def _wrong_numbers(scenario: Scenario) -> list[tuple[str, str]]:
    found = []
    for name in _PROBABILITIES:
        value = getattr(scenario.switches, name)
        if not 0 <= value <= 1:
            found.append((f"switches.{name}", f"{value}: a probability, 0 to 1"))
    if not 0 <= scenario.tested <= 1:
        found.append(("tested", f"{scenario.tested}: a share, 0 to 1"))
    for name in ("hours", "panels"):
        limit = getattr(scenario, name)
        if limit is not None and limit <= 0:
            found.append((name, f"{limit}: above 0, or left out for a line that never ends"))
    for name, (low, high) in (
        ("takt", scenario.takt),
        ("other_line", scenario.other_line),
        ("scan", (scenario.scan, scenario.scan)),
    ):
        if not 0 < low <= high:
            found.append((name, f"{low} to {high}: seconds above 0, the lower first"))
    for name, times in (("faults", scenario.faults), ("defects", scenario.defects)):
        if times < 0:
            found.append((name, f"{times}: 0 or more"))
    return found


def _wrong_product(product: Product) -> list[str]:
    found = []
    if not 1 <= product.boards <= _MOST_BOARDS:
        found.append(f"{product.boards} boards, allowed 1 to {_MOST_BOARDS}")
    if not 1 <= len(product.name) <= _LONGEST_NAME:
        found.append(f"its name has {len(product.name)} characters, allowed 1 to {_LONGEST_NAME}")
    if len(product.zones) != 10 or product.belt <= 0:
        found.append("the oven needs ten zones and a belt speed above 0")
    parts = [part.number for part in product.parts]
    found += [
        f"part {line.part!r} of its bill is not among its parts" for line in product.bill if line.part not in parts
    ]
    if not any(line.designators for line in product.bill):
        found.append("its bill is empty")
    return found


def loads(text: str, base: Scenario | None = None) -> Scenario:
    """From TOML. What it does not say is as in `base`, of the switches each; without it stations and products must be
    there. Raises ScenarioError with the path of what is wrong in it.
    """
    try:
        said = tomllib.loads(text)
        if base is not None:
            usual: dict[str, Any] = msgspec.to_builtins(base)
            switches = said.get("switches", {})
            merged = usual["switches"] | switches if isinstance(switches, dict) else switches
            said = usual | said | {"switches": merged}
        return msgspec.convert(said, Scenario)
    except tomllib.TOMLDecodeError as exc:
        raise ScenarioError(f"no TOML: {exc}") from exc
    except msgspec.ValidationError as exc:
        raise ScenarioError(str(exc)) from exc


def load(path: Path, base: Scenario | None = None) -> Scenario:
    """The same from a file. Raises ScenarioError, which names the file, and OSError."""
    try:
        return loads(path.read_text(encoding="utf-8"), base)
    except ScenarioError as exc:
        raise ScenarioError(f"{path}: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise ScenarioError(f"{path}: not UTF-8: {exc}") from exc


def dumps(scenario: Scenario) -> bytes:
    """Canonical JSON: the same scenario, the same bytes."""
    return msgspec.json.encode(scenario, order="deterministic")
