"""The event: a CFX message as every reader gets it, the same over every transport."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gateway.core.times import Micros, rfc3339


class Role(StrEnum):
    """What an identifier in a message stands for."""

    UNIT = "unit"
    PANEL = "panel"
    CARRIER = "carrier"
    MAGAZINE = "magazine"
    TOOL = "tool"


class UnitRef(msgspec.Struct, frozen=True, gc=False):
    """A unit as a message names it. `position` is the 1-based CFX PositionNumber; `status` is CFX UnitStatus."""

    id: str | None
    position: int | None = None
    role: Role = Role.UNIT
    status: str | None = None


class Origin(StrEnum):
    NATIVE = "native"  # the machine sent this CFX message
    DERIVED = "derived"  # made from what the machine said in another way
    GATEWAY = "gateway"  # Lineside.*: about the gateway's own sight of the machines


class TimeQuality(StrEnum):
    """How far `time` can be trusted: the first that applies."""

    GATEWAY = "gateway"  # the machine gave no time
    SUSPECT = "suspect"  # clock off by more than 500 ms, an impossible date, an ambiguous local hour
    DELAYED = "delayed"  # arrived more than 60 s after it
    COARSE = "coarse"  # whole seconds
    GOOD = "good"


class CfxHeader(msgspec.Struct, frozen=True, gc=False):
    """What the envelope said beside the body; only on native events."""

    version: str | None
    timestamp: str | None
    target: str | None
    request_id: str | None


class Event(msgspec.Struct, kw_only=True, gc=False):
    """One event of the journal. `seq` is 0 until the writer numbers it.

    Identifiers are UUIDs in their canonical text. `body` is JSON text, tokens as the machine wrote them; `raw` the bytes
    as received. `also_units` are the transaction's units known when it was stored: they match a `unit` filter but
    are not part of the event.
    """

    id: str
    time: Micros
    received: Micros
    message: str
    origin: Origin
    body: bytes
    seq: int = 0
    time_quality: TimeQuality = TimeQuality.GOOD
    clock_offset_ms: int | None = None
    line: str | None = None
    station: str | None = None
    lane: int | None = None
    stage: str | None = None
    handle: str | None = None
    transaction: str | None = None
    revises: str | None = None
    possible_copy_of: str | None = None
    unit_refs: tuple[UnitRef, ...] = ()
    cfx: CfxHeader | None = None
    raw: bytes = b""
    also_units: tuple[str, ...] = ()

    @property
    def units(self) -> list[str]:
        """Every identifier in the body once, in order of appearance."""
        return list(dict.fromkeys([ref.id for ref in self.unit_refs if ref.id is not None]))


class Document(msgspec.Struct, frozen=True, gc=False):
    """The JSON form of an event; its field order is the documented one."""

    v: int
    journal: str
    seq: int
    id: str
    time: str
    received: str
    time_quality: TimeQuality
    clock_offset_ms: int | None
    site: str
    gateway: str
    line: str | None
    station: str | None
    lane: int | None
    stage: str | None
    handle: str | None
    message: str
    origin: Origin
    transaction: str | None
    revises: str | None
    possible_copy_of: str | None
    units: list[str]
    unit_refs: tuple[UnitRef, ...]
    cfx: CfxHeader | None
    body: msgspec.Raw | None


class Place(msgspec.Struct, frozen=True):
    """Where events come from: the part of an event that is the gateway's own."""

    journal: str
    site: str
    gateway: str


_encoder = msgspec.json.Encoder()


def encode(event: Event, place: Place, *, body: bool = True) -> bytes:
    """The event as one line of JSON, UTF-8. `body=False` writes null in its place."""
    return _encoder.encode(
        Document(
            1,
            place.journal,
            event.seq,
            event.id,
            rfc3339(event.time),
            rfc3339(event.received),
            event.time_quality,
            event.clock_offset_ms,
            place.site,
            place.gateway,
            event.line,
            event.station,
            event.lane,
            event.stage,
            event.handle,
            event.message,
            event.origin,
            event.transaction,
            event.revises,
            event.possible_copy_of,
            event.units,
            event.unit_refs,
            event.cfx,
            msgspec.Raw(event.body) if body else None,
        )
    )
