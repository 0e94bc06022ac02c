"""A gateway process that is stopped while its machine prints a line: what was printed of it, and its rest, are no lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.daemon import Daemon, config
from tests.integration.text.test_socat import cable, report, socat, write

__all__ = ["socat"]

_STATION = """
[[line.station]]
name = "probe"
class = "electrical_test"
profile = "electrical_test/example-flying-probe"
source = {{ protocol = "serial-text", port = "{port}", baudrate = 19200 }}
"""


@asynccontextmanager
async def running(daemon: Daemon) -> AsyncIterator[None]:
    """Stopped in good order at the end, as by its service manager."""
    await asyncio.to_thread(daemon.start)
    yield
    assert await asyncio.to_thread(daemon.stop) == 0


async def reports(daemon: Daemon, count: int) -> list[dict[str, Any]]:
    """The reports, once there are so many."""

    def found() -> list[dict[str, Any]]:
        return [each for each in daemon.events("origin=derived") if each["message"].endswith(".UnitsTested")]

    await asyncio.to_thread(daemon.wait, lambda: len(found()) >= count)
    return await asyncio.to_thread(found)


def measured(event: dict[str, Any]) -> list[Any]:
    return [
        measurement["MeasuredValue"]
        for unit in event["body"]["TestedUnits"]
        for test in unit["Tests"]
        for measurement in test["Measurements"]
    ]


def cut_short(daemon: Daemon) -> list[bytes]:
    held = daemon.get("/quarantine")["quarantine"]
    assert {each["reason"] for each in held} == {"cut-short"}
    return sorted(daemon.raw(f"/quarantine/{each['id']}/raw") for each in held)


async def test_stopped_in_the_middle_of_a_line(socat: str, tmp_path: Path) -> None:
    """Without its first byte the line reads as another one; the report goes on without it."""
    lines = report()
    ours, theirs = tmp_path / "usb-FTDI_FT1234-if00-port0", tmp_path / "machine"
    daemon = Daemon(config(tmp_path, connections="", stations=_STATION.format(port=ours)))
    try:
        async with cable(socat, ours, theirs):
            async with running(daemon):
                whole = "".join(lines[:8])
                await write(theirs, whole + "X")
                await asyncio.to_thread(daemon.wait, lambda: daemon.metric("lineside_frame_bytes_total") == len(whole))
            async with running(daemon):
                assert cut_short(daemon) == [b"X"]
                await write(theirs, "".join(lines[8:]) + "\n")
                (event,) = await reports(daemon, 1)
                assert cut_short(daemon) == [lines[8].encode(), b"X"]
                assert [unit["UnitIdentifier"] for unit in event["body"]["TestedUnits"]] == ["SN00045601", "SN00045602"]
                assert len(measured(event)) == 1
                assert "28.52" not in str(event)
            async with running(daemon):
                await write(theirs, "".join(lines) + "\n")
                _, event = await reports(daemon, 2)
                assert len(measured(event)) == 2
                assert cut_short(daemon) == [lines[8].encode(), b"X"]
    finally:
        daemon.close()
