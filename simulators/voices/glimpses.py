"""What can be seen of a machine that is looked at rather than heard, and for how long: a look that comes later misses it.

How often somebody looks is not known here. So each told event waits until it is known for how long it could be seen, for
ten minutes of virtual time at most, and then says so in `Told.fleeting`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from simulators.voices.voice import Told

LONGEST_S = 600.0
"""Nobody looks so seldom: five seconds between two looks at 120 times the speed."""
_REMEMBERED = 64
"""Values of one place. One that was there longer ago is taken for new."""


class Glimpse:
    """One value in one place. until: None while it is there.

    between: the longest that something else was there in one piece since this value was there before. Who missed that
    takes both for one.
    """

    __slots__ = ("between", "since", "until", "value")

    def __init__(self, value: object, since: float, between: float = math.inf) -> None:
        self.value = value
        self.since = since
        self.until: float | None = None
        self.between = between

    def seconds(self, now: float, *, over: bool = False) -> float | None:
        """For how long somebody could see that it came; None while that is not known. over: it ends now."""
        most = min(self.between, LONGEST_S)
        lasted = (now if self.until is None else self.until) - self.since
        return None if self.until is None and not over and lasted < most else min(lasted, most)


class Place:
    """A register, or whatever else holds one value at a time."""

    def __init__(self) -> None:
        self._shown: deque[Glimpse] = deque(maxlen=_REMEMBERED)

    def show(self, value: object, at: float) -> Glimpse:
        """From now on this is there, and no longer what was there before."""
        self.end(at)
        longest = 0.0
        for each in reversed(self._shown):
            if each.value == value:
                break
            longest = max(longest, (at if each.until is None else each.until) - each.since)
        else:
            longest = math.inf
        self._shown.append(Glimpse(value, at, longest))
        return self._shown[-1]

    def end(self, at: float) -> None:
        """What is there now cannot be seen any more."""
        if self._shown and self._shown[-1].until is None:
            self._shown[-1].until = at


class _Waiting(NamedTuple):
    number: int
    told: Told
    needs: tuple[Sequence[Glimpse], ...]


class Telling:
    """Told events on their way into the ledger; those of one message stay in their order."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Waiting]] = {}
        self._count = 0

    def add(self, told: Told, *needs: Sequence[Glimpse]) -> None:
        """needs: what must have been seen for it: all of them, of each one or another."""
        self._count += 1
        wanted = tuple(each for each in needs if each)
        self._waiting.setdefault(told.message, deque()).append(_Waiting(self._count, told, wanted))

    def ready(self, now: float, *, over: bool = False) -> tuple[Told, ...]:
        """Those that need not wait any longer. over: nothing comes any more, so none does."""
        found: list[tuple[int, Told]] = []
        for waiting in self._waiting.values():
            while waiting:
                number, told, needs = waiting[0]
                known = [_any(need, now, over) for need in needs]
                if None in known:
                    break
                waiting.popleft()
                seconds = [each for each in known if each is not None]
                fleeting = round(min(seconds), 3) if seconds else None
                found.append((number, msgspec.structs.replace(told, fleeting=fleeting)))
        return tuple(told for _, told in sorted(found, key=lambda each: each[0]))


def _any(need: Sequence[Glimpse], now: float, over: bool) -> float | None:
    """For how long the one that could be seen longest could be seen."""
    known = [each.seconds(now, over=over) for each in need]
    most = max((each for each in known if each is not None), default=0.0)
    return most if None not in known or most >= LONGEST_S else None
