"""Who may come in: Host, Origin, media type, tokens, scopes, sessions; and the form of every refusal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.api import tokens
from gateway.api.context import HttpSettings
from gateway.api.problems import Kind
from gateway.api.scopes import BASE, SCOPES, Scope
from tests.integration.api_server import Api, api, numbered, stream, take

JSON = {"content-type": "application/json"}
PREFIX = "urn:lineside:problem:"


def problem(response: Any) -> str:
    """The type of a problem, after looking whether it has the one documented form."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    kinds = {PREFIX + kind.code: kind for kind in Kind}
    kind = kinds[document["type"]]
    assert document["status"] == response.status_code == kind.status
    assert document["title"] == kind.title
    assert document["detail"]
    for error in document["errors"]:
        assert {"path", "reason"} <= set(error) <= {"path", "reason", "allowed"}
    assert "Traceback" not in response.text
    return kind.code


def concrete(path: str) -> str:
    return path.replace("{id}", "00000000-0000-4000-8000-000000000001").replace("{file}", "docs.js")


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncIterator[tuple[Api, dict[str, str]]]:
    """With a token file that has one token for each scope."""
    file = folder / "tokens.toml"
    made = {scope: tokens.add(file, str(scope), [scope]) for scope in Scope}
    async with api(folder, http=HttpSettings(tokens_file=str(file), **settings)) as running:
        yield running, {str(scope): token for scope, token in made.items()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# -- scopes


async def test_the_table_of_scopes_is_what_openapi_says(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        document = (await running.get("/openapi.json")).json()
        assert document["openapi"].startswith("3.1")
        said = {
            (method.upper(), path): operation["x-scope"]
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        assert said == dict(SCOPES)
        for methods in document["paths"].values():
            for operation in methods.values():
                secured = [] if operation["x-scope"] is None else [{"token": [operation["x-scope"]]}]
                assert operation["security"] == secured


@pytest.mark.parametrize(("method", "path"), [key for key, scope in SCOPES.items() if scope is not None])
async def test_a_route_takes_its_scope_and_no_other(tmp_path: Path, method: str, path: str) -> None:
    needed = SCOPES[method, path]
    async with guarded(tmp_path) as (running, made):
        for scope in Scope:
            headers = {**JSON, **bearer(made[scope])}
            async with running.client.stream(method, concrete(path), headers=headers) as response:
                if scope is needed:
                    assert response.status_code not in (401, 403)
                else:
                    await response.aread()
                    assert problem(response) == "forbidden"
                    assert str(needed) in response.json()["detail"]
        response = await running.client.request(method, concrete(path), headers=JSON)
        assert problem(response) == "unauthenticated"
        assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic YTpi", "Bearer a b"])
async def test_other_credentials_are_refused(tmp_path: Path, header: str) -> None:
    async with guarded(tmp_path, anonymous=True) as (running, made):
        response = await running.get("/events", headers={"authorization": header})
        assert problem(response) == "unauthenticated", "a wrong token is not the same as none"
        assert (await running.get("/events", headers={"authorization": f"bearer {made['read']}"})).status_code == 200


async def test_without_auth_loopback_may_all_but_administrate(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        assert (await running.get("/events")).status_code == 200
        found = (await running.client.post(f"{BASE}/session", headers=JSON, content=b'{"token": ""}')).json()
        assert found == {"name": None, "scopes": ["consume", "operate", "read"], "expires": None}


async def test_tokens_in_urls_are_refused(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (running, made):
        for name in ("token", "access_token", "Token"):
            response = await running.get("/events", params={name: made["read"]}, headers=bearer(made["read"]))
            assert problem(response) == "token-in-url"
            assert made["read"] not in response.text


async def test_the_token_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with guarded(tmp_path) as (running, made):
        file = tmp_path / "tokens.toml"
        fresh = tokens.add(file, "late", ["read"])
        assert (await running.get("/events", headers=bearer(fresh))).status_code == 200
        good = file.read_text()
        file.write_text("this is no token file")
        assert (await running.get("/events", headers=bearer(fresh))).status_code == 200, "the last good one holds"
        ready = (await running.client.get("/readyz", headers=bearer(fresh))).json()
        assert next(one for one in ready["components"] if one["name"] == "tokens")["state"] == "refused"
        assert "is not used" in caplog.text
        file.write_text(good.replace(tokens.hash_token(made["read"]), "sha256:" + "0" * 64))
        assert problem(await running.get("/events", headers=bearer(made["read"]))) == "unauthenticated"
        assert (await running.get("/events", headers=bearer(fresh))).status_code == 200
        assert made["read"] not in caplog.text


async def test_readiness_shows_its_components_only_to_readers(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (running, made):
        unknown = await running.client.get("/readyz")
        assert (unknown.status_code, unknown.json()) == (503, {"ready": False, "components": None})
        assert (await running.client.get("/readyz", headers=bearer(made["read"]))).json()["components"]


# -- sessions


async def test_a_page_swaps_a_token_for_a_cookie(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (running, made):
        sent = json.dumps({"token": made["read"]})
        opened = await running.client.post(f"{BASE}/session", headers=JSON, content=sent)
        assert opened.json()["name"] == "read"
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert made["read"] not in opened.headers["set-cookie"]
        assert (await running.get("/events")).status_code == 200, "the client sends the cookie"
        async with stream(running) as items:
            await running.publish(numbered(1))
            await take(items, 1)
        held = dict(running.client.cookies)
        assert (await running.client.delete(f"{BASE}/session", headers=JSON)).status_code == 204
        running.client.cookies.update(held)
        assert problem(await running.get("/events")) == "unauthenticated"


async def test_a_withdrawn_token_ends_its_sessions(tmp_path: Path) -> None:
    async with guarded(tmp_path) as (running, made):
        sent = json.dumps({"token": made["read"]})
        await running.client.post(f"{BASE}/session", headers=JSON, content=sent)
        assert (await running.get("/events")).status_code == 200
        file = tmp_path / "tokens.toml"
        file.write_text(file.read_text().replace(tokens.hash_token(made["read"]), "sha256:" + "1" * 64))
        assert problem(await running.get("/events")) == "unauthenticated"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"token": "wrong"}', "unauthenticated"),
        (b'{"token": 5}', "bad-request"),
        (b'{"token": "a", "more": 1}', "bad-request"),
        (b"{", "bad-request"),
        (b"\xff", "bad-request"),
        (b'{"token": "' + b"x" * 70_000 + b'"}', "too-large"),
    ],
)
async def test_sessions_need_a_valid_token(tmp_path: Path, content: bytes, kind: str) -> None:
    async with guarded(tmp_path) as (running, _):
        response = await running.client.post(f"{BASE}/session", headers=JSON, content=content)
        assert problem(response) == kind


# -- Host, Origin, media type


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("line1-pc.fab1.example", 200),
        ("line1-pc.fab1.example.:80", 200),
        ("attacker.example", 421),
        ("localhost.attacker.example", 421),
        ("10.0.0.5", 421),
        ("", 400),
        ("a b", 400),
        ("user@localhost", 400),
    ],
)
async def test_only_our_own_names_are_served(tmp_path: Path, host: str, status: int) -> None:
    async with api(tmp_path, http=HttpSettings(hosts=("Line1-PC.fab1.example",))) as running:
        for path in (f"{BASE}/events", "/healthz"):
            response = await running.client.get(path, headers={"host": host})
            assert response.status_code == status
            if status != 200:
                assert problem(response) == ("host-not-allowed" if status == 421 else "bad-request")


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(None, True), ("{url}", True), ("http://attacker.example", False), ("null", False), ("http://localhost:1", False)],
)
async def test_changes_come_from_our_own_pages(tmp_path: Path, origin: str | None, allowed: bool) -> None:
    async with api(tmp_path) as running:
        headers = JSON if origin is None else {**JSON, "origin": origin.format(url=running.url)}
        response = await running.client.post(f"{BASE}/quarantine/1/retry", headers=headers)
        assert problem(response) == ("not-found" if allowed else "origin-not-allowed")
        if origin is not None:
            reading = await running.get("/events", headers={"origin": origin.format(url=running.url)})
            assert reading.status_code == 200
            assert not [name for name in reading.headers if name.startswith("access-control")]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_changes_are_json(tmp_path: Path, kind: str | None) -> None:
    async with api(tmp_path) as running:
        headers = {} if kind is None else {"content-type": kind}
        response = await running.client.post(f"{BASE}/quarantine/1/retry", headers=headers)
        assert problem(response) == "unsupported-media-type"
        ours = {"content-type": "Application/JSON; charset=utf-8"}
        assert problem(await running.client.post(f"{BASE}/quarantine/1/retry", headers=ours)) == "not-found"


