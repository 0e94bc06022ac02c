"""Limits of single messages: heartbeats and parameters are most of what machines say, and soon of no use.

What there is of a message is found block by block in the index of `gateway.journal.postings`, in the order in which it
came in; what that does not have yet is looked through. How far a limit has got is not kept: after a start it goes once
more through blocks in which little is left.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection

from gateway.core.event import Event
from gateway.journal import event_state, postings
from gateway.journal.newest import EVENT, Newest
from gateway.journal.postings import BLOCK, FILED, Stream
from gateway.journal.retention_events import OLD, Old
from gateway.journal.sample_state import state

_BLOCKS = 16
"""Looked at in one step, at most."""
_TOGETHER = 1000
"""Rows of one query."""


class MessageLimit(msgspec.Struct, frozen=True, kw_only=True):
    """name: of a message, or the beginning of several with `*` behind it; of all that fit one the longest counts.

    days, bytes: how much of them together is kept, as they were received; None: no limit.
    """

    name: str
    days: float | None = None
    bytes: int | None = None

    def fits(self, message: str) -> bool:
        return message.startswith(self.name[:-1]) if self.name.endswith("*") else message == self.name


class Sight:
    """What there is: messages by their numbers, their streams, up to where the index has them, and the newest event."""

    def __init__(self, connection: Connection) -> None:
        self.names: dict[int, str] = dict(
            tuple(row) for row in connection.exec_driver_sql("SELECT id, name FROM message")
        )
        self.filed = state(connection, FILED)
        self.streams = postings.streams(connection)
        self.head = event_state.head(connection)
        self.gone = event_state.events_gone(connection)


class Limited:
    """One limit at work. done: up to this number nothing is left that it is about."""

    def __init__(self, limit: MessageLimit) -> None:
        self.limit = limit
        self.newest: Newest | None = None
        self.done = 0
        self._messages: frozenset[int] = frozenset()
        self._streams: list[Stream] = []
        self._filed = self._head = self._gone = 0

    def see(self, sight: Sight, messages: Collection[int]) -> None:
        self._messages = frozenset(messages)
        self._streams = [stream for stream in sight.streams if stream[1] in self._messages]
        self._filed, self._head, self._gone = sight.filed, sight.head, sight.gone
        self.done = max(self.done, sight.gone)

    def oldest(self, connection: Connection, most: int) -> list[Old]:
        """Of its events the first that are left, not all of them; none: there is nothing in the next blocks."""
        if not self._messages:
            return []
        for _ in range(_BLOCKS):
            first, last = self.done + 1, min(self.done // BLOCK * BLOCK + BLOCK, self._head)
            if last < first:
                return []
            if found := self._between(connection, first, last):
                return found[:most]
            self.done = last
        return []

    @property
    def more(self) -> bool:
        """Whether there are blocks that were not looked at."""
        return bool(self._messages) and self.done < self._head

    def count(self, connection: Connection) -> bool:
        """Whether it is known what is beyond its bytes; else some more are counted."""
        if self.limit.bytes is None or not self._messages:
            return True
        if self.newest is None:
            self.newest = Newest(self.limit.bytes, self._head)
        newest = self.newest
        for _ in range(_BLOCKS):
            if newest.complete or newest.beyond(self.limit.bytes) is not None:
                return True
            last = newest.back_to - 1
            first = max((last - 1) // BLOCK * BLOCK, self._gone) + 1
            if last < first:
                newest.complete = True
            else:
                found = self._between(connection, first, last)
                newest.extend([(row.seq, row.size) for row in reversed(found)], first)
        return False

    def beyond(self) -> int:
        """The number up to which its events are more than its bytes; 0: none is."""
        if self.newest is None or self.limit.bytes is None:
            return 0
        return self.newest.beyond(self.limit.bytes) or 0

    def _between(self, connection: Connection, first: int, last: int) -> list[Old]:
        """Its events with these numbers, of one block."""
        if last > self._filed:
            listed = ",".join(map(str, sorted(self._messages)))
            rows = connection.exec_driver_sql(
                f"SELECT {OLD} FROM event WHERE seq BETWEEN ? AND ? AND +message IN ({listed}) ORDER BY seq",
                (first, last),
            )
            return [Old(*row) for row in rows]
        block = (first - 1) // BLOCK
        numbers, _ = postings.numbers(connection, self._streams, block, block)
        seqs = [seq for seq in numbers.tolist() if first <= seq <= last]
        found: list[Old] = []
        for start in range(0, len(seqs), _TOGETHER):
            listed = ",".join(map(str, seqs[start : start + _TOGETHER]))
            rows = connection.exec_driver_sql(f"SELECT {OLD} FROM event WHERE seq IN ({listed}) ORDER BY seq")
            found += [Old(*row) for row in rows]
        return found


class MessageLimits:
    """All of them."""

    def __init__(self, limits: Sequence[MessageLimit]) -> None:
        # The most specific one first: a whole name before beginnings, the longer beginning before the shorter.
        ordered = sorted(limits, key=lambda limit: (limit.name.endswith("*"), -len(limit.name)))
        self.all = [Limited(limit) for limit in ordered]
        self._known: dict[str, Limited | None] = {}
        self._weighs = any(limit.bytes is not None for limit in limits)

    def look(self, connection: Connection) -> None:
        """What there is by now."""
        if not self.all:
            return
        sight = Sight(connection)
        for one in self.all:
            one.see(sight, [number for number, name in sight.names.items() if self._of(name) is one])

    def committed(self, events: Sequence[Event]) -> None:
        if not self._weighs:
            return
        for event in events:
            found = self._of(event.message)
            if found is not None and found.newest is not None:
                found.newest.add(event.seq, event.seq, len(event.body) + EVENT)

    def _of(self, name: str) -> Limited | None:
        if name not in self._known:
            self._known[name] = next((one for one in self.all if one.limit.fits(name)), None)
        return self._known[name]
