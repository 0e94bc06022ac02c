"""The whole API on the history of several gateways: what each of them would answer, and whose it is."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.api.context import HttpSettings
from gateway.classes.own import gateway_event
from gateway.core.errors import NotConnected
from gateway.core.event import Event
from gateway.core.sample import Quality, Sample, Value
from gateway.core.times import now, rfc3339
from gateway.journal.backup import back_up, restore
from gateway.journal.copying import Pace
from gateway.journal.reader import Reader
from gateway.journal.sample_buckets import BucketReader, Wanted
from gateway.sinks.postgres import migrate
from gateway.sinks.postgres.reader import open_history
from gateway.sinks.postgres.schema import MIGRATIONS
from tests.integration.api_server import api as own_api
from tests.integration.api_server import stream, take
from tests.integration.postgres import earlier
from tests.integration.postgres.journals import asking, delivered, event, following, line, sample
from tests.integration.postgres.served import Served, serving

pytestmark = pytest.mark.postgres

NOON = 1_790_000_000_000_000
SECOND = 1_000_000
OVEN = {"station": "L1.reflow", "signal": "oxygen"}


def _fault(answer: Any) -> tuple[str, Any]:
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    return error["path"], error["allowed"]


def _gap(gap: str, state: str, at: int) -> Event:
    body = {"GapId": gap, "State": state, "Source": "broker", "Cause": "stale", "Basis": "polled", "Recovered": "no"}
    body |= {"From": rfc3339(at)} if state == "opened" else {"To": rfc3339(at)}
    return gateway_event("ObservationGap", body, at=at, key=f"{gap} {state}", line="L1", station="L1.pnp1")


# -- whose it is


async def test_gateways_with_the_same_stations(tmp_path: Path, database: str) -> None:
    async with AsyncExitStack() as stack:
        for name, site in (("pc1", "fab1"), ("pc2", "fab1"), ("pc1", "fab2")):
            of = await stack.enter_async_context(line(tmp_path / f"{site}{name}.db", name, site=site))
            await stack.enter_async_context(following(of, database))
            gap = f"{name} in {site}"
            await of.put([event(1), _gap(gap, "opened", NOON), event(2)], [sample(0, signal="oxygen")])
            if name == "pc2":
                await of.put([_gap(gap, "closed", NOON + SECOND)])
            await delivered(of, database, samples=1)
        api = await stack.enter_async_context(serving(database))
        assert _fault(await api.get("/stations/L1.pnp1")) == ("gateway", ["pc1", "pc2"])
        assert _fault(await api.get("/stations/L1.pnp1?gateway=pc1")) == ("site", ["fab1", "fab2"])
        one = (await api.get("/stations/L1.pnp1?gateway=pc1&site=fab2")).json()["station"]
        assert (one["site"], one["gateway"], one["last_event"]["cursor"][-2:]) == ("fab2", "pc1", "10")
        assert len((await api.get("/stations")).json()["stations"]) == 3
        assert len((await api.get("/stations?site=!fab2&gateway=pc*")).json()["stations"]) == 2
        found = (await api.get("/lines")).json()["lines"]
        assert found == [{"name": "L1", "site": site, "stations": ["L1.pnp1"]} for site in ("fab1", "fab2")]

        assert _fault(await api.get("/samples", params=OVEN))[0] == "gateway"
        assert _fault(await api.get("/stations/L1.reflow/signals"))[0] == "gateway"
        here = {"site": "fab1", "gateway": "pc2"}
        assert (await api.get("/samples", params=OVEN | here)).json()["v"] == [0.0]
        assert (await api.get("/stations/L1.reflow/signals", params=here)).json()["signals"][0]["value"] == 0.0
        assert (await api.get("/samples", params=OVEN | {"gateway": "pc3"})).status_code == 404

        assert [each["site"] for each in await api.events(site="fab2")] == ["fab2"] * 3
        assert len(await api.events(gateway="!pc1", station="L1.pnp1")) == 4
        async with api.stream(after="0", gateway="pc2") as stored, api.stream(site="fab1") as live:
            assert {item.json["gateway"] for item in await take(stored, 4)} == {"pc2"}
            await of.put([event(3)])
            await delivered(of, database)
            async with line(tmp_path / "fab1pc3.db", "pc3") as third, following(third, database):
                await third.put([event(4)])
                (item,) = await take(live, 1)
                assert (item.json["gateway"], item.id and item.id.partition(":")[2]) == ("pc3", "12")

        first = (await api.get("/gaps", params={"limit": 1})).json()
        rest = (await api.get("/gaps", params={"after": first["next"]})).json()
        assert (first["more"], rest["more"]) == (True, False)
        gaps: list[dict[str, Any]] = first["gaps"] + rest["gaps"]
        pc1, pc2, other = gaps
        assert (pc2["id"], pc2["to"], pc2["recovered"], pc2["closed"][-2:]) == ("pc2 in fab1", rfc3339(NOON + SECOND), "no", ":7")  # fmt: skip
        assert (pc1["from"], pc1["to"], pc1["closed"], pc1["opened"][-2:]) == (rfc3339(NOON), None, None, ":2")
        assert (pc1["station"], pc1["source"], pc1["basis"], other["site"]) == ("L1.pnp1", "broker", "polled", "fab2")
        assert (await api.get("/gaps?gateway=pc2")).json()["gaps"] == [pc2]
        assert (await api.get("/gaps?station=L1.pnp2")).json()["gaps"] == []


async def test_a_gateways_own_api_knows_whose_it_is_too(tmp_path: Path) -> None:
    async with own_api(tmp_path, http=HttpSettings(keepalive_s=0.05)) as running:
        await running.bench.ingest.store("test", "test", [event(1)])
        for params, there in (
            ({"site": "fab1"}, True),
            ({"gateway": ["line1-pc", "x"]}, True),
            ({"site": "!fab1"}, False),
        ):
            assert len((await running.get("/events", params=params)).json()["events"]) == there
            assert bool((await running.get("/stations", params=params)).json()["stations"]) is there
            assert (await running.get("/stations/L1.pnp1", params=params)).is_success is there
            async with stream(running, after="0", **params) as found:
                async for item in found:
                    if item.id == f"{running.journal}:1":
                        assert (item.data is not None) is there
                        break


# -- one API


async def test_one_api(tmp_path: Path, database: str) -> None:
    """Every route of a gateway is here, with the same parameters and answers; what is in quarantine is not, and says so."""
    async with own_api(tmp_path) as running, line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1)])
        await delivered(of, database)
        async with serving(database) as api:
            assert (await api.get("/openapi.json")).json() == (await running.get("/openapi.json")).json()
            for method, path in (("GET", ""), ("GET", "/1/raw"), ("POST", "/1/retry")):
                headers = {"content-type": "application/json"}
                answer = await api.client.request(method, f"/api/v1/quarantine{path}", headers=headers)
                assert (answer.status_code, answer.json()["type"]) == (501, "urn:lineside:problem:only-at-gateway")


async def test_who_waits_is_told(tmp_path: Path, database: str) -> None:
    """Without looking: for that it would be too late by a minute."""
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1)])
        await delivered(of, database)
        async with (
            serving(database, poll_s=60) as api,
            api.stream() as live,
            asking(database) as connection,
            asyncio.timeout(20),
        ):
            while not await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query ~ '^LISTEN'"):
                await asyncio.sleep(0.01)
            await of.put([event(2)])
            assert (await take(live, 1))[0].json["body"]["Number"] == 2
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'")


# -- samples


def _measured() -> list[Sample]:
    """Two units, gaps, late and doubled times, unknown values, large numbers, truth and text."""
    found: list[Sample] = []
    values: list[Value] = [1.5, -7, 2**53 + 1, 0.1, None, 250]
    for number in range(900):
        at = NOON + number * SECOND + (number % 7) * 1000
        more: dict[str, Any] = {"signal": "oxygen", "unit": "[ppm]" if number < 300 else "%", "received": at + 5}
        if number % 50 == 49:
            at -= 200 * SECOND
        quality = Quality.BAD if number % 11 == 0 else Quality.GOOD
        found.append(
            msgspec.structs.replace(sample(0, at=at, **more), time=at, value=values[number % 6], quality=quality)
        )
        if number % 3 == 0:
            words: Value = ("idle", "a\0b", number % 2 == 0, None)[number // 3 % 4]
            found.append(
                msgspec.structs.replace(
                    sample(0, at=at, signal="state", unit=None, received=at + 5),
                    time=at - at % (2 * SECOND),
                    value=words,
                )
            )
    return found


async def _pages(api: Served, **params: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    more, after = True, "0"
    while more:
        answer = await api.get("/samples", params={"station": "L1.reflow", "after": after, **params})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += [(page["unit"], *row) for row in zip(page["t"], page["v"], page["q"], strict=True)]
        more, after = page["more"], page["next"]
    return rows


async def test_samples_as_the_gateway_tells_them(tmp_path: Path, database: str) -> None:
    given = _measured()
    async with line(tmp_path / "a.db") as of, following(of, database, batch_samples=130):
        await of.put([event(1)], given)
        await delivered(of, database, samples=len(given))
        reader = Reader(of.path, threads=1)
        own = BucketReader(reader)
        async with serving(database) as api:
            for signal in ("oxygen", "state"):
                mine = [each for each in given if each.signal == signal]
                rows = [(each.unit, each.time, each.value, each.quality) for each in mine]
                assert await _pages(api, signal=signal, limit=77) == rows
                inside = [row for row in rows if NOON + 700 * SECOND <= row[1] < NOON + 800 * SECOND]
                within = {"from": rfc3339(NOON + 700 * SECOND), "to": rfc3339(NOON + 800 * SECOND)}
                assert await _pages(api, signal=signal, limit=30, **within) == inside
                for wanted, params in (
                    (Wanted(step=60 * SECOND), {"resolution": "1m"}),
                    (Wanted(step=700_000, start=NOON + 1, end=NOON + 333 * SECOND), {"resolution": "700ms", "from": rfc3339(NOON + 1), "to": rfc3339(NOON + 333 * SECOND)}),
                    (Wanted(step=3600 * SECOND, unit="[ppm]"), {"resolution": "1h", "unit": "[ppm]"}),
                ):  # fmt: skip
                    answer = await api.get("/samples", params={"station": "L1.reflow", "signal": signal, **params})
                    expected = await own.buckets("L1.reflow", signal, wanted)
                    if expected is None:
                        assert answer.status_code == 404
                        continue
                    found = answer.json()
                    assert (found["t"], found["unit"], found["units"]) == (
                        expected.starts,
                        expected.unit,
                        expected.units,
                    )
                    assert (found["min"], found["max"], found["last"]) == (expected.least, expected.most, expected.last)
                    assert (found["count"], found["samples"], found["q"]) == (expected.counts, expected.samples, expected.qualities)  # fmt: skip
                    assert found["mean"] == pytest.approx(expected.mean)
            minutes = {"from": rfc3339(NOON), "to": rfc3339(NOON + 900 * SECOND)}
            auto = await api.get("/samples", params=OVEN | minutes | {"resolution": "auto"})
            assert "next" in auto.json(), "so short a range needs no buckets"
            fine = await api.get("/samples", params=OVEN | {"resolution": "1ms"})
            assert (fine.status_code, fine.json()["errors"][0]["path"]) == (400, "resolution")
            csv = await api.get("/samples", params=OVEN | {"limit": 2}, headers={"accept": "text/csv"})
            assert csv.text.splitlines() == ["t,v,q", f"{NOON},1.5,bad", f"{NOON + SECOND + 1000},-7,good"]
            assert 'rel="next"' in csv.headers["link"]
            (oxygen, state, other) = (await api.get("/stations/L1.reflow/signals")).json()["signals"]
            last = given[-1]
            assert (oxygen["unit"], oxygen["value"], other["unit"]) == ("[ppm]", 250, "%")
            assert (other["value"], other["time"], other["quality"]) == (last.value, rfc3339(last.time), last.quality)
            assert (state["signal"], state["unit"], state["value"]) == ("state", None, None)
            assert (await api.get("/stations/L1.pnp1/signals")).json()["signals"] == []
            assert (await api.get("/stations/L9/signals")).status_code == 404
            async with asking(database) as connection:
                await connection.execute("SELECT lineside.drop_before('infinity')")
            head = (await api.get("/events")).json()["head"].partition(":")[0]
            gone = await api.get("/samples", params=OVEN | {"after": f"{head}:3"})
            assert (gone.status_code, gone.json()["reason"]) == (410, "expired")
            future = await api.get("/samples", params=OVEN | {"after": f"{head}:9999999"})
            assert (future.status_code, future.json()["reason"]) == (410, "future")
        reader.close()


# -- what was before


async def _count(url: str) -> tuple[int, int, int]:
    async with asking(url) as connection:
        return tuple(
            await connection.fetchrow(
                "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM lineside.sample) FROM lineside.event"
            )
        )


async def test_a_journal_that_was_put_back(tmp_path: Path, database: str) -> None:
    """What the backup has, and what machines and files give once more, is in the history already: it is not there twice.
    What is new is."""
    path = tmp_path / "a.db"
    events = [event(number) for number in range(30)]
    samples = [sample(number, at=NOON + number) for number in range(30)]
    async with line(path) as of, following(of, database, batch_events=8, batch_samples=7):
        await of.put(events[:20], samples[:20])
        await asyncio.to_thread(back_up, path, tmp_path / "backup.db", Pace())
        await of.put(events[20:], samples[20:])
        await delivered(of, database, samples=30)
    await asyncio.to_thread(restore, tmp_path / "backup.db", path)
    again = [msgspec.structs.replace(each, received=each.received + SECOND) for each in events[20:25]]
    # An id that the gateway could not know any more, with other content: an event of its own.
    reused = event(99, id=events[25].id)
    async with line(path) as of, following(of, database, batch_events=8, batch_samples=7):
        await of.put([*again, reused, event(100)], [sample(100), sample(101)])
        await delivered(of, database, samples=22)
        assert of.writer.head == 27
    assert await _count(database) == (32, 31, 32)
    async with serving(database) as api:
        found = await api.events()
        assert [each["body"]["Number"] for each in found] == [*range(30), 99, 100]
        assert (await api.get(f"/events/{events[25].id}")).json()["body"]["Number"] == 25
        rows = await _pages(api, signal="zone.temperature[1]")
        assert [row[2] for row in rows] == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 100.0]


async def test_a_history_of_the_version_before(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gap = str(uuid.uuid4())
    async with line(tmp_path / "a.db") as of:
        with monkeypatch.context() as before:
            before.setattr(migrate, "MIGRATIONS", MIGRATIONS[:1])
            async with asking(database) as connection:
                found = await migrate.migrate(connection)
                await migrate.Partitions(found.layout).make(
                    connection, [migrate.month(NOON), *migrate.months_ahead(now())]
                )
                await of.put([event(1), _gap(gap, "opened", NOON)], [sample(0)])
                await earlier.send(connection, of)
        with pytest.raises(NotConnected, match="earlier version"):
            await open_history(database)
        await of.put([_gap(gap, "closed", NOON + SECOND), event(2)], [sample(0)])
        async with following(of, database):
            await delivered(of, database, samples=2)
        async with asking(database) as connection:  # and who knows nothing of it yet writes on
            await of.put([event(3)], [sample(0)])
            await earlier.send(connection, of)
    async with serving(database) as api:
        (found,) = (await api.get("/gaps")).json()["gaps"]
        assert (found["id"], found["opened"][-2:], found["closed"][-2:]) == (gap, ":2", ":3")
        assert len(await _pages(api, signal="zone.temperature[1]")) == 3
        assert [each["seq"] for each in await api.events()] == [1, 2, 3, 4, 5]
    async with asking(database) as connection:
        assert await connection.fetchval("SELECT version FROM lineside.history") == len(MIGRATIONS)
