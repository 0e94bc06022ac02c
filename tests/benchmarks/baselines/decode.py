"""One envelope, read with msgspec alone."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec


class _Dated(msgspec.Struct):
    MessageName: str
    Version: str
    TimeStamp: datetime
    UniqueID: UUID
    Source: str | None
    Target: str | None
    RequestID: str | None
    MessageBody: dict[str, Any]


_dated = msgspec.json.Decoder(_Dated)


def decode(payload: bytes) -> object:
    """msgspec's typed decode with date-time and UUID, the body as dict; `json.format`; one digest."""
    text = msgspec.json.format(payload, indent=-1)
    return _dated.decode(payload), blake2b(text, digest_size=16).digest()
