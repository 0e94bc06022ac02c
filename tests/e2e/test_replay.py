"""A line of thirteen machines is captured by its gateway while tcpdump records it. It is played again for a second gateway,
which makes the same of it; and the recording becomes a capture that says the same."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from adapters.registry import protocols
from gateway import resources
from gateway.capture.reading import Capture
from gateway.cli import replay_config
from gateway.cli.app import application
from gateway.cli.demo_line import places
from gateway.cli.replay_show import Show, Wishes
from gateway.config.captured import describe
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.wiring import Gateway
from simulators.broker import private_broker
from simulators.line_up import LineUp, World, line_up
from simulators.model.demo import demo_scenario
from simulators.model.world import happen
from simulators.pace import Pace, SystemClock
from simulators.player import Player
from simulators.replay.address import free_port
from tests.build import until
from tests.integration.pcap.line import assert_same, tcpdump
from tests.servers import require

pytestmark = pytest.mark.xdist_group("played")

SPEED, SECONDS, SEED = 200.0, 1150.0, 194
"""Of the line's own time. Every machine has had something to do by then."""
REPLAY = 1.0
"""What is polled every 20 ms already cannot be played faster: no gateway looks more often."""
FOLDER = "captures"
_DEBOUNCE = re.compile(r'debounce = "[^"]*"')
"""Whether a state counts that lasts about as long depends on milliseconds, of which no two gateways have the same."""
QUICK_FILES = {"settle_s": 0.2, "every_s": 0.1}


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Gateway]:
    """The gateway of a configuration, ended as by a signal."""
    gateway = Gateway(resolve(load(config, protocols())))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    end = asyncio.Event()
    task = asyncio.create_task(gateway.run(end, ready=ready.set_result), name="gateway")
    try:
        waited: set[asyncio.Future[Any]] = {task, ready}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield gateway
    finally:
        end.set()
        await task


async def still(gateway: Gateway, seconds: float = 1.0) -> None:
    """Every machine has said something, and then nothing new has come for so long: files have to settle, and after a look
    at a folder that took long, as on a busy computer, the gateway rests ten times as long before the next."""
    await until(lambda: _all_heard(gateway), timeout_s=60)
    loop = asyncio.get_running_loop()
    seen, since = gateway.writer.head, loop.time()
    async with asyncio.timeout(60):
        while loop.time() - since < seconds:
            await asyncio.sleep(0.1)
            if gateway.writer.head != seen:
                seen, since = gateway.writer.head, loop.time()


def _all_heard(gateway: Gateway) -> bool:
    supervisor = gateway._supervisor
    assert supervisor is not None
    return all(sight.heard is not None for link in supervisor.links.values() for sight in link.sights.values())


NETWORKED = ("plant-broker", "p2p", "L1.reflow", "L1.aoi", "L1.loader")
"""Connections of the demo over TCP: MQTT, AMQP point to point, Modbus, OPC UA, Hermes."""


class Run(NamedTuple):
    """folder: with the first gateway's configuration. recording: None where nobody may record packets."""

    folder: Path
    recording: Path | None

    @property
    def capture(self) -> Path:
        return self.folder / FOLDER / "ring"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("first")
    can = os.geteuid() == 0 and shutil.which("tcpdump") is not None
    made = Run(folder, folder / "line.pcap" if can else None)
    asyncio.run(captured(made))
    return made


