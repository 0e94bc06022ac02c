"""Gaps of all gateways, and what the plant's history does not have: quarantine."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api.places import Places
from gateway.api.problems import Kind, Problem
from gateway.core.event import Place
from gateway.journal.reader import Gap, Quarantined
from gateway.sinks.postgres.reader import HistoryReader


class HistoryGaps:
    """`gateway.api.gaps.GapLog` over a database, in which a gap is known by the events that tell of it."""

    def __init__(self, reader: HistoryReader) -> None:
        self._reader = reader

    async def gaps(self, after: int, limit: int, station: str | None, places: Places) -> Sequence[tuple[Gap, Place]]:
        return await self._reader.gaps(after, limit, station, site=places.site, gateway=places.gateway)


class NoQuarantine:
    """`gateway.api.quarantine.QuarantineLog`: every question is answered with where to ask it. What is in quarantine has
    no place in the journal, counts up while it is there and makes room for newer: it cannot be followed."""

    async def entries(self, after: int, limit: int, *, source: str | None, reason: str | None) -> Sequence[Quarantined]:
        raise _elsewhere()

    async def raw(self, number: int) -> bytes | None:
        raise _elsewhere()

    async def retry(self, number: int) -> bool:
        raise _elsewhere()


def _elsewhere() -> Problem:
    return Problem(
        Kind.ONLY_AT_GATEWAY,
        "what could not be understood stays at the gateway that received it, for only there it can be tried again: "
        "ask /api/v1/quarantine of the gateway itself",
    )
