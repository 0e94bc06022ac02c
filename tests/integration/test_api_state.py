"""`/stations`, `/lines`, `/gaps`, `/quarantine`, `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.api import answers
from gateway.core import times
from gateway.core.adapter import Basis
from gateway.core.errors import RetryRefused
from gateway.core.frame import Notice, NoticeKind
from gateway.core.observation import Facts, FaultFact, Unreadable
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.writer import Stall
from gateway.supervisor.links import LinkState
from tests.build import HANDLE, PNP1
from tests.integration.api_server import Api, api, numbered, until

PNP2 = Station(id="L1.pnp2", line="L1", name="pnp2", machine_class="pick_and_place")
SPI = Station(id="L1.spi", line="L1", name="spi", after=("printer",))
PRINTER = Station(id="L1.printer", line="L1", name="printer")
XRAY = Station(id="xray", line=None, name="xray")


def line() -> Stations:
    return Stations(
        [SPI, PRINTER, PNP1, PNP2, XRAY],
        [
            Route(connection="broker", station=PNP1, handles=(HANDLE,)),
            Route(connection="broker", station=PNP2, handles=("Other.Machine.1",)),
        ],
        zone=ZoneInfo("UTC"),
    )


async def station(running: Api, id_: str = "L1.pnp1") -> answers.Station:
    response = await running.get(f"/stations/{id_}")
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=answers.OneStation).station


async def test_a_station_shows_what_its_machine_said(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        running.context.supervisor.links["broker"].change(LinkState.PROVEN, times.now())
        fault = FaultFact(occurrence="f1", code="E103", severity="Error", description="nozzle", lane=1, stage="S2")
        await running.publish(
            numbered(1, facts=Facts(state=1100)),
            numbered(2, facts=Facts(recipe=("BOARD-A", "3"))),
            numbered(3, facts=Facts(recipe=("BOARD-B", None), lane=2)),
            numbered(4, facts=Facts(stage="S2", stage_state=2200, lane=1)),
            numbered(
                5, facts=Facts(faults_raised=(fault,), heartbeat_s=5.0, online=True), name="CFX.ResourcePerformance.X"
            ),
        )
        found = await station(running)
        assert (found.line, found.name, found.machine_class, found.seen, found.online) == (
            "L1", "pnp1", "pick_and_place", True, True,
        )  # fmt: skip
        assert found.state is not None
        assert (found.state.code, found.state.name, found.state.e10) == (1100, "PRD_RegularWork", "productive")
        assert found.state.since == "2026-11-20T11:44:33.500000Z"
        assert found.recipe == answers.Recipe(name="BOARD-A", revision="3")
        assert answers.Lane(lane=2, recipe=answers.Recipe(name="BOARD-B", revision=None)) in found.lanes
        assert [(stage.name, stage.state and stage.state.e10) for stage in found.stages] == [("S2", "standby")]
        assert [(fault.code, fault.lane, fault.acknowledged) for fault in found.faults] == [("E103", 1, False)]
        assert found.heartbeat_s == 5.0
        assert [(link.connection, link.protocol, link.state) for link in found.links] == [
            ("broker", "cfx-mqtt", "proven")
        ]
        assert found.last_event is not None
        assert found.last_event.message == "CFX.ResourcePerformance.X"
        event = (await running.get(f"/events/{found.last_event.id}")).json()
        assert found.last_event.cursor == f"{running.journal}:{event['seq']}"


async def test_a_state_that_is_not_known_now_is_not_shown_as_one(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        link = running.context.supervisor.links["broker"]
        link.change(LinkState.PROVEN, times.now())
        assert (await station(running)).state is None, "nothing was said yet"
        await running.publish(numbered(1, facts=Facts(state=2100, stage="S1", stage_state=1100)))
        assert (await station(running)).state is not None
        sight = link.sights["L1.pnp1"]
        link.open_gap(sight, times.now(), times.now(), "stale")
        dark = await station(running)
        assert (dark.seen, dark.state, dark.last_state and dark.last_state.code) == (False, None, 2100)
        assert [stage.state for stage in dark.stages] == [None]
        assert dark.links[0].gap == sight.gap
        link.close_gap(sight, times.now(), recovered="unknown")
        assert (await station(running)).state is not None
        link.change(LinkState.DOWN, times.now(), "connection refused")
        down = await station(running)
        assert (down.seen, down.state, down.links[0].reason) == (False, None, "connection refused")


async def test_being_ready_for_a_machine_is_not_seeing_it(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        link = running.context.supervisor.links["broker"]
        link.basis = Basis.MACHINE_BUFFER
        link.change(LinkState.CONNECTED, times.now())
        assert not (await station(running)).seen
        supervisor = running.context.supervisor
        supervisor._notice(link, Notice(kind=NoticeKind.PEER_UP, at=times.now(), peer=HANDLE))
        found = await station(running)
        assert (found.seen, found.links[0].peer) == (True, True)
        assert not (await station(running, "L1.pnp2")).seen
        supervisor._notice(link, Notice(kind=NoticeKind.PEER_DOWN, at=times.now(), peer=HANDLE))
        assert not (await station(running)).seen


async def test_all_stations_and_where_to_go_on_from_there(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        await running.publish(numbered(1), numbered(2, source="A/B.C d"))
        found = msgspec.json.decode((await running.get("/stations")).content, type=answers.Stations)
        unassigned = "unassigned.A%2FB%2EC%20d"
        assert [one.id for one in found.stations] == ["L1.spi", "L1.printer", "L1.pnp1", "L1.pnp2", "xray", unassigned]
        assert found.as_of == f"{running.journal}:{running.bench.writer.head}"
        response = await running.get("/stations/unassigned.A%252FB%252EC%2520d")
        assert response.json()["station"]["id"] == unassigned
        assert (await running.get("/stations/L1.nobody")).status_code == 404


async def test_lines_have_their_stations_in_the_order_of_the_route(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        found = msgspec.json.decode((await running.get("/lines")).content, type=answers.Lines)
        assert found.lines == [
            answers.Line(name="L1", site="fab1", stations=["L1.printer", "L1.spi", "L1.pnp1", "L1.pnp2"])
        ]
        assert found.stations == ["xray"]


async def test_only_committed_state_is_shown(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        running.context.supervisor.links["broker"].change(LinkState.PROVEN, times.now())
        await running.publish(numbered(1, facts=Facts(state=2100)))
        stepper = running.bench.ingest.stepper
        async with running.bench.stuck():  # the writer is inside a transaction
            stepper._changed["L1.pnp1"] = msgspec.structs.replace(stepper.states["L1.pnp1"], state=1100)
            found = await station(running)
            stepper._changed.clear()
        assert found.state is not None
        assert found.state.code == 2100


async def test_gaps_by_page(tmp_path: Path) -> None:
    async with api(tmp_path, stations=line()) as running:
        link = running.context.supervisor.links["broker"]
        await running.publish(numbered(1))
        sights = link.sights
        for _ in range(2):
            for sight in sights.values():
                link.open_gap(sight, 1_700_000_000_000_000, times.now(), "stale")
                link.close_gap(sight, 1_700_000_060_000_000, recovered="no")
        link.open_gap(sights["L1.pnp2"], 1_700_000_000_000_000, times.now(), "disconnected")
        await running.bench.settled()
        first = msgspec.json.decode((await running.get("/gaps", params={"limit": 3})).content, type=answers.Gaps)
        assert first.more
        rest = msgspec.json.decode(
            (await running.get("/gaps", params={"after": first.next})).content, type=answers.Gaps
        )
        assert not rest.more
        assert len(first.gaps) + len(rest.gaps) == 5
        closed, last = first.gaps[0], rest.gaps[-1]
        assert (closed.start, closed.end) == ("2023-11-14T22:13:20.000000Z", "2023-11-14T22:14:20.000000Z")
        assert (closed.cause, closed.recovered, closed.closed is None) == ("stale", "no", False)
        assert (last.station, last.end, last.recovered, last.closed) == ("L1.pnp2", None, None, None)
        opened = (await running.get("/events", params={"message": "Lineside.ObservationGap"})).json()["events"]
        assert closed.opened == f"{running.journal}:{opened[0]['seq']}"
        only = (await running.get("/gaps", params={"station": "L1.pnp1"})).json()
        assert {gap["station"] for gap in only["gaps"]} == {"L1.pnp1"}
        assert (await running.get("/gaps", params={"after": "abcdabcd:1"})).status_code == 410
        ahead = await running.get("/gaps", params={"after": f"{running.journal}:999"})
        assert (ahead.status_code, ahead.json()["reason"]) == (410, "future"), "gaps up to there would never be told"


async def quarantine(running: Api, *raws: bytes) -> None:
    for raw in raws:
        await running.bench.give(1, Unreadable(raw=raw, reason="bad-json", detail="no JSON"), payload=raw)
    await running.bench.settled()


async def test_quarantine_by_page_with_the_bytes(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await quarantine(running, b"\xff\x00", b"{", b"{", b"<html><script>alert(1)</script>")
        page = msgspec.json.decode((await running.get("/quarantine?limit=2")).content, type=answers.Quarantine)
        assert [(entry.reason, entry.count, entry.size) for entry in page.quarantine] == [
            ("bad-json", 1, 2),
            ("bad-json", 2, 1),
        ]
        assert page.more
        rest = (await running.get("/quarantine", params={"after": page.next})).json()
        assert [len(rest["quarantine"]), rest["more"]] == [1, False]
        raw = await running.get(f"/quarantine/{rest['quarantine'][0]['id']}/raw")
        assert raw.content.startswith(b"<html>")
        assert raw.headers["content-type"] == "application/octet-stream"
        assert raw.headers["x-content-type-options"] == "nosniff"
        assert (await running.get("/quarantine?reason=other")).json()["quarantine"] == []
        for number, status in (("99", 404), ("x", 400), ("-1", 400)):
            assert (await running.get(f"/quarantine/{number}/raw")).status_code == status


async def test_quarantined_messages_can_be_tried_again(tmp_path: Path) -> None:
    asked: list[int] = []

    async def retry(number: int) -> bool:
        asked.append(number)
        if number == 2:
            raise RetryRefused("the station has a class state")
        return True

    json = {"content-type": "application/json"}
    async with api(tmp_path, retry=retry) as running:
        await quarantine(running, b"1", b"2")
        done = await running.client.post("/api/v1/quarantine/1/retry", headers=json)
        assert (done.status_code, done.json()) == (200, {"id": 1, "understood": True})
        refused = await running.client.post("/api/v1/quarantine/2/retry", headers=json)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:lineside:problem:retry-not-possible")
        assert (await running.client.post("/api/v1/quarantine/3/retry", headers=json)).status_code == 404
        assert asked == [1, 2]


async def test_ready_once_every_source_was_tried_and_while_the_journal_writes(tmp_path: Path) -> None:
    sink = {"state": True}
    extra: dict[str, Callable[[], tuple[bool, str, int | None]]] = {"sink": lambda: (sink["state"], "full", 5)}
    async with api(tmp_path, extra=extra) as running:

        async def look() -> tuple[int, answers.Readiness]:
            response = await running.client.get("/readyz")
            return response.status_code, msgspec.json.decode(response.content, type=answers.Readiness)

        status, found = await look()
        assert (status, found.ready) == (503, False)
        assert found.components is not None
        states = {component.name: (component.ready, component.state) for component in found.components}
        assert states == {
            "journal": (True, "writing"),
            "http": (True, "serving"),
            "broker": (False, "down"),
            "sink": (True, "ready"),
        }
        supervising = asyncio.create_task(running.context.supervisor.run(), name="supervisor")
        await until(lambda: running.context.supervisor.links["broker"].tried)
        assert (await look())[0] == 200
        running.bench.writer.stall = Stall("database or disk is full", 0.0)
        status, found = await look()
        assert found.components is not None
        journal = found.components[0]
        assert (status, journal.state, journal.reason) == (503, "stalled", "database or disk is full")
        running.bench.writer.stall = None
        sink["state"] = False
        assert (await look())[0] == 503
        sink["state"] = True
        assert (await look())[0] == 200
        supervising.cancel()
        await asyncio.wait({supervising})


async def test_a_source_that_was_tried_in_vain_does_not_stand_in_the_way(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        link = running.context.supervisor.links["broker"]
        link.tried = True
        link.change(LinkState.DOWN, times.now(), "connection refused")
        response = await running.client.get("/readyz")
        assert response.status_code == 200
        broker = next(one for one in response.json()["components"] if one["name"] == "broker")
        assert (broker["state"], broker["reason"]) == ("down", "connection refused")


async def test_metrics_are_those_of_this_moment(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await running.publish(*(numbered(number) for number in range(4)))
        async with running.bench.stuck():
            await running.bench.give(50, numbered(50), payload=b"x" * 500)
            running.bench.writer.stall = Stall("disk full", 0.0)
            head = running.bench.writer.head
            text = (await running.client.get("/metrics")).text
            running.bench.writer.stall = None
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        assert lines["lineside_journal_head_events"] == f"{head}.0"
        assert lines['lineside_queue_frames{source="broker"}'] == "1.0"
        assert float(lines['lineside_queue_bytes{source="broker"}']) > 500
        assert float(lines['lineside_unacknowledged_bytes{protocol="cfx-mqtt",source="broker"}']) > 500
        assert float(lines["lineside_journal_stalled_seconds"]) > 0
        assert lines['lineside_subscribers_connections{kind="sse"}'] == "0.0"


async def test_alive(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        found = (await running.client.get("/healthz")).json()
        assert (found["alive"], found["version"]) == (True, "0.0.test")


@pytest.mark.parametrize("path", ["/events", "/gaps", "/quarantine", "/stations"])
async def test_a_journal_that_cannot_be_read_is_a_problem_of_its_own(tmp_path: Path, path: str) -> None:
    async with api(tmp_path) as running:
        await running.publish(numbered(1))

        running.bench.reader._engine.dispose()
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            found = tmp_path / name
            if found.exists():
                found.rename(found.with_suffix(found.suffix + ".away"))
        response = await running.get(path)
        assert response.status_code == 503
        assert response.json()["type"] == "urn:lineside:problem:journal-unavailable"
        assert response.headers["retry-after"]
        for found in tmp_path.glob("*.away"):
            found.rename(found.with_suffix(""))
