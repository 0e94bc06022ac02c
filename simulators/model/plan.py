"""What the line is to make: products with their parts and programs, work orders, lots. Plain data."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A component on tape. prefix: of its designators. tape: width and pitch in mm. nozzle: which one picks it."""

    number: str
    package: str
    prefix: str
    nozzle: str
    tape: tuple[float, float] = (8.0, 4.0)


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a bill of materials: what goes where on every board, and which machine places it."""

    station: str
    part: str
    designators: tuple[str, ...]


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An assembly, made as panels of 1 to 12 equal boards.

    zones: set points of the ten zones of the oven in degrees Celsius; belt: its speed in mm/min. by_board: its boards
    have identifiers of their own in what machines say; else every board goes by the panel's. two_sides: both sides
    are assembled, the second in another pass. xray, selective: it goes there too.
    """

    name: str
    revision: str
    boards: int
    parts: tuple[Part, ...]
    bill: tuple[Line, ...]
    zones: tuple[float, ...]
    belt: float
    by_board: bool = False
    two_sides: bool = False
    xray: bool = False
    selective: bool = False


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """So many panels of one product and side, made in one go. number: unique on the line. batch: CFX Batch."""

    number: int
    order: str
    batch: str
    product: str
    surface: str
    panels: int

    @property
    def recipe(self) -> str:
        """The program's name on every machine that has one for each product and side; at most 16 characters."""
        return f"{self.product}-{self.surface[:3]}"
