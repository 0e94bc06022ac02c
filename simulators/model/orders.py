"""Which lots come, one after the other."""

from __future__ import annotations

from collections import deque

from simulators.model.floor import Floor, Panel
from simulators.model.plan import Lot, Product
from simulators.model.scenario import Kind, Scenario

PRIMARY, SECONDARY = "PrimarySurface", "SecondarySurface"
_SECOND_SIDE_NEXT = 0.7  # assumption: share of lots that are turned over as soon as they can be


class Orders:
    """Which lots come: those ordered, then others at random, never the same product twice in a row if there are more.

    With two passes, the second side is made when all panels of the first have left the line.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._rng = floor.rng("orders")
        self._number = self._rng.randrange(1000, 9000)
        self._given = deque(floor.scenario.orders)
        self._products = _for_it(floor.scenario)
        self._last: str | None = None
        self._second: deque[tuple[Lot, list[Panel]]] = deque()

    def next(self) -> tuple[Lot, list[Panel]] | None:
        """A lot, with its panels if they have been here before; None when there are no more."""
        if self._second and (self._rng.random() < _SECOND_SIDE_NEXT or not self._more()):
            lot, panels = self._second.popleft()
            self._last = lot.product
            return lot, panels
        if self._given:
            order = self._given.popleft()
            return self.lot(self._floor.products[order.product], order.panels), []
        if not self._floor.scenario.lots:
            return None
        products = self._products
        product = self._rng.choice([each for each in products if each.name != self._last] or list(products))
        sizes = self._floor.scenario.lots
        size = self._rng.choices(sizes, [each.weight for each in sizes])[0]
        return self.lot(product, self._rng.randint(*size.panels)), []

    def lot(self, product: Product, panels: int, first: Lot | None = None) -> Lot:
        """first: the lot whose panels are turned over."""
        self._last = product.name
        self._number += 1
        order = f"WO-{self._number}" if first is None else first.order
        return Lot(
            number=self._number,
            order=order,
            batch=f"{order}-B{1 if first is None else 2}",
            product=product.name,
            surface=PRIMARY if first is None else SECONDARY,
            panels=panels,
        )

    def elsewhere(self, product: Product, panels: int) -> Lot:
        """A lot of another line."""
        last = self._last
        lot = self.lot(product, panels)
        self._last = last
        return lot

    def turn_over(self, lot: Lot, panels: list[Panel]) -> None:
        """All panels of a lot have left the line: the second side of those with a good board can be made."""
        panels = [each for each in panels if each.positions]
        if panels:
            self._second.append((self.lot(self._floor.products[lot.product], len(panels), lot), panels))

    def _more(self) -> bool:
        return bool(self._given or self._floor.scenario.lots)


def _for_it(scenario: Scenario) -> tuple[Product, ...]:
    """Products that come to one of its stations at least; all, where none does."""
    kinds = {each.kind for each in scenario.stations}
    found = scenario.products
    if kinds <= {Kind.SELECTIVE}:
        found = tuple(each for each in found if each.selective)
    elif kinds <= {Kind.XRAY}:
        found = tuple(each for each in found if each.xray)
    return found or scenario.products
