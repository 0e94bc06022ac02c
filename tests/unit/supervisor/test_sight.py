"""When a machine that speaks no CFX is out of sight: its gap, and what its class is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.adapter import Basis
from gateway.core.errors import NotConnected
from gateway.core.frame import Notice, NoticeKind
from gateway.core.observation import Readings
from gateway.core.sample import Quality, Value
from gateway.core.times import Micros, now
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Route, Station, Stations
from gateway.supervisor.supervisor import Supervisor
from tests.build import FAST, Bench, bench, message, until
from tests.unit.classes.machines import bound, counter
from tests.unit.supervisor.test_supervisor import QUICK, bodies, guid, supervised

SLOW = msgspec.structs.replace(QUICK, tick_s=0.2)
SMALL = IngestSettings(queue_frames=2)


def stations(*ids: str) -> Stations:
    """Machines on one bus of which a counter and a level are known."""
    made = [
        Station(id=id_, line=None, name=id_, setup=set_up(id_, CLASSES["generic"], bound("generic", [counter("units.out"), "state"])))
        for id_ in ids or ("oven",)
    ]  # fmt: skip
    routes = [Route(connection="broker", station=station, unit=unit) for unit, station in enumerate(made, 1)]
    return Stations(made, routes, zone=ZoneInfo("UTC"))


def show(b: Bench, number: int, station: str = "oven", **values: Value) -> None:
    told: Mapping[str, Value] = {key.replace("__", "."): value for key, value in values.items()}
    made = b.acks.delivery(number, acknowledged=False, peer=station)
    b.adapter.meaning[made.frame.payload] = [Readings(station=station, keys=tuple(told), values=tuple(told.values()))]
    b.adapter.inbox.put_nowait(made)


def notice(b: Bench, kind: NoticeKind, peer: str = "oven") -> None:
    b.adapter.inbox.put_nowait(Notice(kind=kind, at=now(), peer=peer))


async def heard(b: Bench, supervisor: Supervisor, station: str = "oven") -> None:
    await until(lambda: supervisor.links["broker"].sights[station].heard is not None)


def counted(b: Bench) -> int:
    machine = b.ingest.stepper.known("oven").machine
    return 0 if machine is None else machine.counters["units.out"]


async def overflowing(b: Bench, supervisor: Supervisor) -> None:
    """Three more frames than there is room for: 10 and 11 are stored."""
    async with b.stuck():
        for number in range(10, 15):
            show(b, number, units__out=number)
        await until(lambda: b.counter("frames_dropped") == 3)
        assert supervisor.links["broker"].sights["oven"].gap is not None


async def test_what_was_dropped_was_not_seen(tmp_path: Path) -> None:
    async with (
        bench(tmp_path, settings=SMALL, stations=stations()) as b,
        supervised(b, basis=Basis.HEARTBEAT_ONLY) as supervisor,
    ):
        show(b, 1, units__out=9)
        await heard(b, supervisor)
        await overflowing(b, supervisor)
        await until(lambda: supervisor.links["broker"].dropped_clock is None)
        await b.settled()
        show(b, 20, units__out=20)
        await until(lambda: counted(b) == 20)
        await b.settled()
        (adjusted,) = await bodies(b, "CountAdjusted")
    assert (adjusted["OldValue"], adjusted["NewValue"], adjusted["Cause"]) == (11, 20, "gap")


async def test_a_machine_that_left_while_frames_were_dropped_is_still_away(tmp_path: Path) -> None:
    async with (
        bench(tmp_path, settings=SMALL, stations=stations()) as b,
        supervised(b, basis=Basis.HEARTBEAT_ONLY, settings=SLOW) as supervisor,
    ):
        link = supervisor.links["broker"]
        show(b, 1, units__out=9)
        await heard(b, supervisor)
        await overflowing(b, supervisor)
        b.adapter.refusals = [NotConnected("off")] * 1000
        b.adapter.inbox.put_nowait(NotConnected("gone"))
        await until(lambda: b.adapter.connects > 2 and link.dropped_clock is None)
        await b.settled()
        assert link.sights["oven"].gap is not None
        (gap,) = await b.reader.gaps()
        assert (gap.cause, gap.end) == ("overflow", None)


async def test_what_is_stored_late_of_a_machine_that_left_does_not_bring_it_back(tmp_path: Path) -> None:
    async with bench(tmp_path, stations=stations()) as b, supervised(b, basis=Basis.POLLED) as supervisor:
        sight = supervisor.links["broker"].sights["oven"]
        notice(b, NoticeKind.PEER_UP)
        async with b.stuck():
            show(b, 1, units__out=9)
            await until(lambda: b.ingest.depth().get("broker oven", (0, 0))[0] == 1)
            notice(b, NoticeKind.PEER_DOWN)
            await until(lambda: sight.gap is not None)
        await heard(b, supervisor)
        await b.settled()
        assert (sight.peer, sight.gap is None) == (False, False)


async def test_a_stale_machines_signals_are_not_known(tmp_path: Path) -> None:
    made = stations()
    loud = msgspec.structs.replace(made.by_id["oven"], heartbeat_s=0.02)
    made = Stations([loud], [Route(connection="broker", station=loud, unit=1)], zone=ZoneInfo("UTC"))
    async with bench(tmp_path, stations=made) as b, supervised(b, basis=Basis.HEARTBEAT_ONLY) as supervisor:
        show(b, 1, units__out=9)
        await until(lambda: supervisor.links["broker"].sights["oven"].gap is not None)
        await b.settled()
        assert [each.quality for each in b.ingest.stepper.signals("oven")] == [Quality.UNAVAILABLE]


async def test_a_state_that_cannot_be_read_is_a_gap(tmp_path: Path) -> None:
    async with bench(tmp_path) as b, supervised(b):
        made = b.acks.delivery(1)
        b.adapter.meaning[made.frame.payload] = [message(guid(1))]
        b.adapter.inbox.put_nowait(made)
        await until(lambda: b.acks.order == [1])
        await b.settled()
    async with bench(tmp_path) as b:
        b.writer._open.exec_driver_sql("UPDATE station_state SET version = 99")
    async with bench(tmp_path, writer=FAST) as b:
        marks = b.writer.marks()
        async with supervised(b, marks=marks):
            await b.settled()
            (gap,) = await b.reader.gaps()
    assert (gap.station, gap.cause, gap.start, gap.recovered) == ("L1.pnp1", "state-unreadable", marks["broker"], "no")


async def stored(b: Bench, signal: str) -> list[tuple[Micros, Value, int]]:
    await b.settled()
    rows = b.reader.call(
        lambda connection: connection.exec_driver_sql(
            "SELECT s.time, s.value, s.quality FROM sample s JOIN series r ON r.id = s.series WHERE r.signal = ? ORDER BY n",
            (signal,),
        ).all()
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def test_since_we_were_away_no_signal_is_known(tmp_path: Path) -> None:
    """A reader of the samples must not take the last value for one that still held while nobody looked."""
    async with bench(tmp_path, stations=stations()) as b, supervised(b, basis=Basis.POLLED) as supervisor:
        show(b, 1, units__out=9)
        await heard(b, supervisor)
    for _ in range(2):  # it is still away: known already
        async with bench(tmp_path, stations=stations()) as b:
            marks, gaps = b.writer.marks(), b.writer.open_gaps()
            b.adapter.refusals = [NotConnected("off")] * 1000
            b.adapter.basis = Basis.POLLED
            supervisor = Supervisor([b.adapter], b.ingest, b.telemetry, QUICK, marks=marks, draw=lambda: 1.0)
            for gap in gaps:
                supervisor.links["broker"].adopt_gap(b.ingest.stations.by_id["oven"], gap.id, gap.cause)
            task = asyncio.create_task(supervisor.run(), name="supervisor")
            await until(lambda: b.adapter.connects > 1)
            found = await stored(b, "units.out")
            task.cancel()
            await asyncio.wait({task})
    assert [(value, quality) for _, value, quality in found] == [(9, 0), (None, 3)]
    assert found[1][0] == marks["broker"]
