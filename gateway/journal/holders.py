"""Who has not taken everything yet: for them history is kept beyond its limits, up to a budget.

A holder is a sink, or whatever else follows the journal for somebody who may be away. It is registered before the writer
runs, or while it does; it says how far it has taken events and samples from any thread, and is asked for that on the
writer's. How far they were, and what was removed before they took it, is in the journal, as the positions of sources are:
a gateway that starts while a destination is away goes on holding. Who is not registered any more holds nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Literal

import msgspec
from sqlalchemy import Connection

from gateway.core.times import Micros
from gateway.journal.transaction import Transaction

What = Literal["events", "samples"]
Cause = Literal["budget", "disk-full"]
_SOURCE = "holder "
_LOST = "lost "


class Loss(msgspec.Struct, frozen=True):
    """What was removed before a holder took it. count, bytes: of what was there from first to last; of samples about.

    cause: `budget`, more than it may hold waited for it; `disk-full`.
    """

    what: What
    first: int
    last: int
    count: int
    bytes: int
    cause: Cause
    at: Micros

    @property
    def key(self) -> str:
        return f"{_LOST}{self.what} {self.first}"

    def with_(self, more: Loss) -> Loss:
        return Loss(
            what=self.what,
            first=min(self.first, more.first),
            last=max(self.last, more.last),
            count=self.count + more.count,
            bytes=self.bytes + more.bytes,
            cause=self.cause,
            at=more.at,
        )


_losses = msgspec.json.Decoder(Loss)


class Holder:
    """One of them. event, sample: the last of each that it has taken, by their numbers; 0: none.

    samples: whether it takes samples at all. budget: bytes of what it has not taken that are kept for it.
    """

    def __init__(self, kind: str, name: str, *, budget: int, samples: bool) -> None:
        self.kind = kind
        self.name = name
        self.budget = budget
        self.samples = samples
        self.event = 0
        self.sample = 0
        self.missed: dict[str, int] = {"events": 0, "samples": 0}
        """What it has lost since the gateway started."""
        self._lock = threading.Lock()
        self._told = False
        self._losses: dict[str, Loss] = {}  # by what, until somebody has told of it
        self._stored: dict[str, bytes] = {}

    @property
    def source(self) -> str:
        return f"{_SOURCE}{self.kind} {self.name}"

    def moved(self, *, event: int, sample: int) -> None:
        """It has taken everything up to here; back, where it has lost something itself."""
        with self._lock:
            self.event, self.sample, self._told = event, sample, True

    def lost(self, what: What) -> Loss | None:
        """What it has lost, of which nobody has told yet."""
        with self._lock:
            return self._losses.get(what)

    def loss(self, what: What, upto: int) -> Loss | None:
        """The same, once it goes on behind `upto`: handed out once, to be told with `settled`."""
        with self._lock:
            found = self._losses.get(what)
            return self._losses.pop(what) if found is not None and found.last <= upto else None

    def settled(self, loss: Loss, transaction: Transaction) -> None:
        """With this transaction, it was told."""
        transaction.forget_position(self.source, loss.key)

    # -- on the writer's thread, in its transactions

    def lose(self, connection: Connection, loss: Loss) -> None:
        """It is about to be removed with this transaction; `lost_it` when that is committed."""
        known = self.lost(loss.what)
        whole = loss if known is None else known.with_(loss)
        if known is not None and known.key != whole.key:
            connection.exec_driver_sql(
                "DELETE FROM source_position WHERE source = ? AND key = ?", (self.source, known.key)
            )
        self._put(connection, whole.key, msgspec.json.encode(whole))

    def lost_it(self, loss: Loss) -> None:
        with self._lock:
            known = self._losses.get(loss.what)
            self._losses[loss.what] = loss if known is None else known.with_(loss)
            self.missed[loss.what] += loss.count

    @property
    def unsaved(self) -> bool:
        return self._stored.get("event") != b"%d" % self.event or self._stored.get("sample") != b"%d" % self.sample

    def save(self, connection: Connection) -> None:
        with self._lock:
            found = {"event": b"%d" % self.event, "sample": b"%d" % self.sample}
        for key, value in found.items():
            if self._stored.get(key) != value:
                self._put(connection, key, value)
                self._stored[key] = value

    def _put(self, connection: Connection, key: str, value: bytes) -> None:
        connection.exec_driver_sql("INSERT OR REPLACE INTO source_position VALUES (?, ?, ?)", (self.source, key, value))

    def restore(self, stored: dict[str, bytes]) -> None:
        """As it was when the journal was last written; what it has said since is newer."""
        with self._lock:
            self._stored = {key: value for key, value in stored.items() if not key.startswith(_LOST)}
            if not self._told:
                self.event, self.sample = int(stored.get("event", 0)), int(stored.get("sample", 0))
            for key, value in stored.items():
                if key.startswith(_LOST):
                    loss = _losses.decode(value)
                    known = self._losses.get(loss.what)
                    self._losses[loss.what] = loss if known is None else loss.with_(known)


class Holders:
    """All of them. `register` and `drop` from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[str, Holder] = {}
        self._fresh: list[Holder] = []
        self._dropped: list[str] = []
        self._settled = False

    def register(self, kind: str, name: str, *, budget: int, samples: bool) -> Holder:
        """From now on, or from when it was last registered: what it has said it has taken is known."""
        holder = Holder(kind, name, budget=budget, samples=samples)
        with self._lock:
            self._holders[holder.source] = holder
            self._fresh.append(holder)
        return holder

    def drop(self, holder: Holder) -> None:
        """It is gone for good."""
        with self._lock:
            self._holders.pop(holder.source, None)
            self._dropped.append(holder.source)

    def __iter__(self) -> Iterator[Holder]:
        with self._lock:
            return iter(list(self._holders.values()))

    # -- on the writer's thread

    def settle(self, connection: Connection) -> None:
        """What is known of those that are new here; what was kept of those that nobody has registered is forgotten."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
            dropped, self._dropped = self._dropped, []
            known = set(self._holders)
        if not self._settled:
            rows = connection.exec_driver_sql(
                "SELECT DISTINCT source FROM source_position WHERE source >= ? AND source < ?",
                (_SOURCE, _SOURCE[:-1] + "!"),
            )
            dropped += [source for source in rows.scalars() if source not in known]
            self._settled = True
        for source in dropped:
            if source not in known:
                connection.exec_driver_sql("DELETE FROM source_position WHERE source = ?", (source,))
        for holder in fresh:
            rows = connection.exec_driver_sql(
                "SELECT key, value FROM source_position WHERE source = ?", (holder.source,)
            )
            holder.restore(dict(tuple(row) for row in rows))

    def save(self, connection: Connection) -> None:
        """How far they are: as part of a transaction."""
        for holder in self:
            holder.save(connection)
