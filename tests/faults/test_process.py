"""The gateway as a process: told to stop in the middle of things, started twice, asked while it runs and while not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.daemon import Daemon, config
from tests.faults.conftest import STATION, Make, listening, over_mqtt
from tests.load import AmqpLoad, Follower, MqttLoad, check_once, numbered, stored, wait_stored
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

STOPS = 5
SOON = 10.0
"""Seconds within which a gateway that is told to stop is gone, on a computer that is busy with other things too."""


def lineside(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Another command, to its end."""
    command = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def stop(daemon: Daemon) -> None:
    """SIGTERM: status 0, soon, without a complaint in the log."""
    began = time.monotonic()
    assert daemon.stop() == 0, daemon.log()
    assert time.monotonic() - began < SOON
    log = daemon.whole_log()
    assert "Traceback" not in log, log
    assert " ERROR " not in log, log


@pytest.mark.mosquitto
@pytest.mark.slow
def test_told_to_stop_under_load_over_mqtt(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    topic = mosquitto.name("term")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    with Follower(daemon) as follower:
        with MqttLoad(mosquitto, topic, per_second=1000) as load:
            for _ in range(STOPS):
                heard = len(follower.seen)
                follower.wait(daemon, heard + 100)
                stop(daemon)
                assert load.running
                daemon.start()
        follower.wait(daemon, len(load.numbers))
        follower.check(load.numbers)
    check_once(stored(daemon), load.numbers)
    stop(daemon)


@pytest.mark.slow
async def test_told_to_stop_under_load_from_machines(tmp_path: Path, make_daemon: Make) -> None:
    port = free_port()
    daemon = make_daemon(config(tmp_path, connections=listening(port), stations=STATION))
    load = AmqpLoad()
    async with load.connected(port, per_second=500):
        for number in range(1, STOPS + 1):
            await asyncio.to_thread(daemon.start)
            more = len(load.taken) + 100
            await asyncio.to_thread(daemon.wait, lambda more=more: len(load.taken) > more)
            await asyncio.to_thread(stop, daemon)
            assert load.sent > len(load.taken) > 100 * number
    await asyncio.to_thread(daemon.start)
    assert not set(load.taken) - stored(daemon).keys()
    async with load.connected(port):
        await load.drained()
    check_once(stored(daemon), range(load.sent))


@pytest.mark.mosquitto
def test_interrupted_by_hand(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    """SIGINT is the same as SIGTERM."""
    topic = mosquitto.name("int")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    os.kill(daemon.pid, signal.SIGINT)
    assert daemon.process is not None
    assert daemon.process.wait(SOON) == 0


def test_a_second_gateway_on_the_same_data_folder(tmp_path: Path, make_daemon: Make) -> None:
    path = config(tmp_path, connections=listening(free_port()), stations=STATION)
    daemon = make_daemon(path)
    daemon.start()
    second = lineside("run", "-c", str(path))
    assert second.returncode == 1
    said = second.stderr.decode()
    assert f"journal.db is in use by process {daemon.pid}" in said
    assert "Traceback" not in said
    assert daemon.status("/readyz") == 200  # the first one never noticed
    daemon.kill()
    daemon.start()  # a lock file that was left behind is no lock


@pytest.mark.mosquitto
def test_events_are_the_same_from_the_api_and_from_the_file(
    tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make
) -> None:
    """While the gateway runs they come through it, afterwards from its journal, which is not changed by reading it."""
    topic = mosquitto.name("events")
    path = config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION)
    daemon = make_daemon(path)
    daemon.start()
    daemon.wait(lambda: daemon.metric("lineside_link_up") == 1)
    mosquitto.publish(topic, [numbered(number) for number in range(1500)])  # more than a page
    wait_stored(daemon, 1500)
    wanted = ("events", "-c", str(path), "--message", "CFX.Production.*", "--station", "L1.pnp1")
    running = lineside(*wanted)
    assert (running.returncode, running.stderr) == (0, b"")
    assert running.stdout.count(b"\n") == 1500
    everything = lineside("events", "-c", str(path))
    stop(daemon)
    journal = tmp_path / "journal.db"
    before = journal.read_bytes()
    stopped = lineside(*wanted)
    assert (stopped.returncode, stopped.stderr) == (0, b"")
    assert stopped.stdout == running.stdout
    rest = lineside("events", "-c", str(path)).stdout
    assert rest.startswith(everything.stdout)  # stopping may add events of the gateway's own
    assert journal.read_bytes() == before
    daemon.start()
    daemon.kill()  # without a chance to tidy up: the WAL is still there
    assert lineside(*wanted).stdout == running.stdout
