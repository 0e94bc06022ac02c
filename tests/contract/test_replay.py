"""Recorded frames are as good as the machine: they decode alike, lead to the same events, and answer to nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from gateway.core.adapter import Adapter
from gateway.core.event import Event
from gateway.core.frame import Delivery, Frame
from tests.build import Bench, bench
from tests.contract.ear import listening
from tests.contract.host import hosting, of_machines
from tests.contract.rig import Rig
from tests.contract.test_acks import comes_again


def recorded(frame: Frame) -> Frame:
    """As a file gives it back."""
    return msgspec.json.decode(msgspec.json.encode(frame), type=Frame)


def content(event: Event) -> dict[str, Any]:
    """All of it but its place in one journal."""
    return {**msgspec.structs.asdict(event), "seq": None}


@asynccontextmanager
async def replayed(rig: Rig, adapter: Adapter, frames: Iterable[Frame], folder: Path) -> AsyncIterator[Bench]:
    """A gateway that has stored these frames and was never connected to anything."""
    folder.mkdir()
    async with bench(folder, stations=rig.stations()) as behind:
        line = behind.ingest.line(adapter.name)
        for frame in frames:
            assert await behind.ingest.offer(adapter, line, Delivery(frame))
        await behind.settled()
        yield behind


async def test_recorded_frames_decode_to_the_same(rig: Rig) -> None:
    async with listening(rig) as ear:
        for unit in range(rig.units):
            await ear.tell(1, 2, 3, unit=unit)
    frames = [delivery.frame for delivery in ear.deliveries]
    copies = [recorded(frame) for frame in frames]
    assert copies == frames
    fresh = rig.adapter()
    assert [observation for frame in copies for observation in fresh.decode(frame)] == ear.observations


async def test_recorded_frames_lead_to_the_same_events(rig: Rig, tmp_path: Path) -> None:
    """Stored live and stored from the record alone, they differ in nothing but their place in the journal."""
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        await rig.work_begins()
        await host.tell(2)
        await rig.garbage()
        await rig.work_ends()
        await host.tell(3)
        await host.leave()
        live = await of_machines(host.bench)
        quarantined = await host.bench.reader.quarantined()
    frames = [recorded(frame) for frame in host.frames]
    async with replayed(rig, rig.adapter(), frames, tmp_path / "again") as behind:
        again = await of_machines(behind)
        assert [content(event) for event in again] == [content(event) for event in live]
        assert await behind.reader.quarantined() == quarantined
    rig.talk.check_work(again)


async def test_replaying_acknowledges_nothing(rig: Rig, tmp_path: Path) -> None:
    """What was replayed and stored elsewhere, while the machine was connected, is still the machine's."""
    adapter = rig.adapter()
    async with listening(rig, adapter, ack=False) as ear:
        await ear.tell(1, 2, 3)
        frames = [recorded(delivery.frame) for delivery in ear.deliveries]
        assert not any(delivery.reply for delivery in map(Delivery, frames))
        async with replayed(rig, adapter, frames, tmp_path / "journal") as behind:
            stored = [rig.talk.stored(event) for event in await of_machines(behind)]
            assert [each.number for each in stored if each is not None] == [1, 2, 3]
    await comes_again(rig, 1, 2, 3)
