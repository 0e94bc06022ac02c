"""Where a caller's rights come from, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request

from gateway.api import tokens
from gateway.api.access import COOKIE, Access
from gateway.api.context import HttpSettings
from gateway.api.problems import Problem
from gateway.api.scopes import Scope


def request(client: str, **headers: str) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": (client, 1), "headers": raw, "method": "GET", "path": "/"})


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_needs_no_token_where_there_are_none(client: str) -> None:
    assert Access(HttpSettings()).caller(request(client)).scopes == {Scope.READ, Scope.CONSUME, Scope.OPERATE}


@pytest.mark.parametrize("client", ["10.0.0.5", "::ffff:10.0.0.5", "2001:db8::1", "", "testclient"])
def test_others_are_refused_unless_anonymous_is_allowed(client: str) -> None:
    with pytest.raises(Problem):
        Access(HttpSettings()).caller(request(client))
    assert Scope.ADMIN not in Access(HttpSettings(anonymous=True)).caller(request(client)).scopes


def test_a_session_ends(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    token = tokens.add(file, "page", ["read"])
    clock = [0.0]
    access = Access(HttpSettings(tokens_file=str(file), session_s=60), clock=lambda: clock[0])
    cookie, _ = access.open_session(token)
    asked = request("10.0.0.5", cookie=f"{COOKIE}={cookie}")
    assert access.caller(asked).name == "page"
    clock[0] = 60.0
    with pytest.raises(Problem):
        access.caller(asked)


def test_sessions_are_bounded_the_oldest_goes(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    token = tokens.add(file, "page", ["read"])
    access = Access(HttpSettings(tokens_file=str(file)))
    first, _ = access.open_session(token)
    for _ in range(1000):
        last, _ = access.open_session(token)
    with pytest.raises(Problem):
        access.caller(request("10.0.0.5", cookie=f"{COOKIE}={first}"))
    assert access.caller(request("10.0.0.5", cookie=f"{COOKIE}={last}")).name == "page"
