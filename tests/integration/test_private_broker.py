"""The broker that the demo starts for itself: a real Mosquitto, and the embedded one."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from simulators.broker import BrokerError, Kind, private_broker
from tests.servers import require


@pytest.fixture
def installed() -> None:
    """Skips visibly without the programs; a failure in CI."""
    require("mosquitto", "mosquitto")


async def listens(port: int) -> bool:
    """Whether an MQTT 3.1.1 broker lets us in there: CONNECT, CONNACK, DISCONNECT by hand."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01x")
        answer = await reader.readexactly(4)
        writer.write(b"\xe0\x00")
        await writer.drain()
        return answer == b"\x20\x02\x00\x00"
    finally:
        writer.close()
        await writer.wait_closed()


def running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_mosquitto_runs_in_its_folder_and_stops_with_the_block(tmp_path: Path) -> None:
    async with private_broker(tmp_path) as broker:
        assert broker.kind is Kind.MOSQUITTO
        assert broker.host == "127.0.0.1"
        assert await listens(broker.port)
    assert not await listens(broker.port)
    config = (tmp_path / "mosquitto.conf").read_text().splitlines()
    assert f"listener {broker.port} 127.0.0.1" in config
    assert {"persistence true", "max_queued_messages 0", "max_inflight_messages 500"} <= set(config)
    assert (tmp_path / "mosquitto.db").exists(), "persistence is written into the folder"


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
async def test_two_brokers_do_not_meet(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with private_broker(one) as first, private_broker(two) as second:
        assert first.port != second.port
        assert await listens(first.port)
        assert await listens(second.port)


@pytest.mark.mosquitto
@pytest.mark.usefixtures("installed")
def test_mosquitto_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import asyncio, pathlib, sys
        from simulators.broker import private_broker

        async def main():
            async with private_broker(pathlib.Path(sys.argv[1])):
                children = pathlib.Path("/proc/self/task").glob("*/children")
                print(" ".join(each.read_text() for each in children), flush=True)
                await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert running(child)
        # a handle on that very process: waiting on it ends when it does, and cannot hit a reused number
        handle = os.pidfd_open(child)
        try:
            parent.send_signal(signal.SIGKILL)
            parent.wait(10)
            assert wait_for_end(handle, 10.0)
        finally:
            os.close(handle)
    assert not running(child)


def wait_for_end(handle: int, timeout_s: float) -> bool:
    return bool(select.select([handle], [], [], timeout_s)[0])


async def test_a_program_that_ends_at_once_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"ends at once; see .*mosquitto\.log"):
        async with private_broker(tmp_path, program="/bin/false"):
            pytest.fail("there is no broker")


async def test_a_program_that_never_listens_is_stopped_and_reported(tmp_path: Path) -> None:
    program = tmp_path / "hangs"
    program.write_text(f'#!/bin/sh\necho $$ > "{tmp_path}/pid"\nexec sleep 600\n')
    program.chmod(0o755)
    with pytest.raises(BrokerError, match="did not listen within"):
        async with private_broker(tmp_path, program=str(program), start_timeout_s=2.0):
            pytest.fail("there is no broker")
    assert not running(int((tmp_path / "pid").read_text()))


async def test_without_mosquitto_the_embedded_broker_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("simulators.broker.find_mosquitto", lambda: None)
    level = logging.getLogger("amqtt").level
    with caplog.at_level(logging.INFO):
        async with private_broker(tmp_path) as broker:
            assert broker.kind is Kind.EMBEDDED
            assert await listens(broker.port)
    assert not await listens(broker.port)
    told = [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))]
    assert all(record.levelno >= logging.ERROR for record in told), "it keeps quiet"
    assert logging.getLogger("amqtt").level == level
    assert not list(tmp_path.iterdir())
