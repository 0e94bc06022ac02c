"""`/events`: pages, exports, single events and their bytes, cursors, parameters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.observation import Facts
from gateway.journal.transaction import Transaction
from tests.build import message, units
from tests.integration.api_server import Api, api, number_of, numbered


async def pages(running: Api, **params: Any) -> list[dict[str, Any]]:
    """All events, page by page."""
    found: list[dict[str, Any]] = []
    after = "0"
    while True:
        page = (await running.get("/events", params={**params, "after": after})).json()
        found += page["events"]
        after = page["next"]
        if not page["more"]:
            assert page["next"] == page["head"]
            return found


async def test_pages_follow_each_other_without_hole_or_repeat(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(25)))
        found = await pages(running, limit=7, origin="native")
        assert [number_of(event) for event in found] == list(range(25))
        first = (await running.get("/events")).json()
        assert first["events"][0]["seq"] == 1, "without `after` it starts with the oldest"
        assert first["head"] == f"{running.journal}:{running.bench.writer.head}"


async def test_an_event_has_the_documented_form(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        text = b'{"MessageBody":{"Temperature":60.0,"Big":12345678901234567890}}'
        sent = message("1d598538-95b3-4e92-a376-1f1907ae5ffd", facts=Facts(units=units("PNL-1"), lane=1), raw=text)
        await running.publish(sent)
        response = await running.get("/events", params={"unit": "PNL-1"})
        assert response.headers["content-type"] == "application/json"
        event = response.json()["events"][0]
        assert list(event) == [
            "v", "journal", "seq", "id", "time", "received", "time_quality", "clock_offset_ms", "site", "gateway",
            "line", "station", "lane", "stage", "handle", "message", "origin", "transaction", "revises",
            "possible_copy_of", "units", "unit_refs", "cfx", "body",
        ]  # fmt: skip
        assert event["id"] == "1d598538-95b3-4e92-a376-1f1907ae5ffd"
        assert event["time"] == "2026-11-20T11:44:33.500000Z"
        one = await running.get(f"/events/{event['id'].upper()}")
        assert one.json() == event
        raw = await running.get(f"/events/{event['id']}/raw")
        assert raw.content == text
        assert raw.headers["content-type"] == "application/octet-stream"
        assert raw.headers["content-disposition"].startswith("attachment")


async def test_bodies_can_be_left_out(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(numbered(1))
        page = (await running.get("/events", params={"body": "none", "origin": "native"})).json()
        assert page["events"][0]["body"] is None


async def test_export_goes_to_the_head_of_request_time_and_says_that_it_is_complete(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(1200)))
        response = await running.get("/events", params={"origin": "native"}, headers={"Accept": "application/x-ndjson"})
        assert response.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert [number_of(event) for event in lines[:-1]] == list(range(1200))
        head = (await running.get("/events", params={"limit": 1})).json()["head"]
        assert lines[-1] == {"next": head, "complete": True}


async def test_export_with_a_limit_says_where_to_go_on(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(10)))
        ndjson = {"Accept": "application/x-ndjson"}
        params = {"origin": "native", "limit": "4"}
        lines = (await running.get("/events", params=params, headers=ndjson)).text.splitlines()
        end = json.loads(lines[-1])
        assert len(lines) == 5
        assert end["complete"] is False
        rest = (await running.get("/events", params={"origin": "native", "after": end["next"]}, headers=ndjson)).text
        assert [number_of(json.loads(line)) for line in rest.splitlines()[:-1]] == list(range(4, 10))


async def test_events_that_come_while_an_export_runs_are_not_in_it(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        body = {"Filling": "x" * 20_000}
        await running.publish(*(message(None, body={**body, "Number": number}) for number in range(300)))
        path, ndjson = "/api/v1/events", {"Accept": "application/x-ndjson"}
        async with running.client.stream("GET", path, headers=ndjson, params={"origin": "native"}) as response:
            lines = response.aiter_lines()
            first = json.loads(await anext(lines))
            await running.publish(numbered(999))
            rest = [json.loads(line) async for line in lines]
        numbers = [number_of(event) for event in (first, *rest[:-1])]
        assert numbers == list(range(300))
        assert rest[-1]["complete"] is True


@pytest.mark.parametrize(
    ("after", "reason"), [("ffffffff:1", "foreign"), ("{journal}:99", "future"), ("{journal}:0", "expired")]
)
async def test_a_cursor_that_is_gone_is_410_with_the_way_on(tmp_path: Path, after: str, reason: str) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(5)))
        await forget(running, 2)
        for headers in ({}, {"Accept": "application/x-ndjson"}):
            asked = {"after": after.format(journal=running.journal)}
            response = await running.get("/events", params=asked, headers=headers)
            assert response.status_code == 410
            problem = response.json()
            assert problem["type"] == "urn:lineside:problem:cursor-gone"
            assert problem["reason"] == reason
            again = (await running.get("/events", params={"after": problem["oldest"]})).json()
            assert again["events"][0]["seq"] == 3
            assert problem["head"] == again["head"]
        assert (await running.get("/events", params={"after": "0"})).json()["events"][0]["seq"] == 3


async def forget(running: Api, last: int) -> None:
    """What retention does."""

    def effect(transaction: Transaction) -> None:
        transaction._connection.exec_driver_sql("DELETE FROM event WHERE seq <= ?", (last,))

    await running.bench.ingest.store("test", "test", [], effect=effect)


@pytest.mark.parametrize(
    ("query", "path", "allowed"),
    [
        ("limit=1001", "limit", "1 to 1000"),
        ("limit=0", "limit", "1 to 1000"),
        ("limit=x", "limit", "1 to 1000"),
        ("limit=1&limit=2", "limit", None),
        ("after=nonsense", "after", "0"),
        ("after=5", "after", "0"),
        ("after=abc:-1", "after", "0"),
        ("after=abc:99999999999999999999", "after", "0"),
        ("from=yesterday", "from", "RFC 3339"),
        ("to=2026-11-20T12:44:33", "to", "zone"),
        ("from=2026-11-20T12:44:33+01:00", "from", "%2B"),
        ("origin=machine", "origin", "native"),
        ("body=half", "body", "none"),
        ("station=", "station", None),
        ("stations=L1.pnp1", "stations", "station"),
    ],
)
async def test_wrong_parameters_are_named_with_what_is_allowed(
    tmp_path: Path, query: str, path: str, allowed: str | None
) -> None:
    async with api(tmp_path) as running:
        for route in ("/events", "/events/stream"):
            if path == "limit" and route.endswith("stream"):
                continue
            response = await running.get(f"{route}?{query}")
            assert response.status_code == 400, response.text
            assert response.headers["content-type"] == "application/problem+json"
            problem = response.json()
            assert problem["type"] == "urn:lineside:problem:bad-parameter"
            assert [error["path"] for error in problem["errors"]] == [path]
            if allowed is not None:
                assert allowed in str(problem["errors"][0]["allowed"])


async def test_an_unencoded_plus_is_explained(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        problem = (await running.get("/events?from=2026-11-20T12:44:33+01:00")).json()
        assert "%2B" in problem["errors"][0]["reason"]


async def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        problem = (await running.get("/events?limit=0&after=x&colour=red")).json()
        assert {error["path"] for error in problem["errors"]} == {"limit", "after", "colour"}


async def test_unknown_events_are_not_found_and_ids_must_be_uuids(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        for tail in ("", "/raw"):
            assert (await running.get(f"/events/00000000-0000-4000-8000-000000000000{tail}")).status_code == 404
            assert (await running.get(f"/events/nonsense{tail}")).status_code == 400
