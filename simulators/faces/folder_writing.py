"""How a machine writes one file, with all that can go wrong on the way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from simulators.faces import folder_files as files
from simulators.faces.folder_faults import Fault, Trouble

Do = Callable[[Callable[[], object]], Awaitable[None]]
"""Runs something that blocks, as soon as the folder is there."""


class Writing(StrEnum):
    RENAME = "rename"  # under a name that begins with a point, then renamed
    IN_PLACE = "in-place"  # under its own name, piece by piece


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine writes.

    pieces, pause_s: of a file that is written in place, or added to; real seconds between two pieces. trigger: an
    empty file that comes when it is whole, `{}` being its name without ending. keep: so many files are kept, older ones
    deleted by the machine; None for all. clock_s: seconds by which its clock is fast.
    """

    writing: Writing = Writing.RENAME
    pieces: int = 3
    pause_s: float = 0.2
    trigger: str | None = None
    keep: int | None = None
    clock_s: float = 0.0


class Job(NamedTuple):
    """A file as it is to be written. added: to what is there. head: in front, where nothing is. spared: by faults."""

    name: str
    content: bytes
    added: bool = False
    head: bytes = b""
    beside: tuple[tuple[str, bytes], ...] = ()
    spared: bool = False


class Writer:
    """Of one folder. hurry: set when the machine is to stop; nothing waits any longer then."""

    def __init__(self, folder: Path, manner: Manner, do: Do) -> None:
        self.hurry = asyncio.Event()
        self.later: set[asyncio.Task[None]] = set()
        self._folder = folder
        self._manner = manner
        self._do = do
        self._order: deque[Path] = deque()

    async def write(self, job: Job, faults: dict[Trouble, Fault], junk: dict[str, bytes]) -> None:
        """junk: what lies beside it, by a word in its name, because of the faults."""
        path = self._folder / job.name
        for name, data in job.beside:
            await self._do(partial(files.rename, self._folder / name, data))
        for word, data in junk.items():
            await self._do(partial(files.rename, files.another(path, word), data))
        half = faults.get(Trouble.HALF)
        if half is not None:
            middle = len(job.content) // 2
            await self._pieces(path, job, [job.content[:middle], job.content[middle:]], half.seconds)
        elif job.added or self._manner.writing is Writing.IN_PLACE:
            size = max(1, -(-len(job.content) // max(1, self._manner.pieces)))
            pieces = [job.content[at : at + size] for at in range(0, len(job.content), size)]
            await self._pieces(path, job, pieces, self._manner.pause_s)
        else:
            await self._do(partial(files.rename, path, job.content))
        if not job.added:
            await self._whole(path, job, faults)

    async def _pieces(self, path: Path, job: Job, pieces: list[bytes], pause_s: float) -> None:
        for number, piece in enumerate(pieces):
            if number:
                await self._pause(pause_s)
            if number or job.added:
                await self._do(partial(files.append, path, piece, job.head))
            else:
                await self._do(partial(files.begin, path, piece))

    async def _whole(self, path: Path, job: Job, faults: dict[Trouble, Fault]) -> None:
        """What comes when it is whole, at once and later."""
        if Trouble.SKEW in faults:
            await self._do(partial(files.skew, path, faults[Trouble.SKEW].seconds))
        if Trouble.LOCK in faults:
            await self._do(partial(files.lock, path, on=True))
            self.after(faults[Trouble.LOCK].seconds, partial(self._do, partial(files.lock, path, on=False)))
        if self._manner.trigger is not None:
            await self._do(partial(files.begin, path.with_name(self._manner.trigger.replace("{}", path.stem)), b""))
        if Trouble.COPY in faults:
            await self._do(partial(files.rename, files.another(path, "copy"), job.content))
        if Trouble.REWRITE in faults:
            content = job.content + b"\n"
            self.after(faults[Trouble.REWRITE].seconds, partial(self._do, partial(files.rename, path, content)))
        if Trouble.VANISH in faults:
            gone = partial(self._do, partial(path.unlink, missing_ok=True))
            self.after(faults[Trouble.VANISH].seconds, gone, at_end=False)
        await self._prune(path)

    async def _prune(self, path: Path) -> None:
        if path in self._order:
            self._order.remove(path)
        self._order.append(path)
        while self._manner.keep is not None and len(self._order) > self._manner.keep:
            await self._do(partial(self._order.popleft().unlink, missing_ok=True))

    def after(self, seconds: float, action: Callable[[], Awaitable[None]], *, at_end: bool = True) -> None:
        """at_end: also, and then at once, when the machine is to stop."""

        async def wait() -> None:
            if await self._pause(seconds) or at_end:
                await action()

        task = asyncio.create_task(wait(), name=f"later in {self._folder.name}")
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    async def _pause(self, seconds: float) -> bool:
        """Whether it lasted as long as that."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.hurry.wait(), seconds)
            return False
        return True
