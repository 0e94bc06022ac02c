"""The registers and bits of one simulated Modbus unit."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

from gateway.profile.bound import Poll, Table

FUNCTIONS = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
"""Which table a reading function reads (MODBUS Application Protocol V1.1b3, 6.1 to 6.4)."""

Contents = Mapping[Table, Mapping[int, int]]
"""Register or bit contents by address, as `gateway.profile.bound.Registers.encode` gives them."""


class Bank:
    """Addresses that were never defined or set do not exist: reading them is an illegal data address.

    frozen: what is served stays as it is while what is set is kept for later, as with a machine whose controller hangs
    behind a communication module that goes on.
    """

    def __init__(self) -> None:
        self._cells: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self._served = self._cells
        self._frozen = False

    @property
    def frozen(self) -> bool:
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        if frozen and not self._frozen:
            self._served = {table: dict(cells) for table, cells in self._cells.items()}
        elif not frozen:
            self._served = self._cells
        self._frozen = frozen

    def define(self, table: Table, start: int, count: int = 1) -> None:
        """These addresses exist; 0 until they are set."""
        _check(table, start, 0)
        _check(table, start + count - 1, 0)
        cells = self._cells[table]
        for address in range(start, start + count):
            cells.setdefault(address, 0)

    def set(self, contents: Contents) -> None:
        """All at once, as far as any reader can tell. Raises ValueError for what no register or bit can hold."""
        for table, cells in contents.items():
            for address, value in cells.items():
                _check(table, address, value)
        for table, cells in contents.items():
            self._cells[table].update(cells)

    def read(self, table: Table, start: int, count: int) -> bytes | int | None:
        """As an answer has it. None when one of the addresses does not exist, a number for another exception."""
        cells = self._served[table]
        try:
            return packed(table, [cells[address] for address in range(start, start + count)])
        except KeyError:
            return None


def packed(table: Table, contents: Sequence[int]) -> bytes:
    """Two bytes a register, or bits of which the first is the lowest."""
    if table.bits:
        bits = sum(1 << place for place, value in enumerate(contents) if value)
        return bits.to_bytes((len(contents) + 7) // 8, "little")
    return struct.pack(f">{len(contents)}H", *contents)


def bank_of(polls: Iterable[Poll], *, gaps: bool = False) -> Bank:
    """With the registers and bits that a profile's values take.

    gaps: what lies between them in a poll can be read too, and is 0, as on most machines.
    """
    bank = Bank()
    for poll in polls:
        for start, count in ((poll.start, poll.count),) if gaps else poll.atoms:
            bank.define(poll.table, start, count)
    return bank


def _check(table: Table, address: int, value: int) -> None:
    most = 1 if table.bits else 0xFFFF
    if not (0 <= address <= 0xFFFF and 0 <= value <= most):
        raise ValueError(f"{value} in {table} {address}: allowed are 0 to {most} in 0 to 65535")
