"""`/session`: the page swaps a token for a cookie that scripts cannot read."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import answers
from gateway.api.access import COOKIE, Access
from gateway.api.context import HttpSettings
from gateway.api.problems import Kind
from gateway.api.query import Query
from gateway.api.route import Route, json, read_body
from gateway.api.scopes import BASE
from gateway.core import times
from gateway.core.times import rfc3339


class Sessions:
    """The endpoints. A session lives in this process's memory: after a restart the page asks for the token again."""

    def __init__(self, settings: HttpSettings, access: Access) -> None:
        self._settings = settings
        self._access = access

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(
                method="POST",
                path=f"{BASE}/session",
                summary="Open a session: a cookie in the place of a token",
                description="Where no `[auth]` is configured no cookie is needed and none is set.",
                endpoint=self.open,
                body=answers.Credentials,
                answers={"application/json": answers.Session},
                problems=(Kind.BAD_REQUEST, Kind.UNAUTHENTICATED, Kind.TOO_LARGE),
            ),
            Route(
                method="DELETE", path=f"{BASE}/session", summary="End the session", endpoint=self.close, statuses=(204,)
            ),
        )

    async def open(self, request: Request, query: Query) -> Response:
        query.check()
        credentials: answers.Credentials = await read_body(request, answers.Credentials)
        if self._access.tokens is None:
            caller = self._access.caller(request)
            return json(answers.Session(name=None, scopes=sorted(caller.scopes), expires=None))
        id_, caller = self._access.open_session(credentials.token)
        seconds = int(self._settings.session_s)
        expires = rfc3339(times.now() + seconds * 1_000_000)
        response = json(answers.Session(name=caller.name, scopes=sorted(caller.scopes), expires=expires))
        response.set_cookie(
            COOKIE, id_, max_age=seconds, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return response

    async def close(self, request: Request, query: Query) -> Response:
        query.check()
        self._access.close_session(request.cookies.get(COOKIE))
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response
