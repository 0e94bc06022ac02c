"""`/samples` and `/stations/{id}/signals`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.api import answers
from gateway.core.sample import Quality, Sample, Value
from gateway.core.times import parse_rfc3339
from tests.build import PNP1
from tests.integration.api_server import Api, api, numbered

NOON = parse_rfc3339("2026-11-20T12:00:00Z")
SECOND = 1_000_000
ZONE = "zone.temperature[3]@1"


def sample(
    value: Value, at: int, *, signal: str = ZONE, unit: str | None = "Cel", quality: Quality = Quality.GOOD
) -> Sample:
    time = NOON + at * SECOND
    return Sample(station=PNP1.id, signal=signal, unit=unit, value=value, quality=quality, time=time, received=time + 5)


async def store(running: Api, *samples: Sample) -> None:
    await running.bench.ingest.store("test", "test", [], effect=lambda transaction: transaction.samples(samples))


async def get(running: Api, **parameters: Any) -> httpx.Response:
    return await running.get("/samples", params={"station": PNP1.id, "signal": ZONE, **parameters})


async def page(running: Api, **parameters: Any) -> answers.Samples:
    response = await get(running, **parameters)
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=answers.Samples)


def errors(response: httpx.Response) -> list[tuple[str, str]]:
    assert response.status_code == 400
    assert response.json()["type"] == "urn:lineside:problem:bad-parameter"
    return [(error["path"], error["reason"]) for error in response.json()["errors"]]


async def test_samples_come_in_columns(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(numbered(1))
        await store(
            running,
            sample(170.5, 0),
            sample(5, 0, signal="other"),
            sample(None, 1, quality=Quality.BAD),
            sample(True, 2),
            sample("on", 3, quality=Quality.UNCERTAIN),
        )
        response = await get(running)
        assert response.headers["content-type"] == "application/json"
        assert response.json() == {
            "station": "L1.pnp1",
            "signal": ZONE,
            "unit": "Cel",
            "t": [NOON + n * SECOND for n in range(4)],
            "v": [170.5, None, True, "on"],
            "q": ["good", "bad", "good", "uncertain"],
            "next": f"{running.journal}:5",
            "more": False,
            "as_of": f"{running.journal}:{running.bench.writer.head}",
        }


async def test_from_is_inclusive_and_to_is_not(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(at, at) for at in (0, 1, 3, 2, 4)))
        found = await page(running, **{"from": "2026-11-20T12:00:01Z", "to": "2026-11-20T13:00:03+01:00"})
        assert found.v == [1, 2]


async def test_pages_join_without_loss_or_repeat_and_follow_what_comes(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(n, n) for n in range(2500)))
        assert len((await page(running)).v) == 1000
        got: list[Value] = []
        after, more = "0", True
        while more:
            found = await page(running, after=after, limit=700)
            got, after, more = got + found.v, found.next, found.more
        assert got == list(range(2500))
        assert (await page(running, limit=10_000)).v == got
        assert (await page(running, after=after)).v == []
        await store(running, sample(2500, 0))
        assert (await page(running, after=after)).v == [2500]


async def test_a_position_that_cannot_be_had_is_gone(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0), sample(2, 0))
        for after, reason in ((f"{running.journal}:3", "future"), ("other:1", "foreign")):
            response = await get(running, after=after)
            assert response.status_code == 410
            told = response.json()
            assert (told["reason"], told["oldest"], told["head"]) == (
                reason,
                f"{running.journal}:0",
                f"{running.journal}:2",
            )
            assert (await page(running, after=told["oldest"])).v == [1, 2]


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({"resolution": "1x"}, "resolution"),
        ({"step": "1"}, "step"),
        ({"limit": "10001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"from": "2026-11-20T12:00:00"}, "from"),
        ({"to": "now"}, "to"),
        ({"after": "5"}, "after"),
        ({"station": ""}, "station"),
        ({"signal": ""}, "signal"),
    ],
)
async def test_what_is_not_understood_is_said(tmp_path: Path, parameters: dict[str, str], wrong: str) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0))
        assert {path for path, _ in errors(await get(running, **parameters))} == {wrong}


async def test_station_and_signal_are_needed(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        assert {path for path, _ in errors(await running.get("/samples"))} == {"station", "signal"}


@pytest.mark.parametrize("parameters", [{"station": "L1.none"}, {"signal": "none"}])
async def test_a_signal_that_never_was_is_missing(tmp_path: Path, parameters: dict[str, str]) -> None:
    async with api(tmp_path) as running:
        await store(running, sample(1, 0))
        response = await get(running, **parameters)
        assert response.status_code == 404
        assert response.json()["type"] == "urn:lineside:problem:not-found"


async def test_csv(tmp_path: Path) -> None:
    values: list[Value] = [1.5, 2, True, False, None, "", 'a "b", c\nd', "1"]
    async with api(tmp_path) as running:
        await store(running, *(sample(value, n) for n, value in enumerate(values)))
        response = await running.get(
            "/samples",
            params={"station": PNP1.id, "signal": ZONE, "limit": "5"},
            headers={"accept": "application/json;q=0.5, text/csv"},
        )
        assert response.headers["content-type"].startswith("text/csv")
        first = response.text
        follow = response.links["next"]["url"]
        response = await running.client.get(follow, headers={"accept": "text/csv"})
        assert "link" not in response.headers
        second = response.text
        assert first.splitlines(keepends=True)[0] == second.splitlines(keepends=True)[0] == "t,v,q\r\n"
        assert [line.split(",", 1)[1] for line in first.splitlines()[1:]] == [
            "1.5,good", "2,good", "true,good", "false,good", ",good",
        ]  # fmt: skip
        assert '"",good' in second
        rows = list(csv.reader(io.StringIO(first + second.removeprefix("t,v,q\r\n"), newline="")))
        assert [row[1] for row in rows[1:]] == ["1.5", "2", "true", "false", "", "", 'a "b", c\nd', "1"]
        assert [int(row[0]) for row in rows[1:]] == [NOON + n * SECOND for n in range(len(values))]
        refused = await running.get(
            "/samples", params={"station": PNP1.id, "signal": ZONE}, headers={"accept": "text/csv;q=0"}
        )
        assert refused.headers["content-type"] == "application/json"


# -- signals


async def signals(running: Api, station: str = PNP1.id) -> list[answers.Signal]:
    response = await running.get(f"/stations/{station}/signals")
    assert response.status_code == 200, response.text
    found = msgspec.json.decode(response.content, type=answers.Signals)
    assert (found.station, found.as_of) == (station, f"{running.journal}:{running.bench.ingest.tail.head}")
    return found.signals


async def test_a_signal_shows_its_newest_value_and_the_parts_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = sample(171.5, 60)
    state = sample("PRD_RegularWork", 61, signal="state:Zone 2", unit=None)

    def known(station: str) -> Sequence[Sample]:
        return (newest, state) if station == PNP1.id else ()

    async with api(tmp_path) as running:
        await running.publish(numbered(1))
        await store(running, sample(170.5, 0), sample(440.0, 0, unit="K"), sample(1, 0, signal="Old Name", unit=None))
        monkeypatch.setattr(running.bench.ingest.stepper, "signals", known)
        unheard = answers.Signal(
            signal=ZONE, name="zone.temperature", index=3, lane=1, stage=None, unit="K", value=None,
            quality=Quality.UNAVAILABLE, time=None, received=None,
        )  # fmt: skip
        assert await signals(running) == [
            answers.Signal(
                signal=ZONE, name="zone.temperature", index=3, lane=1, stage=None, unit="Cel", value=171.5,
                quality=Quality.GOOD, time="2026-11-20T12:01:00.000000Z", received="2026-11-20T12:01:00.000005Z",
            ),
            answers.Signal(
                signal="state:Zone 2", name="state", index=None, lane=None, stage="Zone 2", unit=None,
                value="PRD_RegularWork", quality=Quality.GOOD, time="2026-11-20T12:01:01.000000Z",
                received="2026-11-20T12:01:01.000005Z",
            ),
            unheard,
            msgspec.structs.replace(unheard, signal="Old Name", name="Old Name", index=None, lane=None, unit=None),
        ]  # fmt: skip


async def test_a_station_without_signals_has_none_and_an_unknown_one_is_missing(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        assert await signals(running) == []
        response = await running.get("/stations/L1.none/signals")
        assert response.status_code == 404


async def test_a_station_that_is_configured_no_more_still_shows_what_it_had(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, msgspec.structs.replace(sample(1, 0), station="L1.old"))
        assert [one.signal for one in await signals(running, "L1.old")] == [ZONE]
        assert (await page(running, station="L1.old")).v == [1]
