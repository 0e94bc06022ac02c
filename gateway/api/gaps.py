"""`/gaps`: when a machine may have said something that is not here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor
from gateway.api.context import Context
from gateway.api.cursor import FROM_OLDEST
from gateway.api.log import EventLog
from gateway.api.places import Places
from gateway.api.problems import Kind
from gateway.api.query import AFTER, LIMITED, PLACES, Parameter, Query
from gateway.api.route import Route, json
from gateway.api.scopes import BASE
from gateway.core.event import Place
from gateway.core.times import rfc3339
from gateway.journal.reader import Gap, check_position

_STATION = Parameter("station", "Only of this station.")


class GapLog(Protocol):
    """Gaps by the positions at which they opened and closed. Raises JournalError."""

    async def gaps(self, after: int, limit: int, station: str | None, places: Places) -> Sequence[tuple[Gap, Place]]:
        """Those that opened behind position `after`, in that order, and whose they are."""


class GatewayGaps:
    """Over a gateway's own journal."""

    def __init__(self, context: Context) -> None:
        self._reader = context.reader
        self._tail = context.ingest.tail

    async def gaps(self, after: int, limit: int, station: str | None, places: Places) -> Sequence[tuple[Gap, Place]]:
        place = self._tail.place
        if not places.accepts(place.site, place.gateway):
            return []
        return [(gap, place) for gap in await self._reader.gaps(after=after, limit=limit, station=station)]


class Gaps:
    """The endpoint."""

    def __init__(self, log: EventLog, gaps: GapLog) -> None:
        self._log = log
        self._gaps = gaps

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/gaps",
                summary="Observation gaps, in the order in which they opened",
                endpoint=self.gaps,
                parameters=(AFTER, LIMITED, _STATION, *PLACES),
                answers={"application/json": answers.Gaps},
                problems=(Kind.BAD_PARAMETER, Kind.CURSOR_GONE),
            ),
        )

    async def gaps(self, _: Request, query: Query) -> Response:
        after, limit = query.after() or FROM_OLDEST, query.limit()
        station, places = query.one("station"), query.places()
        query.check()
        position, as_of = after.within(self._log.id), self._cursor(self._log.tail.head)
        head = (await self._log.bounds())[1]
        # Months may lie between two gaps: that the events behind a position are gone makes it no worse.
        check_position(position, 0, head)
        found = await self._gaps.gaps(position, limit + 1, station, places)
        more, found = len(found) > limit, found[:limit]
        last = found[-1][0].opened_seq if found else position
        shown = [self._gap(gap, place) for gap, place in found]
        return json(answers.Gaps(gaps=shown, next=self._cursor(last), more=more, as_of=as_of))

    def _cursor(self, position: int) -> str:
        return cursor.write(self._log.id, position)

    def _gap(self, gap: Gap, place: Place) -> answers.Gap:
        return answers.Gap(
            id=gap.id,
            site=place.site,
            gateway=place.gateway,
            source=gap.source,
            station=gap.station,
            cause=gap.cause,
            basis=gap.basis,
            recovered=gap.recovered,
            start=rfc3339(gap.start),
            end=None if gap.end is None else rfc3339(gap.end),
            opened=self._cursor(gap.opened_seq),
            closed=None if gap.closed_seq is None else self._cursor(gap.closed_seq),
        )
