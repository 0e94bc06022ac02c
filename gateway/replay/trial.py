"""A journal for as long as frames are stepped again: the real tables and the real transaction, and nothing left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from gateway.core.errors import JournalError
from gateway.core.event import Event, Place
from gateway.core.sample import Sample
from gateway.core.times import Micros
from gateway.journal.database import driver, migrate
from gateway.journal.transaction import Names, Transaction

_BUDGET = 256 << 20
"""About the bytes of events after which they are forgotten, but for their ids."""
_SAMPLES = 1_000_000
_IDS = 1_000_000
"""Ids that are remembered. What came before them and is asked for is in the capture, where it was asked."""
_QUARANTINE = 16 << 20
_ROW = 512
"""About what an event takes beside its bytes."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """What would have gone to quarantine. station: None where it was not known whose it is."""

    connection: str
    station: str | None
    channel: str
    reason: str
    detail: str
    size: int
    received: Micros


class Trial(Transaction):
    """Notes what the journal does not hand out after a commit."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sampled: list[Sample] = []
        self.refused: list[Refused] = []

    def samples(self, samples: Iterable[Sample]) -> None:
        found = list(samples)
        self.sampled += found
        super().samples(found)

    def quarantine(
        self, *, source: str, station: str | None, channel: str, reason: str, detail: str,
        digest: bytes, size: int, at: Micros, raw: bytes,
    ) -> None:  # fmt: skip
        self.refused.append(
            Refused(
                connection=source,
                station=station,
                channel=channel,
                reason=reason,
                detail=detail,
                size=size,
                received=at,
            )
        )
        super().quarantine(
            source=source, station=station, channel=channel, reason=reason, detail=detail,
            digest=digest, size=size, at=at, raw=raw,
        )  # fmt: skip


class TrialJournal:
    """Takes a bounded part of the disk, which the system gives back however the process ends: the file has no name. Not one of
    SQLite's own temporary files, which it may keep in memory."""

    def __init__(self, place: Place, *, budget: int = _BUDGET) -> None:
        self._place = place
        self._budget = budget
        self._names = Names()
        self._head = 0
        self._held = 0
        self._sampled = 0

    def __enter__(self) -> Self:
        module = driver()
        with tempfile.TemporaryDirectory(prefix="lineside-") as folder:
            path = Path(folder) / "trial.db"
            self._engine = create_engine(
                "sqlite://",
                module=module,
                creator=lambda: module.connect(path, isolation_level=None, check_same_thread=False),
                poolclass=StaticPool,
            )

            @event.listens_for(self._engine, "connect")
            def _configure(connection: Any, _: object) -> None:
                connection.execute("PRAGMA journal_mode=MEMORY")
                connection.execute("PRAGMA synchronous=OFF")
                connection.execute("PRAGMA cache_size=-16384")

            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            migrate(self._connection, path)
        return self  # the file is open, and nowhere to be found any more

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._engine.dispose()

    def commit(self, apply: Callable[[Transaction], None]) -> Trial:
        """What was appended and noted. Raises what `apply` and the tables raise about the data, and then nothing has
        happened; JournalError when there is no room."""
        run = self._connection.exec_driver_sql
        run("BEGIN IMMEDIATE")
        trial = Trial(self._connection, self._place, self._head, self._names, quarantine_bytes=_QUARANTINE)
        try:
            apply(trial)
            trial.flush()
            run("COMMIT")
        except BaseException as error:
            self._names.clear()
            run("ROLLBACK")
            if isinstance(error, OperationalError):
                raise JournalError(f"no room for a temporary journal: {error.orig}") from error
            raise
        self._head = trial.head
        self._sampled += trial.sample_count
        self._held += sum(_weight(each) for each in trial.events)
        if self._held > self._budget or self._sampled > _SAMPLES:
            self._forget()
        return trial

    def _forget(self) -> None:
        """Everything but ids and positions."""
        run = self._connection.exec_driver_sql
        self._names.clear()
        run("BEGIN IMMEDIATE")
        run(
            "INSERT OR IGNORE INTO dedup SELECT e.id, coalesce(p.handle, p.station, ''), e.digest, e.received, 0, 0 "
            "FROM event e JOIN place p ON p.id = e.place"
        )
        for table in ("event", "event_unit", "unit", "sample", "sample_block"):
            run(f"DELETE FROM {table}")
        run(
            "DELETE FROM dedup WHERE received < "
            "coalesce((SELECT received FROM dedup ORDER BY received DESC LIMIT 1 OFFSET ?), 0)",
            (_IDS,),
        )
        run("COMMIT")
        self._held = self._sampled = 0


def _weight(each: Event) -> int:
    return len(each.raw) + _ROW
