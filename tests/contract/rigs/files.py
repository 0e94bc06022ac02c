"""files: one file for each happening, deleted when it is stored; and one file that grows, read from where one stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from adapters.files import FilesAdapter
from adapters.files_settings import FilesConnection
from gateway.core.adapter import Adapter
from gateway.ingest.stations import Stations
from gateway.journal.database import driver
from tests.contract.rig import Entry, Mute
from tests.contract.rigs.text import BEGIN, END, GARBAGE, Talk, profile


class _Faults:
    """The folder is on another computer that can be out of reach."""

    def __init__(self, folder: Path, rig: FilesRig) -> None:
        self._folder = folder
        self._away = folder.with_name("away")
        self._rig = rig
        self._began = _taken()

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[Adapter]:
        await self.peer_down()
        yield self._rig.adapter()
        await self.peer_up()

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Mute]:
        raise NotImplementedError("see the exemptions")
        yield

    async def peer_down(self) -> None:
        self._folder.rename(self._away)

    async def peer_up(self) -> None:
        self._away.rename(self._folder)

    async def stall(self) -> None:
        """Nothing is written any more, as ever when no test tells to."""

    async def silence(self, unit: int) -> None:
        raise NotImplementedError("one machine in each folder")

    def received(self) -> int:
        return _taken() - self._began

    async def quiet(self) -> None:
        """Until the folder has been looked at often enough for whatever is in it to be read."""
        await asyncio.sleep(0.3)


def _taken() -> int:
    """Bytes that this process has read from anything."""
    return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])


class FilesRig:
    units = 1
    conflates = False
    ends = True
    acknowledged = brokered = True
    gives_up_s = 0.5
    prompt_s = 1.0
    most_bytes = 4 << 20
    says_when_again = False

    def __init__(self, folder: Path, *, grows: bool) -> None:
        self._folder = folder / "results"
        self._folder.mkdir()
        self._journal = folder.parent / "journal" / "journal.db"
        self._grows = grows
        self.said = 0
        self._count = 0
        self._work = b""
        self.talk = Talk(profile(folder, "files", kind="lines" if grows else "document"))
        self.faults = _Faults(self._folder, self)
        self._settings: dict[str, Any] = {
            "protocol": "files",
            "name": "tester",
            "path": str(self._folder),
            "pattern": "*.txt",
            "every_s": 0.02,
            "settle_s": 0.04,
            "after": "leave" if grows else "delete",
            "errors": str(folder / "errors"),
        }

    def adapter(self) -> FilesAdapter:
        return FilesAdapter(FilesConnection(**self._settings), [self.talk.machine], self._positions())

    def _positions(self) -> dict[str, bytes]:
        """Of a file that grows, as the gateway gives them to the adapter. The other kind is told by being deleted."""
        if not self._grows or not self._journal.exists():
            return {}
        database = driver().connect(f"file:{self._journal}?mode=ro", uri=True)
        try:
            return dict(database.execute("SELECT key, value FROM source_position"))
        finally:
            database.close()

    def stations(self) -> Stations:
        return self.talk.stations("tester")

    async def _write(self, text: bytes) -> None:
        folder = self._folder if self._folder.exists() else self._folder.with_name("away")
        if self._grows:
            with (folder / "shift.txt").open("ab") as file:
                file.write(text)
            return
        self._count += 1
        whole = folder / f"{self._count:06d}.part"
        whole.write_bytes(text)
        at = 1_700_000_000_000_000_000 + self._count  # files of one millisecond are in order, too
        os.utime(whole, ns=(at, at))
        whole.rename(whole.with_suffix(".txt"))

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        self.said = 0
        for number in numbers:
            line = self.talk.line(number, filler)
            await self._write(line)
            self.said += len(line)

    async def garbage(self, unit: int = 0) -> None:
        await self.faults.quiet()  # on its own, or it would be one line among others
        await self._write(GARBAGE)
        await self.faults.quiet()

    async def work_begins(self) -> None:
        if self._grows:
            await self._write(BEGIN)
        else:
            self._work = BEGIN  # a file that is half written is not read

    async def work_ends(self) -> None:
        await self._write(self._work + END)


@asynccontextmanager
async def _open(_: object, folder: Path, *, grows: bool) -> AsyncIterator[FilesRig]:
    yield FilesRig(folder, grows=grows)


RIGS = (
    Entry("files", partial(_open, grows=False)),
    Entry("files-growing", partial(_open, grows=True)),
)
