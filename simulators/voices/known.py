"""What everybody at the line knows: products, lots, panels and their labels, who stands where, which program runs."""

from __future__ import annotations

from simulators.model.facts import (
    AnyFact,
    Arrived,
    Departed,
    Labelled,
    LotReleased,
    PanelMade,
    ProductKnown,
    Scanned,
    Scrapped,
    SetUp,
    ShiftBegan,
    WorkBegan,
    WorkEnded,
)
from simulators.model.plan import Lot, Product


class Known:
    """For one station; hears the facts of all. Forgets panels that are scrapped, and jobs that are over.

    lots by number, products by name, panels by key (a panel that comes back is made again). operator: who stands there.
    recipe: the program that is set up there.
    """

    def __init__(self, station: str) -> None:
        self.station = station
        self.products: dict[str, Product] = {}
        self.lots: dict[int, Lot] = {}
        self.panels: dict[str, PanelMade] = {}
        self.operator: str | None = None
        self.recipe: str | None = None
        self._labels: dict[str, str] = {}
        self._reads: dict[str, str | None] = {}
        self._began: dict[str, float] = {}

    def hear(self, fact: AnyFact) -> None:
        match fact:
            case ProductKnown():
                self.products[fact.product.name] = fact.product
            case LotReleased():
                self.lots[fact.lot.number] = fact.lot
            case PanelMade():
                self.panels[fact.panel] = fact
                if fact.label is not None:
                    self._labels[fact.panel] = fact.label
            case Labelled():
                self._labels[fact.panel] = fact.label
            case ShiftBegan():
                self.operator = fact.operators.get(self.station)
            case Scrapped() if fact.position is None:
                for kept in (self.panels, self._labels, self._reads):
                    kept.pop(fact.panel, None)
            case _ if fact.station == self.station:
                self._here(fact)

    def _here(self, fact: AnyFact) -> None:
        match fact:
            case SetUp():
                self.recipe = fact.recipe
            case Arrived() | Scanned():
                self._reads[fact.panel] = fact.read
            case WorkBegan():
                self._began[fact.job] = fact.at
            case WorkEnded():
                self._began.pop(fact.job, None)
            case Departed():
                self._reads.pop(fact.panel, None)

    def label(self, panel: str) -> str | None:
        """What is printed on it by now."""
        return self._labels.get(panel)

    def read(self, panel: str) -> str | None:
        """What the machine made of its label when it came; the label itself where nobody says that it came."""
        return self._reads[panel] if panel in self._reads else self._labels.get(panel)

    def began(self, job: str) -> float | None:
        """Virtual second at which this work began."""
        return self._began.get(job)

    def lot(self, panel: str) -> Lot | None:
        made = self.panels.get(panel)
        return None if made is None else self.lots.get(made.lot)

    def program(self, panel: str) -> tuple[str | None, str | None]:
        """Name and revision of what the machine runs for this panel: what is set up, else, off line, its lot's."""
        lot = self.lot(panel)
        product = None if lot is None else self.products.get(lot.product)
        name = self.recipe or (None if lot is None else lot.recipe)
        return name, None if product is None else product.revision
