"""How fast machines work, how long they are set up, and how often and how long they stop: usual figures for each kind.

Each has its source beside it, or is an assumption.
"""

from __future__ import annotations

import msgspec

Range = tuple[float, float]


class Figures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds; a pair is the range that one is drawn from.

    work: of one panel, without what depends on it (components to place, joints to solder, the length of an oven).
    setup: for another lot. buffer: panels on the conveyor before the machine; travel: from one end of it to the other.
    faults: so many that stop it, in an hour of work. walk: until the operator is there; repair: then until it is mended.
    """

    work: Range
    setup: Range
    buffer: int = 2
    travel: float = 4.0
    faults: float = 0.5
    walk: Range = (8.0, 40.0)
    repair: Range = (15.0, 90.0)


# Assumptions where nothing else stands: assists of seconds to a few minutes, a few in a shift and machine, more where
# parts are picked. Changeovers from the last board to the first good one take 30 to 60 minutes where nothing is prepared,
# and under 20 with feeder trolleys and stencils ready beside the line (what is written on SMED in SMT): here about 10, of
# which the first article takes more than half.
_USUAL = {
    "magazine_loader": Figures(work=(3.0, 4.0), setup=(2.0, 4.0), faults=0.1),
    "barcode_reader": Figures(work=(0.8, 1.6), setup=(0.5, 1.0), buffer=1, faults=0.0),
    # A printer's core cycle is 5 to 10 s on data sheets; with the strokes of a long panel about twice that.
    "solder_paste_printer": Figures(work=(11.0, 14.0), setup=(90.0, 180.0), faults=0.6),
    # 3D inspection runs at 15 to 40 cm2/s on data sheets: a panel of 400 cm2 in 10 to 20 s with handling.
    "spi": Figures(work=(8.0, 12.0), setup=(15.0, 30.0), faults=0.3, buffer=3),
    # Fiducials and the like only; the rest is in the bill (see placing.TACT).
    "pick_and_place": Figures(work=(3.5, 5.0), setup=(150.0, 360.0), faults=3.0, repair=(10.0, 60.0)),
    # Setting up an oven is heating or cooling it (see oven.py); this is the rest.
    "reflow_oven": Figures(work=(0.0, 0.0), setup=(10.0, 20.0), faults=0.15, repair=(60.0, 300.0), travel=5.0),
    # Conveyor before it as long as what comes out of the oven when it stops; ovens hold 8 to 15 panels.
    "aoi": Figures(work=(10.0, 15.0), setup=(15.0, 30.0), faults=0.3, buffer=24, travel=10.0),
    "review_station": Figures(work=(10.0, 45.0), setup=(0.0, 0.0), faults=0.0),
    "selective_soldering": Figures(work=(14.0, 18.0), setup=(60.0, 120.0), buffer=6, faults=0.6, repair=(30.0, 180.0)),
    "axi": Figures(work=(60.0, 110.0), setup=(20.0, 40.0), faults=0.3, repair=(60.0, 240.0)),
    # Flying probes need one to some minutes for a panel, a few measurements a second.
    "electrical_test": Figures(work=(35.0, 60.0), setup=(30.0, 60.0), faults=0.8, repair=(30.0, 120.0)),
}


def figures_of(kind: str) -> Figures:
    """What is usual for that machine class."""
    return _USUAL[kind]
