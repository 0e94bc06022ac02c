"""The application: every route behind the same checks, every error as a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import cursor
from gateway.api.access import Access, Gate
from gateway.api.captures import Captures
from gateway.api.context import Context, HttpSettings
from gateway.api.document import Documentation
from gateway.api.events import Events
from gateway.api.gaps import GapLog, Gaps, GatewayGaps
from gateway.api.gateway_samples import GatewaySamples
from gateway.api.gateway_stations import GatewayStations
from gateway.api.health import Health
from gateway.api.log import EventLog
from gateway.api.outlet import Readers
from gateway.api.problems import Kind, Problem
from gateway.api.quarantine import GatewayQuarantine, Quarantine, QuarantineLog
from gateway.api.query import Query
from gateway.api.route import Route
from gateway.api.samples import SampleLog, Samples
from gateway.api.scopes import SCOPES
from gateway.api.session import Sessions
from gateway.api.stations import Stations, StationView
from gateway.api.watch import Watch, Watched
from gateway.capture import captures as capture
from gateway.core.errors import CursorGone, JournalError
from gateway.core.telemetry import Telemetry
from gateway.core.times import Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the API answers from: the routes are the same, whatever these are."""

    log: EventLog
    stations: StationView
    samples: SampleLog
    gaps: GapLog
    quarantine: QuarantineLog
    watched: Watched
    captures: capture.Captures | None = None


def create_app(context: Context) -> FastAPI:
    """The HTTP API of one gateway; `gateway.api.server` runs it. Raises ConfigError when the token file cannot be used."""
    sources = Sources(
        log=context.log,
        stations=GatewayStations(context),
        samples=GatewaySamples(context),
        gaps=GatewayGaps(context),
        quarantine=GatewayQuarantine(context),
        watched=Health(context),
        captures=context.captures,
    )
    return assemble(
        sources, context.http, telemetry=context.telemetry, version=context.version, started=context.started
    )


def assemble(sources: Sources, http: HttpSettings, *, telemetry: Telemetry, version: str, started: Micros) -> FastAPI:
    """Every route over these, behind the same checks, with their documents. Raises ConfigError like `create_app`."""
    log, access, readers = sources.log, Access(http), Readers(http.readers)
    watch = Watch(sources.watched, access, readers, telemetry, version=version, started=started)
    routes: tuple[Route, ...] = (
        *Events(log, readers, keepalive_s=http.keepalive_s).routes(),
        *Stations(log, sources.stations).routes(),
        *Samples(log, sources.samples).routes(),
        *Gaps(log, sources.gaps).routes(),
        *Quarantine(log, sources.quarantine).routes(),
        *Captures(sources.captures, readers).routes(),
        *Sessions(http, access).routes(),
        *watch.routes(),
    )
    documentation = Documentation(version=version)
    routes = (*routes, *documentation.routes())
    documentation.described = routes
    app = FastAPI(
        title="Lineside",
        version=version,
        openapi_url=None,  # FastAPI's pages load from elsewhere, and its document does not know our parameters
        redirect_slashes=False,
        middleware=[Middleware(Gate, settings=http)],
        exception_handlers={
            Problem: _problem,
            HTTPException: _http_error,
            JournalError: _journal_error,
            CursorGone: _cursor_gone(log),
            Exception: _internal_error,
        },
    )
    app.openapi = lambda: documentation.document  # type: ignore[method-assign]
    app.state.http, app.state.readers, app.state.telemetry = http, readers, telemetry  # for gateway.api.server
    for route in routes:
        app.add_api_route(
            route.path, _behind(route, access), methods=[route.method], include_in_schema=False, name=route.summary
        )
    return app


def _behind(route: Route, access: Access) -> Callable[[Request], Awaitable[Response]]:
    scope = SCOPES[route.method, route.path]  # a route without an entry cannot be served

    async def endpoint(request: Request) -> Response:
        access.require(request, scope)
        return await route.endpoint(request, Query(request, route.parameters))

    return endpoint


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_error(request: Request, error: Exception) -> Response:
    """What the router itself has to say."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        return Problem(Kind.NOT_FOUND, f"there is no {path!r}").response()
    if error.status_code == 405:
        allowed = sorted(method for method, template in SCOPES if _fits(template, path))
        headers = {"Allow": ", ".join([*allowed, *(["HEAD"] if "GET" in allowed else [])])}
        return Problem(Kind.METHOD_NOT_ALLOWED, f"{request.method} is not for {path!r}", headers=headers).response()
    kind = Kind.TOO_LARGE if error.status_code == 413 else Kind.BAD_REQUEST
    return Problem(kind, str(error.detail)).response()


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(w == g or w.startswith("{") for w, g in zip(wanted, given, strict=True))


async def _journal_error(_: Request, error: Exception) -> Response:
    return Problem(Kind.JOURNAL_UNAVAILABLE, str(error), headers={"Retry-After": "5"}).response()


def _cursor_gone(log: EventLog) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, CursorGone)
        try:
            oldest, head = await log.bounds()
        except JournalError as unreadable:
            return await _journal_error(request, unreadable)
        more = {
            "reason": error.reason,
            "oldest": cursor.write(log.id, oldest - 1),
            "head": cursor.write(log.id, head),
        }
        return Problem(Kind.CURSOR_GONE, str(error), more=more).response()

    return answer


async def _internal_error(_: Request, __: Exception) -> Response:
    return Problem(Kind.INTERNAL_ERROR, "this is a defect of Lineside; nothing was changed by this request").response()
