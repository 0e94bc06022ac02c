"""Acknowledgements: one line per connection instance, first come, first acknowledged."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from gateway.core.frame import Delivery


class Ticket(msgspec.Struct, eq=False):
    """A delivery's place in its connection's line."""

    line: AckLine
    delivery: Delivery
    size: int
    done: bool = False


class AckLine:
    """Lives on the event loop with its connection instance and dies with it.

    Commits finish per source, so a later delivery may be stored before an earlier one of another station; the peer is
    told in the order in which it sent (MQTT 4.6 demands it; a packet id or delivery is never acknowledged out of turn).
    Everything keeps its place: copies, quarantined and event-less deliveries too.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._waiting: deque[Ticket] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self.unacknowledged = 0
        self.closed = False

    def join(self, delivery: Delivery) -> Ticket:
        """Take a place for a delivery that was just read."""
        ticket = Ticket(self, delivery, len(delivery.frame.payload))
        self._waiting.append(ticket)
        self.unacknowledged += ticket.size
        if self.unacknowledged > self._budget and len(self._waiting) > 1:
            self._room.clear()
        return ticket

    def weigh(self, ticket: Ticket, size: int) -> None:
        """Decoded it takes this much: what counts against the budget is what it holds of our memory."""
        if size > ticket.size:
            self.unacknowledged += size - ticket.size
            ticket.size = size
            if self.unacknowledged > self._budget and len(self._waiting) > 1:
                self._room.clear()

    def leave(self, ticket: Ticket) -> None:
        """It will not be stored: acknowledged in its turn all the same."""
        ticket.done = True
        self.advance()

    def advance(self) -> None:
        """Some are stored (their tickets `done`): acknowledge from the front of the line, as far as they are."""
        waiting = self._waiting
        while waiting and waiting[0].done:
            head = waiting.popleft()
            self.unacknowledged -= head.size
            if not self.closed:
                head.delivery.ack()
        if self.unacknowledged <= self._budget or len(waiting) <= 1:
            self._room.set()

    @property
    def full(self) -> bool:
        """More is read and not acknowledged than the budget allows: reading this connection pauses."""
        return not self._room.is_set()

    async def room(self) -> None:
        await self._room.wait()

    def close(self) -> None:
        """The connection is gone: whatever is stored from now on is acknowledged nowhere."""
        self.closed = True
        self._room.set()
