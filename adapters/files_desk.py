"""What both ways of reading files work with: the folder, off the event loop, and the frames that are made of files."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import msgspec

from adapters.files_folder import Folder, Whole
from adapters.files_ledger import Ledger, Mark
from adapters.files_settings import FilesConnection
from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.frame import POSITION, POSITION_OF, Frame, Refused

P = ParamSpec("P")
T = TypeVar("T")


class Found(msgspec.Struct, frozen=True):
    """A frame of a file. tidies: when it is stored, the file is to be moved or deleted. start: the byte in a file that
    grows where it begins. refused: what of it went to quarantine, once it is stored."""

    name: str
    frame: Frame
    tidies: bool = False
    start: int | None = None
    refused: list[Refused] = []


class Progress:
    """What outlives a connection, for as long as the process.

    unacknowledged: what was handed over and is not stored as far as we know, in order. stored: what is, and leads to
    something with the file, or a report. told: problems, so that each is told once. job: what a thread may still be waiting
    for.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.unacknowledged: dict[int, Found] = {}
        self.stored: deque[Found] = deque()
        self.handed = 0
        self.told: set[tuple[str, str]] = set()
        self.job: Future[Any] | None = None


def shown(name: str) -> str:
    """A name as it can be stored; what is no UTF-8 in it is escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class Desk:
    """Of one connection."""

    def __init__(self, settings: FilesConnection, progress: Progress, thread: ThreadPoolExecutor) -> None:
        self.settings = settings
        self.folder = Folder(settings.path, settings.names, skip=settings.move_to)
        self.progress = progress
        self._thread = thread

    async def aside(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """On the thread. Raises NotConnected when the folder does not answer in time, and what `call` raises."""
        job = self._thread.submit(call, *args, **kwargs)
        self.progress.job = job
        ended = asyncio.wrap_future(job)
        ended.add_done_callback(lambda each: each.cancelled() or each.exception())  # should nobody ask any more
        done, _ = await asyncio.wait({ended}, timeout=self.settings.look_timeout_s)
        if not done:
            raise NotConnected(f"{self.settings.path}: does not answer within {self.settings.look_timeout_s:g} s")
        return job.result()

    def whole(self, name: str) -> Whole:
        """The file with its parts; blocks. Raises OSError, Changed, TooLarge."""
        return self.folder.whole([name, *self.settings.names.parts(name)], self.settings.most_file_bytes)

    def mark(self, name: str) -> Mark | None:
        """How far the file is read; None when it is new."""
        return self.progress.ledger.mark(shown(name))

    def note(self, name: str, mark: Mark) -> None:
        """The file is so now, and nothing comes of it."""
        self.progress.ledger.note(shown(name), mark)

    def found(self, name: str, data: bytes, mark: Mark, *, problem: str = "", detail: str = "") -> Found:
        """What was read, with the position to be committed with it."""
        key = shown(name)
        meta: dict[str, str | int] = {POSITION_OF: key, POSITION: self.progress.ledger.advance(key, mark)}
        meta |= {"sha256": mark.sha256} if mark.sha256 else {}
        meta |= {"revision": mark.revision} if mark.revision else {}
        meta |= {"problem": problem, "detail": detail} if problem else {}
        whole = bool(mark.sha256) and self.settings.after != "leave"
        start = None if mark.sha256 or not data else mark.offset - len(data)
        return Found(name, self._frame(key, data, meta), tidies=whole, start=start)

    def read_again(self, name: str, data: bytes, mark: Mark) -> Found:
        """A whole file that is stored already, and is to be tidied up."""
        return Found(name, self._frame(shown(name), data, {"sha256": mark.sha256}), tidies=True)

    def problem(self, name: str, problem: str, detail: str) -> list[Found]:
        """Something that lasts and keeps a file from being read or tidied up; told once in the life of the process."""
        if (name, problem) in self.progress.told:
            return []
        self.progress.told.add((name, problem))
        return self.lost(name, problem, detail)

    def lost(self, name: str, problem: str, detail: str) -> list[Found]:
        """Something that has happened, and kept a file from being read."""
        return [Found(name, self._frame(shown(name), b"", {"problem": problem, "detail": f"{shown(name)}: {detail}"}))]

    def absent(self, key: str, mark: Mark) -> Found:
        """The file is not there any more: since when, is to be remembered."""
        position = self.progress.ledger.advance(key, mark)
        return Found(key, self._frame(key, b"", {POSITION_OF: key, POSITION: position, "absent": mark.absent}))

    def forget(self, key: str) -> Found:
        """The file has long been gone: its position is to be forgotten."""
        self.progress.ledger.forget(key)
        return Found(key, self._frame(key, b"", {POSITION_OF: key, POSITION: ""}))

    def _frame(self, key: str, data: bytes, meta: dict[str, str | int]) -> Frame:
        return Frame(connection=self.settings.name, received=times.now(), channel=key, payload=data, meta=meta)
