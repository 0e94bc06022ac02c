"""Which requests read a poll: as few as the unit takes, never across what it is known to refuse. Pure.

Requests begin and end with a value of the poll. What lies between two values is read through where that is cheaper
than another request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.profile.bound import Poll

Atom = tuple[int, int]
"""Start and count of a value that must come out of one request."""

_EVERYWHERE = 65_536


class Request(NamedTuple):
    start: int
    length: int


class Holes:
    """What one table of one unit refuses, as far as it was found out.

    version: changes whenever something new is known, so that a plan may be kept until then.
    """

    def __init__(self) -> None:
        self.version = 0
        # First and last address of what no request may have whole.
        self._refused: set[tuple[int, int]] = set()
        self._seams: set[tuple[int, int]] = set()
        self._good = 0  # longest request that was answered
        self._bad: int | None = None  # shortest that was refused for its length

    def refuse(self, atom: Atom) -> None:
        """A value that the unit refuses even alone."""
        range_ = (atom[0], sum(atom) - 1)
        if range_ not in self._refused:
            self._refused.add(range_)
            self.version += 1

    def part(self, one: int, other: int) -> None:
        """The unit refuses requests that have both of these addresses, though not what lies on either side: there is an
        address that it does not have between them, or two areas of its memory meet."""
        self._seams.add((min(one, other), max(one, other)))
        self.version += 1

    def shorten(self, count: int) -> None:
        """It refuses a request for being so long."""
        if self._bad is None or count < self._bad:
            self._bad = count
            self._good = min(self._good, count - 1)
            self.version += 1

    def answered(self, count: int) -> None:
        """It takes a request of this length."""
        if count > self._good:
            self._good = count
            if self._bad is not None:
                self._bad = max(self._bad, count + 1)
                self.version += 1

    def forget(self) -> None:
        """The machine is not any more what it was."""
        self._refused.clear()
        self._seams.clear()
        self._good, self._bad = 0, None
        self.version += 1

    def most(self, configured: int) -> int:
        """Registers or bits to ask for at once. Between what was answered and what was refused: halfway, which finds
        the unit's true limit in a few requests."""
        if self._bad is None:
            return configured
        return max(1, min(configured, (self._good + self._bad) // 2))

    def has(self, atom: Atom) -> bool:
        """Whether this value is refused, or one that lies within it."""
        return any(atom[0] <= first and last < sum(atom) for first, last in self._refused)

    def stop(self, start: int, limit: int) -> int:
        """The first address, at most `limit`, that a request from `start` on must leave out."""
        for known in (self._refused, self._seams):
            limit = min((last for first, last in known if first >= start and last < limit), default=limit)
        return limit


def plan(
    poll: Poll, *, most_registers: int, most_bits: int, holes: Holes, widest_gap: int = _EVERYWHERE
) -> tuple[Request, ...]:
    """The fewest requests that have every value of the poll whole, but for those that the unit refuses.

    most_registers, most_bits: in one request, as configured. widest_gap: how many registers or bits that nobody wants
    may be read in place of another request. A value longer than the configured limit is in none.
    """
    configured = most_bits if poll.table.bits else most_registers
    most = holes.most(configured)
    left = [atom for atom in sorted(poll.atoms) if not holes.has(atom) and atom[1] <= configured]
    requests = []
    while left:
        # A request that begins with the first value left and reaches as far as it may leaves the least to the others.
        start, count = left[0]
        stop = holes.stop(start, start + most)
        end, rest = start, []
        for at, size in left:
            if at + size <= stop and at - end <= widest_gap:
                end = max(end, at + size)
            else:
                rest.append((at, size))
        if end == start:  # alone it is asked for in any case: nobody has seen it refused
            end, rest = start + count, left[1:]
        requests.append(Request(start, end - start))
        left = rest
    return tuple(requests)


def within(request: Request, atoms: Sequence[Atom]) -> list[Atom]:
    """Those that it has whole, in order."""
    end = sum(request)
    return sorted(atom for atom in atoms if request.start <= atom[0] and sum(atom) <= end)


def span(atoms: Sequence[Atom]) -> Request:
    """The request that has all of them."""
    start = min(at for at, _ in atoms)
    return Request(start, max(at + size for at, size in atoms) - start)
