"""Events as rows of a table, for `lineside events --format`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gateway.cli.table_file import Column, Row
from gateway.core.times import parse_rfc3339

COLUMNS = (
    Column("journal"), Column("seq", "whole"), Column("id"), Column("time", "time"), Column("received", "time"),
    Column("time_quality"), Column("line"), Column("station"), Column("lane", "whole"), Column("stage"),
    Column("message"), Column("origin"), Column("transaction"), Column("units"), Column("body"),
)  # fmt: skip
"""`units` are the ids as a JSON array, `body` is the CFX body as JSON, as it stands in the event."""


class _Event(msgspec.Struct, frozen=True):
    journal: str
    seq: int
    id: str
    time: str
    received: str
    time_quality: str
    line: str | None
    station: str | None
    lane: int | None
    stage: str | None
    message: str
    origin: str
    transaction: str | None
    units: msgspec.Raw
    body: msgspec.Raw


_decode = msgspec.json.Decoder(_Event).decode


def rows(events: Iterable[bytes]) -> Iterator[Row]:
    """events: JSON, as the API gives them."""
    for text in events:
        one = _decode(text)
        yield (
            one.journal, one.seq, one.id, parse_rfc3339(one.time), parse_rfc3339(one.received), one.time_quality,
            one.line, one.station, one.lane, one.stage, one.message, one.origin, one.transaction,
            bytes(one.units).decode(), bytes(one.body).decode(),
        )  # fmt: skip
