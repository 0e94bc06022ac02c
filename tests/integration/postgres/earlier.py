"""How a gateway of schema 1 or 2 sends its journal: an array for each column. Such gateways write beside those of today."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.sinks.postgres.rows import EVENT_COLUMNS, SAMPLE_COLUMNS, event_row, sample_row
from gateway.sinks.sink import Batch
from gateway.sinks.source import Source
from tests.integration.postgres.journals import Line

_TYPES = {
    **dict.fromkeys(("seq", "clock_offset_ms", "lane"), "bigint"),
    **dict.fromkeys(("id", "revises", "possible_copy_of"), "uuid"),
    **dict.fromkeys(("time", "received"), "timestamptz"),
    **dict.fromkeys(("body", "before", "after", "raw"), "bytea"),
}
_REGISTER = (
    "INSERT INTO lineside.journal (id, site, gateway, seq, sample) VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING"
)
_EVENTS = "SELECT lineside.take_events($1, $2, $3, {})".format(
    ", ".join(f"${n}::{_TYPES.get(column, 'text')}[]" for n, column in enumerate(EVENT_COLUMNS, 4))
)
_SERIES = """
INSERT INTO lineside.series (site, gateway, station, signal, unit) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (site, gateway, station, signal, coalesce(unit, '')) DO UPDATE SET unit = excluded.unit RETURNING number
"""
_SAMPLES = """
SELECT lineside.take_samples($1, $2, $3, $4::integer[], $5::timestamptz[], $6::timestamptz[], $7::bigint[],
  $8::smallint[], $9::smallint[], $10::double precision[], $11::text[])
"""


async def send(connection: Any, of: Line) -> None:
    """What of a journal is not there yet; of its samples those of one series."""
    place = of.writer.place
    await connection.execute(_REGISTER, place.journal, place.site, place.gateway)
    after, sample = await connection.fetchrow("SELECT seq, sample FROM lineside.journal WHERE id = $1", place.journal)
    source = Source(of.path, of.ingest.tail, Batch(events=1000, bytes=1 << 20, samples=1000))
    try:
        events, samples = await source.events(after), await source.samples(sample)
    finally:
        source.close()
    columns = _columns([_flat(event_row(placed)) for placed in events.events], len(EVENT_COLUMNS))
    assert await connection.fetchval(_EVENTS, place.journal, after, events.upto, *columns) == events.upto
    first = samples.samples[0]
    series = await connection.fetchval(_SERIES, place.site, place.gateway, first.station, first.signal, first.unit)
    columns = _columns([sample_row(series, each) for each in samples.samples], len(SAMPLE_COLUMNS))
    assert await connection.fetchval(_SAMPLES, place.journal, sample, samples.upto, *columns) == samples.upto


def _flat(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """An array within an array as the text of one."""
    at = EVENT_COLUMNS.index("units")
    units = None if row[at] is None else "{" + ",".join(map(json.dumps, row[at])) + "}"
    return (*row[:at], units, *row[at + 1 :])


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[n] for row in rows] for n in range(width)]
