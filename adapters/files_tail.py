"""Files that grow all shift: what was added since, in whole lines. Everything here may block, on a thread."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from adapters.files_folder import Folder, Seen
from adapters.files_ledger import Mark

_CHUNK = 256 << 10
_WITNESS = 1 << 10
"""Bytes at the beginning of a file, and before where reading stopped, by which it is known to be the same."""


class Piece(msgspec.Struct, frozen=True):
    """What was added. mark: how far the file is read with it. data: whole lines; empty when there is nothing to tell.

    too_long: `data` is the beginning of a line that is too long.
    """

    mark: Mark
    data: bytes
    too_long: bool = False


def added(
    folder: Folder, name: str, seen: Seen, mark: Mark | None, *, delimiter: bytes, most_line: int
) -> Piece | None:
    """The next whole lines of a file, or None when there are none yet. Raises OSError.

    A file that does not begin as it did, is shorter than it was read, or has something else before that place, was
    rewritten: it is read from the beginning, as another revision.
    """
    mark = mark or Mark()
    most = most_line + len(delimiter)
    first = min(_CHUNK, most)
    at = mark.offset
    ranges = [(0, min(_WITNESS, at)), (max(0, at - _WITNESS), min(_WITNESS, at)), (at, first)]
    size, (head, last, data) = folder.pieces(name, ranges)
    if at and (size < at or _digest(head) != mark.head or _digest(last) != mark.last):
        mark = Mark(revision=mark.revision + 1)
        at = 0
        _, (data,) = folder.pieces(name, [(0, first)])
    mark = msgspec.structs.replace(mark, size=seen.size, mtime=seen.mtime)
    if mark.within:
        return _passed_over(folder, name, mark, data, delimiter)
    end = data.rfind(delimiter)
    if end < 0 and first <= len(data) < most:
        _, (data,) = folder.pieces(name, [(at, most)])
        end = data.find(delimiter)
    if end >= 0:
        end += len(delimiter)
        return Piece(_at(folder, name, mark, at + end), data[:end])
    if len(data) < most:
        return None
    return Piece(_at(folder, name, mark, at + most_line, within=True), data[:most_line], too_long=True)


def _passed_over(folder: Folder, name: str, mark: Mark, data: bytes, delimiter: bytes) -> Piece | None:
    """The rest of a line that is too long, as far as it is there."""
    at = mark.offset
    while len(data) >= len(delimiter):
        end = data.find(delimiter)
        if end >= 0:
            return Piece(_at(folder, name, mark, at + end + len(delimiter)), b"")
        at += len(data) - len(delimiter) + 1  # it may be cut in two
        _, (data,) = folder.pieces(name, [(at, _CHUNK)])
    return Piece(_at(folder, name, mark, at, within=True), b"") if at > mark.offset else None


def _at(folder: Folder, name: str, mark: Mark, offset: int, *, within: bool = False) -> Mark:
    witness = min(_WITNESS, offset)
    _, (head, last) = folder.pieces(name, [(0, witness), (offset - witness, witness)])
    return msgspec.structs.replace(mark, offset=offset, head=_digest(head), last=_digest(last), within=within)


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:32]
