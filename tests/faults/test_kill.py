"""kill -9 of the gateway under load, at random moments: what was acknowledged is in the journal, and there once."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from tests.daemon import Daemon, config
from tests.faults.conftest import STATION, Make, listening, over_mqtt
from tests.load import AmqpLoad, Follower, MqttLoad, check_once, stored
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

ROUNDS = 20
FEED = 400
"""Messages a second; during the second that a start takes the same wait for us."""


def seed() -> int:
    """Printed, so that LINESIDE_SEED can repeat a failure."""
    number = int(os.environ.get("LINESIDE_SEED") or secrets.randbits(32))
    print(f"LINESIDE_SEED={number}")
    return number


class Kills:
    """ROUNDS times: start, let it work for a moment or not even come up, kill.

    grown: numbers that the follower had at each kill. copies: deliveries recognised as sent before, in those rounds
    that lasted until somebody could ask: they were stored and not acknowledged when the one before was killed.
    """

    def __init__(self, daemon: Daemon, draw: random.Random, follower: Follower) -> None:
        self.grown: list[int] = []
        self.copies = 0.0
        self._daemon = daemon
        self._draw = draw
        self._follower = follower

    def run(self) -> None:
        never = threading.Event()
        for number in range(ROUNDS):
            if number % 5 == 4:
                self._daemon.launch()
                never.wait(self._draw.uniform(0.2, 1.2))  # while it starts, or in the first batches
            else:
                self._daemon.start()
                never.wait(self._draw.uniform(0.0, 0.4))
                self.copies += self._daemon.metric("lineside_duplicates_total")
            self._daemon.kill()
            self.grown.append(len(self._follower.seen))

    def check(self) -> None:
        """They came while it worked: nearly every round stored something new."""
        rounds = sum(before < after for before, after in pairwise([0, *self.grown]))
        assert rounds >= ROUNDS // 2, self.grown

    def __str__(self) -> str:
        return f"{ROUNDS} kills at {self.grown} messages, {self.copies:.0f} copies"


@pytest.mark.mosquitto
@pytest.mark.slow
def test_mqtt(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    topic = mosquitto.name("kill")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()  # the subscription must be there before the first message
    daemon.kill()
    with Follower(daemon) as follower:
        kills = Kills(daemon, random.Random(seed()), follower)
        with MqttLoad(mosquitto, topic, per_second=FEED) as load:
            kills.run()
            assert load.running
        daemon.start()
        follower.wait(daemon, len(load.numbers))
        found = stored(daemon)
        print(f"{len(load.numbers)} messages, {kills}, {follower.resumed} resumptions")
        check_once(found, load.numbers)
        follower.check(load.numbers)
        assert follower.resumed >= ROUNDS // 2
        kills.check()
    assert daemon.get("/quarantine")["quarantine"] == []


@pytest.mark.slow
async def test_amqp_listener(tmp_path: Path, make_daemon: Make) -> None:
    port = free_port()
    daemon = make_daemon(config(tmp_path, connections=listening(port), stations=STATION))
    load = AmqpLoad()
    with Follower(daemon) as follower:
        kills = Kills(daemon, random.Random(seed()), follower)
        async with load.connected(port, per_second=FEED):
            await asyncio.to_thread(kills.run)
        taken = len(load.taken)  # a restart later it must have all that it has acknowledged, whatever else comes
        await asyncio.to_thread(daemon.start)
        found = await asyncio.to_thread(stored, daemon)
        assert not set(load.taken) - found.keys()
        async with load.connected(port):
            await load.drained()
        assert load.taken == list(range(load.sent))
        await asyncio.to_thread(follower.wait, daemon, load.sent)
        print(f"{load.sent} messages, {taken} taken at the last kill, {kills}, {follower.resumed} resumptions")
        check_once(await asyncio.to_thread(stored, daemon), range(load.sent))
        follower.check(range(load.sent))
        kills.check()
