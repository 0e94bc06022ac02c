"""Every machine class, in one place to read and to search."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.classes import (
    aoi,
    barcode_reader,
    depaneler,
    electrical_test,
    generic,
    handling,
    marker,
    pick_and_place,
    reflow_oven,
    repair_station,
    review_station,
    selective_soldering,
    solder_paste_printer,
    spi,
    wave_soldering,
)
from gateway.classes.machine_class import MachineClass

_ALL = (
    solder_paste_printer.CLASS,
    spi.CLASS,
    pick_and_place.CLASS,
    reflow_oven.CLASS,
    aoi.AOI,
    aoi.AXI,
    review_station.CLASS,
    repair_station.CLASS,
    electrical_test.CLASS,
    selective_soldering.CLASS,
    wave_soldering.CLASS,
    marker.CLASS,
    depaneler.CLASS,
    handling.LOADER,
    handling.UNLOADER,
    handling.CONVEYOR,
    barcode_reader.CLASS,
    generic.CLASS,
)
"""In the order of a line."""

CLASSES: Mapping[str, MachineClass] = {each.name: each for each in _ALL}
