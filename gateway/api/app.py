"""The application: every route behind the same checks, every error as a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from gateway.api import cursor, document
from gateway.api.access import Access, Gate
from gateway.api.context import Context, HttpSettings
from gateway.api.document import Documentation
from gateway.api.events import Events
from gateway.api.health import Health
from gateway.api.log import EventLog
from gateway.api.outlet import Readers
from gateway.api.problems import Kind, Problem
from gateway.api.query import Query
from gateway.api.records import Records
from gateway.api.route import Route
from gateway.api.samples import Samples
from gateway.api.scopes import SCOPES
from gateway.api.session import Sessions
from gateway.api.stations import Stations
from gateway.core.errors import CursorGone, JournalError
from gateway.core.telemetry import Telemetry


def create_app(context: Context) -> FastAPI:
    """The HTTP API of one gateway; `gateway.api.server` runs it. Raises ConfigError when the token file cannot be used."""
    access = Access(context.http)
    readers = Readers(context.http.readers)
    routes = (
        *Events(context.log, readers, keepalive_s=context.http.keepalive_s).routes(),
        *Stations(context).routes(),
        *Samples(context).routes(),
        *Records(context).routes(),
        *Sessions(context.http, access).routes(),
        *Health(context, access, readers).routes(),
    )
    return assemble(
        routes,
        access,
        readers,
        log=context.log,
        http=context.http,
        telemetry=context.telemetry,
        version=context.version,
    )


def assemble(
    routes: Sequence[Route],
    access: Access,
    readers: Readers,
    *,
    log: EventLog,
    http: HttpSettings,
    telemetry: Telemetry,
    version: str,
) -> FastAPI:
    """An application of these routes, with their documents, behind the same checks, on whatever log."""
    documentation = Documentation(version=version)
    routes = (*routes, *documentation.routes())
    documentation.document = document.describe(routes, version=version)
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
