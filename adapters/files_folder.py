"""A folder on the disk or on another computer: looked at, read and tidied. Everything here may block, on a thread.

Whatever lies in the folder was put there by others: no link is followed, neither of a file nor of a folder on the way to
it, no device or pipe is opened, and no more is read than was asked for.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from adapters.files_names import Names

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20


class Seen(msgspec.Struct, frozen=True):
    """A file as one look found it. mtime: in nanoseconds."""

    size: int
    mtime: int


class Look(msgspec.Struct, frozen=True):
    """files: by name, to be read. others: what may belong to them. links: names that are links and would be read.

    folders: paths of all that were looked into.
    """

    files: Mapping[str, Seen]
    others: Mapping[str, Seen]
    links: Sequence[str]
    folders: Sequence[str] = ()


class Whole(msgspec.Struct, frozen=True):
    """A file and its parts. seen: their sizes together, and the newest time. sha256: of all of it."""

    data: bytes
    seen: Seen
    sha256: str


class Changed(Exception):
    """The file changed while it was read: it is not whole yet."""


class TooLarge(Exception):
    """It was not read. The message says how large it is."""


class Folder:
    """skip: a folder that is not looked into, where it lies below this one."""

    def __init__(self, root: Path, names: Names, *, skip: Path | None = None) -> None:
        self.root = root
        self._names = names
        self._skip = skip

    def look(self) -> Look:
        """Raises OSError when the folder itself cannot be read."""
        files: dict[str, Seen] = {}
        others: dict[str, Seen] = {}
        links: list[str] = []
        folders: list[str] = []
        self._look(self.root, "", files, others, links, folders)
        return Look(files, others, links, sorted(folders))

    def _look(
        self, path: Path, prefix: str, files: dict[str, Seen], others: dict[str, Seen], links: list[str],
        folders: list[str],
    ) -> None:  # fmt: skip
        with os.scandir(path) as entries:
            folders.append(str(path))
            for entry in entries:
                name = f"{prefix}{entry.name}"
                wanted = self._names.wanted(name)
                if entry.is_symlink():
                    if wanted:
                        links.append(name)
                elif entry.is_dir(follow_symlinks=False):
                    if prefix.count("/") < self._names.depth and Path(entry.path) != self._skip:
                        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                            # Gone, or not for us: what the others wrote is still read.
                            self._look(Path(entry.path), f"{name}/", files, others, links, folders)
                elif wanted or self._names.belongs(name):
                    found = _seen(entry)
                    if found is not None:
                        (files if wanted else others)[name] = found

    def whole(self, names: Sequence[str], most: int) -> Whole:
        """These files, one behind the other. Raises OSError, Changed, TooLarge."""
        digest = hashlib.sha256()
        data = bytearray()
        size = mtime = 0
        for name in names:
            with self._open(name) as file:
                before = os.fstat(file)
                if size + before.st_size > most:
                    raise TooLarge(f"{name} has {before.st_size} bytes; allowed: {most}")
                if data and not data.endswith((b"\n", b"\r")):
                    data += b"\n"
                start = len(data)
                while part := os.read(file, min(_CHUNK, before.st_size - (len(data) - start) + 1)):
                    data += part
                    if len(data) - start > before.st_size:
                        raise Changed(name)
                digest.update(memoryview(data)[start:].tobytes())
                after = os.fstat(file)
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise Changed(name)
                size += after.st_size
                mtime = max(mtime, after.st_mtime_ns)
        return Whole(bytes(data), Seen(size, mtime), digest.hexdigest())

    def pieces(self, name: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, list[bytes]]:
        """The file's size, and what is in each range (start, most bytes). Raises OSError."""
        with self._open(name) as file:
            return os.fstat(file).st_size, [_at(file, start, most) for start, most in ranges]

    def tidy(self, name: str, read: Seen, look: Look, target: Path | None) -> Path | None:
        """Delete the file and all that goes with it, or move it, unless it is no longer as it was read.

        Returns where the file was moved to. Raises OSError, Changed. What is gone already is no failure.
        """
        moved: Path | None = None
        size = mtime = 0
        for each in (name, *self._names.parts(name)):
            with self._open(each) as file:
                found = os.fstat(file)
                size, mtime = size + found.st_size, max(mtime, found.st_mtime_ns)
        if Seen(size, mtime) != read:
            raise Changed(name)
        for each in self.belonging(name, look):
            with self._parent(each) as (folder, base), suppress(FileNotFoundError):
                if target is None:
                    os.unlink(base, dir_fd=folder)
                else:
                    moved = _free(target / each)
                    os.rename(base, moved, src_dir_fd=folder)
        return moved

    def belonging(self, name: str, look: Look) -> list[str]:
        """The file and all that goes with it, of what is there. The file last: a half tidied set is tidied again."""
        trigger = self._names.trigger(name)
        patterns = self._names.beside(name)
        found = [*self._names.parts(name), *((trigger,) if trigger is not None else ())]
        found += [each for each in look.others if any(pattern.fullmatch(each) for pattern in patterns)]
        return [*dict.fromkeys(each for each in found if each in look.others), name]

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The folder that a name is in, opened step by step, and its last part."""
        *folders, base = name.split("/")
        folder = os.open(self.root, _DIRECTORY)
        try:
            for each in folders:
                below = os.open(each, _DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder, base
        finally:
            os.close(folder)

    @contextmanager
    def _open(self, name: str) -> Iterator[int]:
        with self._parent(name) as (folder, base):
            file = os.open(base, _FILE, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise PermissionError(f"{name} is no file")
            yield file
        finally:
            os.close(file)


def _free(wanted: Path) -> Path:
    """With a number behind where the name is taken."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    free, number = wanted, 0
    while os.path.lexists(free):
        number += 1
        free = wanted.with_name(f"{wanted.name}.{number}")
    return free


def _seen(entry: os.DirEntry[str]) -> Seen | None:
    """None for what is no plain file, or is gone again."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Seen(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _at(file: int, start: int, most: int) -> bytes:
    found = bytearray()
    while len(found) < most and (part := os.pread(file, min(_CHUNK, most - len(found)), start + len(found))):
        found += part
    return bytes(found)
