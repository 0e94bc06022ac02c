"""From delivery to journal: identity, order of acknowledgements, quarantine, bounds, failures."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.core.errors import DecodeError, RetryRefused
from gateway.core.observation import Facts, Unreadable
from gateway.ingest.retry import Retry
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Choice, Filter
from tests.build import FAST, HANDLE, PNP1, bench, message, units, until

ALL = Filter(origin=Choice(("native",)))
"""Without the gateway's own events: these stamps are far off, which is an event of its own."""


def guid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


async def test_a_message_becomes_an_event_and_is_acknowledged(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), facts=Facts(units=units("PNL-1"), lane=2)))
        await b.settled()
        page = await b.reader.events(0, 10, ALL)
        event = page.events[0].event
        assert (event.seq, event.id, event.station, event.handle, event.lane) == (1, guid(1), "L1.pnp1", HANDLE, 2)
        assert event.units == ["PNL-1"]
        assert event.raw == message(guid(1)).raw
        assert event.body.startswith(b'{"$type"')
        assert b.acks.order == [1]


async def test_the_same_message_again_is_a_copy(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for number in range(3):
            await b.give(number, message(guid(1)))
        await b.settled()
        await b.give(9, message(guid(1)))
        await b.settled()
        assert len((await b.reader.events(0, 10, ALL)).events) == 1
        assert b.acks.order == [0, 1, 2, 9]
        assert b.counter("duplicates") == 3


async def test_a_constant_unique_id_loses_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for number in range(5):
            await b.give(number, message(guid(1), body={"n": number}))
        await b.settled()
        await b.give(10, message(guid(1), body={"n": 3}))  # same content again: nothing proves that it is a copy
        await b.give(11, message(guid(1), body={"n": 3}), redelivered=True)  # here the transport does
        await b.give(12, message(guid(1), body={"n": 0}))
        await b.settled()
        events = [placed.event for placed in (await b.reader.events(0, 20, ALL)).events]
        assert len(events) == 7
        assert len({event.id for event in events}) == 7
        assert events[0].id == guid(1)
        assert [event.possible_copy_of for event in events] == [None] * 5 + [events[3].id, guid(1)]
        assert b.counter("ids_reused") == 7
        assert b.counter("duplicates") == 1


@pytest.mark.parametrize("unique_id", [None, "00000000-0000-0000-0000-000000000000", "0", "not a guid"])
async def test_without_a_usable_unique_id_only_the_transport_tells_a_copy(
    tmp_path: Path, unique_id: str | None
) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(unique_id))
        await b.give(2, message(unique_id))
        await b.give(3, message(unique_id), redelivered=True)
        await b.give(4, message(unique_id, body={"other": 1}))
        await b.settled()
        events = [placed.event for placed in (await b.reader.events(0, 20, ALL)).events]
        assert [event.possible_copy_of for event in events] == [None, events[0].id, None]
        assert len({event.id for event in events}) == 3
        assert b.acks.order == [1, 2, 3, 4]


async def test_another_handle_may_use_the_same_unique_id(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), source="A.B.1"))
        await b.give(2, message(guid(1), source="A.B.2"))
        await b.give(3, message(guid(1), source="A.B.2"))
        await b.settled()
        events = [placed.event for placed in (await b.reader.events(0, 20, ALL)).events]
        assert [event.handle for event in events[:2]] == ["A.B.1", "A.B.2"]
        assert len({event.id for event in events}) == len(events)


async def test_identity_survives_a_restart(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), body={"n": 1}))
        await b.give(2, message(guid(1), body={"n": 2}))
        await b.give(3, message(None))
        await b.settled()
        before = [placed.event.id for placed in (await b.reader.events(0, 20, ALL)).events]
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), body={"n": 2}), redelivered=True)
        await b.give(2, message(None), redelivered=True)
        await b.settled()
        assert [placed.event.id for placed in (await b.reader.events(0, 20, ALL)).events] == before


