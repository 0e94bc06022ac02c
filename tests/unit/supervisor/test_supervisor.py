"""One place that reconnects; gaps are opened and closed by what really was not heard."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.adapter import Basis
from gateway.core.errors import NotConnected, SourceEnded
from gateway.core.frame import Notice, NoticeKind
from gateway.core.observation import Facts
from gateway.core.times import now
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Route, Stations
from gateway.journal.filter import Choice, Filter
from gateway.supervisor.links import LinkState, close_forgotten
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from tests.build import HANDLE, PNP1, Bench, bench, message, until

QUICK = SupervisorSettings(retry_first_s=0.01, retry_most_s=0.05, settled_s=0.0, tick_s=0.01, mark_s=0.01)


def guid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


@asynccontextmanager
async def supervised(
    b: Bench,
    *,
    basis: Basis = Basis.DURABLE_BROKER,
    settings: SupervisorSettings = QUICK,
    marks: dict[str, int] | None = None,
) -> AsyncIterator[Supervisor]:
    b.adapter.basis = basis
    supervisor = Supervisor([b.adapter], b.ingest, b.telemetry, settings, marks=marks or {}, draw=lambda: 1.0)
    b.ingest.on_heard = supervisor.heard
    task = asyncio.create_task(supervisor.run(), name="supervisor")
    try:
        yield supervisor
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def say(
    b: Bench, number: int, *, facts: Facts | None = None, acknowledged: bool = True, peer: str | None = None
) -> None:
    made = b.acks.delivery(number, acknowledged=acknowledged, peer=peer)
    b.adapter.meaning[made.frame.payload] = [message(guid(number), facts=facts or Facts())]
    b.adapter.inbox.put_nowait(made)


async def bodies(b: Bench, name: str) -> list[dict[str, Any]]:
    page = await b.reader.events(0, 1000, Filter(message=Choice((f"Lineside.{name}",))))
    return [json.loads(placed.event.body) for placed in page.events]


async def test_it_connects_proves_loses_and_comes_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lineside")
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        link = supervisor.links["broker"]
        await until(lambda: link.state is LinkState.CONNECTED)
        say(b, 1)
        await until(lambda: link.state is LinkState.PROVEN)
        await until(lambda: b.acks.order == [1])
        b.adapter.refusals = [NotConnected("refused")] * 5
        b.adapter.inbox.put_nowait(NotConnected("broker went away"))
        await until(lambda: b.adapter.connects == 7)
        say(b, 2)
        await until(lambda: b.acks.order == [1, 2])
        states = [(change["OldState"], change["NewState"]) for change in await bodies(b, "LinkChanged")]
        assert states == [("down", "connected"), ("proven", "down"), ("down", "connected")]
        assert await bodies(b, "ObservationGap") == []
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1, "one line on loss, however many attempts fail"
    assert b.adapter.closed == 2


async def test_the_pause_doubles_up_to_its_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    settings = SupervisorSettings(retry_first_s=1.0, retry_most_s=5.0, tick_s=100.0)
    really = asyncio.sleep

    async def sleep(delay: float, result: object = None) -> object:
        if delay >= 1.0 and delay != 100.0:
            pauses.append(delay)
            delay = 0.0
        return await really(delay, result)

    async with bench(tmp_path) as b:
        b.adapter.refusals = [*[NotConnected("no")] * 5, NotConnected("later", retry_after_s=7.0)]
        monkeypatch.setattr("gateway.supervisor.supervisor.asyncio.sleep", sleep)
        async with supervised(b, settings=settings):
            await until(lambda: b.adapter.connects == 7)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0, 7.0]


async def test_an_adapters_defect_stops_only_its_own_connection_for_a_while(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        await until(lambda: b.adapter.connects == 1)
        b.adapter.inbox.put_nowait(ZeroDivisionError("a bug"))
        await until(lambda: b.adapter.connects == 2)
        assert "ZeroDivisionError" in (await bodies(b, "LinkChanged"))[1]["Reason"]
        assert supervisor.links["broker"].tried


async def test_a_source_that_ends_is_left_alone(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        b.adapter.inbox.put_nowait(SourceEnded("replayed"))
        await until(lambda: supervisor.links["broker"].reason == "replayed")
        assert b.adapter.connects == 1


async def test_a_lost_session_is_a_gap_from_the_last_message_to_now(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b):
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.SESSION_LOST, at=now()))
        say(b, 1)
        await until(lambda: b.acks.order == [1])
        assert await bodies(b, "ObservationGap") == [], "a first connection has lost nothing"
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.SESSION_LOST, at=now()))
        say(b, 2)
        await until(lambda: b.acks.order == [1, 2])
        await b.settled()
        opened, closed = await bodies(b, "ObservationGap")
        assert (opened["State"], opened["Cause"], opened["Basis"], opened["To"]) == (
            "opened",
            "session-lost",
            "durable-broker",
            None,
        )
        assert (closed["State"], closed["GapId"], closed["Recovered"]) == ("closed", opened["GapId"], "no")
        (gap,) = await b.reader.gaps()
        assert gap.end is not None
        assert gap.closed_seq == gap.opened_seq + 1


async def test_a_lost_session_after_a_restart_starts_at_the_last_mark(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b):
        say(b, 1)
        await until(lambda: b.acks.order == [1])
        await b.settled()
    async with bench(tmp_path) as b:
        marks = b.writer.marks()
        async with supervised(b, marks=marks):
            b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.SESSION_LOST, at=now()))
            say(b, 2)
            await until(lambda: b.acks.order == [2])
            (gap,) = await b.reader.gaps()
            assert gap.start == marks["broker"]


async def test_a_source_without_a_buffer_has_a_gap_while_it_is_away(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.HEARTBEAT_ONLY) as supervisor:
        say(b, 1)
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].heard is not None)
        b.adapter.inbox.put_nowait(NotConnected("gone"))
        await until(lambda: b.adapter.connects == 2)
        say(b, 2)
        await until(lambda: b.acks.order == [1, 2])
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.basis, gap.recovered) == ("disconnected", "heartbeat-only", "no")


async def test_a_machine_with_a_buffer_has_a_gap_until_it_reconnects(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.MACHINE_BUFFER) as supervisor:
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_UP, at=now(), peer=HANDLE))
        say(b, 1)
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].heard is not None)
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_DOWN, at=now(), peer=HANDLE))
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is not None)
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_UP, at=now(), peer=HANDLE))
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is None)
        await b.settled()
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.basis, gap.recovered) == ("disconnected", "machine-buffer", "unknown")


@pytest.mark.parametrize(("unknown", "recovered"), [(0, "yes"), (2, "unknown")])
async def test_a_gap_lasts_until_all_that_was_said_meanwhile_has_come(
    tmp_path: Path, unknown: int, recovered: str
) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.MACHINE_BUFFER) as supervisor:
        sight = supervisor.links["broker"].sights["L1.pnp1"]
        say(b, 1)
        await until(lambda: sight.heard is not None)
        b.adapter.inbox.put_nowait(NotConnected("gone"))
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.CATCHING_UP, at=now()))
        say(b, 2)
        await until(lambda: b.acks.order == [1, 2])
        await b.settled()
        assert (sight.gap is not None, sight.catching_up) == (True, True)
        notice = Notice(kind=NoticeKind.CAUGHT_UP, at=now(), peer="L1.pnp1", count=unknown)
        b.adapter.inbox.put_nowait(notice)
        await until(lambda: sight.gap is None)
        await b.settled()
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.recovered, sight.catching_up) == ("disconnected", recovered, False)


async def test_a_session_that_goes_on_has_lost_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.HEARTBEAT_ONLY) as supervisor:
        b.adapter.resumed = True  # type: ignore[attr-defined]
        sight = supervisor.links["broker"].sights["L1.pnp1"]
        say(b, 1)
        await until(lambda: sight.heard is not None)
        b.adapter.inbox.put_nowait(NotConnected("gone"))
        for kind in (NoticeKind.CATCHING_UP, NoticeKind.CAUGHT_UP):
            b.adapter.inbox.put_nowait(Notice(kind=kind, at=now()))
        await until(lambda: b.adapter.connects == 2 and sight.gap is None)
        await b.settled()
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.basis, gap.recovered) == ("disconnected", "heartbeat-only", "yes")


async def test_a_silent_machine_is_stale_until_it_speaks(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        say(b, 1, facts=Facts(heartbeat_s=0.05))
        sights = supervisor.links["broker"].sights
        await until(lambda: sights["L1.pnp1"].gap is not None)
        say(b, 2)
        await until(lambda: sights["L1.pnp1"].gap is None)
        await b.settled()
        first = (await b.reader.gaps())[0]
        assert (first.cause, first.recovered) == ("stale", "unknown")


async def test_dropping_is_one_gap_however_much_is_dropped(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(queue_frames=2)) as b, supervised(b) as supervisor:
        async with b.stuck():
            for number in range(50):
                say(b, number, acknowledged=False)
            await until(lambda: b.counter("frames_dropped") == 48)
        await until(lambda: supervisor.links["broker"].dropped_clock is None)
        await b.settled()
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.recovered) == ("overflow", "no")
        assert gap.end is not None


async def test_a_gap_goes_on_after_a_restart_and_ends_with_the_next_message(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        say(b, 1, facts=Facts(heartbeat_s=0.01))
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is not None)
        await b.settled()
    async with bench(tmp_path) as b:
        (gap,) = b.writer.open_gaps()
        async with supervised(b) as supervisor:
            supervisor.links["broker"].adopt_gap(b.ingest.stations.by_id["L1.pnp1"], gap.id, gap.cause)
            say(b, 2)
            await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].heard is not None)
            await b.settled()
            first, *_ = await b.reader.gaps()
            assert (first.id, first.recovered) == (gap.id, "unknown")


async def test_a_gap_of_a_source_that_is_no_more_is_closed(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b) as supervisor:
        say(b, 1, facts=Facts(heartbeat_s=0.01))
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is not None)
        await b.settled()
    async with bench(tmp_path) as b:
        (gap,) = b.writer.open_gaps()
        close_forgotten(b.ingest, gap.id, source="broker", station=gap.station, cause=gap.cause, at=now())
        await b.settled()
        (found,) = await b.reader.gaps()
        assert (found.end is not None, found.recovered) == (True, "unknown")
        assert (await bodies(b, "ObservationGap"))[-1]["State"] == "closed"


async def test_what_was_read_before_a_machine_left_does_not_end_its_gap(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.MACHINE_BUFFER) as supervisor:
        sight = supervisor.links["broker"].sights["L1.pnp1"]
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_UP, at=now(), peer=HANDLE))
        async with b.stuck():
            say(b, 1)
            await until(lambda: b.ingest.depth().get(f"broker {HANDLE}", (0, 0))[0] == 1)
            b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_DOWN, at=now(), peer=HANDLE))
            await until(lambda: sight.gap is not None)
        await until(lambda: b.acks.order == [1])
        await b.settled()
        assert sight.gap is not None
        assert sight.heard is not None
        (gap,) = await b.reader.gaps()
        assert gap.end is None


async def test_a_machine_that_came_and_said_nothing_has_a_gap_when_it_goes(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b, basis=Basis.MACHINE_BUFFER) as supervisor:
        came = now()
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_UP, at=came, peer=HANDLE))
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_DOWN, at=came + 1000, peer=HANDLE))
        await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is not None)
        await b.settled()
        (gap,) = await b.reader.gaps()
        assert gap.start == came


async def test_a_machine_is_known_by_what_it_said_too(tmp_path: Path) -> None:
    stations = Stations([PNP1], [Route(connection="broker", station=PNP1, handles=("other",))], zone=ZoneInfo("UTC"))
    async with bench(tmp_path, stations=stations) as b, supervised(b, basis=Basis.MACHINE_BUFFER) as supervisor:
        say(b, 1, peer="container-7")
        await until(lambda: len(supervisor.links["broker"].sights) == 2)
        b.adapter.inbox.put_nowait(Notice(kind=NoticeKind.PEER_DOWN, at=now(), peer="container-7"))
        (unassigned,) = [s for s in supervisor.links["broker"].sights.values() if s.station.line == "unassigned"]
        await until(lambda: unassigned.gap is not None)


async def test_a_machine_that_is_silent_since_we_started_is_stale(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b):
        say(b, 1, facts=Facts(heartbeat_s=0.05))
        await until(lambda: b.acks.order == [1])
        await b.settled()
    async with bench(tmp_path) as b:
        marks = b.writer.marks()
        async with supervised(b, marks=marks) as supervisor:
            await until(lambda: supervisor.links["broker"].sights["L1.pnp1"].gap is not None)
            await b.settled()
            gap = (await b.reader.gaps())[-1]
            assert (gap.cause, gap.start) == ("stale", marks["broker"])
