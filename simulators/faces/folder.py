"""A folder that a machine writes its files into, in the ways machines have: any program may read them.

    async with serve(Path("results"), Manner(trigger="{}.ok"), zone=zone) as face:
        await face.put(document, when)
        async with face.fault(Fault(trouble=Trouble.UNMOUNT)):
            ...

A machine does not wait until somebody reads: `put` takes the file and returns; one task writes them in order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import msgspec

from simulators.faces import folder_files as files
from simulators.faces.folder_faults import LASTING, Fault, Faults, Trouble
from simulators.faces.folder_writing import Job, Manner, Writer
from simulators.faces.modbus_line import FaceError
from simulators.voices.files import Document, How
from simulators.voices.voice import When

_PLAIN = Manner()
_UTC = ZoneInfo("UTC")


@asynccontextmanager
async def serve(
    path: Path, manner: Manner = _PLAIN, *, zone: ZoneInfo = _UTC, seed: int = 0
) -> AsyncIterator[FolderFace]:
    """zone: of the machine's clock. At the end all that was put is written, without pauses; what was to vanish stays.

    Raises FaceError for a folder that cannot be made, and at the end OSError for a file that could not be written.
    """
    try:
        await asyncio.to_thread(path.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise FaceError(f"cannot make {path}: {error.strerror}") from error
    face = FolderFace(path, manner, zone, seed)
    try:
        yield face
        await face.finish()
    finally:
        await face.stop()
        await asyncio.to_thread(files.come_back, path)


class FolderFace:
    """Made by `serve`, which ends it."""

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, path: Path, manner: Manner, zone: ZoneInfo, seed: int) -> None:
        self.path = path
        self._manner = manner
        self._zone = zone
        self._faults = Faults(seed)
        self._begun: list[tuple[Fault, int]] = []
        self._writer = Writer(path, manner, self._do)
        self._jobs: deque[Job] = deque()
        self._more = asyncio.Event()
        self._rests = asyncio.Event()
        self._there = asyncio.Event()
        self._there.set()
        self._away: int | None = None
        self._folder = asyncio.Lock()
        self._task = asyncio.create_task(self._write_all(), name=f"folder {path.name}")

    async def put(self, output: Document, when: When) -> None:
        """Returns before it is written. Raises OSError when one before it could not be."""
        self._check()
        self._rests.clear()
        clock = When(lambda at: when.instant(at) + round(self._manner.clock_s * 1_000_000), when.speed)
        self._jobs.append(
            Job(
                name=output.name.text(clock, self._zone),
                content=output.content.render(clock, self._zone),
                added=output.how is How.APPENDED,
                head=b"" if output.head is None else output.head.render(clock, self._zone),
                beside=tuple((name.text(clock, self._zone), data) for name, data in output.beside),
            )
        )
        self._more.set()

    async def idle(self) -> None:
        """Returns when all that was put is written, and all has happened that faults were to do later. Raises OSError for
        what could not be written."""
        await self._rests.wait()
        while self._writer.later:
            await asyncio.wait(set(self._writer.later))
            await self._rests.wait()
        self._check()

    @asynccontextmanager
    async def fault(self, fault: Fault) -> AsyncIterator[None]:
        """Until the end of the block, or for as many files as it says."""
        number = await self.set_fault(fault)
        try:
            yield
        finally:
            await self.clear_fault(number)

    async def begin(self, fault: Fault) -> None:
        """From now on. Raises ValueError for one that takes the folder away when it is away."""
        self._begun.append((fault, await self.set_fault(fault)))

    async def end(self, fault: Fault) -> None:
        """That one is over."""
        for begun in [each for each in self._begun if each[0] == fault][:1]:
            self._begun.remove(begun)
            await self.clear_fault(begun[1])

    async def set_fault(self, fault: Fault) -> int:
        """A number to clear it with. Raises ValueError for one that takes the folder away when it is away."""
        if fault.trouble not in LASTING:
            return self._faults.set(fault)
        if self._away is not None:
            raise ValueError("the folder is away already")
        number = self._away = self._faults.set(fault)
        self._there.clear()
        async with self._folder:
            await asyncio.to_thread(files.leave, self.path, empty=fault.trouble is Trouble.UNMOUNT)
        return number

    async def clear_fault(self, number: int) -> None:
        """One that is over already is no mistake."""
        self._faults.clear(number)
        if number == self._away:
            async with self._folder:
                await asyncio.to_thread(files.come_back, self.path)
            self._away = None
            self._there.set()

    async def finish(self) -> None:
        """All that was put is written now."""
        self._writer.hurry.set()
        if self._away is not None:
            await self.clear_fault(self._away)
        await self.idle()

    async def stop(self) -> None:
        """Nothing is written any more."""
        tasks = [self._task, *self._writer.later]
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    def _check(self) -> None:
        if self._task.done():
            self._task.result()

    async def _write_all(self) -> None:
        try:
            while True:
                while not self._jobs:
                    self._rests.set()
                    self._more.clear()
                    await self._more.wait()
                await self._write(self._jobs.popleft())
        finally:
            self._rests.set()

    async def _write(self, job: Job) -> None:
        faults = {} if job.spared else self._faults.next()
        if Trouble.LATE in faults:
            self._writer.after(faults[Trouble.LATE].seconds, lambda: self._again(job))
            return
        junk = {}
        if Trouble.GARBAGE in faults:
            junk["garbage"] = self._faults.noise()
        if Trouble.ENCODING in faults:
            junk["encoding"] = job.content.decode("latin-1").encode("utf-16")
        if Trouble.BOMB in faults:
            junk["bomb"] = files.BOMB
        await self._writer.write(job, faults, junk)

    async def _again(self, job: Job) -> None:
        if self._task.done():  # it could not write, and says so
            return
        self._rests.clear()
        self._jobs.append(job._replace(spared=True))
        self._more.set()

    async def _do(self, action: Callable[[], object]) -> None:
        while True:
            await self._there.wait()
            async with self._folder:
                if self._there.is_set():
                    await asyncio.to_thread(action)
                    return
