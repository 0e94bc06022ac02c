"""Deliveries that are offered in one step are taken as if each had been offered by itself."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

from gateway.core.errors import DecodeError
from gateway.core.event import Origin
from gateway.core.frame import Delivery
from gateway.core.observation import Observation
from gateway.ingest.settings import IngestSettings
from tests.build import Bench, bench, message, until


def guid(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


def deliveries(b: Bench, *numbers: int, acknowledged: bool = True, size: int = 1) -> list[Delivery]:
    """A message each, of three sources by turns."""
    made: list[Delivery] = []
    for number in numbers:
        delivery = b.acks.delivery(number, payload=b"%d " % number + b"." * size, acknowledged=acknowledged)
        meaning: list[Observation] = [message(guid(number), source=f"A.B.{number % 3}")]
        b.adapter.meaning[delivery.frame.payload] = meaning
        made.append(delivery)
    return made


async def ids(b: Bench) -> list[str]:
    """Of the machines' events, as they were stored."""
    found = b.ingest.tail.since(0) or []
    events = [entry.event for chunk in found for entry in chunk.entries]
    return [event.id for event in events if event.origin is Origin.NATIVE]


async def test_all_are_stored_and_acknowledged_in_their_order(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert await b.ingest.offer_all(b.adapter, b.line, deliveries(b, *range(90))) == []
        await b.settled()
        assert b.acks.order == list(range(90))
        for source in range(3):
            assert [id_ for id_ in await ids(b) if id_ in {guid(n) for n in range(source, 90, 3)}] == [
                guid(n) for n in range(source, 90, 3)
            ]


async def test_one_that_has_to_wait_for_room_holds_up_those_behind_it_and_none_before_it(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(queue_frames=2)) as b:
        async with b.stuck():
            offered = asyncio.create_task(b.ingest.offer_all(b.adapter, b.line, deliveries(b, *range(12))))
            # Two of each source are queued; the seventh waits.
            await until(lambda: b.counter("reading_pauses") == 1)
            assert sum(frames for source, (frames, _) in b.ingest.depth().items() if "A.B" in source) == 6
            assert not offered.done()
        assert await offered == []
        await b.settled()
        assert b.acks.order == list(range(12))
        assert sorted(await ids(b)) == sorted(map(guid, range(12)))


async def test_what_cannot_wait_is_dropped_and_told_and_the_others_are_taken(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(queue_frames=2)) as b:
        async with b.stuck():
            made = deliveries(b, *range(9), acknowledged=False)
            assert await b.ingest.offer_all(b.adapter, b.line, made) == made[6:]
        await b.settled()
        assert sorted(await ids(b)) == sorted(map(guid, range(6)))


async def test_a_bad_one_or_a_large_one_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, settings=IngestSettings(decode_aside_bytes=100)) as b:
        made = deliveries(b, 0, 1) + deliveries(b, 2, size=1000) + deliveries(b, 3, 4)
        b.adapter.meaning[made[1].frame.payload] = DecodeError("bad-json", "line 1")
        assert await b.ingest.offer_all(b.adapter, b.line, made) == []
        await b.settled()
        assert b.acks.order == [0, 1, 2, 3, 4]
        assert sorted(await ids(b)) == sorted(map(guid, (0, 2, 3, 4)))
        assert [entry.reason for entry in await b.reader.quarantined()] == ["bad-json"]
