"""When which poll of which unit is due on one bus. Pure: the time is passed in, in seconds of a monotonic clock.

Each poll has a fixed grid of ticks. One that could not be read in its time is not made up for: it is counted. Of what is
due, the longest due is first, so that on a bus that cannot keep up all are late alike and none is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.profile.bound import Poll


class Slot:
    """One poll of one unit. missed: ticks that brought no frame since the last that did. rest_s: it was not answered,
    and is tried again only after this; 0 while it is. early: what is read now is read before its time."""

    __slots__ = ("due", "early", "missed", "poll", "rest_s", "unit")

    def __init__(self, unit: Unit, poll: Poll, due: float) -> None:
        self.unit = unit
        self.poll = poll
        self.due = due
        self.missed = 0
        self.rest_s = 0.0
        self.early = False


class Unit:
    """silent: it answers nothing, and only one of its polls after the other is tried, after growing pauses."""

    def __init__(self, number: int, polls: Sequence[Poll], now: float) -> None:
        self.number = number
        """Place in the sequence that the schedule was made of."""
        self.silent = False
        self.slots = [Slot(self, poll, now) for poll in polls]
        self.unanswered = 0
        self.next: Slot | None = None  # the only one to be tried, because something was not answered
        self.next_at = 0.0
        self.rest_s = 0.0


class Schedule:
    """units: the polls of each.

    again_s: how soon a unit that did not answer may be asked for something else. rest_s, rest_most_s: first and longest
    pause before it is asked for the same.
    """

    def __init__(
        self, units: Sequence[Sequence[Poll]], now: float, *, again_s: float, rest_s: float, rest_most_s: float
    ) -> None:
        self.units = [Unit(number, polls, now) for number, polls in enumerate(units)]
        self._again_s = again_s
        self._rest_s = rest_s
        self._rest_most_s = max(rest_s, rest_most_s)

    @property
    def all_silent(self) -> bool:
        return all(unit.silent for unit in self.units)

    def next(self) -> tuple[float, Slot]:
        """What is to be read, and from when on."""
        best_at, best = float("inf"), None
        for unit in self.units:
            if unit.next is not None:
                if unit.next_at < best_at:
                    best_at, best = unit.next_at, unit.next
            else:
                for slot in unit.slots:
                    if slot.due < best_at:
                        best_at, best = slot.due, slot
        assert best is not None
        return best_at, best

    def begin(self, slot: Slot, now: float) -> None:
        """It is read now: its next tick is the first after this one that is still to come."""
        slot.early = now < slot.due and slot is slot.unit.next
        if slot.early:
            return
        period = slot.poll.every_s
        ticks = int(max(0.0, now - slot.due) / period)  # timers may be early, by less than a millisecond
        slot.missed += ticks
        slot.due += (ticks + 1) * period

    def answered(self, slot: Slot) -> None:
        """With whatever: the unit is there. Its other polls are due as they would have been."""
        unit = slot.unit
        unit.silent = False
        unit.unanswered = 0
        unit.next = None
        unit.rest_s = slot.rest_s = 0.0

    def unanswered(self, slot: Slot, now: float) -> bool:
        """True when the unit is silent from now on.

        That is when two requests in a row are not answered: noise takes one away now and then, and some units miss one
        behind a request to another. The second is another poll where there is one, for some machines say nothing to
        what they do not know, and such a poll is not to take the others with it.
        """
        unit = slot.unit
        slot.missed += not slot.early
        unit.unanswered += 1
        again = self._other(slot)
        if not unit.silent and again is not slot:
            slot.rest_s = self._longer(slot.rest_s)
            self._put_off(slot, now + slot.rest_s)
        if unit.unanswered < 2:
            unit.next, unit.next_at = again, now + self._again_s
            return False
        new, unit.silent = not unit.silent, True
        unit.rest_s = self._longer(unit.rest_s)
        unit.next = unit.slots[(unit.slots.index(slot) + 1) % len(unit.slots)]
        unit.next_at = now + unit.rest_s
        return new

    def _other(self, slot: Slot) -> Slot:
        """The poll of this unit that is likeliest to be answered, if it has another."""
        others = [other for other in slot.unit.slots if other is not slot]
        return min(others, key=lambda other: other.rest_s, default=slot)

    def _put_off(self, slot: Slot, until: float) -> None:
        if slot.due < until:
            ticks = 1 + int((until - slot.due) / slot.poll.every_s)
            slot.missed += ticks
            slot.due += ticks * slot.poll.every_s

    def _longer(self, rest_s: float) -> float:
        return min(max(self._rest_s, 2 * rest_s), self._rest_most_s)