async def test_the_lane_and_units_of_a_transaction_are_filled_in(tmp_path: Path) -> None:
    work = "2c24590d-39c5-4039-96a5-91900cecedfa"
    started = Facts(transaction=work, lane=2, units=units("PNL-1", "PNL-2"))
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), name="CFX.Production.WorkStarted", facts=started))
        await b.settled()
    async with bench(tmp_path) as b:  # the station's state is in the journal
        await b.give(2, message(guid(2), name="CFX.Production.WorkCompleted", facts=Facts(transaction=work)))
        await b.settled()
        event = (await b.reader.events(1, 10, ALL)).events[0].event
        assert (event.lane, event.units) == (2, [])
        found = await b.reader.events(0, 10, Filter(unit=Choice(("PNL-2",))))
        assert [placed.event.seq for placed in found.events] == [1, 2]
        live = [
            entry.event.seq
            for chunk in b.ingest.tail.since(1) or []
            for entry in chunk.matching(Filter(unit=Choice(("PNL-2",))), 1)
        ]
        assert live == [2]


async def test_acknowledgements_keep_the_order_of_the_connection(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(batch_events=3)) as b:
        for number in range(60):
            await b.give(number, message(guid(number), source=f"A.B.{number % 7}"))
        await b.settled()
        assert b.acks.order == list(range(60))


async def test_a_closed_connection_acknowledges_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.line.close()
        await b.give(1, message(guid(1)))
        await b.settled()
        assert b.acks.order == []
        assert b.writer.head == 1


