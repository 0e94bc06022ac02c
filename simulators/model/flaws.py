"""How something goes wrong on a board, what becomes of it from machine to machine, and who sees it.

Shares are for one component. Good lines make some tens of defects per million opportunities; these are several times as
many, so that a shift holds enough of each to look at. All are assumptions unless something else stands beside them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from simulators.model.floor import Flaw, Floor, Panel, Spot

LITTLE_PASTE, MUCH_PASTE = "insufficient paste", "excess paste"
MISSING, SHIFTED = "missing", "shifted"
OPEN, TOMBSTONE, BRIDGE, VOID = "open", "tombstone", "bridge", "void"

# Most solder defects come from printing: 60 to 74 % is what makers of printers and of inspection say again and again.
PRINTING = 120e-6
DIRTY = 4.0
"""So many times as often just before the stencil is cleaned."""
PLACING = 60e-6
SOLDERING = 20e-6

_CHIPS = ("0402", "0603", "0805", "1210")
_SEEN_BY_SPI = 0.9
_SEEN_BY_AOI = {OPEN: 0.85, TOMBSTONE: 0.99, BRIDGE: 0.95, MISSING: 0.995, SHIFTED: 0.95}
_SEEN_BY_TEST = {OPEN: 0.98, TOMBSTONE: 1.0, BRIDGE: 0.98, MISSING: 0.99, SHIFTED: 0.3}
_FALSE_CALLS_SPI = 40e-6
_FALSE_CALLS_AOI = 500e-6  # false calls are told of in hundreds to some thousands per million inspected
_VOIDS = 5e-3
"""Of a package with joints under it."""


def hidden_joints(spot: Spot) -> bool:
    """Its joints are under it, where only X-rays see them."""
    return spot.part.package.startswith(("BGA", "QFN"))


def spread(floor: Floor, panel: Panel, share: float, rng: random.Random, station: str = "") -> list[tuple[int, Spot]]:
    """Places on good boards, each with that probability: drawn in steps from one to the next, since it is small.

    station: only what is placed there.
    """
    spots = [spot for spot in floor.spots[panel.product.name] if not station or spot.station == station]
    positions = panel.positions
    share = min(share * floor.scenario.defects, 0.5)
    found: list[tuple[int, Spot]] = []
    if share <= 0 or not spots:
        return found
    total, at = len(spots) * len(positions), 0
    while True:
        at += int(rng.expovariate(share)) + 1
        if at > total:
            return found
        found.append((positions[(at - 1) // len(spots)], spots[(at - 1) % len(spots)]))


def printed(floor: Floor, panel: Panel, station: str, dirt: float, rng: random.Random) -> None:
    """dirt: 0 to 1, how near the next cleaning is."""
    for position, spot in spread(floor, panel, PRINTING * (1 + (DIRTY - 1) * dirt), rng):
        what = LITTLE_PASTE if rng.random() < 0.75 else MUCH_PASTE
        _add(panel, position, spot, what, f"{station}: {what}")


def placed(floor: Floor, panel: Panel, station: str, rng: random.Random) -> None:
    for position, spot in spread(floor, panel, PLACING, rng, station):
        what = MISSING if rng.random() < 0.5 else SHIFTED
        _add(panel, position, spot, what, f"{station}: component {what}")


def soldered(floor: Floor, panel: Panel, station: str, rng: random.Random) -> None:
    """What paste and placement make of themselves in the oven; some of it comes right."""
    spots = {spot.designator: spot for spot in floor.spots[panel.product.name]}
    kept = []
    for flaw in panel.flaws:
        chance = rng.random()
        if flaw.what == LITTLE_PASTE:
            chip = spots[flaw.component].part.package in _CHIPS
            flaw.what = TOMBSTONE if chip and chance < 0.3 else OPEN
            keep = chance < 0.85
        elif flaw.what == MUCH_PASTE:
            flaw.what, keep = BRIDGE, chance < 0.6
        else:
            keep = flaw.what != SHIFTED or chance < 0.7  # small ones swim into place
        if keep:
            kept.append(flaw)
    panel.flaws[:] = kept
    for position, spot in spread(floor, panel, SOLDERING, rng):
        if spot.part.package in _CHIPS:
            _add(panel, position, spot, TOMBSTONE, f"{station}: heated unevenly")
    for position in panel.positions:
        for spot in spots.values():
            if hidden_joints(spot) and rng.random() < _VOIDS * floor.scenario.defects:
                _add(panel, position, spot, VOID, f"{station}: gas in the joint")


def seen_by_spi(flaw: Flaw, rng: random.Random) -> bool:
    return flaw.what in (LITTLE_PASTE, MUCH_PASTE) and rng.random() < _SEEN_BY_SPI


def seen_by_aoi(flaw: Flaw, side: str, rng: random.Random) -> bool:
    """side: the one that it looks at."""
    return flaw.side == side and rng.random() < _SEEN_BY_AOI.get(flaw.what, 0.0)


def seen_by_test(flaw: Flaw, rng: random.Random) -> bool:
    return rng.random() < _SEEN_BY_TEST.get(flaw.what, 0.0)


def false_calls_aoi(floor: Floor, panel: Panel, rng: random.Random) -> Iterator[tuple[int, Spot, str]]:
    for position, spot in spread(floor, panel, _FALSE_CALLS_AOI, rng):
        yield position, spot, rng.choice((OPEN, SHIFTED, BRIDGE, "polarity"))


def false_calls_spi(floor: Floor, panel: Panel, rng: random.Random) -> Sequence[tuple[int, Spot]]:
    return spread(floor, panel, _FALSE_CALLS_SPI, rng)


def _add(panel: Panel, position: int, spot: Spot, what: str, cause: str) -> None:
    if all((each.position, each.component) != (position, spot.designator) for each in panel.flaws):
        panel.flaws.append(Flaw(position, spot.designator, what, cause, panel.lot.surface))
