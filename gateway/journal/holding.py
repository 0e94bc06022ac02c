"""What retention leaves for those who have not taken it, and what it notes where their budget is not enough.

Of what a holder has not taken the newest bytes, up to its budget, stay whatever the limits say: events first, and of what
they leave samples. What lies before that is as free as if it had been taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal import event_state
from gateway.journal.holders import Cause, Holder, Holders, Loss
from gateway.journal.newest import EVENT, Newest
from gateway.journal.retention_events import Old
from gateway.journal.retention_samples import OldSamples, SampleWeight

_COUNTED = 2000
"""Events counted at one time."""


class Holding:
    """Used on the writer's thread. forced: nobody is waited for. kept: something was due, and was left for somebody.
    counting: it was left because it is not known yet whether it fits; the next time more is known."""

    def __init__(self, holders: Holders, weight: SampleWeight) -> None:
        self.forced = False
        self.kept = False
        self.counting = False
        self._holders = holders
        self._weight = weight
        self._newest: Newest | None = None
        self._waiting: list[str] = []
        self._removing: list[tuple[Holder, Loss]] = []

    def begin(self) -> None:
        """Another portion."""
        self.kept = self.counting = False
        self._waiting.clear()
        self._removing.clear()  # what was rolled back

    def committed(self, first: int, last: int, size: int) -> None:
        if self._newest is not None:
            self._newest.add(first, last, size)

    def settle(self, connection: Connection) -> None:
        self._holders.settle(connection)
        most = max((holder.budget for holder in self._holders), default=0)
        if self._newest is None or self._newest.most < most:
            self._newest = Newest(most, event_state.head(connection)) if most else None

    def save(self, connection: Connection) -> None:
        """How far everybody is. Seldom: what is not known protects more than it must."""
        if any(holder.unsaved for holder in self._holders):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._holders.save(connection)
            connection.exec_driver_sql("COMMIT")

    def who(self) -> str | None:
        """For whom something is kept beyond the limits."""
        return f"kept for {', '.join(self._waiting)}" if self.kept and self._waiting else None

    def _keep(self, holder: Holder) -> None:
        self.kept = True
        name = f"{holder.kind} {holder.name}"
        if name not in self._waiting:
            self._waiting.append(name)

    # -- events

    def events_free(self, connection: Connection, due: Sequence[Old]) -> Sequence[Old]:
        """Those of them, the first ones, that nobody holds."""
        if self.forced or not due:
            return due
        for holder in self._holders:
            if holder.event >= due[-1].seq:
                continue
            upto = max(holder.event, self._beyond(connection, holder.budget, due[-1].seq))
            free = [row for row in due if row.seq <= upto]
            if len(free) < len(due):
                self._keep(holder)
                due = free
        return due

    def _beyond(self, connection: Connection, budget: int, upto: int) -> int:
        """The number up to which events are more than that. As far as is known; and some more is made known."""
        newest = self._newest
        if newest is None:
            return upto
        found = newest.beyond(budget)
        if found is None and newest.back_to > upto and not newest.complete:
            rows = connection.exec_driver_sql(
                f"SELECT seq, body_size + {EVENT} FROM event WHERE seq < ? ORDER BY seq DESC LIMIT ?",
                (newest.back_to, _COUNTED),
            ).all()
            if rows:
                newest.extend([(seq, size) for seq, size in rows], rows[-1][0])
            else:
                newest.complete = True
            found = newest.beyond(budget)
            self.counting |= found is None and not newest.complete and newest.back_to > upto
        return 0 if found is None else found

    def lose_events(self, connection: Connection, rows: Sequence[Old], now: Micros) -> None:
        """They are removed with this transaction."""
        for holder in self._holders:
            lost = [row for row in rows if row.seq > holder.event]
            if lost:
                size = sum(row.size for row in lost)
                loss = Loss(
                    what="events",
                    first=lost[0].seq,
                    last=lost[-1].seq,
                    count=len(lost),
                    bytes=size,
                    cause=self._cause,
                    at=now,
                )
                self._lose(connection, holder, loss)

    def _lose(self, connection: Connection, holder: Holder, loss: Loss) -> None:
        holder.lose(connection, loss)
        self._removing.append((holder, loss))

    def removed(self) -> None:
        """The transaction is committed."""
        for holder, loss in self._removing:
            holder.lost_it(loss)
        self._removing.clear()

    @property
    def _cause(self) -> Cause:
        return "disk-full" if self.forced else "budget"

    # -- samples

    def samples_free(self, due: Sequence[OldSamples]) -> Sequence[OldSamples]:
        """Those of them, the first ones, that nobody holds."""
        if self.forced or not due:
            return due
        for holder in self._holders:
            if not holder.samples or holder.sample >= due[-1].last:
                continue
            upto = max(holder.sample, self._weight.beyond(max(holder.budget - self._behind(holder), 0)))
            free = [one for one in due if one.last <= upto]
            if len(free) < len(due):
                self._keep(holder)
                due = free
        return due

    def _behind(self, holder: Holder) -> int:
        """Bytes of events that it has not taken, as far as they are counted."""
        return 0 if self._newest is None else self._newest.behind(holder.event)

    def lose_samples(self, connection: Connection, found: Sequence[OldSamples], now: Micros) -> None:
        """They are removed with this transaction. Of those of which a holder has taken a part, about the rest."""
        for holder in self._holders:
            whole: Loss | None = None
            for one in found:
                if not holder.samples or one.last <= holder.sample:
                    continue
                part = min((one.last - holder.sample) / (one.last - one.first + 1), 1.0)
                loss = Loss(
                    what="samples",
                    first=max(one.first, holder.sample + 1),
                    last=one.last,
                    count=max(round(one.many * part), 1),
                    bytes=round(one.size * part),
                    cause=self._cause,
                    at=now,
                )
                whole = loss if whole is None else whole.with_(loss)
            if whole is not None:
                self._lose(connection, holder, whole)
