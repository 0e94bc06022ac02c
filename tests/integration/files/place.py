"""A folder that is read, with the gateway behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.files import FilesAdapter
from adapters.files_settings import FilesConnection
from gateway.supervisor.supervisor import Supervisor
from tests.build import Bench, bench, until
from tests.contract.host import QUICK, of_machines
from tests.contract.rigs.text import Talk, profile

LINE = "R load-{} 2026-11-20T12:44:33.5Z x\n"


class Place:
    """A folder, and the settings of its connection. journal: the name of its folder, for one that knows nothing yet."""

    def __init__(self, folder: Path, kind: str = "document", *, journal: str = "journal", **settings: Any) -> None:
        self.folder = folder / "results"
        self.folder.mkdir(exist_ok=True)
        self.journal = folder / journal
        self.journal.mkdir(exist_ok=True)
        self.errors = folder / "errors" / "tester"
        self.talk = Talk(profile(folder, "files", kind=kind))
        self.settings = FilesConnection(
            **{
                "protocol": "files",
                "name": "tester",
                "path": str(self.folder),
                "pattern": "*.txt",
                "every_s": 0.02,
                "settle_s": 0.05,
                "errors": str(folder / "errors"),
                **settings,
            }
        )

    def adapter(self, positions: dict[str, bytes] | None = None) -> FilesAdapter:
        return FilesAdapter(self.settings, [self.talk.machine], positions)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Bench]:
        async with bench(self.journal, stations=self.talk.stations(self.settings.name)) as behind:
            adapter = self.adapter(behind.writer.positions(self.settings.name))
            supervisor = Supervisor([adapter], behind.ingest, behind.telemetry, QUICK, marks={}, draw=lambda: 1.0)
            running = asyncio.create_task(supervisor.run(), name="supervisor")
            try:
                yield behind
                await behind.ingest.drain(5)
            finally:
                running.cancel()
                await asyncio.wait({running})

    async def numbers(self, behind: Bench) -> list[int]:
        found = [self.talk.stored(event) for event in await of_machines(behind)]
        return [each.number for each in found if each is not None]

    async def keeps(self, behind: Bench, *numbers: int) -> None:
        async with asyncio.timeout(20):
            while await self.numbers(behind) != list(numbers):
                await asyncio.sleep(0.02)


async def reasons(behind: Bench, count: int) -> list[tuple[str, str]]:
    await until(lambda: behind.counter("quarantined") >= count)
    return [(each.channel, each.reason) for each in await behind.reader.quarantined()]


def panel(result: str, unit: str = "PNL-1") -> str:
    """A whole report on a test."""
    return f"BEGIN {unit}\nR1 9,98 {result}\nEND {result}\n"
