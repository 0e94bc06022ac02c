"""Panels with all that is printed on them: labels, bad boards, carriers."""

from __future__ import annotations

from collections import deque

from simulators.model.facts import PanelMade
from simulators.model.floor import Floor, Panel
from simulators.model.plan import Lot

_CARRIERS = 60  # assumption: twice as many as the line holds


class Making:
    """Panels, with all that is printed on them. serial numbers go up; what is reused comes again in its turn."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._rng = floor.rng("panels")
        self._number = self._rng.randrange(100_000, 900_000)
        self._carriers = deque(f"CAR{number:04d}" for number in range(1, _CARRIERS + 1))
        self._lane = 0

    def panel(self, lot: Lot, *, foreign: bool = False) -> Panel:
        product, rng, switches = self._floor.products[lot.product], self._rng, self._floor.switches
        number, self._number = self._number, self._number + 1
        label = f"{'X' if foreign else 'P'}NL{number:07d}"
        good = rng.random() >= switches.missing_labels
        late = switches.label_applied_mid_line and not foreign
        boards = tuple(f"SN{number:07d}{position:02d}" for position in range(1, product.boards + 1))
        if product.by_board and product.boards == 1:
            boards = (label,)  # a panel of one board is the board
        x_outs = tuple(position for position in range(1, product.boards + 1) if rng.random() < switches.x_outs)
        self._lane = self._lane % self._floor.scenario.lanes + 1
        return Panel(
            key=f"panel-{number}",
            number=number,
            lot=lot,
            product=product,
            lane=1 if foreign else self._lane,
            label=label if good and not late else None,
            wanted=label if good and late else None,
            boards=boards,
            x_outs=x_outs if len(x_outs) < product.boards else (),  # nobody would send one without a good board
            foreign=foreign,
        )

    def carry(self, panel: Panel) -> None:
        if self._floor.switches.reused_carriers and not panel.foreign:
            panel.carrier = self._carriers.popleft() if self._carriers else f"CAR{panel.number:07d}"

    def free(self, panel: Panel) -> None:
        """Its carrier goes back."""
        if panel.carrier is not None:
            self._carriers.append(panel.carrier)
            panel.carrier = None

    def made(self, panel: Panel, station: str, magazine: str | None) -> None:
        self._floor.say(
            PanelMade(
                at=self._floor.now,
                station=station,
                panel=panel.key,
                lot=panel.lot.number,
                label=panel.label,
                boards=panel.boards,
                x_outs=panel.x_outs,
                carrier=panel.carrier,
                magazine=magazine,
            )
        )
