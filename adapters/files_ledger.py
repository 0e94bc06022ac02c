"""How far each file is read. What is written here is committed with what came of the file (gateway.core.frame.POSITION)."""

from __future__ import annotations

from collections.abc import Mapping, Set

import msgspec

from adapters.files_folder import Seen
from gateway.core.frame import POSITION, Frame

REMEMBERED_S = 30 * 86_400
"""A file that is gone is known for so long: the folder may only have been out of sight."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file as it was read. revision: how often it was read before, with other content.

    Read as a whole: size, mtime, sha256. Read as it grows: offset, with digests of its beginning and of what lies before
    the offset, by which one that was rewritten is known; within: the offset lies within a line that is too long.
    absent: since when the file is not there, in seconds since 1970; 0 while it is.
    """

    size: int = 0
    mtime: int = 0
    sha256: str = ""
    revision: int = 0
    offset: int = 0
    head: str = ""
    last: str = ""
    within: bool = False
    absent: int = 0

    @property
    def seen(self) -> Seen:
        return Seen(self.size, self.mtime)


def marked(frame: Frame) -> Mark:
    """As its file is with it. Raises ValueError when its position is none of ours."""
    return msgspec.json.decode(str(frame.meta[POSITION]).partition(" ")[2], type=Mark)


class _Entry:
    __slots__ = ("gone", "mark", "ordinal")

    def __init__(self, ordinal: int, mark: Mark | None) -> None:
        self.ordinal = ordinal
        self.mark = mark
        self.gone = False


class Ledger:
    """Of one connection, over the life of the process. positions: what the journal has."""

    def __init__(self, positions: Mapping[str, bytes]) -> None:
        self._entries: dict[str, _Entry] = {}
        for name, text in positions.items():
            ordinal, _, rest = text.partition(b" ")
            try:
                self._entries[name] = _Entry(int(ordinal), msgspec.json.decode(rest, type=Mark))
            except (ValueError, msgspec.MsgspecError):  # of a later version: its files are read again
                self._entries[name] = _Entry(int(ordinal) if ordinal.isdigit() else 0, None)

    def mark(self, name: str) -> Mark | None:
        """None for a file that is new, also under the name of one that was moved or deleted."""
        entry = self._entries.get(name)
        return None if entry is None or entry.gone else entry.mark

    def note(self, name: str, mark: Mark) -> None:
        """It is known to be so, and nothing comes of it."""
        entry = self._entries.setdefault(name, _Entry(0, None))
        entry.mark, entry.gone = mark, False

    def advance(self, name: str, mark: Mark) -> str:
        """It is read so far now. Returns the position to be committed."""
        self.note(name, mark)
        entry = self._entries[name]
        entry.ordinal += 1
        return f"{entry.ordinal} {msgspec.json.encode(mark).decode()}"

    def removed(self, name: str) -> None:
        """We have moved or deleted it."""
        if name in self._entries:
            self._entries[name].gone = True

    def gone(self, present: Set[str], now_s: int, most: int) -> tuple[list[tuple[str, Mark]], list[str]]:
        """Of the files that are not there, at most so many: those of which that is new, to be marked so; and those that are
        to be forgotten, because we have removed them, or because it was long ago."""
        absent: list[tuple[str, Mark]] = []
        forgotten: list[str] = []
        for name, entry in self._entries.items():
            mark = entry.mark
            if name in present:
                if mark is not None and mark.absent:
                    entry.mark = msgspec.structs.replace(mark, absent=0)
            elif len(absent) + len(forgotten) == most:
                break
            elif entry.gone or mark is None or 0 < mark.absent < now_s - REMEMBERED_S:
                forgotten.append(name)
            elif not mark.absent:
                absent.append((name, msgspec.structs.replace(mark, absent=now_s)))
        return absent, forgotten

    def forget(self, name: str) -> None:
        self._entries.pop(name, None)
