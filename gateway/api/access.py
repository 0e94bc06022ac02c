"""Who is asking, and whether the request may come in at all."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from gateway.api.context import HttpSettings
from gateway.api.problems import Fault, Kind, Problem
from gateway.api.scopes import EVERYTHING_BUT_ADMIN, Scope
from gateway.api.tokens import Caller, Tokens

COOKIE = "lineside_session"
_SESSIONS = 1000
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_NAMES = frozenset({"token", "access_token", "api_key", "apikey", "authorization"})
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})


class Access:
    """Finds out who asks, by token, by session cookie, or by where the request comes from."""

    def __init__(self, settings: HttpSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises ConfigError when there is a token file that cannot be used."""
        self._settings = settings
        self._clock = clock
        self.tokens = None if settings.tokens_file is None else Tokens(Path(settings.tokens_file))
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def caller(self, request: Request) -> Caller:
        """Raises Problem `unauthenticated` when it takes a token and there is no valid one."""
        if self.tokens is None:
            if self._settings.anonymous or _loopback(request.client.host if request.client else ""):
                return Caller(None, EVERYTHING_BUT_ADMIN)
            raise _unauthenticated("this address is served with a token only")
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise _unauthenticated("the Authorization header must be `Bearer` and a token")
            found = self.tokens.find(token.strip())
            if found is None:
                raise _unauthenticated("this token is not known")
            return Caller(found.name, found.scopes)
        session = self._session(request.cookies.get(COOKIE))
        if session is not None:
            return session
        if self._settings.anonymous:
            return Caller(None, EVERYTHING_BUT_ADMIN)
        raise _unauthenticated("send `Authorization: Bearer` and a token")

    def require(self, request: Request, scope: Scope | None) -> None:
        """Raises Problem `unauthenticated` or `forbidden` when the caller lacks the scope."""
        if scope is None:
            return
        caller = self.caller(request)
        if scope not in caller.scopes:
            who = "without a token you" if caller.name is None else f"token {caller.name!r}"
            raise Problem(Kind.FORBIDDEN, f"{who} may not do this; it takes the scope {scope}")

    def may_read(self, request: Request) -> bool:
        try:
            return Scope.READ in self.caller(request).scopes
        except Problem:
            return False

    # -- sessions of the page: a random id in a cookie stands for the token, which the browser need not keep

    def open_session(self, token: str) -> tuple[str, Caller]:
        """The cookie's value for a valid token. Raises Problem `unauthenticated`."""
        found = None if self.tokens is None else self.tokens.find(token)
        if found is None:
            raise _unauthenticated("this token is not known")
        while len(self._sessions) >= _SESSIONS:
            self._sessions.popitem(last=False)
        id_ = secrets.token_urlsafe(32)
        self._sessions[id_] = (found.hash, self._clock() + self._settings.session_s)
        return id_, Caller(found.name, found.scopes)

    def close_session(self, id_: str | None) -> None:
        self._sessions.pop(id_ or "", None)

    def _session(self, id_: str | None) -> Caller | None:
        hashed, until = self._sessions.get(id_ or "", ("", 0.0))
        if id_ is None or not hashed or self.tokens is None:
            return None
        token = self.tokens.with_hash(hashed)
        if token is None or self._clock() >= until:  # a token that was withdrawn takes its sessions with it
            self.close_session(id_)
            return None
        return Caller(token.name, token.scopes)


class Gate:
    """What holds for every request, before any route is looked for: the Host is ours (a page of another site cannot make
    a browser talk to us under its own name), no token stands in the URL, changes come from our own pages as JSON."""

    def __init__(self, app: ASGIApp, *, settings: HttpSettings) -> None:
        self._app = app
        self._hosts = frozenset(_names(settings))

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # The routes know GET only; the server sends no body, as it looks at the method that the client sent.
            scope = {**scope, "method": "GET", "lineside.head": True}
        await self._app(scope, receive, send)

    def _check(self, scope: Connection) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            raise Problem(Kind.BAD_REQUEST, "the request needs one Host header with a name or an address")
        host = match[1].strip("[]").lower().rstrip(".")
        if not (host in self._hosts or _loopback(host) or _same(host, scope)):
            raise Problem(
                Kind.HOST_NOT_ALLOWED,
                f"Host {hosts[0]!r} is not served; [http] hosts in the configuration lists further names",
            )
        for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            if name.lower() in _TOKEN_NAMES:
                raise Problem(
                    Kind.TOKEN_IN_URL,
                    "URLs end up in logs and histories; send `Authorization: Bearer` and withdraw this token",
                    errors=[Fault(name, "a token in the URL", "the Authorization header")],
                )
        if scope["method"] not in _SAFE:
            self._check_change(headers, hosts[0])

    def _check_change(self, headers: Headers, host: str) -> None:
        for origin in headers.getlist("origin"):
            scheme, _, authority = origin.partition("://")
            if scheme not in ("http", "https") or authority.lower() != host.lower():
                raise Problem(Kind.ORIGIN_NOT_ALLOWED, f"a page of {origin!r} may not change anything at {host!r}")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {kind!r}, it must be application/json")


def _names(settings: HttpSettings) -> Iterable[str]:
    yield "localhost"
    if settings.listen_host not in _WILDCARDS:
        yield settings.listen_host.strip("[]").lower()
    for host in settings.hosts:
        yield host.strip("[]").lower().rstrip(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback


def _same(host: str, scope: Connection) -> bool:
    """Whether Host is the very address that the connection came in on: only names can be bound to other machines."""
    server = scope.get("server")
    address = _address(host)
    return address is not None and server is not None and address == _address(server[0])


def _unauthenticated(detail: str) -> Problem:
    return Problem(Kind.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": 'Bearer realm="lineside"'})
