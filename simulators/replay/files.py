"""Machines that write files, as they were captured: the same names, contents and times of change, so that what follows
from a file has the same identity again.

A file that grows gets each piece when it came; of what had been in it before the capture began only the room is there. The
parts of a file that consists of several come before it, and share what was captured as one so that it is read as the same
again. A file is not written over before somebody has read it, as far as that can be seen.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from gateway.core.frame import POSITION, Frame
from simulators.faces import folder_files
from simulators.replay.actor import Role, Stage, Unplayable
from simulators.replay.file_parts import split

_LOOK_S = 0.02
_MOST_ROOM = 64 << 20
"""Of a file whose beginning was not captured. One that began further on starts here, with other positions and ids."""
_WATCHED = 10_000
"""Files of which it is known whether somebody has read them: the newest."""
_FILLER = b"."
_NEVER = 10**9
"""Nanoseconds since 1970: when a file was read last that nobody has read."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a frame's position says of its file. size: of one that is read as a whole, with its parts. mtime: in nanoseconds. sha256: of one that is read as a whole. offset: how
    far one that grows is read; within: that is in a line that is too long. absent: it is not there any more."""

    size: int = 0
    mtime: int = 0
    sha256: str = ""
    revision: int = 0
    offset: int = 0
    within: bool = False
    absent: int = 0

    @staticmethod
    def of(frame: Frame) -> Mark | None:
        """None where nothing happened to the file: the gateway noted something for itself. Raises Unplayable where nothing of
        it was captured."""
        problem = frame.meta.get("problem")
        position = str(frame.meta.get(POSITION, ""))
        if problem == "too-large" or (problem and not position):
            raise Unplayable(f"nothing of the file was captured: {problem}")
        if not position:
            return None
        try:
            return msgspec.json.decode(position.partition(" ")[2], type=Mark)
        except msgspec.MsgspecError as error:
            raise Unplayable(f"a position of another version: {error}") from error


class FilesActor:
    """One folder."""

    def __init__(self, role: Role, stage: Stage) -> None:
        self._folder = Path(role.at) if role.at is not None else stage.folder / role.connection
        settings = role.settings
        self._names = _Names(settings)
        records = role.seats[0].bound.records if role.seats and role.seats[0].bound is not None else None
        if records is None:
            raise Unplayable(f"{role.connection}: a machine of files needs one station with its profile")
        self._delimiter = records.framing.delimiter
        self._every_s = float(settings.get("every_s", 1.0))
        slow_s = 2 * self._every_s + float(settings.get("settle_s", 2.0)) + 1.0
        self._patience_s = min(stage.patience_s, slow_s)
        self._unread: dict[str, Path] = {}
        self._within: set[str] = set()

    @property
    def addresses(self) -> Mapping[str, Any]:
        return {"path": str(self._folder)}

    @property
    def place(self) -> str:
        return str(self._folder)

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise Unplayable(f"cannot make {self._folder}: {error.strerror}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(folder_files.come_back, self._folder)

    async def met(self) -> None:
        """A file waits for whoever comes."""

    async def play(self, frame: Frame, peer: str | None) -> None:
        mark = Mark.of(frame)
        if mark is None:
            return
        path = self._folder / frame.channel
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise Unplayable(f"{frame.channel!r} leaves the folder")
        if mark.absent:
            await self._read(frame.channel)
            await asyncio.to_thread(path.unlink, missing_ok=True)
        elif mark.sha256:
            await self._read(frame.channel)
            await asyncio.to_thread(self._whole, path, frame, mark)
        else:
            start = mark.offset - len(frame.payload)
            size = await asyncio.to_thread(_size, path)
            if start < size:  # it begins anew
                await self._read(frame.channel)
            await asyncio.to_thread(self._grown, path, frame, mark, start, size)

    def _whole(self, path: Path, frame: Frame, mark: Mark) -> None:
        base = frame.channel.rpartition("/")[2]
        parts = self._names.parts(base)
        content, *others = split(frame.payload, 1 + len(parts), mark.size, mark.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        trigger = self._names.trigger(base)
        if trigger is not None:
            path.with_name(trigger).unlink(missing_ok=True)
        for name, data in zip(parts, others, strict=True):
            self._renamed(path.with_name(name), data, mark, of=frame.channel)
        self._renamed(path, content, mark, of=frame.channel)
        if trigger is not None:
            path.with_name(trigger).write_bytes(b"")

    def _renamed(self, path: Path, data: bytes, mark: Mark, *, of: str) -> None:
        """There at once, whole and with its time."""
        hidden = path.with_name(f".{path.name}.part")
        hidden.write_bytes(data)
        _date(hidden, mark)
        hidden.replace(path)
        if data:
            self._watch(of, path)

    def _watch(self, name: str, path: Path) -> None:
        self._unread[name] = path
        if len(self._unread) > _WATCHED:
            del self._unread[next(iter(self._unread))]

    def _grown(self, path: Path, frame: Frame, mark: Mark, start: int, size: int) -> None:
        if start < size:
            path.unlink(missing_ok=True)
            self._within.discard(frame.channel)
            size = 0
        room = self._room(frame.channel, start - size)
        folder_files.append(path, room + frame.payload)
        if mark.within:
            self._within.add(frame.channel)
        _date(path, mark)
        self._watch(frame.channel, path)

    def _room(self, name: str, size: int) -> bytes:
        """For what nobody captured: empty lines, or the rest of a line that was too long."""
        if size <= 0 or size > _MOST_ROOM:
            return b""
        delimiter = self._delimiter
        if name in self._within and size >= len(delimiter):
            self._within.discard(name)
            return _FILLER * (size - len(delimiter)) + delimiter
        return b" " * (size % len(delimiter)) + delimiter * (size // len(delimiter))

    async def _read(self, name: str) -> None:
        """Somebody has read the file as it was left, or there was time enough: not every file system tells."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while not await asyncio.to_thread(self._was_read, name):  # noqa: ASYNC110, the disk tells nobody
                    await asyncio.sleep(_LOOK_S)
        self._unread.pop(name, None)

    def _was_read(self, name: str) -> bool:
        path = self._unread.get(name)
        try:
            return path is None or path.stat().st_atime_ns > _NEVER
        except OSError:
            return True  # moved or deleted: only who has read it does that

    async def lose(self, station: str) -> None:
        """The folder is out of sight for some looks."""
        await self.done()
        await asyncio.to_thread(folder_files.leave, self._folder, empty=False)
        await asyncio.sleep(min(2 * self._every_s, self._patience_s))
        await asyncio.to_thread(folder_files.come_back, self._folder)

    async def done(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                for name in list(self._unread):
                    await self._read(name)
        self._unread.clear()


class _Names:
    """What belongs to a file, by the settings. `{}` stands for what the last `*` of the pattern does."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        found = settings.get("pattern", ())
        self._patterns = [found] if isinstance(found, str) else [str(each) for each in found]
        self._parts = [str(each) for each in settings.get("parts", ())]
        self._trigger = settings.get("trigger")

    def parts(self, base: str) -> list[str]:
        return [each.replace("{}", self._stem(base)) for each in self._parts]

    def trigger(self, base: str) -> str | None:
        return None if self._trigger is None else str(self._trigger).replace("{}", self._stem(base))

    def _stem(self, base: str) -> str:
        for pattern in self._patterns:
            before, star, after = pattern.rpartition("/")[2].rpartition("*")
            if star and base.startswith(before) and base.endswith(after) and len(base) >= len(before + after):
                return base[len(before) : len(base) - len(after)]
        return base


def _date(path: Path, mark: Mark) -> None:
    """With the time that it had. That of its last reading is before all others, so that the next one shows."""
    os.utime(path, ns=(_NEVER, mark.mtime))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