async def test_what_cannot_be_read_is_quarantined_and_acknowledged(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        made = b.acks.delivery(1, payload=b"{broken")
        b.adapter.meaning[b"{broken"] = DecodeError("bad-json", "line 1")
        await b.ingest.offer(b.adapter, b.line, made)
        await b.give(2, Unreadable(raw=b"[1", reason="not-an-envelope", detail="a number"), message(guid(2)))
        made = b.acks.delivery(3, payload=b"{broken")
        await b.ingest.offer(b.adapter, b.line, made)
        await b.settled()
        kept = await b.reader.quarantined()
        assert [(entry.reason, entry.count) for entry in kept] == [("bad-json", 2), ("not-an-envelope", 1)]
        assert await b.reader.quarantine_raw(kept[0].id) == b"{broken"
        assert b.writer.head == 1
        assert b.acks.order == [1, 2, 3]


async def test_a_value_that_the_database_refuses_stops_nothing_else(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for number in range(40):
            facts = Facts(lane=2**70) if number == 17 else Facts(stage="\ud800") if number == 23 else Facts()
            await b.give(number, message(guid(number), facts=facts))
        await b.settled()
        events = (await b.reader.events(0, 100, ALL)).events
        assert [placed.event.id for placed in events] == [guid(n) for n in range(40) if n not in (17, 23)]
        assert [entry.reason for entry in await b.reader.quarantined()] == ["refused", "refused"]
        assert b.acks.order == list(range(40))


async def test_an_adapter_that_fails_on_a_message_does_not_see_it_for_ever(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.ingest.offer(b.adapter, b.line, b.acks.delivery(1, payload=b"nobody told the adapter"))
        await b.give(2, message(guid(2)))
        await b.settled()
        assert [entry.reason for entry in await b.reader.quarantined()] == ["decode-failed"]
        assert b.acks.order == [1, 2]


async def test_unclaimed_handles_get_stations_up_to_a_limit(tmp_path: Path) -> None:
    stations = Stations([PNP1], [Route(connection="broker", station=PNP1, handles=(HANDLE,))], zone=ZoneInfo("UTC"))
    async with bench(tmp_path, stations=stations) as b:
        await b.give(1, message(guid(1), source="Ä/b c.d~e"))
        for number in range(2, 210):
            await b.give(number, message(guid(number), source=f"X.Y.{number}"))
        await b.settled()
        first = (await b.reader.events(0, 1, ALL)).events[0].event
        assert (first.line, first.station) == ("unassigned", "unassigned.%C3%84%2Fb%20c%2Ed%7Ee")
        assert len((await b.reader.events(0, 1000, ALL)).events) == 200
        assert {entry.reason for entry in await b.reader.quarantined(limit=1000)} == {"unassigned-limit"}


async def test_no_source_goes_to_the_only_station_or_to_quarantine(tmp_path: Path) -> None:
    other = Station(id="L1.pnp2", line="L1", name="pnp2")
    routes = [
        Route(connection="broker", station=PNP1, handles=(HANDLE,)),
        Route(connection="broker", station=other, handles=("X",)),
    ]
    async with bench(tmp_path / "one") as b:
        await b.give(1, message(guid(1), source=None))
        await b.settled()
        assert (await b.reader.events(0, 1, ALL)).events[0].event.station == "L1.pnp1"
    async with bench(tmp_path / "two", stations=Stations([PNP1, other], routes, zone=ZoneInfo("UTC"))) as b:
        await b.give(1, message(guid(1), source=None))
        await b.settled()
        assert [entry.reason for entry in await b.reader.quarantined()] == ["no-source"]


async def test_topics_route_what_handles_do_not(tmp_path: Path) -> None:
    two, three = Station(id="L1.two", line="L1", name="two"), Station(id="L1.three", line="L1", name="three")
    routes = [
        Route(connection="broker", station=PNP1, handles=(HANDLE,)),
        Route(connection="broker", station=two, topics=("plant/two/#",)),
        Route(connection="broker", station=three, topics=("plant/+/three", "x")),
    ]
    stations = Stations([PNP1, two, three], routes, zone=ZoneInfo("UTC"))
    assert stations.find("broker", HANDLE, "plant/two/a").id == "L1.pnp1"
    assert stations.find("broker", None, "plant/two/a").id == "L1.two"
    assert stations.find("broker", "Default.Handle", "plant/two").id == "L1.two"
    assert stations.find("broker", None, "plant/9/three").id == "L1.three"
    assert stations.find("broker", "Default.Handle", "elsewhere").line == "unassigned"
    with pytest.raises(DecodeError) as refused:
        stations.find("broker", None, "elsewhere")
    assert refused.value.reason == "no-source"


async def test_a_user_speaks_only_for_its_handles(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1)), principal="pnp9", handles=frozenset({"other"}))
        await b.give(2, message(guid(2)), principal="pnp1", handles=frozenset({HANDLE}))
        await b.settled()
        assert b.writer.head == 1
        assert [entry.reason for entry in await b.reader.quarantined()] == ["source-mismatch"]


async def test_a_full_queue_pauses_who_can_wait_and_drops_who_cannot(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(queue_frames=3)) as b:
        async with b.stuck():
            for number in range(3):
                assert await b.give(number, message(guid(number)))
            waiting = asyncio.create_task(b.give(3, message(guid(3))), name="waiting")
            await until(lambda: b.counter("reading_pauses") == 1)
            assert await b.give(4, message(guid(4)), acknowledged=False) is False
            assert not waiting.done()
        assert await waiting
        await b.settled()
        assert len((await b.reader.events(0, 1000, ALL)).events) == 4
        assert b.counter("frames_dropped") == 1


async def test_a_frame_larger_than_the_queue_is_admitted_alone(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(queue_bytes=1000)) as b:
        assert await b.give(1, message(guid(1)), payload=b"a" * 5000)
        await b.settled()
        assert b.acks.order == [1]


async def test_reading_pauses_at_the_unacknowledged_budget(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(unacknowledged_bytes=100)) as b:
        async with b.stuck():
            await b.give(1, message(guid(1)), payload=b"a" * 80)
            waiting = asyncio.create_task(b.give(2, message(guid(2)), payload=b"b" * 80), name="waiting")
            await until(lambda: b.line.full)
            assert not waiting.done()
        assert await waiting
        await b.settled()
        assert b.acks.order == [1, 2]


async def test_sources_are_served_in_turn(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(batch_events=4)) as b:
        async with b.stuck():
            for number in range(20):
                await b.give(number, message(guid(number), source="noisy"))
            await b.give(99, message(guid(99), source="quiet"))
        await b.settled()
        order = [placed.event.handle for placed in (await b.reader.events(0, 100, ALL)).events]
        assert order.index("quiet") == 1


async def test_gateway_state_of_another_version_is_unknown(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), facts=Facts(state=1100)))
        await b.settled()
    async with bench(tmp_path) as b:
        assert b.ingest.stepper.state("L1.pnp1").state == 1100
        event = (await b.reader.events(0, 1, ALL)).events[0].event
        saved = b.writer._open.exec_driver_sql("SELECT at FROM station_state WHERE station = 'L1.pnp1'").scalar()
        assert saved == event.received
        b.writer._open.exec_driver_sql("UPDATE station_state SET version = 99")
    async with bench(tmp_path, writer=FAST) as b:
        assert b.ingest.stepper.unreadable_states == ["L1.pnp1"]
        assert b.ingest.stepper.state("L1.pnp1").state is None


