"""`/samples?resolution=`: buckets, their CSV, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from tests.build import PNP1
from tests.integration.api_server import Api, api
from tests.integration.test_api_samples import NOON, SECOND, ZONE, errors, get, sample, store
from tests.unit.journal.compacting import LARGE, compact

MINUTE = 60 * SECOND


async def buckets(running: Api, **parameters: Any) -> dict[str, Any]:
    response = await get(running, **parameters)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_buckets_come_in_columns(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1.5, 0), sample(4, 59), sample(None, 60), sample(2.5, 30), sample("on", 200))
        assert await buckets(running, resolution="1m") == {
            "station": "L1.pnp1",
            "signal": ZONE,
            "unit": "Cel",
            "units": ["Cel"],
            "resolution": "1m",
            "t": [NOON, NOON + MINUTE, NOON + 3 * MINUTE],
            "min": [1.5, None, None],
            "max": [4.0, None, None],
            "mean": [8.0 / 3, None, None],
            "last": [4, None, "on"],
            "count": [3, 0, 0],
            "samples": [3, 1, 1],
            "q": ["good", "good", "good"],
            "as_of": f"{running.journal}:{running.bench.writer.head}",
        }


async def test_auto_is_what_suits_the_range(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(n, n) for n in range(5000)))
        short = await buckets(running, resolution="auto", to="2026-11-20T12:10:00Z", **{"from": "2026-11-20T12:00:00Z"})
        assert short["v"] == list(range(600))
        long = await buckets(running, resolution="auto")
        assert long["resolution"] == "5s"
        assert len(long["t"]) == 1000
        assert "v" not in long


async def test_auto_pages_go_on_as_single_samples(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(n, n // 10) for n in range(1500)))
        response = await running.get(
            "/samples",
            params={"station": PNP1.id, "signal": ZONE, "resolution": "auto"},
            headers={"accept": "text/csv"},
        )
        follow = await running.client.get(response.links["next"]["url"], headers={"accept": "text/csv"})
        assert follow.status_code == 200
        assert len(response.text.splitlines()) + len(follow.text.splitlines()) == 1502


async def test_compaction_changes_no_answer(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(n % 7, n, quality="good") for n in range(4000)))  # type: ignore[arg-type]
        asked = [{"resolution": "90s"}, {"resolution": "1m"}, {"resolution": "auto"}, {"limit": "3000"}]
        before = [await buckets(running, **one) for one in asked]
        compact(running.bench.writer, LARGE)
        assert [await buckets(running, **one) for one in asked] == before


async def test_buckets_as_csv(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1.5, 0), sample("on, off", 1), sample(None, 60), sample(True, 120))
        response = await running.get(
            "/samples",
            params={"station": PNP1.id, "signal": ZONE, "resolution": "1m"},
            headers={"accept": "text/csv"},
        )
        assert response.headers["content-type"].startswith("text/csv")
        rows = list(csv.reader(io.StringIO(response.text, newline="")))
        assert rows == [
            ["t", "min", "max", "mean", "last", "count", "samples", "q"],
            [str(NOON), "1.5", "1.5", "1.5", "on, off", "1", "2", "good"],
            [str(NOON + MINUTE), "", "", "", "", "0", "1", "good"],
            [str(NOON + 2 * MINUTE), "1.0", "1.0", "1.0", "true", "1", "1", "good"],
        ]


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"resolution": "often"}, "resolution"),
        ({"resolution": ""}, "resolution"),
        ({"resolution": "0s"}, "resolution"),
        ({"resolution": "0.5ms"}, "resolution"),
        ({"resolution": "-1s"}, "resolution"),
        ({"resolution": "999999999d"}, "resolution"),
        ({"resolution": "1s", "from": "2026-11-01T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "resolution"),
        ({"resolution": "1ms", "from": "0001-01-01T00:00:00Z"}, "resolution"),
        ({"from": "2026-11-20T00:00:00Z", "to": "2026-11-19T00:00:00Z"}, "to"),
        ({"resolution": "1m", "after": "0"}, "after"),
        ({"resolution": "1m", "limit": "5"}, "limit"),
        ({"resolution": "auto", "limit": "0"}, "limit"),
    ],
)
async def test_what_cannot_be_answered_is_said(tmp_path: Path, parameters: dict[str, str], wrong: str) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0))
        assert [path for path, _ in errors(await get(running, **parameters))] == [wrong]


async def test_what_is_said_to_be_possible_is_possible(tmp_path: Path) -> None:
    bounds = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-20T13:00:00Z"}
    async with api(tmp_path) as running:
        await store(running, sample(1, 0))
        refused = await get(running, resolution="1s", **bounds)
        [error] = refused.json()["errors"]
        assert error["allowed"] == "auto, or 3m and longer"
        assert (await buckets(running, resolution="3m", **bounds))["last"] == [1]
        assert (await buckets(running, resolution="auto", **bounds))["last"] == [1]


async def test_a_unit_that_never_was_is_missing(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0), sample(300, 1, unit="K"))
        assert (await buckets(running, resolution="1m", unit="Cel"))["last"] == [1]
        assert (await buckets(running, resolution="1m"))["units"] == ["Cel", "K"]
        assert (await buckets(running, unit="K"))["v"] == [300]
        assert (await buckets(running, unit="K", resolution="auto"))["v"] == [300]
        for more in ({"resolution": "1m"}, {}):
            assert (await get(running, unit="[degF]", **more)).status_code == 404
        assert (await get(running, resolution="1m", signal="none")).status_code == 404


async def test_a_range_without_samples_is_empty(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0))
        found = await buckets(running, resolution="1h", **{"from": "2030-01-01T00:00:00Z"})
        assert (found["t"], found["units"], found["unit"]) == ([], [], "Cel")


async def test_both_forms_are_described(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        document = (await running.get("/openapi.json")).json()
        content = document["paths"]["/api/v1/samples"]["get"]["responses"]["200"]["content"]
        names = {one["$ref"].rpartition("/")[2] for one in content["application/json"]["schema"]["anyOf"]}
        assert names == {"Samples", "SampleBuckets"}
        assert names <= document["components"]["schemas"].keys()
