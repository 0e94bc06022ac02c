"""`/samples` and `/stations/{id}/signals`: what a machine measured, as it was stored, and the newest of each signal."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers, cursor
from gateway.api.context import Context
from gateway.api.cursor import FROM_OLDEST
from gateway.api.outlet import Bytes
from gateway.api.problems import Kind, Problem, missing
from gateway.api.query import AFTER, FROM, TO, Parameter, Query
from gateway.api.route import Route, accepts, json
from gateway.api.scopes import BASE
from gateway.api.stations import ID
from gateway.core.errors import CursorGone
from gateway.core.sample import Quality, Sample, SignalKey, Value, signal_key
from gateway.core.times import rfc3339
from gateway.journal.sample_reader import SamplePage, SampleReader, Series

CSV = "text/csv"
_LIMIT, _MOST = 1000, 10_000
_PARAMETERS = (
    Parameter("station", "Id of the station, such as `L1.reflow`.", required=True),
    Parameter("signal", "The signal, such as `zone.temperature[3]`, percent-encoded.", required=True),
    FROM,
    TO,
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
        self._samples = SampleReader(context.reader)

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
                'not known, and where there is more a `Link` with `rel="next"` leads there.',
                endpoint=self.page,
                parameters=_PARAMETERS,
                answers={"application/json": answers.Samples, CSV: None},
                problems=(Kind.NOT_FOUND, Kind.CURSOR_GONE),
            ),
        )

    async def signals(self, request: Request, query: Query) -> Response:
        query.check()
        as_of = self._head()
        station = request.path_params["id"]
        newest = {(sample.signal, sample.unit): sample for sample in self._ingest.stepper.signals(station)}
        stored = await self._samples.series(station)
        if not (newest or stored or station in self._ingest.stations.by_id):
            raise missing(f"station {station!r}")
        unheard = [_unheard(series) for series in stored if (series.signal, series.unit) not in newest]
        found = [*map(_heard, newest.values()), *unheard]
        return json(answers.Signals(station=station, signals=found, as_of=as_of))

    async def page(self, request: Request, query: Query) -> Response:
        station, signal = query.needed("station"), query.needed("signal")
        start, end = query.instant("from"), query.instant("to")
        after, limit = query.after() or FROM_OLDEST, query.limit(_LIMIT, _MOST)
        if query.one("resolution") is not None:
            query.wrong("resolution", "only samples as they were stored can be had in this version")
        query.check()
        as_of = self._head()
        try:
            page = await self._samples.page(
                station,
                signal,
                start=start,
                end=end,
                after=after.within(self._journal),
                limit=limit,
                exact=after.journal is not None,
            )
        except CursorGone as error:
            raise await self._gone(error) from error
        if page is None:
            raise missing(f"signal {signal!r} of station {station!r}; none of its values was ever stored")
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

    async def _gone(self, error: CursorGone) -> Problem:
        """Samples have positions of their own: the answer for events would lead elsewhere."""
        oldest, newest = await self._samples.bounds()
        more = {"reason": error.reason, "oldest": self._cursor(oldest - 1), "head": self._cursor(newest)}
        return Problem(Kind.CURSOR_GONE, str(error), more=more)

    def _head(self) -> str:
        return self._cursor(self._ingest.tail.head)

    def _cursor(self, position: int) -> str:
        return cursor.write(self._journal, position)


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
    """RFC 4180. A text is always in quotes, so that "" is not an unknown value and "1" is no number."""
    columns = zip(page.times, page.values, page.qualities, strict=True)
    return "".join(
        ["t,v,q\r\n", *(f"{time},{_field(value)},{quality}\r\n" for time, value, quality in columns)]
    ).encode()


def _field(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
