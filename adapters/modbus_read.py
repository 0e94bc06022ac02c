"""Reading whole polls over a bus, and finding out what a unit refuses by halving the request that it refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from adapters.modbus_plan import Atom, Holes, Request, plan, span, within
from gateway.profile.bound import Block, Poll, Table
from gateway.profile.register_frame import FUNCTIONS
from gateway.transport.modbus import Bus, NoAnswer, Refused

_ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 2, 3
_RENEW_S = 3_600.0
_NOT_THE_UNIT = {10: "the gateway has no path to it", 11: "it does not answer its gateway"}


class _Known:
    """Of one poll of one unit: its plan, made when `version` was that of its table's holes."""

    __slots__ = ("holes", "poll", "requests", "version")

    def __init__(self, poll: Poll, holes: Holes) -> None:
        self.poll = poll
        self.holes = holes
        self.version = -1
        self.requests: tuple[Request, ...] = ()


class PollReader:
    """Knows what each unit refuses, for an hour at the longest: a machine may refuse for a while only, as while it
    boots. Made once for an adapter, and given every bus that it opens. clock: seconds that never go back."""

    def __init__(
        self,
        *,
        most_registers: int,
        most_bits: int,
        widest_gap: Callable[[Table], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_registers = most_registers
        self._most_bits = most_bits
        self._widest_gap = widest_gap
        self._holes: dict[tuple[int, Table], Holes] = {}
        self._known: dict[tuple[int, int], _Known] = {}
        self._clock = clock
        self._renew_at = clock() + _RENEW_S

    def forget(self, unit: int | None = None) -> None:
        """What this unit refused, or any of them, is asked for again: it was away, and may not be what it was."""
        for (number, _), holes in self._holes.items():
            if unit in (None, number):
                holes.forget()
        if unit is None:
            self._renew_at = self._clock() + _RENEW_S

    async def read(self, bus: Bus, unit: int, poll: Poll) -> list[Block]:
        """A block for each request that the unit answered, be it with an exception. Raises NoAnswer, NotConnected.

        What it is known to refuse is not asked for again, and is in no block. But when that is everything, the first
        value is: the unit has to say something, and may by now have what it had not.
        """
        if self._clock() >= self._renew_at:
            self.forget()
        known = self._known.get((unit, id(poll))) or self._meet(unit, poll)
        holes = known.holes
        if known.version != holes.version:
            known.version, known.requests = holes.version, self._plan(poll, holes)
        blocks: list[Block] = []
        for request in known.requests:
            blocks += await self._ask(bus, unit, poll, holes, request)
        if not blocks and poll.atoms:
            atom = poll.atoms[0]
            blocks = await self._ask(bus, unit, poll, holes, Request(*atom), [atom])
            if not blocks[0].exception:
                holes.forget()
        return blocks

    def _meet(self, unit: int, poll: Poll) -> _Known:
        holes = self._holes.setdefault((unit, poll.table), Holes())
        known = self._known[unit, id(poll)] = _Known(poll, holes)  # it keeps the poll, so that the id stays its own
        return known

    def _plan(self, poll: Poll, holes: Holes) -> tuple[Request, ...]:
        return plan(
            poll,
            most_registers=self._most_registers,
            most_bits=self._most_bits,
            holes=holes,
            widest_gap=self._widest_gap(poll.table),
        )

    async def _ask(
        self, bus: Bus, unit: int, poll: Poll, holes: Holes, request: Request, atoms: Sequence[Atom] | None = None
    ) -> list[Block]:
        start, count = request
        try:
            data = await bus.read(unit, FUNCTIONS[poll.table], start, count)
        except Refused as refusal:
            code = refusal.code
            if code in _NOT_THE_UNIT:
                raise NoAnswer(f"unit {unit}: {_NOT_THE_UNIT[code]} (Modbus exception {code})") from refusal
        else:
            holes.answered(count)
            return [Block(poll.table, start, count, data)]
        if code not in (_ILLEGAL_ADDRESS, _ILLEGAL_VALUE):
            return [Block(poll.table, start, count, exception=code)]
        if atoms is None:
            atoms = within(request, poll.atoms)
        if len(atoms) == 1:
            holes.refuse(atoms[0])
            return [Block(poll.table, start, count, exception=code)]
        half = len(atoms) // 2
        low, high = atoms[:half], atoms[half:]
        blocks = await self._ask(bus, unit, poll, holes, span(low), low)
        blocks += await self._ask(bus, unit, poll, holes, span(high), high)
        if not any(block.exception for block in blocks):  # each half is fine: it was the whole that was not
            if code == _ILLEGAL_VALUE:
                holes.shorten(count)
            else:
                holes.part(sum(span(low)) - 1, high[0][0])
        return blocks
