"""Where in a file a record or a line stood: what the ids of its events follow from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from adapters.files_ledger import marked
from gateway.core.frame import Frame
from gateway.core.observation import Passage, Record, Unreadable


def of_records(found: Sequence[Record | Unreadable], frame: Frame) -> list[Record | Unreadable]:
    """The records of a whole file. A record's place is its number among those of its name."""
    mark = marked(frame)
    version = f"{mark.size} {mark.mtime} {mark.sha256}"
    numbers: Counter[str] = Counter()
    made: list[Record | Unreadable] = []
    for each in found:
        if isinstance(each, Record):
            numbers[each.name] += 1
            at = f"{each.name} {numbers[each.name]}"
            passage = Passage(file=frame.channel, version=version, at=at, revised=mark.revision > 0)
            made.append(msgspec.structs.replace(each, passage=passage))
        else:
            made.append(each)
    return made


def of_lines(each: Sequence[str | Unreadable], frame: Frame, delimiter: bytes) -> tuple[Passage, ...]:
    """Of each line that can be read, in what was added to a file. A line's place is its first byte in the file.

    Its version is what it says, for the file is another one with each line; and the file's revision, for two shifts may
    begin with the same words.
    """
    mark = marked(frame)
    at = mark.offset - len(frame.payload)
    passages = []
    for line, read in zip(frame.payload.split(delimiter), each, strict=True):
        if isinstance(read, str):
            digest = blake2b(line, digest_size=16).hexdigest()
            passages.append(
                Passage(
                    file=frame.channel,
                    version=f"{mark.revision} {digest}",
                    at=str(at),
                    revised=mark.revision > 0,
                    grows=True,
                )
            )
        at += len(line) + len(delimiter)
    return tuple(passages)
