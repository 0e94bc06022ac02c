"""What an operator is told: counters that move, and one word when a peer goes and one when it is back."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from gateway.core.adapter import Basis
from tests.contract.host import Host, everything, hosting
from tests.contract.rig import Rig


async def bodies(host: Host, name: str) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in await everything(host.bench) if event.message == f"Lineside.{name}"]


async def outage(rig: Rig, host: Host) -> None:
    """The peer goes, stays away for some attempts to connect, and comes back."""
    await rig.faults.peer_down()
    await host.loses()
    await rig.faults.peer_up()
    await host.regains()


async def test_the_counters_move(rig: Rig, tmp_path: Path) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        counter = host.bench.counter
        for number in (1, 2, 3):  # what is said at once may come in one frame
            await host.tell(number)
        host.supervisor.refresh_metrics()
        assert counter("connects") == 1
        assert counter("frames_received") == len(host.frames) >= 3
        assert counter("frame_bytes") == sum(len(frame.payload) for frame in host.frames) > 0
        assert counter("events_stored") >= 3
        assert counter("journal_commits") >= 1
        labels = (host.adapter.name, host.adapter.protocol)
        assert host.bench.telemetry.link_up.labels(*labels)._value.get() == 1
        await outage(rig, host)
        await host.tell(4)
        assert counter("connects") == (2 if rig.ends else 1)
        assert counter("connect_failures") >= (3 if rig.ends else 0)


async def test_an_outage_is_logged_once_and_its_end_once(
    rig: Rig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        for unit in range(rig.units):
            await host.tell(1, unit=unit)
        with caplog.at_level(logging.INFO, "lineside"):
            caplog.clear()
            await outage(rig, host)
            await host.tell(2)
            told = [record for record in caplog.records if record.name.startswith("lineside")]
    lines = 1 if rig.ends else rig.units
    assert [record.levelname for record in told] == ["WARNING"] * lines + ["INFO"] * lines
    assert all(host.adapter.name in record.getMessage() for record in told)


async def test_an_outage_is_in_the_journal_once(rig: Rig, tmp_path: Path) -> None:
    """The link, where it ends; and a gap for each machine that nobody keeps anything of, which is closed again."""
    async with hosting(rig, tmp_path / "journal") as host:
        for unit in range(rig.units):
            await host.tell(1, unit=unit)
        await outage(rig, host)
        for unit in range(rig.units):
            await host.tell(2, unit=unit)
        changes = [change["NewState"] for change in await bodies(host, "LinkChanged")]
        gaps = [(gap["State"], gap["GapId"]) for gap in await bodies(host, "ObservationGap")]
    assert changes == (["connected", "down", "connected"] if rig.ends else ["connected"])
    lost = 0 if host.adapter.basis is Basis.DURABLE_BROKER else rig.units
    assert len({gap for _, gap in gaps}) == lost
    assert sorted(state for state, _ in gaps) == ["closed"] * lost + ["opened"] * lost