# -- every route


@pytest.mark.parametrize(("method", "path"), list(SCOPES))
async def test_every_route_answers_wrong_things_alike(tmp_path: Path, method: str, path: str) -> None:
    async with api(tmp_path) as running:
        unknown = await running.client.request(method, concrete(path), params={"colour": "red"}, headers=JSON)
        assert problem(unknown) == "bad-parameter"
        assert unknown.json()["errors"][0]["path"] == "colour"
        other = await running.client.request("PATCH", concrete(path), headers=JSON)
        assert problem(other) == "method-not-allowed"
        assert method in other.headers["allow"]
        assert problem(await running.client.request(method, concrete(path) + "/no/such", headers=JSON)) == "not-found"


@pytest.mark.parametrize("path", [path for method, path in SCOPES if method == "GET"])
async def test_head_is_get_without_a_body(tmp_path: Path, path: str) -> None:
    async with api(tmp_path) as running, asyncio.timeout(10):
        head = await running.client.head(concrete(path))
        async with running.client.stream("GET", concrete(path)) as get:
            assert head.status_code == get.status_code
            assert (
                head.headers["content-type"] == get.headers["content-type"] if "content-type" in get.headers else True
            )
        assert head.content == b""


async def test_a_defect_is_a_problem_without_its_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with api(tmp_path) as running:
        running.bench.reader.gaps = None  # type: ignore[assignment,method-assign]
        response = await running.get("/gaps")
        assert problem(response) == "internal-error"
        assert "NoneType" not in response.text
        assert "NoneType" in caplog.text


