"""The sink `postgres`: the plant's history, for many gateways at once.

The database itself says how far it has a journal (`lineside.journal`), and a batch moves that in the transaction that
inserts it: whatever is lost in between, nothing is there twice and nothing is missing. A batch goes by COPY into a table
of the session, and from there by one function that is sent with its COMMIT, so the lock under which positions are given is
never held while anything travels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gateway.core import times
from gateway.core.event import Place, encode
from gateway.journal.reader import Placed
from gateway.sinks.postgres.address import reveal
from gateway.sinks.postgres.batch import Batches
from gateway.sinks.postgres.database import ABOUT_DATA, connect, reason, translated
from gateway.sinks.postgres.migrate import Partitions, migrate, month, months_ahead
from gateway.sinks.postgres.rows import event_row, sample_row
from gateway.sinks.postgres.settings import PostgresSink
from gateway.sinks.postgres.text import escaped, key
from gateway.sinks.sink import Batch, Sampled

_REGISTER = """
INSERT INTO lineside.journal (id, site, gateway, seq, sample) VALUES ($1, $2, $3, 0, 0)
ON CONFLICT (id) DO UPDATE SET site = excluded.site, gateway = excluded.gateway
"""
# Events tell themselves how far they go, should somebody have taken the journal's row away.
_CURSOR = """
UPDATE lineside.journal SET seq = greatest(seq,
  (SELECT max(e.seq) FROM lineside.event e WHERE e.journal = $1),
  (SELECT max(r.seq) FROM lineside.refused r WHERE r.journal = $1))
WHERE id = $1 RETURNING seq, sample
"""
_SERIES = """
SELECT number FROM lineside.series
WHERE site = $1 AND gateway = $2 AND station = $3 AND signal = $4 AND coalesce(unit, '') = coalesce($5, '')
"""
_ADD_SERIES = """
INSERT INTO lineside.series (site, gateway, station, signal, unit) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_REFUSE = """
WITH moved AS (UPDATE lineside.journal SET seq = $3 WHERE id = $1 AND seq = $2 RETURNING id)
INSERT INTO lineside.refused (journal, seq, reason, event) SELECT id, $4, $5, $6 FROM moved
"""


class Postgres:
    """One `[[sink]]` of this kind."""

    kind = "postgres"

    def __init__(self, settings: PostgresSink) -> None:
        self.name = settings.name
        self.interval_s = settings.interval_s
        self.budget_bytes = settings.budget_bytes
        self.batch = Batch(
            events=settings.batch_events,
            bytes=settings.batch_bytes,
            samples=settings.batch_samples if settings.samples else 0,
        )
        self._settings = settings

    @asynccontextmanager
    async def connect(self, place: Place) -> AsyncIterator[PostgresSession]:
        settings = self._settings
        connection = await connect(
            reveal(settings.url),
            password=None if settings.password is None else settings.password.reveal(),
            application=f"lineside {place.gateway}",
            connect_timeout_s=settings.connect_timeout_s,
            timeout_s=settings.timeout_s,
        )
        try:
            with translated("the history cannot be opened"):
                session = await PostgresSession.begin(connection, place, settings.timeout_s)
            yield session
        finally:
            connection.terminate()  # nothing is under way, or nobody may wait for it


class PostgresSession:
    """One connection, and what is known of the database while it lasts."""

    def __init__(self, connection: Any, place: Place, partitions: Partitions, batches: Batches) -> None:
        self._connection = connection
        self._batches = batches
        self._place = place
        self._partitions = partitions
        self._series: dict[tuple[str, str, str | None], int] = {}
        self.event = 0
        self.sample = 0
        self.refused = 0

    @classmethod
    async def begin(cls, connection: Any, place: Place, timeout_s: float) -> PostgresSession:
        """timeout_s: for each transaction."""
        found = await migrate(connection)
        async with connection.transaction():
            await connection.execute(_REGISTER, place.journal, escaped(place.site), escaped(place.gateway))
            row = await connection.fetchrow(_CURSOR, place.journal)
        batches = await Batches.open(connection, place.journal, timeout_s)
        session = cls(connection, place, Partitions(found.layout), batches)
        session.event, session.sample = row["seq"], row["sample"]
        return session

    # -- events

    async def take_events(self, events: Sequence[Placed], upto: int) -> None:
        """What the database refuses for what is in it goes to `lineside.refused`, and the rest goes on."""
        with translated("events could not be stored"):
            await self._make_partitions([placed.event.received for placed in events])
            await self._events(events, upto)

    async def _events(self, events: Sequence[Placed], upto: int) -> None:
        try:
            rows = await asyncio.to_thread(_rows, event_row, events)
            await self._batches.take("event", rows, self.event, upto)
        except ABOUT_DATA as error:
            if len(events) > 1:
                middle = len(events) // 2
                await self._events(events[:middle], events[middle - 1].event.seq)
                await self._events(events[middle:], upto)
            elif events:
                await self._refuse(events[0], upto, reason(error))
            else:
                raise
            return
        self.event = upto

    async def _refuse(self, placed: Placed, upto: int, why: str) -> None:
        await self._connection.execute(
            _REFUSE,
            self._place.journal,
            self.event,
            upto,
            placed.event.seq,
            why.replace("\0", ""),
            encode(placed.event, placed.place),
        )
        self.event = upto
        self.refused += 1

    async def _make_partitions(self, received: Sequence[times.Micros]) -> None:
        months = {month(at) for at in (min(received), max(received))} if received else set()
        if len(months) > 1:
            months = set(map(month, received))
        await self._partitions.make(self._connection, [*months_ahead(times.now()), *months])

    # -- samples

    async def take_samples(self, samples: Sequence[Sampled], upto: int) -> None:
        with translated("samples could not be stored"):
            await self._make_partitions([sample.received for sample in samples])
            # In the order in which they come: of a signal whose unit changed, the last one is the one it has now.
            for name in dict.fromkeys((sample.station, sample.signal, sample.unit) for sample in samples):
                if name not in self._series:
                    self._series[name] = await self._number(*name)
            rows = await asyncio.to_thread(_rows, self._sample_row, samples)
            await self._batches.take("sample", rows, self.sample, upto)
        self.sample = upto

    async def _number(self, station: str, signal: str, unit: str | None) -> int:
        """Of a series, which is added if it is new."""
        place = self._place
        values = (
            escaped(place.site),
            escaped(place.gateway),
            key(station),
            key(signal),
            None if unit is None else key(unit),
        )
        number: int | None = await self._connection.fetchval(_SERIES, *values)
        if number is None:
            await self._connection.execute(_ADD_SERIES, *values)
            number = await self._connection.fetchval(_SERIES, *values)
        assert number is not None
        return number

    def _sample_row(self, sample: Sampled) -> tuple[Any, ...]:
        return sample_row(self._series[sample.station, sample.signal, sample.unit], sample)


def _rows(row: Callable[[Any], tuple[Any, ...]], items: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Beside the event loop: a batch takes as long as several messages may wait."""
    return list(map(row, items))
