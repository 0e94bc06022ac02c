"""What was in which file, of several that the gateway had read as one.

It puts them one behind the other, with a line end between two of which the first has none at its end; the size and the digest
are of the files themselves.
"""

from __future__ import annotations

from hashlib import sha256

_MOST_WORK = 1 << 31
"""Bytes that are hashed to find out where a line end was put in."""


def split(payload: bytes, parts: int, size: int, digest: str) -> list[bytes]:
    """Contents of so many files that are read as this again. They have this size and digest together too, where it can be found
    out how: not of a capture in which identifiers are replaced, nor where several line ends were put in."""
    added = len(payload) - size
    at = _added(payload, digest) if added == 1 and parts > 1 else None
    if at is not None:
        return [*_placed(parts - 1, payload[:at], parts - 2), payload[at + 1 :]]
    # An empty file gets no line end behind it, and one that ends with one neither.
    first = parts == 1 or payload.endswith((b"\n", b"\r"))
    return _placed(parts, payload, 0 if first else parts - 1)


def _placed(parts: int, data: bytes, at: int) -> list[bytes]:
    return [data if number == at else b"" for number in range(parts)]


def _added(payload: bytes, digest: str) -> int | None:
    """Of which line end the digest knows nothing; from the end, since that is where it often is."""
    if payload.count(b"\n") * len(payload) > _MOST_WORK:
        return None
    at = payload.rfind(b"\n")
    while at >= 0:
        tried = sha256(payload[:at])
        tried.update(payload[at + 1 :])
        if tried.hexdigest() == digest:
            return at
        at = payload.rfind(b"\n", 0, at)
    return None
