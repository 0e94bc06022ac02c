"""`/samples` and `/stations/{id}/signals`: what a machine measured, and the newest of each signal."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor, resolution, sample_buckets
from gateway.api.context import Context
from gateway.api.cursor import FROM_OLDEST, Cursor
from gateway.api.outlet import Bytes
from gateway.api.problems import Kind, Problem, missing
from gateway.api.query import AFTER, FROM, TO, Parameter, Query
from gateway.api.route import Route, accepts, json
from gateway.api.scopes import BASE
from gateway.api.stations import ID
from gateway.core.errors import CursorGone
from gateway.core.sample import Quality, Sample, SignalKey, Value, signal_key
from gateway.core.times import rfc3339
from gateway.journal.sample_buckets import BucketReader, TooFine, Wanted
from gateway.journal.sample_reader import SamplePage, SampleReader, Series

CSV = "text/csv"
_LIMIT, _MOST = 1000, 10_000
_PARAMETERS = (
    Parameter("station", "Id of the station, such as `L1.reflow`.", required=True),
    Parameter("signal", "The signal, such as `zone.temperature[3]`, percent-encoded.", required=True),
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


class Samples:
    """The endpoints, over one journal. `as_of` is read before the rest, as for stations."""

    def __init__(self, context: Context) -> None:
        self._ingest = context.ingest
        self._journal = context.reader.journal
        self._single = SampleReader(context.reader)
        self._buckets = BucketReader(context.reader)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="GET",
                path=f"{BASE}/stations/{{id}}/signals",
                summary="The signals of a station, each with its newest value",
                endpoint=self.signals,
                parameters=(ID,),
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
        query.check()
        as_of = self._head()
        station = request.path_params["id"]
        newest = {(sample.signal, sample.unit): sample for sample in self._ingest.stepper.signals(station)}
        stored = await self._single.series(station)
        if not (newest or stored or station in self._ingest.stations.by_id):
            raise missing(f"station {station!r}")
        unheard = [_unheard(series) for series in stored if (series.signal, series.unit) not in newest]
        found = [*map(_heard, newest.values()), *unheard]
        return json(answers.Signals(station=station, signals=found, as_of=as_of))

    async def samples(self, request: Request, query: Query) -> Response:
        station, signal = query.needed("station"), query.needed("signal")
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
            found = await self._summed(request, station, signal, wanted)
            if found is not None:
                return found
        return await self._page(request, station, signal, wanted, after=after, limit=limit)

    async def _summed(self, request: Request, station: str, signal: str, wanted: Wanted) -> Response | None:
        """None: the range is so short that single samples serve."""
        as_of = self._head()
        try:
            found = await self._buckets.buckets(station, signal, wanted)
        except TooFine as error:
            raise sample_buckets.too_fine(error) from error
        if found is None:
            raise _never(station, signal, wanted)
        if found.step == 0:
            return None
        if accepts(request, CSV):
            return Bytes(sample_buckets.lines(found), media_type=CSV)
        return json(sample_buckets.answer(found, station=station, signal=signal, as_of=as_of))

    async def _page(
        self,
        request: Request,
        station: str,
        signal: str,
        wanted: Wanted,
        *,
        after: Cursor,
        limit: int,
    ) -> Response:
        as_of = self._head()
        try:
            page = await self._single.page(
                station,
                signal,
                unit=wanted.unit,
                start=wanted.start,
                end=wanted.end,
                after=after.within(self._journal),
                limit=limit,
                exact=after.journal is not None,
            )
        except CursorGone as error:
            raise await self._gone(error, station, signal) from error
        if page is None:
            raise _never(station, signal, wanted)
        position = self._cursor(page.next)
        if accepts(request, CSV):
            follow = request.url.include_query_params(after=position)
            headers = {"link": f'<{follow.path}?{follow.query}>; rel="next"'} if page.more else {}
            return Bytes(_lines(page), headers=headers, media_type=CSV)
        return json(
            answers.Samples(
                station=station,
                signal=signal,
                unit=page.unit,
                t=page.times,
                v=page.values,
                q=page.qualities,
                next=position,
                more=page.more,
                as_of=as_of,
            )
        )

    async def _gone(self, error: CursorGone, station: str, signal: str) -> Problem:
        """Samples have positions of their own: the answer for events would lead elsewhere."""
        oldest, newest = await self._single.bounds(station, signal)
        more = {"reason": error.reason, "oldest": self._cursor(oldest - 1), "head": self._cursor(newest)}
        return Problem(Kind.CURSOR_GONE, str(error), more=more)

    def _head(self) -> str:
        return self._cursor(self._ingest.tail.head)

    def _cursor(self, position: int) -> str:
        return cursor.write(self._journal, position)


def _never(station: str, signal: str, wanted: Wanted) -> Problem:
    unit = "" if wanted.unit is None else f" in unit {wanted.unit!r}"
    return missing(f"signal {signal!r} of station {station!r}{unit}; none of its values was ever stored")


def _heard(sample: Sample) -> answers.Signal:
    return _signal(
        sample.signal, sample.unit, sample.value, sample.quality, rfc3339(sample.time), rfc3339(sample.received)
    )


def _unheard(series: Series) -> answers.Signal:
    return _signal(series.signal, series.unit, None, Quality.UNAVAILABLE, None, None)


def _signal(
    text: str, unit: str | None, value: Value, quality: Quality, time: str | None, received: str | None
) -> answers.Signal:
    try:
        key = signal_key(text)
    except ValueError:  # stored by a version that named it otherwise
        key = SignalKey(text)
    return answers.Signal(
        signal=text,
        name=key.name,
        index=key.index,
        lane=key.lane,
        stage=key.stage,
        unit=unit,
        value=value,
        quality=quality,
        time=time,
        received=received,
    )


def _lines(page: SamplePage) -> bytes:
    """RFC 4180."""
    columns = zip(page.times, page.values, page.qualities, strict=True)
    rows = [f"{time},{sample_buckets.field(value)},{quality}\r\n" for time, value, quality in columns]
    return "".join(["t,v,q\r\n", *rows]).encode()
