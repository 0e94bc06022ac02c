"""Identifiers that are computed: the same input gives the same id, on every machine and in every replay."""

from __future__ import annotations

import re
from functools import lru_cache
from uuid import UUID, uuid5

LINESIDE = UUID("6f1c8c1e-7d0b-5c39-9c52-3d1a5b0f4e77")
"""Namespace of everything that Lineside derives (RFC 9562, version 5)."""

ZERO = "00000000-0000-0000-0000-000000000000"
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_GUID = re.compile(
    r"[({]?([0-9a-fA-F]{8})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{4})-?([0-9a-fA-F]{12})[)}]?"
)


@lru_cache(maxsize=4096)
def namespace(owner: str) -> UUID:
    """Of one handle, or one station where machines have no handle."""
    return uuid5(LINESIDE, _safe(owner))


def derived(space: UUID, *parts: str) -> str:
    """UUID version 5 of the parts within `space`, as canonical text."""
    return str(uuid5(space, _safe("\n".join(parts))))


def guid(text: str | None) -> str | None:
    """Canonical text of a GUID in any of the forms .NET writes; None when it is none, or zero."""
    if text is None:
        return None
    if _CANONICAL.fullmatch(text):  # as nearly all are written
        return None if text == ZERO else text
    match = _GUID.fullmatch(text)
    if match is None:
        return None
    found = "-".join(match.groups()).lower()
    return None if found == ZERO else found


def _safe(text: str) -> str:
    # A lone surrogate cannot be encoded; uuid5 must not fail on what a machine calls itself.
    return text.encode("utf-8", "surrogatepass").decode("latin-1") if not text.isascii() else text