async def test_what_is_no_http_gets_a_problem_too(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        for request in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(request)
            async with asyncio.timeout(10):
                answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == PREFIX + "bad-request"


# -- documentation


async def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        start = await running.client.get("/", follow_redirects=True)
        assert start.url.path == f"{BASE}/docs"
        files = [start, *[await running.get(f"/docs/{name}") for name in ("docs.js", "docs.css")]]
        for response in files:
            assert response.status_code == 200
            policy = response.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "//" not in response.text.replace("<!doctype html>", "").replace("// ", "")
        assert "<script src=" in start.text
        assert " style=" not in start.text
        assert problem(await running.get("/docs/secrets.py")) == "not-found"


async def test_every_reference_in_openapi_leads_somewhere_and_all_parameters_are_described(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        document = (await running.get("/openapi.json")).json()
        text = json.dumps(document)
        used = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert used
        assert used <= set(document["components"]["schemas"])
        ids = []
        for path, methods in document["paths"].items():
            for operation in methods.values():
                ids.append(operation["operationId"])
                parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
                in_path = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
                assert in_path == {name for name, one in parameters.items() if one["in"] == "path"}
                assert all(one["description"] for one in parameters.values())
        assert len(set(ids)) == len(ids)
        page = await running.get("/events", params={"limit": 1})
        assert set(page.json()) == set(document["components"]["schemas"]["EventPage"]["required"])


async def test_every_problem_is_documented() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "http-api.md"
    text = page.read_text("utf-8")
    for kind in Kind:
        assert f"| `{kind.code}` | {kind.status} |" in text
    for method, path in SCOPES:
        assert f"`{method} {path}`" in text, f"{method} {path} is not in docs/http-api.md"