async def test_a_quarantined_message_can_be_put_through_again(tmp_path: Path) -> None:
    late = message(guid(2), facts=Facts(state=5000, lane=2))
    async with bench(tmp_path) as b:
        await b.give(1, message(guid(1), facts=Facts(state=1100)))
        made = b.acks.delivery(2, payload=late.raw)
        b.adapter.meaning[late.raw] = DecodeError("bad-json", "an older version could not read this")
        await b.ingest.offer(b.adapter, b.line, made)
        await b.settled()
        (kept,) = await b.reader.quarantined()
        retry = Retry(b.ingest, b.reader, {"broker": b.adapter})
        assert await retry(kept.id) is False
        b.adapter.meaning[late.raw] = [late]
        assert await retry(kept.id) is True
        assert await b.reader.quarantined() == []
        event = (await b.reader.events(1, 10, ALL)).events[0].event
        assert (event.id, event.lane, event.received) == (guid(2), 2, kept.first)
        assert b.ingest.stepper.state("L1.pnp1").state == 1100, "an old message does not change the state"
        with pytest.raises(KeyError):
            await retry(kept.id)


async def test_what_stays_unclear_stays_in_quarantine(tmp_path: Path) -> None:
    other = Station(id="L1.pnp2", line="L1", name="pnp2")
    routes = [
        Route(connection="broker", station=PNP1, handles=("A",)),
        Route(connection="broker", station=other, handles=("B",)),
    ]
    async with bench(tmp_path, stations=Stations([PNP1, other], routes, zone=ZoneInfo("UTC"))) as b:
        lost = message(guid(1), source=None)
        b.adapter.meaning[lost.raw] = [lost]
        await b.ingest.offer(b.adapter, b.line, b.acks.delivery(1, payload=lost.raw))
        await b.give(2, message(guid(2), source="A"), principal="x", handles=frozenset({"B"}))
        await b.settled()
        first, second = await b.reader.quarantined()
        retry = Retry(b.ingest, b.reader, {"broker": b.adapter})
        assert await retry(first.id) is False
        with pytest.raises(RetryRefused):
            await retry(second.id)
        with pytest.raises(RetryRefused):
            await Retry(b.ingest, b.reader, {})(second.id)
        assert {entry.reason for entry in await b.reader.quarantined()} == {"no-source", "source-mismatch"}


async def test_draining_acknowledges_what_was_taken_and_takes_no_more(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        async with b.stuck():
            await b.give(1, message(guid(1)))
            draining = asyncio.create_task(b.ingest.drain(20.0), name="drain")
            await asyncio.sleep(0)
            late = asyncio.create_task(b.give(2, message(guid(2))), name="late")
        await draining
        assert b.acks.order == [1]
        assert not late.done()
        late.cancel()


async def test_a_callback_that_fails_takes_nothing_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with bench(tmp_path) as b:

        def answer(*_: object) -> None:
            raise TypeError("unhashable")

        b.ingest.on_committed = answer
        b.adapter.meaning[b"asked"] = [message(guid(1))]
        made = b.acks.delivery(1, payload=b"asked")
        made.reply = lambda data: None
        await b.ingest.offer(b.adapter, b.line, made)
        await b.settled()
        assert b.acks.order == [1]
        assert b.counter("events_stored") == 1
        assert "unhashable" in caplog.text


async def test_repeats_are_told_apart_when_their_count_was_forgotten(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        for number in range(3):
            await b.give(number, message(None))
        await b.settled()
        await b.ingest.store("t", "t", [], effect=lambda t: t._connection.exec_driver_sql("DELETE FROM dedup"))  # type: ignore[arg-type]
        await b.give(4, message(None))
        await b.settled()
        events = [placed.event for placed in (await b.reader.events(0, 20, ALL)).events]
        assert len({event.id for event in events}) == 4
        assert await b.reader.quarantined() == []


async def test_the_budget_counts_what_a_message_is_when_unpacked(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(unacknowledged_bytes=1000)) as b:
        async with b.stuck():
            await b.give(1, message(guid(1), body={"x": "y" * 2000}))
            waiting = asyncio.create_task(b.give(2, message(guid(2))), name="waiting")
            await until(lambda: b.line.full)
        assert await waiting
        await b.settled()
        assert b.line.unacknowledged == 0
