"""What a delivery says, as an item for the writer, and the source whose queue it waits in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.core.adapter import Adapter
from gateway.core.errors import DecodeError
from gateway.core.frame import POSITION, Delivery
from gateway.core.observation import CfxMessage, Lines, Observation, Readings, Record, Unreadable
from gateway.ingest.acks import Ticket
from gateway.ingest.queues import Item, Refusal

log = logging.getLogger("lineside.ingest")

_PACKED = 4096


def is_heavy(payload: bytes, limit: int) -> bool:
    """Whether decoding it would hold up the event loop. What is compressed may be a thousand times as large."""
    return len(payload) > (_PACKED if payload.startswith((b"\x1f\x8b", b"H4sI")) else limit)


def decoded(adapter: Adapter, delivery: Delivery, ticket: Ticket | None) -> Item:
    """Decode it. What cannot be decoded has a refusal in place of observations. `size` is what it holds of our memory."""
    frame = delivery.frame
    observations: Sequence[Observation] = ()
    refusal = None
    try:
        observations = adapter.decode(frame)
    except DecodeError as error:
        refusal = Refusal(error.reason, str(error))
    except Exception as error:  # a defect of the adapter's: the message must not come back for ever
        log.exception("%s: cannot decode a message of %d bytes", adapter.name, len(frame.payload))
        refusal = Refusal("decode-failed", f"{type(error).__name__}: {error}")
    size = len(frame.payload)
    for observation in observations:
        if isinstance(observation, CfxMessage | Unreadable):
            size += len(observation.raw)
    return Item(
        adapter.name,
        adapter.protocol,
        delivery=delivery,
        ticket=ticket,
        observations=observations,
        refusal=refusal,
        size=size,
    )


def source_of(item: Item) -> str:
    """Whose queue it goes to, of a delivery."""
    assert item.delivery is not None
    if POSITION in item.delivery.frame.meta:
        # What can be read and what cannot go different ways, and a position must not overtake what lies before it.
        return item.connection
    for observation in item.observations:
        if isinstance(observation, CfxMessage):
            return f"{item.connection} {observation.source or ''}"
        if isinstance(observation, Readings | Record | Lines):
            return station_source(item.connection, observation.station)
    return item.connection


def station_source(connection: str, station: str) -> str:
    """Of a station without CFX."""
    return f"{connection} {station}"