async def captured(run: Run) -> None:
    """Minutes of the demo line as a gateway of its own hears it."""
    folder = run.folder
    broker_folder = folder / "broker"
    broker_folder.mkdir(parents=True)
    resolved = resolve(load(resources.config_dir() / resources.FILE, protocols(), folder=folder))
    async with private_broker(broker_folder) as broker:
        amqp = free_port()
        world = World(
            scenario=demo_scenario(),
            seed=SEED,
            folder=folder,
            mqtt=(broker.host, broker.port),
            amqp=("127.0.0.1", amqp),
            heartbeat_s=2.0 * SPEED,
        )
        async with line_up(world, places(resolved, folder)) as line:
            site, texts = describe(resolved)
            addresses: dict[str, dict[str, Any]] = {
                "plant-broker": {"host": broker.host, "port": broker.port},
                "p2p": {"listen": f"127.0.0.1:{amqp}"},
            }
            for plan in resolved.stations:
                address = line.addresses[plan.id]
                addresses.setdefault(plan.routes[0].connection, address | QUICK_FILES if "path" in address else address)
            path = folder / "lineside.toml"
            profiles = {name: _DEBOUNCE.sub('debounce = "0s"', text.decode()) for name, text in texts.items()}
            replay_config.write(path, site, profiles, addresses, port=free_port(), speed=SPEED)
            with path.open("a") as file:
                file.write(f'[capture]\nfolder = "{FOLDER}"\nring = {{ keep = "1h" }}\n')
            with _recorded(run, addresses):
                async with line.connected(), running(path) as gateway:
                    await until(lambda: gateway.connected)
                    await _play(line, world)
                    await still(gateway)


def _recorded(run: Run, addresses: Mapping[str, object]) -> AbstractContextManager[None]:
    """Where everything is, is known now; and nobody has connected yet."""
    if run.recording is None:
        return nullcontext()
    return tcpdump(run.recording, map(int, re.findall(r"(?:127\.0\.0\.1:|'port': )(\d+)", str(addresses))))


async def _play(line: LineUp, world: World) -> None:
    facts = happen(world.scenario, world.seed)
    player = Player(line.machines, Pace(SystemClock(), SPEED))
    await player.play(itertools.takewhile(lambda fact: fact.at < SECONDS, facts))
    for client in line.clients:
        await client.empty()


async def replayed(capture: Path, folder: Path) -> Path:
    """Through the machines' own protocols into a second gateway; the journal of that."""
    config = folder / "second.toml"
    show = Show(Capture([capture]), Wishes(speed=REPLAY, stay=True, config_out=config))
    stop = asyncio.Event()
    playing = asyncio.create_task(show.run(stop, folder), name="show")
    try:
        await done_before(playing, show.written)
        async with running(config) as gateway:
            await done_before(playing, show.over)
            await still(gateway)
    finally:
        stop.set()
        progress = await playing
    assert not progress.left_out
    return folder / "second-data" / "lineside.db"


async def done_before(playing: asyncio.Task[Any], event: asyncio.Event) -> None:
    """Waits for it, at most as long as the show goes on, which it is expected to."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if playing.done():
        playing.result()
    assert event.is_set()


async def test_a_second_gateway_makes_the_same_of_a_capture_that_is_played(run: Run, tmp_path: Path) -> None:
    journal = await replayed(run.capture, tmp_path)
    options = ["--as", "replay", "--journal", str(journal), "--speed", str(REPLAY), "--poll", "0.5"]
    done = await asyncio.to_thread(CliRunner().invoke, application(), ["reconcile", str(run.capture), *options])
    assert done.exit_code == 0, done.output
    same = re.findall(r"^\S+ +[1-9]\d*(?: +\d+){4}$", done.output, re.MULTILINE)
    assert len(same) == 13, done.output  # every machine had something to say


def test_a_recording_gives_what_the_gateway_captured(run: Run) -> None:
    require("tshark", "tshark")
    require("tcpdump", "tcpdump")
    if run.recording is None:
        pytest.skip("recording packets takes root")
    out = run.folder / "line.mcap"
    config = str(run.folder / "lineside.toml")
    done = CliRunner().invoke(application(), ["import-pcap", str(run.recording), "-c", config, "--out", str(out)])
    assert done.exit_code == 0, done.output
    (capture,) = run.capture.glob("*.mcap")
    assert_same(capture, out, NETWORKED)
