"""The `[frame]` table of a text profile: whether its keys go together, and what a transport needs of it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.profile.bind_kinds import Complaint
from gateway.profile.grammar import Ask
from gateway.profile.tables_records import Frame
from gateway.transport.checksums import Checksum
from gateway.transport.framing import Framing

_FILES = ("lines", "document")
_STREAMS = ("lines", "stx-etx", "length", "pause")
_KEYS = {"length": ("length",), "checksum": ("stx-etx",)}
"""Keys that only some kinds have."""


def complaints(frame: Frame, protocol: str) -> Iterator[Complaint]:
    """Each with the key that it is about."""
    files = protocol == "files"
    kinds = _FILES if files else _STREAMS
    yield from _format(frame, files)
    if frame.kind not in kinds:
        yield "kind", f"{frame.kind!r} does not belong to {protocol}; allowed: {', '.join(kinds)}"
    for key, owners in _KEYS.items():
        if getattr(frame, key) is not None and frame.kind not in owners:
            yield key, f"does not belong to kind {frame.kind!r}; allowed with: {', '.join(owners)}"
    if frame.kind == "length" and frame.length is None:
        yield "length", "is missing: how many bytes has a text?"
    if frame.kind in ("length", "pause") and frame.pause is None:
        yield "pause", "is missing: after which silence is a text at its end, or given up?"
    for key in ("pause", "ask", "every"):
        if files and getattr(frame, key) is not None:
            yield key, "does not belong to files"
    if (frame.ask is None) is not (frame.every is None):
        yield ("every" if frame.every is None else "ask"), "is missing; ask and every belong together"
    if frame.encoding == "utf-16" and frame.kind != "document":
        yield "encoding", "'utf-16' has no line ends to be found by themselves; allowed with: document"
        return
    for key in ("delimiter", "ask"):
        try:
            (getattr(frame, key) or "").encode(frame.encoding)
        except UnicodeEncodeError:
            yield key, f"cannot be written in {frame.encoding}"


def _format(frame: Frame, files: bool) -> Iterator[Complaint]:
    if frame.format != "text" and not files:
        yield "format", "does not belong to a stream; allowed with: files"
    if frame.format in ("xml", "json"):
        if frame.kind != "document":
            yield "kind", f"{frame.format} can only be read as a whole; allowed: document"
        for key in ("ignore", "delimiter"):
            if key in frame.model_fields_set:
                yield key, f"does not belong to {frame.format}"
    for key in ("separator", "columns"):
        if frame.format != "csv" and getattr(frame, key):
            yield key, "does not belong here; allowed with: csv"


def framing(frame: Frame) -> Framing:
    """Of a frame without complaints. A document's is never asked for."""
    checksum = frame.checksum
    return Framing(
        kind="lines" if frame.kind == "document" else frame.kind,
        delimiter=frame.delimiter.encode(frame.encoding),
        length=frame.length or 0,
        checksum=None if checksum is None else Checksum(kind=checksum.kind, form=checksum.form, marks=checksum.marks),
        pause_s=frame.pause,
    )


def ask(frame: Frame) -> Ask | None:
    if frame.ask is None or frame.every is None:
        return None
    return Ask(frame.ask.encode(frame.encoding), frame.every)
