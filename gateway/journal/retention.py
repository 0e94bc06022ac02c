"""Deleting what is too old or too much, in steps small enough that ingest never waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gateway.core.event import Event
from gateway.core.times import Micros
from gateway.journal import retention_events as events
from gateway.journal import retention_samples as samples
from gateway.journal.figures import Figures
from gateway.journal.holders import Holders
from gateway.journal.holding import Holding
from gateway.journal.newest import EVENT
from gateway.journal.retention_clock import DAY, TrustedClock, credible, older
from gateway.journal.retention_events import EventRemoval, Old
from gateway.journal.retention_messages import Limited, MessageLimit, MessageLimits
from gateway.journal.retention_samples import OldSamples, SampleWeight

_MANY, _FEW = 2000, 250
"""Pages handed back to the disk at one time. Each may have to be moved, through the WAL: on a full disk that is short."""
_AHEAD = 1.5
"""Times as many events are removed in one step as came since the one before: else a line that is busy without a rest
would fill the disk between two steps."""
_LONGEST_S = 0.1
"""What a step may take beside the portion that it has begun."""
_OFTEN = 100
"""It is looked again before its time once this part of the limit has come in."""
_SAMPLE = 64
_SLACK = 1.02


class RetentionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """days, bytes: how much history is kept, events and samples together; None: no limit. events_…, samples_…: of one
    kind, beside those. messages: of single messages, beside those. dedup_days: how long event ids are known, also of
    events that are gone. check_s: pause between looks when nothing was due. rows: events deleted in one portion."""

    days: float | None = None
    bytes: int | None = None
    events_days: float | None = None
    events_bytes: int | None = None
    samples_days: float | None = None
    samples_bytes: int | None = None
    messages: tuple[MessageLimit, ...] = ()
    dedup_days: float = 30.0
    check_s: float = 30.0
    rows: int = 500


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


class Retention:
    """Used on the writer's thread, between its transactions. holders: for whom history is kept beyond the limits."""

    def __init__(
        self, limits: RetentionLimits, holders: Holders | None = None, *, clock: TrustedClock | None = None
    ) -> None:
        self.figures = Figures()
        self.figures.limit = limits.bytes
        self._limits = limits
        self._events_days = _least(limits.days, limits.events_days)
        self._samples_days = _least(limits.days, limits.samples_days)
        self._clock = clock or TrustedClock()
        self._now: Micros = 0
        self._weight = SampleWeight()
        self._holding = Holding(holders or Holders(), self._weight)
        self._messages = MessageLimits(limits.messages)
        self._removal = EventRemoval(dedup_days=limits.dedup_days, rows=limits.rows)
        self._next = 0.0
        self._orphans = True  # whether there may be clocks without chunks
        self._looked = False
        self._look_again = 0.0
        self._came = self._came_bytes = 0  # since the last step, since the last look
        self._unfinished = False  # the next step may find what this one did not

    def committed(self, stored: Sequence[Event], sample_count: int) -> None:
        """They are in the journal."""
        if stored:
            size = sum(len(event.body) for event in stored) + EVENT * len(stored)
            self._came += len(stored)
            self._came_bytes += size
            self._holding.committed(stored[0].seq, stored[-1].seq, size)
            self._messages.committed(stored)
        self._came_bytes += sample_count * _SAMPLE
        if self._limits.bytes is not None and self._came_bytes > self._limits.bytes // _OFTEN:
            self._next = 0.0

    def step(self, connection: Connection, *, full: bool = False, between: Callable[[], None] = lambda: None) -> bool:
        """Delete a portion if one is due (with `full`: all that is due). True when something was deleted.

        between: called after every transaction of this, where there is little room for the next.
        """
        if not full and time.monotonic() < self._next:
            return False
        begun = time.monotonic()
        try:
            return self._all(connection, between) if full else self._some(connection, begun)
        except BaseException:
            self._removal.forget_figures()
            self._looked = False
            raise
        finally:
            self.figures.seconds += time.monotonic() - begun

    def _some(self, connection: Connection, begun: float) -> bool:
        if not self._looked or begun > self._look_again:
            self._look(connection)
            self._holding.save(connection)
        gone = self.figures.removed
        wanted, self._came = gone["events"] + self._came * _AHEAD, 0
        removed = False
        while self._portion(connection):
            removed = True
            self._shrink(connection, pages=_MANY)
            if gone["events"] >= wanted or time.monotonic() > begun + _LONGEST_S:
                return True
        if removed:
            return True
        self.figures.measure(connection)
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        if free and self._limits.bytes is not None and self.figures.file_bytes > self._limits.bytes:
            self._shrink(connection, pages=_MANY)
            return True
        self._told()
        if not self._unfinished:
            self._looked, self._came_bytes = False, 0
            self._next = time.monotonic() + self._limits.check_s
        return False

    def _all(self, connection: Connection, between: Callable[[], None]) -> bool:
        """On a full disk: first what nobody waits for. When there is nothing of that, what is over the limits goes though
        somebody does: machines that cannot be heard lose more."""
        deleted = self._holding.forced = False
        self._look(connection)
        while True:
            if self._portion(connection):
                deleted = True
                between()
                while connection.exec_driver_sql("PRAGMA freelist_count").scalar_one():
                    self._shrink(connection, pages=_FEW)
                    between()
            elif self._unfinished:
                continue
            elif deleted or self._holding.forced or not self._holding.kept:
                break
            else:
                self._holding.forced = True
        self._holding.forced = self._looked = False
        self.figures.measure(connection)
        self._told()
        return deleted

    def _look(self, connection: Connection) -> None:
        """What there is, and what time it is: the same for all portions until nothing is due."""
        self._now = self._clock.read(connection)
        self._weight.weigh(connection)
        self._messages.look(connection)
        self._holding.settle(connection)
        self._looked = True
        self._look_again = time.monotonic() + self._limits.check_s

    def _told(self) -> None:
        figures, limit = self.figures, self._limits.bytes
        figures.samples, figures.hot, figures.chunks = self._weight.bytes, self._weight.hot, self._weight.chunks
        figures.over = None
        if limit is not None and figures.history > limit * _SLACK:
            why = self._holding.who() or "what is left of it cannot be removed"
            figures.over = f"the journal has {_mega(figures.history)} of {_mega(limit)}: {why}"

    # -- one portion

    def _portion(self, connection: Connection) -> int:
        """How many rows it removed."""
        self._unfinished = False
        self._holding.begin()
        self._measure(connection)
        ids = self._removal.forget_keys(connection, self._now, self._limits.bytes)
        self.figures.removed["ids"] += ids
        return ids + (self._samples(connection) or self._single_messages(connection) or self._events(connection))

    def _measure(self, connection: Connection) -> None:
        self.figures.measure(connection)
        self.figures.samples = self._weight.bytes

    def _over(self) -> bool:
        limit = self._limits.bytes
        return limit is not None and self.figures.history > limit

    def _cutoff(self, days: float) -> Micros:
        return self._now - int(days * DAY)

    def _samples(self, connection: Connection) -> int:
        found = samples.oldest(connection)
        due = self._holding.samples_free(found[: self._samples_due(connection, found)])
        if due:
            if due[0].id is None:
                due = due[:1]
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._holding.lose_samples(connection, due, self._now)
            samples.remove(connection, due)
            connection.exec_driver_sql("COMMIT")
            self._holding.removed()
            self._weight.removed(due)
            self._orphans = True
            count = sum(one.many for one in due)
            self.figures.removed["samples"] += count
            return count
        if self._orphans:  # looked for once after chunks were removed, since it looks at all of them
            self._orphans = False
            return samples.remove_clocks(connection)
        return 0

    def _samples_due(self, connection: Connection, found: Sequence[OldSamples]) -> int:
        """How many of these, the first of which came first. By when they came in, for a machine's clock may be anywhere."""
        if not found:
            return 0
        if self._samples_days is not None:
            due = older(
                [one.received for one in found],
                self._cutoff(self._samples_days),
                self._now,
                lambda: samples.credible_behind(connection, found[-1].last, self._now),
            )
            if due:
                return due
        limits = self._limits
        if limits.samples_bytes is not None and self._weight.bytes > limits.samples_bytes:
            return self._enough(found, self._weight.bytes - limits.samples_bytes)
        if not self._over():
            return 0
        # Neither kind pushes the other out: what came first goes first.
        first = connection.exec_driver_sql("SELECT received FROM event ORDER BY seq LIMIT 1").scalar()
        if first is None or not credible(first, self._now):
            return len(found)
        return sum(one.received <= first or not credible(one.received, self._now) for one in found)

    def _enough(self, found: Sequence[OldSamples], size: int) -> int:
        count = 0
        while count < len(found) and size > 0:
            size -= found[count].size
            count += 1
        return count

    def _single_messages(self, connection: Connection) -> int:
        for one in self._messages.all:
            if not one.count(connection):
                self._unfinished = True
            found = one.oldest(connection, self._limits.rows)
            if not found:
                self._unfinished |= one.more
            elif count := self._remove(connection, found[: self._message_due(connection, one, found)], whole=False):
                return count
        return 0

    def _message_due(self, connection: Connection, one: Limited, found: Sequence[Old]) -> int:
        due = 0
        if one.limit.days is not None:
            due = self._older(connection, found, one.limit.days)
        beyond = one.beyond()
        return max(due, sum(row.seq <= beyond for row in found))

    def _older(self, connection: Connection, found: Sequence[Old], days: float) -> int:
        return older(
            [row.received for row in found],
            self._cutoff(days),
            self._now,
            lambda: events.credible_behind(connection, found[-1].seq, self._now),
        )

    def _events(self, connection: Connection) -> int:
        found = events.oldest(connection, self._limits.rows)
        if not found:
            return 0
        limits = self._limits
        due = 0
        if self._over() or (limits.events_bytes is not None and self.figures.events > limits.events_bytes):
            due = len(found)
        elif self._events_days is not None:
            due = self._older(connection, found, self._events_days)
        return self._remove(connection, found[:due], whole=True)

    def _remove(self, connection: Connection, due: Sequence[Old], *, whole: bool) -> int:
        free = self._holding.events_free(connection, due)
        if not free:
            self._unfinished |= self._holding.counting
            return 0
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._holding.lose_events(connection, free, self._now)
        self._removal.remove(connection, free, self._now, whole=whole)
        connection.exec_driver_sql("COMMIT")
        self._holding.removed()
        self.figures.removed["events"] += len(free)
        return len(free)

    def _shrink(self, connection: Connection, *, pages: int) -> None:
        # This pragma frees one page per step and returns no row that SQLAlchemy could wait for: step it by hand.
        cursor = connection.connection.cursor()
        try:
            cursor.execute(f"PRAGMA incremental_vacuum({pages})")
            cursor.fetchall()
        except connection.dialect.loaded_dbapi.Error as error:  # as SQLAlchemy would have raised it
            raise OperationalError("PRAGMA incremental_vacuum", None, error) from error
        finally:
            cursor.close()


def _mega(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
