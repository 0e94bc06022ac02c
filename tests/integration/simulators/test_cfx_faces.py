"""Machines that speak CFX, through a real broker and into our listener, down to events: are they what was told?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from adapters.registry import build, protocols
from gateway import wiring
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.core.event import Event, Origin
from gateway.journal.filter import Filter
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from simulators.faces import network
from simulators.faces.cfx import CfxFace
from simulators.faces.cfx_amqp import CfxAmqpFace
from simulators.faces.cfx_faults import Fault, Trouble
from simulators.faces.cfx_mqtt import CfxMqttFace
from simulators.model.facts import AnyFact
from simulators.voices.cfx_message import Link, Output
from simulators.voices.cfx_mouth import Manner
from simulators.voices.voice import Told
from tests.build import Bench, bench, until
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto
from tests.unit.simulators.cfx_line import PNP, PRINTER, REVIEW, SPI, STATIONS, WHEN, differences, handle, life, said

QUICK = SupervisorSettings(retry_first_s=0.02, retry_most_s=0.05, settled_s=0.0, tick_s=0.05, mark_s=0.05)
BY_BROKER = (SPI,)
RETRY_S = 0.01
HEAD = """
[gateway]
name = "g1"
site = "s1"
[[connection]]
name = "broker"
protocol = "cfx-mqtt"
host = "{host}"
port = {port}
client_id = "{client}"
topics = ["SMTPlus/Model_1/#"]
[[connection]]
name = "p2p"
protocol = "cfx-amqp"
listen = "127.0.0.1:{listen}"
allow_anonymous = true
[[line]]
name = "L1"
"""
STATION = """
[[line.station]]
name = "{name}"
class = "{kind}"
source = {{ connection = "{connection}", handle = "{handle}" }}
"""
KINDS = {PRINTER: "solder_paste_printer", SPI: "spi", PNP: "pick_and_place", REVIEW: "review_station"}


class Plant:
    """A running gateway. ports: of the broker, and of its listener."""

    def __init__(self, behind: Bench, ports: tuple[int, int]) -> None:
        self.behind = behind
        self.ports = ports

    def face(self, station: str, port: int | None = None) -> CfxFace:
        """port: another than that where the gateway or its broker listens."""
        broker, listener = self.ports
        if station in BY_BROKER:
            return CfxFace(CfxMqttFace(handle=handle(station), host="127.0.0.1", port=port or broker, retry_s=RETRY_S))
        return CfxFace(CfxAmqpFace(handle=handle(station), host="127.0.0.1", port=port or listener, retry_s=RETRY_S))

    async def grown(self, station: str, count: int) -> list[Event]:
        """Its events, when there are so many; a broker hands them on after it has taken them."""
        while len(found := await self.events(station)) < count:
            await asyncio.sleep(0.01)
        return found

    async def events(self, station: str) -> list[Event]:
        """All native ones but heartbeats."""
        await self.behind.settled()
        found: list[Event] = []
        after, more = 0, True
        while more:
            page = await self.behind.reader.events(after, 1000, Filter())
            found += [placed.event for placed in page.events]
            after, more = page.next, page.more
        return [
            each
            for each in found
            if each.station == station and each.origin is Origin.NATIVE and each.message != "CFX.Heartbeat"
        ]


@asynccontextmanager
async def plant(folder: Path, broker: Mosquitto) -> AsyncIterator[Plant]:
    listen = free_port()
    text = HEAD.format(host=broker.host, port=broker.port, client=broker.name("client"), listen=listen)
    for station in STATIONS:
        connection = "broker" if station in BY_BROKER else "p2p"
        text += STATION.format(name=station[3:], kind=KINDS[station], connection=connection, handle=handle(station))
    path = folder / "lineside.toml"
    path.write_text(text)
    resolved = resolve(load(path, protocols()))
    async with bench(folder, stations=wiring.stations(resolved)) as behind:
        adapters = [
            build(settings, gateway="g1", machines=wiring.machines_on(resolved, name))
            for name, settings in resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            await until(lambda: all(link.state != "down" for link in supervisor.links.values()))
            yield Plant(behind, (broker.port, listen))
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def speak(face: CfxFace, outputs: Iterable[Output]) -> None:
    """Puts all of it; a network that is lost stays so long that the connection is really closed."""
    for output in outputs:
        await face.put(output, WHEN)
        if isinstance(output, Link):
            await asyncio.sleep(0.05)
    await face.empty()


def spoken(
    station: str, manner: Manner | None = None, facts: list[AnyFact] | None = None
) -> tuple[list[Output], list[Told]]:
    return said(station, life(station) if facts is None else facts, manner)


pytestmark = pytest.mark.mosquitto


async def test_all_at_once_each_in_its_own_way(tmp_path: Path, mosquitto: Mosquitto) -> None:
    async with asyncio.timeout(60), plant(tmp_path, mosquitto) as here, AsyncExitStack() as stack:
        told = {}
        async with asyncio.TaskGroup() as group:
            for station in STATIONS:
                outputs, told[station] = spoken(station)
                face = await stack.enter_async_context(here.face(station).running())
                group.create_task(speak(face, outputs))
        for station in STATIONS:
            assert differences(told[station], await here.grown(station, len(told[station]))) == [], station
        assert here.behind.counter("quarantined") == 0
        assert here.behind.counter("duplicates") == 0


@pytest.mark.parametrize("station", [PNP, SPI])
async def test_a_burst_after_an_outage_and_copies(tmp_path: Path, mosquitto: Mosquitto, station: str) -> None:
    manner = Manner(outage_every_s=60.0, outage_s=(20.0, 60.0), copies=0.2)
    outputs, told = spoken(station, manner)
    assert sum(isinstance(each, Link) for each in outputs) >= 4
    async with asyncio.timeout(60), plant(tmp_path, mosquitto) as here, here.face(station).running() as face:
        await speak(face, outputs)
        assert differences(told, await here.grown(station, len(told))) == []
        assert here.behind.counter("duplicates") > 0


@pytest.mark.parametrize("station", [PNP, SPI])
async def test_through_a_network_that_breaks(tmp_path: Path, mosquitto: Mosquitto, station: str) -> None:
    """Whatever was on its way is sent again, and is one event."""
    outputs, told = spoken(station)
    drop = network.Fault(trouble=network.Trouble.NETWORK_DROP)
    async with asyncio.timeout(60), plant(tmp_path, mosquitto) as here:
        broker, listener = here.ports
        async with (
            network.relay("127.0.0.1", broker if station in BY_BROKER else listener) as between,
            here.face(station, between.address[1]).running() as face,
        ):
            for number, output in enumerate(outputs):
                await face.put(output, WHEN)
                if number % 15 == 7:
                    left = len(face.outbox)
                    await until(lambda left=left: len(face.outbox) < left)  # type: ignore[misc]
                    await between.begin(drop)
                    await between.end(drop)
            await face.empty()
            await between.close()
            assert differences(told, await here.grown(station, len(told))) == []


@pytest.mark.parametrize("station", [PNP, SPI])
async def test_spoilt_messages_stop_nothing(tmp_path: Path, mosquitto: Mosquitto, station: str) -> None:
    outputs, told = spoken(station)
    async with asyncio.timeout(60), plant(tmp_path, mosquitto) as here, here.face(station).running() as face:
        async with face.fault(Fault(trouble=Trouble.NOISE, share=0.3)):
            await speak(face, outputs)
        assert differences(told, await here.grown(station, len(told))) == []
        assert here.behind.counter("quarantined") > 5


async def test_always_the_same_unique_id(tmp_path: Path, mosquitto: Mosquitto) -> None:
    outputs, told = spoken(PRINTER, Manner(constant_id=True))
    async with asyncio.timeout(60), plant(tmp_path, mosquitto) as here, here.face(PRINTER).running() as face:
        await speak(face, outputs)
        assert differences(told, await here.grown(PRINTER, len(told))) == []
