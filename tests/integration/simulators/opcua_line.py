"""An inspection machine that a gateway follows over OPC UA, through the real adapter, supervisor and journal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from adapters.registry import build, protocols
from gateway import wiring
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.core.event import Event, Origin
from gateway.journal.filter import Filter
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from tests.build import Bench, bench
from tests.unit.simulators.opcua_facts import STATION

QUICK = SupervisorSettings(retry_first_s=0.05, retry_most_s=0.1, settled_s=0.0, tick_s=0.05, mark_s=0.05)
CONFIG = """
[gateway]
name = "g1"
site = "s1"
timezone = "UTC"
[[station]]
name = "{station}"
class = "aoi"
profile = "aoi/example-opcua"
[station.source]
protocol = "opcua"
url = "{url}"
pki = "{pki}"
keepalive_s = 0.2
answer_timeout_s = 1.0
session_timeout_s = 10.0
retry_bad_s = 0.1
"""
NAME = STATION.rpartition(".")[2]


class Line:
    """behind: the journal and what leads to it."""

    def __init__(self, behind: Bench, supervisor: Supervisor) -> None:
        self.behind = behind
        self.supervisor = supervisor

    async def events(self, origin: Origin = Origin.DERIVED) -> list[Event]:
        """In the journal by now."""
        await self.behind.settled()
        page = await self.behind.reader.events(0, 1000, Filter())
        return [placed.event for placed in page.events if placed.event.origin is origin]

    async def grows_to(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """Until that holds of them; fails when it does not."""
        async with asyncio.timeout(20):
            while not enough(found := await self.events()):
                await asyncio.sleep(0.02)
        return found

    async def gaps(self) -> list[dict[str, Any]]:
        """Bodies of what tells that the machine was out of sight."""
        return [json.loads(each.body) for each in await self.events(Origin.GATEWAY) if each.message.endswith("Gap")]

    async def adjusted(self) -> dict[str, int]:
        """Units that were only counted, by the signal that counts them."""
        found: dict[str, int] = {}
        for each in await self.events(Origin.GATEWAY):
            if each.message.endswith("CountAdjusted"):
                body = json.loads(each.body)
                found[body["Signal"]] = found.get(body["Signal"], 0) + body["Units"]
        return found

    def state(self, key: str) -> Any:
        """Of a signal, as it is known now."""
        known = {sample.signal: sample.value for sample in self.behind.ingest.stepper.signals(NAME)}
        return known.get(key)


@asynccontextmanager
async def line(folder: Path, url: str) -> AsyncIterator[Line]:
    path = folder / "lineside.toml"
    path.write_text(CONFIG.format(station=NAME, url=url, pki=folder / "pki"))
    resolved = resolve(load(path, protocols()))
    async with bench(folder, stations=wiring.stations(resolved)) as behind:
        adapters = [
            build(
                settings,
                gateway="g1",
                machines=wiring.machines_on(resolved, name),
                positions=behind.writer.positions(name),
            )
            for name, settings in resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
        behind.ingest.on_heard = supervisor.heard
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        try:
            yield Line(behind, supervisor)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
