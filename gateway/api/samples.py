"""`/samples` and `/stations/{id}/signals`: what a machine measured, and the newest of each signal."""

from __future__ import annotations

from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor, resolution, sample_buckets
from gateway.api.cursor import FROM_OLDEST, Cursor
from gateway.api.log import EventLog
from gateway.api.outlet import Bytes
from gateway.api.places import Places
from gateway.api.problems import Kind, Problem, missing
from gateway.api.query import AFTER, FROM, PLACES, TO, Parameter, Query
from gateway.api.route import Route, accepts, json
from gateway.api.scopes import BASE
from gateway.api.stations import ID
from gateway.core.errors import CursorGone
from gateway.journal.sample_buckets import Buckets, TooFine, Wanted
from gateway.journal.sample_reader import SamplePage

CSV = "text/csv"
_LIMIT, _MOST = 1000, 10_000
_PARAMETERS = (
    Parameter("station", "Id of the station, such as `L1.reflow`.", required=True),
    Parameter("signal", "The signal, such as `zone.temperature[3]`, percent-encoded.", required=True),
    *PLACES,
    FROM,
    TO,
    resolution.PARAMETER,
    Parameter("unit", "Of a signal whose unit changed: which one; empty for values without a unit."),
    AFTER,
    Parameter(
        "limit",
        "Most samples in the answer. A page may have fewer; `more` says whether there is more.",
        {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _LIMIT},
    ),
)


class Named(msgspec.Struct, frozen=True):
    """A signal as it is asked for."""

    station: str
    signal: str
    places: Places


class SampleLog(Protocol):
    """Samples by positions of their own. Raises JournalError; Problem where several gateways have what was named."""

    async def signals(self, station: str, places: Places) -> answers.Signals | None:
        """None when there is no such station. `as_of` is filled in by the caller."""

    async def page(self, named: Named, wanted: Wanted, *, after: int, limit: int, exact: bool) -> SamplePage | None:
        """As `gateway.journal.sample_reader.SampleReader.page`; the length of a stretch does not matter."""

    async def bounds(self, named: Named) -> tuple[int, int]:
        """(oldest position of the signal from which nothing was removed, newest of all samples)."""

    async def buckets(self, named: Named, wanted: Wanted) -> Buckets | None:
        """As `gateway.journal.sample_buckets.BucketReader.buckets`. Raises TooFine."""


class Samples:
    """The endpoints. `as_of` is read before the rest, as for stations."""

    def __init__(self, log: EventLog, samples: SampleLog) -> None:
        self._log = log
        self._samples = samples

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/stations/{{id}}/signals",
                summary="The signals of a station, each with its newest value",
                endpoint=self.signals,
                parameters=(ID, *PLACES),
                answers={"application/json": answers.Signals},
                problems=(Kind.NOT_FOUND,),
            ),
            Route(
                method="GET",
                path=f"{BASE}/samples",
                summary="Samples of one signal as they were stored, a page in the order of arrival",
                description="With `Accept: text/csv` the columns t, v, q as lines; texts are in quotes, an empty v is "
                'not known, and where there is more a `Link` with `rel="next"` leads there. With a resolution the columns are '
                "t, min, max, mean, last, count, samples, q, and the answer has all of the range.",
                endpoint=self.samples,
                parameters=_PARAMETERS,
                answers={"application/json": answers.Samples | sample_buckets.SampleBuckets, CSV: None},
                problems=(Kind.NOT_FOUND, Kind.CURSOR_GONE),
            ),
        )

    async def signals(self, request: Request, query: Query) -> Response:
        places = query.places()
        query.check()
        as_of = self._head()
        station = request.path_params["id"]
        found = await self._samples.signals(station, places)
        if found is None:
            raise missing(f"station {station!r}")
        return json(msgspec.structs.replace(found, as_of=as_of))

    async def samples(self, request: Request, query: Query) -> Response:
        named = Named(query.needed("station"), query.needed("signal"), query.places())
        start, end = query.instant("from"), query.instant("to")
        if start is not None and end is not None and start > end:
            query.wrong("to", "is before `from`", "a time at or after `from`")
        step = resolution.asked(query)
        if isinstance(step, int):
            for name in ("after", "limit"):
                if query.one(name) is not None:
                    query.wrong(name, "goes with single samples only: buckets come all at once", "resolution=raw")
        after, limit = query.after() or FROM_OLDEST, query.limit(_LIMIT, _MOST)
        query.check()
        wanted = Wanted(start=start, end=end, step=step if isinstance(step, int) else None, unit=query.one("unit"))
        # Who has a position was given single samples before.
        if step != resolution.RAW and query.one("after") is None:
            found = await self._summed(request, named, wanted)
            if found is not None:
                return found
        return await self._page(request, named, wanted, after=after, limit=limit)

    async def _summed(self, request: Request, named: Named, wanted: Wanted) -> Response | None:
        """None: the range is so short that single samples serve."""
        as_of = self._head()
        try:
            found = await self._samples.buckets(named, wanted)
        except TooFine as error:
            raise sample_buckets.too_fine(error) from error
        if found is None:
            raise _never(named, wanted)
        if found.step == 0:
            return None
        if accepts(request, CSV):
            return Bytes(sample_buckets.lines(found), media_type=CSV)
        return json(sample_buckets.answer(found, station=named.station, signal=named.signal, as_of=as_of))

    async def _page(self, request: Request, named: Named, wanted: Wanted, *, after: Cursor, limit: int) -> Response:
        as_of = self._head()
        try:
            page = await self._samples.page(
                named, wanted, after=after.within(self._log.id), limit=limit, exact=after.journal is not None
            )
        except CursorGone as error:
            raise await self._gone(error, named) from error
        if page is None:
            raise _never(named, wanted)
        follows = self._cursor(page.next)
        if accepts(request, CSV):
            follow = request.url.include_query_params(after=follows)
            headers = {"link": f'<{follow.path}?{follow.query}>; rel="next"'} if page.more else {}
            return Bytes(_lines(page), headers=headers, media_type=CSV)
        return json(
            answers.Samples(
                station=named.station,
                signal=named.signal,
                unit=page.unit,
                t=page.times,
                v=page.values,
                q=page.qualities,
                next=follows,
                more=page.more,
                as_of=as_of,
            )
        )

    async def _gone(self, error: CursorGone, named: Named) -> Problem:
        """Samples have positions of their own: the answer for events would lead elsewhere."""
        oldest, newest = await self._samples.bounds(named)
        more = {"reason": error.reason, "oldest": self._cursor(oldest - 1), "head": self._cursor(newest)}
        return Problem(Kind.CURSOR_GONE, str(error), more=more)

    def _head(self) -> str:
        return self._cursor(self._log.tail.head)

    def _cursor(self, position: int) -> str:
        return cursor.write(self._log.id, position)


def _never(named: Named, wanted: Wanted) -> Problem:
    unit = "" if wanted.unit is None else f" in unit {wanted.unit!r}"
    return missing(f"signal {named.signal!r} of station {named.station!r}{unit}; none of its values was ever stored")


def _lines(page: SamplePage) -> bytes:
    """RFC 4180."""
    columns = zip(page.times, page.values, page.qualities, strict=True)
    rows = [f"{time},{sample_buckets.field(value)},{quality}\r\n" for time, value, quality in columns]
    return "".join(["t,v,q\r\n", *rows]).encode()
