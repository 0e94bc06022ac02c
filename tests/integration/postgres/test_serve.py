"""`lineside serve`: what gateways wrote comes out of the API as it came out of theirs, by positions that never skip."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from gateway.api.tokens import add
from gateway.core.errors import ConfigError, LinesideError, NotConnected
from gateway.core.event import Event, Origin, UnitRef
from gateway.core.times import rfc3339
from gateway.journal.filter import Choice, Filter
from gateway.sinks.postgres.reader import open_history
from tests.integration.api_server import take
from tests.integration.postgres.journals import asking, delivered, event, following, line, until
from tests.integration.postgres.served import serving
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.postgres

LONG = "CFX." + "x" * 400


def _mixed(number: int) -> Event:
    """Of every kind a few."""
    names = ("CFX.Production.WorkStarted", "CFX.Production.WorkCompleted", "CFX.Heartbeat", LONG + str(number % 2))
    return event(
        number,
        message=names[number % 4],
        line=None if number % 5 == 0 else f"L{number % 3}",
        station=f"L{number % 3}.pnp{number % 2}",
        origin=list(Origin)[number % 3],
        unit_refs=(UnitRef(f"PNL-{number % 7}"), UnitRef("a\0b" if number % 11 == 0 else None)),
        also_units=("x" * 5000,) if number % 13 == 0 else (),
        received=1_790_000_000_000_000 + number * 1_000_000,
    )


FILTERS: list[tuple[dict[str, Any], Filter]] = [
    ({}, Filter()),
    ({"line": "L1"}, Filter(line=Choice(("L1",)))),
    ({"line": ["L1", "!L2"]}, Filter(line=Choice(("L1",), ("L2",)))),
    ({"line": "!L1"}, Filter(line=Choice((), ("L1",)))),
    ({"station": ["L1.pnp1", "L2.pnp0"]}, Filter(station=Choice(("L1.pnp1", "L2.pnp0")))),
    ({"message": "CFX.Production.*"}, Filter(message=Choice(("CFX.Production.*",)))),
    ({"message": ["!CFX.Heartbeat", "!CFX.Production.*"]}, Filter(message=Choice((), ("CFX.Heartbeat", "CFX.Production.*")))),
    ({"message": LONG + "1"}, Filter(message=Choice((LONG + "1",)))),
    ({"message": LONG + "*"}, Filter(message=Choice((LONG + "*",)))),
    ({"message": "cfx.*"}, Filter(message=Choice(("cfx.*",)))),
    ({"message": "CFX.%"}, Filter(message=Choice(("CFX.%",)))),
    ({"unit": ["PNL-3", "PNL-4"]}, Filter(unit=Choice(("PNL-3", "PNL-4")))),
    ({"unit": "a\0b"}, Filter(unit=Choice(("a\0b",)))),
    ({"unit": "x" * 5000}, Filter(unit=Choice(("x" * 5000,)))),
    ({"unit": "!PNL-3"}, Filter(unit=Choice((), ("PNL-3",)))),
    ({"origin": ["native", "gateway"]}, Filter(origin=Choice(("native", "gateway")))),
    ({"origin": "!derived"}, Filter(origin=Choice((), ("derived",)))),
    ({"unit": "'; DROP SCHEMA lineside CASCADE; --"}, Filter(unit=Choice(("'",)))),
]  # fmt: skip


async def test_every_filter(tmp_path: Path, database: str) -> None:
    given = [_mixed(number) for number in range(300)]
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put(given)
        await delivered(of, database)
    async with serving(database) as api:
        for params, wanted in FILTERS:
            found = [each["id"] for each in await api.events(**params, limit=37)]
            assert found == [each.id for each in given if wanted.accepts(each)], params
        start, end = given[100].time, given[200].time
        found = [each["id"] for each in await api.events(**{"from": rfc3339(start), "to": rfc3339(end)})]
        assert found == [each.id for each in given[100:200]]
        assert (await api.get("/events", params={"lien": "L1"})).status_code == 400
        bodies = await api.events(body="none", limit=1)
        assert bodies[0]["body"] is None


async def test_pages_and_cursors(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(number) for number in range(25)])
        await delivered(of, database)
    async with serving(database) as api:
        page = (await api.get("/events", params={"limit": 10})).json()
        assert [each["seq"] for each in page["events"]] == list(range(1, 11))
        assert {each["journal"] for each in page["events"]} == {of.writer.journal}
        assert page["more"] is True
        history = page["next"].partition(":")[0]
        assert (page["next"], page["head"]) == (f"{history}:10", f"{history}:25")
        for asked, reason in ((f"{of.writer.journal}:5", "foreign"), (f"{history}:26", "future")):
            gone = await api.get("/events", params={"after": asked})
            assert gone.status_code == 410
            assert gone.json()["reason"] == reason
            assert gone.json()["head"] == f"{history}:25"
        answer = await api.get("/events", params={"after": "0"}, headers={"Accept": "application/x-ndjson"})
        *lines, end = answer.text.splitlines()
        assert [json.loads(each)["body"]["Number"] for each in lines] == list(range(25))
        assert json.loads(end) == {"next": f"{history}:25", "complete": True}


async def test_one_event_and_its_bytes(tmp_path: Path, database: str) -> None:
    spaced = b'{ "MessageName" : "CFX.Heartbeat", "MessageBody" : { "A" : "\\u0000" } }'
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1)])
        await of.receive(event(2, body=b'{"A":"\\u0000"}', raw=spaced), spaced.replace(b" ", b""))
        await delivered(of, database)
    async with serving(database) as api:
        one, other = await api.events()
        assert other["body"] == {"A": "\0"}
        assert (await api.get(f"/events/{other['id'].upper()}")).json() == other
        assert (await api.get(f"/events/{other['id']}/raw")).content == spaced
        assert b'"Number":1' in (await api.get(f"/events/{one['id']}/raw")).content
        assert (await api.get("/events/1d598538-95b3-4e92-a376-1f1907ae5ffd")).status_code == 404
        assert (await api.get("/events/5")).status_code == 400


async def test_a_stream_of_several_gateways(tmp_path: Path, database: str) -> None:
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(tmp_path / f"{n}.db", f"line{n}-pc")) for n in (1, 2)]
        for of in lines:
            await stack.enter_async_context(following(of, database, batch_events=7))
            await of.put([event(number) for number in range(100)])
            await delivered(of, database)
        api = await stack.enter_async_context(serving(database))
        history = (await api.get("/events", params={"limit": 1})).json()["head"].partition(":")[0]
        stored = await stack.enter_async_context(api.stream(after="0"))
        live = await stack.enter_async_context(api.stream(message="CFX.Production.*"))

        async def more() -> None:
            for start in range(100, 300, 5):
                for of in lines:
                    await of.put([event(number) for number in range(start, start + 5)])

        producing = asyncio.create_task(more())
        items = await take(stored, 600)
        assert [item.id for item in items] == [f"{history}:{n}" for n in range(1, 601)]
        for of in lines:
            own = [item.json for item in items if item.json["gateway"] == of.writer.place.gateway]
            assert [each["seq"] for each in own] == list(range(1, 301))
            assert {each["journal"] for each in own} == {of.writer.journal}
        assert [item.id for item in await take(live, 400)] == [f"{history}:{n}" for n in range(201, 601)]
        await producing
        async with api.stream(last=items[449].id) as again:
            assert [item.data for item in await take(again, 150)] == [item.data for item in items[450:]]
        async with api.stream(after=f"{lines[0].writer.journal}:3") as foreign:
            gap, first = await take(foreign, 2)
            assert gap.event == "gap"
            assert gap.json["reason"] == "foreign"
            assert first.id == f"{history}:1"


async def test_stations(tmp_path: Path, database: str) -> None:
    changed = "CFX.ResourcePerformance.StationStateChanged"
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1, message=changed, body=b'{"NewState":"PRD_RegularWork"}'), event(2)])
        await of.put([event(3, line=None, station="xray")])
        await delivered(of, database)
    async with serving(database) as api:
        answer = (await api.get("/lines")).json()
        assert answer["lines"] == [{"name": "L1", "site": "fab1", "stations": ["L1.pnp1"]}]
        assert answer["stations"] == ["xray"]
        (one, other) = (await api.get("/stations")).json()["stations"]
        assert (one["id"], one["name"], one["class"], one["seen"], one["state"]) == ("L1.pnp1", "pnp1", "unknown", False, None)  # fmt: skip
        assert one["last_state"]["name"] == "PRD_RegularWork"
        assert one["last_event"]["message"] == "CFX.Production.WorkCompleted"
        assert (other["id"], other["line"], other["last_state"]) == ("xray", None, None)
        assert (await api.get("/stations/L1.pnp1")).json()["station"] == one
        assert (await api.get("/stations/L9.pnp1")).status_code == 404
        assert (await api.get("/samples", params={"station": "a", "signal": "b"})).status_code == 404


async def test_who_may_read(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1)])
        await delivered(of, database)
    file = tmp_path / "tokens.toml"
    token = add(file, "mes", ["read"])
    async with serving(database, tokens=file) as api:
        assert (await api.get("/events")).status_code == 401
        assert (await api.client.get("/readyz")).json() == {"ready": True, "components": None}
        headers = {"Authorization": f"Bearer {token}"}
        assert len((await api.get("/events", headers=headers)).json()["events"]) == 1


async def test_a_database_that_goes_away(tmp_path: Path, own_postgres: Postgres) -> None:
    url = own_postgres.database()
    async with line(tmp_path / "a.db") as of, following(of, url):
        await of.put([event(1)])
        await delivered(of, url)
        async with serving(url) as api, api.stream(after="0") as stream:
            assert (await api.client.get("/readyz")).json()["ready"] is True
            assert len(await take(stream, 1)) == 1
            await asyncio.to_thread(own_postgres.kill)
            answer = await api.client.get("/readyz")
            async with asyncio.timeout(10):
                while answer.status_code != 503:
                    await asyncio.sleep(0.01)
                    answer = await api.client.get("/readyz")
            assert answer.json()["components"][0]["state"] == "down"
            answer = await api.get("/events")
            assert answer.status_code == 503
            assert answer.json()["type"].endswith("journal-unavailable")
            assert (await api.client.get("/healthz")).status_code == 200
            await of.put([event(2)])
            await asyncio.to_thread(own_postgres.start)
            (item,) = await take(stream, 1)
            assert item.json["body"]["Number"] == 2
            assert (await api.client.get("/readyz")).status_code == 200
            assert "lineside_subscribers_connections" in (await api.client.get("/metrics")).text


async def test_a_history_that_was_replaced_ends_it(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(1)])
        await delivered(of, database)
    async with serving(database, broken=True) as api, asking(database) as connection:
        await connection.execute("UPDATE lineside.history SET id = 'another'")
        await until(api.task.done)
        with pytest.raises(LinesideError, match="replaced"):
            api.task.result()


async def test_nothing_to_serve(database: str) -> None:
    with pytest.raises(NotConnected, match="there is no history in 127"):
        await open_history(database)
    with pytest.raises(NotConnected, match="cannot connect to"):
        await open_history("postgresql://nobody:secret@127.0.0.1:1/x")
    with pytest.raises(ConfigError):
        await open_history("postgresql://h:notaport/x")


async def test_old_positions_are_gone_with_their_partition(tmp_path: Path, database: str) -> None:
    async with line(tmp_path / "a.db") as of, following(of, database):
        await of.put([event(number, received=1_600_000_000_000_000 + number) for number in range(10)])
        await of.put([event(number) for number in range(10, 20)])
        await delivered(of, database)
    async with serving(database) as api:
        first, *_ = await api.events(limit=5)
        async with asking(database) as connection:
            dropped = await connection.fetch("SELECT lineside.drop_before('2020-10-01T00:00:00Z')")
            assert [row[0] for row in dropped] == ["event_2020_09", "sample_2020_09"]
        head = (await api.get("/events", params={"limit": 1})).json()["head"]
        history = head.partition(":")[0]
        assert [each["body"]["Number"] for each in await api.events()] == list(range(10, 20))
        gone = await api.get("/events", params={"after": f"{history}:3"})
        assert gone.status_code == 410
        assert (gone.json()["reason"], gone.json()["oldest"]) == ("expired", f"{history}:10")
        assert (await api.get(f"/events/{first['id']}")).status_code == 404
        async with api.stream(last=f"{history}:3") as stream:
            gap, *rest = await take(stream, 11)
            assert gap.event == "gap"
            assert [item.json["body"]["Number"] for item in rest] == list(range(10, 20))
