"""The demo line: thirteen stations and eight products. All of it is made up."""

from __future__ import annotations

from simulators.model.plan import Line, Part, Product
from simulators.model.scenario import Kind, Scenario, Station

_R0402 = Part(number="RES-10K-0402", package="0402", prefix="R", nozzle="N0402", tape=(8.0, 2.0))
_R0603 = Part(number="RES-4K7-0603", package="0603", prefix="R", nozzle="N0402", tape=(8.0, 4.0))
_C0402 = Part(number="CAP-100N-0402", package="0402", prefix="C", nozzle="N0402", tape=(8.0, 2.0))
_C0805 = Part(number="CAP-10U-0805", package="0805", prefix="C", nozzle="N0805")
_LED = Part(number="LED-GN-0603", package="0603", prefix="D", nozzle="N0603")
_SOT23 = Part(number="FET-N-SOT23", package="SOT-23", prefix="Q", nozzle="N0805")
_SOIC8 = Part(number="OPA-2X-SOIC8", package="SOIC-8", prefix="U", nozzle="NSOIC", tape=(12.0, 8.0))
_QFN32 = Part(number="MCU-M0-QFN32", package="QFN-32", prefix="U", nozzle="NQFN", tape=(12.0, 8.0))
_BGA = Part(number="SOC-A7-BGA256", package="BGA-256", prefix="U", nozzle="NBGA", tape=(24.0, 20.0))
_COIL = Part(number="IND-22U-1210", package="1210", prefix="L", nozzle="N0805", tape=(12.0, 8.0))

# Thermal profiles of lead-free paste (SAC305, liquidus 217 Cel, IPC/JEDEC J-STD-020: peak to 245 to 260 Cel): set
# points are assumptions, as usual for panels of little, medium and much mass.
_LIGHT = ((140.0, 150.0, 160.0, 170.0, 180.0, 190.0, 215.0, 240.0, 235.0, 85.0), 950.0)
_MEDIUM = ((150.0, 160.0, 170.0, 180.0, 190.0, 200.0, 220.0, 245.0, 240.0, 90.0), 850.0)
_HEAVY = ((160.0, 170.0, 180.0, 190.0, 200.0, 210.0, 230.0, 255.0, 250.0, 95.0), 760.0)

Share = tuple[Part, int]


def product(
    name: str,
    revision: str,
    boards: int,
    oven: tuple[tuple[float, ...], float],
    *machines: tuple[str, tuple[Share, ...]],
    by_board: bool = False,
    two_sides: bool = False,
    xray: bool = False,
    selective: bool = False,
) -> Product:
    """machines: by station, which parts and how many of each on every board; designators are counted through."""
    used: dict[str, int] = {}
    bill, parts = [], {}
    for station, shares in machines:
        for part, count in shares:
            first = used.get(part.prefix, 0) + 1
            used[part.prefix] = first + count - 1
            parts[part.number] = part
            names = tuple(f"{part.prefix}{number}" for number in range(first, first + count))
            bill.append(Line(station=station, part=part.number, designators=names))
    zones, belt = oven
    return Product(
        name=name,
        revision=revision,
        boards=boards,
        parts=tuple(parts.values()),
        bill=tuple(bill),
        zones=zones,
        belt=belt,
        by_board=by_board,
        two_sides=two_sides,
        xray=xray,
        selective=selective,
    )


_ONE, _TWO = "L1.pnp1", "L1.pnp2"

PRODUCTS = (
    product(
        *("CTRL-100", "C", 4, _MEDIUM),
        (_ONE, ((_R0402, 7), (_C0402, 5))),
        (_TWO, ((_C0805, 6), (_SOT23, 4), (_QFN32, 1))),
        two_sides=True,
    ),
    product(
        *("PWR-20", "A", 1, _HEAVY),
        (_ONE, ((_R0402, 24), (_C0402, 18))),
        (_TWO, ((_C0805, 20), (_SOT23, 12), (_COIL, 4), (_SOIC8, 6))),
        by_board=True,
        selective=True,
    ),
    product(
        *("SENS-8", "B", 8, _LIGHT),
        (_ONE, ((_R0402, 3), (_C0402, 2))),
        (_TWO, ((_LED, 3), (_SOT23, 1), (_SOIC8, 1))),
        by_board=True,
    ),
    product(
        *("GATE-2", "D", 2, _MEDIUM),
        (_ONE, ((_R0402, 13), (_C0402, 10))),
        (_TWO, ((_C0805, 8), (_BGA, 1), (_QFN32, 1), (_SOIC8, 2))),
        by_board=True,
        two_sides=True,
        xray=True,
    ),
    product(
        *("LAMP-12", "A", 12, _LIGHT),
        (_ONE, ((_R0603, 3),)),
        (_TWO, ((_LED, 3), (_SOT23, 1))),
    ),
    product(
        *("MOT-3", "F", 3, _HEAVY),
        (_ONE, ((_R0402, 9), (_C0402, 7))),
        (_TWO, ((_C0805, 8), (_SOT23, 6), (_SOIC8, 1))),
        selective=True,
    ),
    product(
        *("CAM-6", "B", 6, _MEDIUM),
        (_ONE, ((_R0402, 5), (_C0402, 4))),
        (_TWO, ((_C0805, 4), (_BGA, 1))),
        xray=True,
    ),
    product(
        *("RELAY-1", "A", 1, _MEDIUM),
        (_ONE, ((_R0603, 16), (_C0402, 12))),
        (_TWO, ((_LED, 8), (_SOT23, 8), (_SOIC8, 3))),
        by_board=True,
        selective=True,
    ),
)

STATIONS = (
    Station(id="L1.loader", kind=Kind.LOADER),
    Station(id="L1.scan", kind=Kind.READER),
    Station(id="L1.printer", kind=Kind.PRINTER),
    Station(id="L1.spi", kind=Kind.SPI),
    Station(id=_ONE, kind=Kind.PLACER),
    Station(id=_TWO, kind=Kind.PLACER),
    Station(id="L1.reflow", kind=Kind.OVEN, reads=False),
    Station(id="L1.aoi", kind=Kind.AOI),
    Station(id="L1.review", kind=Kind.REVIEW, lanes=1),
    Station(id="L1.selective", kind=Kind.SELECTIVE, lanes=1),
    Station(id="xray", kind=Kind.XRAY, lanes=1),
    Station(id="probe1", kind=Kind.TEST, lanes=1),
    Station(id="probe2", kind=Kind.TEST, lanes=1),
)


def demo_scenario() -> Scenario:
    """The line of the packaged configuration, without end."""
    return Scenario(stations=STATIONS, products=PRODUCTS)
