"""`/events`: pages, exports, single events, their bytes, and the live stream."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import cursor, export
from gateway.api.cursor import FROM_OLDEST, Cursor
from gateway.api.export import Export
from gateway.api.live import EventStream
from gateway.api.log import EventLog
from gateway.api.outlet import Download, Json, Readers
from gateway.api.places import EventFilter
from gateway.api.problems import Fault, Kind, Problem, missing
from gateway.api.query import AFTER, BODY, FILTER, LIMITED, Parameter, Query
from gateway.api.route import Route, accepts
from gateway.api.scopes import BASE
from gateway.core import ids
from gateway.core.event import encode
from gateway.journal.reader import Placed, check_position

ID = Parameter("id", "The event's `id`, a UUID.", {"type": "string", "format": "uuid"}, where="path")
LAST_EVENT_ID = Parameter(
    "Last-Event-ID", "Where to go on, as browsers send it; wins over `after`.", {"type": "string"}, where="header"
)


class Events:
    """The endpoints, over one log. keepalive_s: longest time without an `id:` on a stream."""

    def __init__(self, log: EventLog, readers: Readers, *, keepalive_s: float) -> None:
        self._log = log
        self._readers = readers
        self._keepalive_s = keepalive_s

    def routes(self) -> tuple[Route, ...]:
        page = (AFTER, LIMITED, *FILTER, BODY)
        return (
            Route(
                method="GET",
                path=f"{BASE}/events",
                summary="Events of the journal, a page or an export",
                description="With `Accept: application/x-ndjson` everything up to the head of request time, one event "
                'per line and at the end `{"next": cursor, "complete": true}`; `limit` then has no default.',
                endpoint=self.page,
                parameters=page,
                answers={"application/json": "EventPage", export.MEDIA_TYPE: "Event"},
                problems=(Kind.BAD_PARAMETER, Kind.CURSOR_GONE, Kind.TOO_MANY_READERS),
            ),
            Route(
                method="GET",
                path=f"{BASE}/events/stream",
                summary="Events as they are stored, as server-sent events",
                description="Without `Last-Event-ID` and `after` it starts at the head. Every event has its cursor as "
                "`id:`; at the latest every 15 s an id alone says how far was looked. `event: gap` says that what was "
                "asked for is gone, foreign or not there yet, and that it goes on with the oldest.",
                endpoint=self.stream,
                parameters=(AFTER, LAST_EVENT_ID, *FILTER, BODY),
                answers={"text/event-stream": "Event"},
                problems=(Kind.BAD_PARAMETER, Kind.TOO_MANY_READERS),
            ),
            Route(
                method="GET",
                path=f"{BASE}/events/{{id}}",
                summary="One event",
                endpoint=self.one,
                parameters=(ID,),
                answers={"application/json": "Event"},
                problems=(Kind.BAD_PARAMETER, Kind.NOT_FOUND),
            ),
            Route(
                method="GET",
                path=f"{BASE}/events/{{id}}/raw",
                summary="The bytes of an event as received, decompressed",
                endpoint=self.raw,
                parameters=(ID,),
                answers={"application/octet-stream": None},
                problems=(Kind.BAD_PARAMETER, Kind.NOT_FOUND),
            ),
        )

    async def page(self, request: Request, query: Query) -> Response:
        after, limit = query.after() or FROM_OLDEST, query.limit()
        wanted, body = query.filter(), query.with_body()
        query.check()
        position, exact = after.within(self._log.id), after.journal is not None
        if accepts(request, export.MEDIA_TYPE):
            most = None if query.one("limit") is None else limit
            return await self._export(position, exact, wanted, body, most)
        found = await self._log.page(position, limit, wanted, exact=exact, body=body)
        return Json(
            b'{"events":[%b],"next":"%b","more":%b,"head":"%b"}'
            % (
                b",".join([line.json for line in found.lines]),
                self._cursor(found.next),
                b"true" if found.more else b"false",
                self._cursor(found.head),
            )
        )

    async def _export(self, position: int, exact: bool, wanted: EventFilter, body: bool, limit: int | None) -> Response:
        oldest, head = await self._log.bounds()
        check_position(position, oldest, head, exact=exact)
        return Export(
            self._log,
            self._readers,
            after=position,
            head=head,
            wanted=wanted,
            body=body,
            limit=limit,
            exact=exact,
        )

    async def stream(self, request: Request, query: Query) -> Response:
        start = query.after()
        last = request.headers.get("last-event-id")
        if last:
            start = _last_event_id(last, query)
        wanted, body = query.filter(), query.with_body()
        query.check()
        stream = EventStream(
            self._log, self._readers, start=start, wanted=wanted, body=body, keepalive_s=self._keepalive_s
        )
        await stream.prepare()
        return stream

    async def one(self, request: Request, query: Query) -> Response:
        found = await self._find(request, query)
        return Json(encode(found.event, found.place))

    async def raw(self, request: Request, query: Query) -> Response:
        found = await self._find(request, query)
        if not found.event.raw:
            raise missing(f"raw form of event {found.event.id}: it was not received, the gateway derived it")
        return Download(found.event.raw, name=f"{found.event.id}.json")

    async def _find(self, request: Request, query: Query) -> Placed:
        query.check()
        text = request.path_params["id"]
        id_ = ids.guid(text)
        if id_ is None:
            raise Problem(Kind.BAD_PARAMETER, "not understood: id", errors=[Fault("id", f"{text[:100]!r} is no UUID")])
        found = await self._log.event(id_)
        if found is None:
            raise missing(f"event {id_}; it was never here, or retention removed it")
        return found

    def _cursor(self, position: int) -> bytes:
        return cursor.write(self._log.id, position).encode()


def _last_event_id(text: str, query: Query) -> Cursor | None:
    try:
        return cursor.parse(text)
    except ValueError:
        query.wrong("Last-Event-ID", f"{text[:100]!r} is no cursor", "the `id:` of an event of this stream")
        return None
