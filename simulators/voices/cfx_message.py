"""What a machine that speaks CFX puts out: messages, and that it has lost or found its network."""

from __future__ import annotations

from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from simulators.marks import Body


class Message(NamedTuple):
    """A name of the catalogue, and the body with marks for times in it (`simulators.marks`)."""

    name: str
    body: Body


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A message with all that its envelope needs. source: the machine's handle. at: virtual second of its TimeStamp.

    zone: of a machine that writes its local time without an offset; None of one that writes UTC.
    """

    source: str
    name: str
    body: Body
    unique_id: str
    at: float
    zone: ZoneInfo | None = None


class Link(msgspec.Struct, frozen=True):
    """The machine's network is there again, or gone. What it says meanwhile is kept, and sent in one burst after."""

    up: bool


Output = Spoken | Link
