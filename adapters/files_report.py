"""What of a file could not be understood, as a text for people, in a folder of ours. Everything here may block.

The journal's quarantine has it all, with the bytes; this is for whoever looks after the machine and has only folders.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.core.frame import Frame, Refused
from gateway.core.times import rfc3339

MOST_REPORTS = 1_000
"""In the folder of one connection; the oldest make room."""
_MOST_BYTES = 256 << 10
"""Of the report on a file that grows; one that is longer is begun anew."""
_MOST_PARTS = 100
"""Of one frame that are told one by one."""
_EXCERPT = 200
_NAME = 200
_PLAIN = " +,()[]{}=@#!'"
_SHARED = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Report(msgspec.Struct, frozen=True):
    """name: of the file. frame: what was read of it; start: at which byte, in a file that grows. refused: of that."""

    name: str
    frame: Frame
    refused: list[Refused]
    start: int | None

    def text(self, station: str) -> str:
        frame, digest = self.frame, self.frame.meta.get("sha256")
        lines = [f"File:       {_printable(self.name)}", f"Station:    {station}", f"Connection: {frame.connection}"]
        lines += [f"Read:       {rfc3339(frame.received)}"]
        lines += [f"SHA-256:    {digest}"] if digest else []
        whole = any(each.raw == frame.payload for each in self.refused)
        parts = (
            "Nothing of it"
            if whole
            else "A part of it"
            if len(self.refused) == 1
            else f"{len(self.refused)} parts of it"
        )
        lines += [f"Outcome:    {parts} could {'' if whole else 'not '}be understood", ""]
        lines += [line for each in self._parts() for line in each]
        more = len(self.refused) - _MOST_PARTS
        lines += [f"and {more} more; the quarantine of the gateway has them all", ""] if more > 0 else []
        return "\n".join(lines) + "\n"

    def _parts(self) -> Iterator[list[str]]:
        payload, at = self.frame.payload, 0
        for each in self.refused[:_MOST_PARTS]:
            first = each.raw.split(b"\n", 1)[0].rstrip(b"\r")
            found = payload.find(first, at) if first and each.raw != payload else -1
            at = max(at, found)
            text = _printable(first[:_EXCERPT].decode("utf-8", "backslashreplace"))
            yield [
                f"{self._place(found)}{each.reason}: {_printable(each.detail)}",
                *([f"    {text}"] if text else []),
                f"    in quarantine as {each.digest}, {len(each.raw)} bytes",
                "",
            ]

    def _place(self, found: int) -> str:
        """Where that is. What a report has taken from several lines begins at the first; a value may be nowhere as it is."""
        if self.start is not None:
            known = self.start + max(found, 0)
            return f"byte {known}: " if found >= 0 else f"byte {known} or later: "
        if found < 0:
            return ""
        end = b"\n" if b"\n" in self.frame.payload else b"\r"
        return f"line {self.frame.payload.count(end, 0, found) + 1}, byte {found}: "


def folder_of(folder: Path, connection: str) -> Path:
    """Of the reports of one connection."""
    return folder / _short(quote(connection, safe=_PLAIN), "")


class Reports:
    """Of one connection. folder: of ours, with the reports of this connection alone."""

    def __init__(self, folder: Path, station: str) -> None:
        self._folder = folder
        self._station = station

    def write(self, report: Report, moved: Path | None) -> None:
        """Beside the file where it was moved to, else in the folder; there, in place of the one on what the file was before,
        or behind what was told of its beginning. Raises OSError."""
        data = report.text(self._station).encode("utf-8", "backslashreplace")
        if moved is not None:
            _write(moved.with_name(_short(moved.name, ".error.txt")), os.O_EXCL, data)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(report.name)
        anew = "sha256" in report.frame.meta or (path.exists() and path.stat().st_size + len(data) > _MOST_BYTES)
        if not path.exists():
            self._make_room()
        _write(path, os.O_TRUNC if anew else os.O_APPEND, data)

    def drop(self, name: str) -> None:
        """All of the file is understood, now that it is another one. Raises OSError."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / _short(quote(name, safe=_PLAIN), ".txt")

    def _make_room(self) -> None:
        found = sorted(self._folder.glob("*.txt"), key=lambda path: path.lstat().st_mtime_ns)
        for path in found[: max(0, len(found) - MOST_REPORTS + 1)]:
            path.unlink(missing_ok=True)


def _write(path: Path, how: int, data: bytes) -> None:
    with open(os.open(path, _SHARED | how, 0o644), "wb") as file:  # noqa: PTH123  a descriptor that follows no link
        file.write(data)


def _short(name: str, ending: str) -> str:
    """A name that fits; a long one is cut, and stays different from others."""
    if len(os.fsencode(name)) > _NAME:
        name = f"{name[: _NAME // 2]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return name + ending


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
