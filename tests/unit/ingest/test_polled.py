"""What is polled faster than it can be stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.adapter import Basis
from gateway.ingest import ingest
from gateway.ingest.settings import IngestSettings
from tests.build import bench, message, until
from tests.unit.ingest.test_ingest import ALL, guid


async def test_a_poll_waits_for_room_but_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile nothing is polled, which loses nothing; only when nobody looked for too long is that a gap."""
    async with bench(tmp_path, settings=IngestSettings(queue_frames=2)) as b:
        b.adapter.basis = Basis.POLLED
        async with b.stuck():
            for number in (1, 2):
                assert await b.give(number, message(guid(number)), acknowledged=False)
            waiting = asyncio.create_task(b.give(3, message(guid(3)), acknowledged=False), name="waiting")
            await until(lambda: b.counter("reading_pauses") == 1)
        assert await waiting
        await b.settled()
        assert b.counter("frames_dropped") == 0
        monkeypatch.setattr(ingest, "_PATIENCE_S", 0.05)
        async with b.stuck():
            for number in (4, 5):
                assert await b.give(number, message(guid(number)), acknowledged=False)
            assert await b.give(6, message(guid(6)), acknowledged=False) is False
        await b.settled()
        assert len((await b.reader.events(0, 1000, ALL)).events) == 5
        assert b.counter("frames_dropped") == 1
