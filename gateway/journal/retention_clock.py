"""By which time the age of history is counted: a clock that jumps must not cost it.

The system's clock is believed as long as it goes on about as fast as the machine's steady one, which no setting moves.
What it is after a jump, or after a long time switched off, is believed once the gateway has run with it for a day; until
then age is counted by the earlier of the two. A battery that is empty and a wrong time server are noticed within a day;
and where nothing was wrong, history is kept a day longer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from itertools import takewhile

from sqlalchemy import Connection

from gateway.core import times
from gateway.core.times import Micros, rfc3339

log = logging.getLogger("lineside.journal")

HOUR: Micros = 3_600_000_000
DAY: Micros = 24 * HOUR
_KEY = "retention_clock"
_STEPS = 40
_FIRST: Micros = 1_577_836_800_000_000
"""2020. What claims to have come in before is of a clock that was never set."""


class TrustedClock:
    """wall, steady: the system's clock in microseconds, and one in seconds that only ever goes on."""

    def __init__(self, *, wall: Callable[[], Micros] = times.now, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._expected: Micros | None = None
        self._waited: Micros = 0  # how long the gateway has run with a time that is not believed yet
        self._last = 0.0
        self._saved: tuple[Micros, Micros] | None = None

    def read(self, connection: Connection) -> Micros:
        """Now, or what is safer. What it goes by is in the journal, so that starting again makes nothing believed."""
        now, steady = self._wall(), self._steady()
        passed = 0 if self._expected is None else int((steady - self._last) * 1_000_000)
        expected = self._stored(connection, now) if self._expected is None else self._expected + passed
        self._last = steady
        if abs(now - expected) <= DAY:
            self._waited, expected = 0, now
        else:
            if self._waited == 0:
                log.warning(
                    "the clock says %s where about %s was expected: for a day nothing is removed for an age that only "
                    "the new time gives it",
                    rfc3339(now),
                    rfc3339(expected),
                )
            self._waited += max(passed, 1)
            if self._waited >= DAY:
                self._waited, expected = 0, now
        self._expected = expected
        self._save(connection)
        return min(now, expected)

    def _stored(self, connection: Connection, now: Micros) -> Micros:
        found = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (_KEY,)).scalar()
        if found is None:
            return now
        expected, _, waited = str(found).partition(" ")
        self._waited = int(waited)
        self._saved = int(expected), self._waited
        return int(expected)

    def _save(self, connection: Connection) -> None:
        """Once an hour: a quiet line's journal has nothing else to write."""
        assert self._expected is not None
        state = self._expected, self._waited
        if self._saved is None or any(abs(new - old) >= HOUR for new, old in zip(state, self._saved, strict=True)):
            connection.exec_driver_sql(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, f"{self._expected} {self._waited}")
            )
            self._saved = state


def older(received: Sequence[Micros], cutoff: Micros, now: Micros, following: Callable[[], Micros | None]) -> int:
    """How many of these, which came in in this order, are older than that.

    A stamp of the future, or of before 2020, says nothing of its age: it is as old as what came next, at least. following:
    the first credible stamp behind all of these; None: there is none.
    """
    due, newest = 0, None
    for index, at in enumerate(received):
        if credible(at, now):
            newest = at if newest is None else max(newest, at)
            if newest >= cutoff:
                return due
            due = index + 1
    if due == len(received):
        return due
    behind = following()
    if behind is not None:
        return len(received) if behind < cutoff else due
    return due if newest is not None else sum(1 for _ in takewhile(lambda at: at < cutoff, received))


def first_credible(at: Callable[[int], Micros | None], after: int, now: Micros) -> Micros | None:
    """Of stamps behind a number about the first that can be believed, looked for further and further away, for there may
    be millions of the others. at: that of the first from a number on; None: there is none any more."""
    for step in range(_STEPS):
        found = at(after + (1 << step))
        if found is None or credible(found, now):
            return found
    return None


def credible(at: Micros, now: Micros) -> bool:
    """Whether something may have come in then."""
    return _FIRST <= at <= now + DAY
