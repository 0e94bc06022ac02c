"""Files that are read as a whole, once they are."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable

from adapters.files_desk import Desk, Found
from adapters.files_folder import Changed, Look, Seen, TooLarge, Whole
from adapters.files_ledger import Mark
from adapters.files_names import Names
from gateway.transport.serial_port import words


class Settling:
    """Which files are whole by now: follows what is not known yet from one look to the next. No I/O, no clock."""

    def __init__(self, names: Names, settle_s: float) -> None:
        self._names = names
        self._settle_s = settle_s
        self._since: dict[str, tuple[Seen | None, float]] = {}

    def ready(self, look: Look, now: float, known: Callable[[str], Seen | None]) -> list[str]:
        """Names of files that are whole and new, or others than when they were read; the oldest first.

        now: seconds of a clock that only goes on. known: what a file was when it was read.
        """
        found = []
        for name in look.files:
            seen = self.seen(name, look)
            if seen is not None and known(name) == seen:
                self.let_go(name)
                continue
            before, since = self._since.get(name, (None, now))
            since = since if before == seen else now
            self._since[name] = (seen, since)
            if seen is not None and self._whole(name, look, now - since):
                found.append(name)
        return sorted(found, key=lambda name: (look.files[name].mtime, name))

    def due(self, now: float) -> float | None:
        """When the next of them will have settled, if it does not change any more."""
        ends = [since + self._settle_s for seen, since in self._since.values() if seen is not None]
        return min((end for end in ends if end > now), default=None) if self._names.trigger_of is None else None

    def vanished(self, look: Look) -> list[str]:
        """Names of files that were waited for and are gone."""
        gone = [name for name in self._since if name not in look.files]
        for name in gone:
            del self._since[name]
        return gone

    def let_go(self, name: str) -> None:
        """It was read; or it changed while it was, and is to be followed anew."""
        self._since.pop(name, None)

    def seen(self, name: str, look: Look) -> Seen | None:
        """The file with its parts; None while one is missing."""
        parts = [look.others.get(part) or look.files.get(part) for part in self._names.parts(name)]
        found = [look.files[name], *(part for part in parts if part is not None)]
        if len(found) <= len(parts):
            return None
        return Seen(sum(each.size for each in found), max(each.mtime for each in found))

    def _whole(self, name: str, look: Look, still_s: float) -> bool:
        trigger = self._names.trigger(name)
        if trigger is None:
            return still_s >= self._settle_s
        return trigger in look.others or trigger in look.files


class WholeFiles:
    """Of one connection."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._names = desk.settings.names
        self._settling = Settling(self._names, desk.settings.settle_s)

    async def read(self, look: Look) -> AsyncGenerator[Found]:
        """The files that are whole now, each once for everything that it says."""
        for name in self._settling.ready(look, time.monotonic(), self._known):
            for found in await self._read(name, look):
                yield found
        for name in self._settling.vanished(look):
            for found in self._desk.lost(name, "vanished", "was gone before it could be read"):
                yield found

    def due(self) -> float | None:
        """When it is worth a look, on a monotonic clock: a file may be whole then."""
        return self._settling.due(time.monotonic())

    def stored(self, look: Look) -> list[str]:
        """Files that are there as they were read."""
        return [
            name
            for name in look.files
            if (mark := self._desk.mark(name)) is not None
            and mark.sha256
            and mark.seen == self._settling.seen(name, look)
        ]

    def _known(self, name: str) -> Seen | None:
        mark = self._desk.mark(name)
        return None if mark is None else mark.seen

    async def _read(self, name: str, look: Look) -> list[Found]:
        desk = self._desk
        try:
            whole = await desk.aside(desk.whole, name)
        except Changed:
            self._settling.let_go(name)
            return []
        except TooLarge as error:
            seen = self._settling.seen(name, look) or look.files[name]
            self._settling.let_go(name)
            mark = Mark(size=seen.size, mtime=seen.mtime)
            return [desk.found(name, b"", mark, problem="too-large", detail=str(error))]
        except FileNotFoundError:
            return []  # the next look says so
        except OSError as error:
            return desk.problem(name, "unreadable-file", words(error))
        self._settling.let_go(name)
        return self._new(name, whole)

    def _new(self, name: str, whole: Whole) -> list[Found]:
        """Nothing when all that has changed is the time of the file."""
        before = self._desk.mark(name)
        same = before is not None and before.sha256 == whole.sha256
        mark = Mark(
            size=whole.seen.size,
            mtime=whole.seen.mtime,
            sha256=whole.sha256,
            revision=0 if before is None else before.revision + (not same),
        )
        if same:
            self._desk.note(name, mark)
            return []
        return [self._desk.found(name, whole.data, mark)]
