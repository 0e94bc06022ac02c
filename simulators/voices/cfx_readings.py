"""Which panels a machine that speaks CFX has inside, and what it knows of them: no more than its reader tells it."""

from __future__ import annotations

from simulators.marks import Body
from simulators.voices import cfx_bodies as bodies
from simulators.voices.known import Known

_ELSEWHERE = 2000
"""Readings at other stations that are kept."""


class Readings:
    """sees_marks: the machine knows which boards are marked bad. reader: it has one."""

    def __init__(self, known: Known, *, sees_marks: bool, reader: bool) -> None:
        self._known = known
        self._sees_marks = sees_marks
        self._reader = reader
        self._inside: dict[str, str | None] = {}
        self._elsewhere: dict[str, str | None] = {}

    def came(self, panel: str, read: str | None) -> None:
        """It is inside. read: what was made of its label."""
        self._inside[panel] = read

    def left(self, panel: str) -> None:
        self._inside.pop(panel, None)

    def elsewhere(self, panel: str, read: str | None) -> None:
        """The reading of another machine, which tells this one of its panels."""
        self._elsewhere[panel] = read
        if len(self._elsewhere) > _ELSEWHERE:
            del self._elsewhere[next(iter(self._elsewhere))]

    def units(self, panel: str) -> tuple[str | None, list[Body]]:
        """The panel's identifier, and its boards as CFX UnitPosition.

        The boards' own identifiers, where they have any, are known by the panel's; without that they have none.
        """
        read = self._inside[panel] if panel in self._inside else self._elsewhere.get(panel)
        read = read if self._reader else None
        made, lot = self._known.panels.get(panel), self._known.lot(panel)
        product = None if lot is None else self._known.products.get(lot.product)
        if made is None or product is None:
            return read, [bodies.unit(read, 1, skipped=False)]
        own = product.by_board and read is not None and read == self._known.label(panel)
        skipped = made.x_outs if self._sees_marks else ()
        return read, [
            bodies.unit(board if own else read, position, skipped=position in skipped)
            for position, board in enumerate(made.boards, 1)
        ]
