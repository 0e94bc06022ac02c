"""The journal's tables and their migrations.

A migration is O(1) in the amount of data: it adds tables, columns and empty indexes. What must be filled in for old rows
is done in the background by the writer, never while opening.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import NullType

APPLICATION_ID = 0x4C534A31  # "LSJ1" in the file's header: tells our journal from any other SQLite file

metadata = MetaData()

meta = Table("meta", metadata, Column("key", Text, primary_key=True), Column("value", Text))

event = Table(
    "event",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", LargeBinary),
    Column("time", Integer),
    Column("received", Integer),
    Column("place", Integer),
    Column("message", Integer),
    Column("origin", Integer),
    Column("quality", Integer),
    Column("offset_ms", Integer),
    Column("lane", Integer),
    Column("stage", Text),
    Column("work", Text),  # the CFX transaction; TRANSACTION is an SQL word
    Column("revises", LargeBinary),
    Column("copy_of", LargeBinary),
    Column("units", Text),
    Column("cfx_version", Text),
    Column("cfx_timestamp", Text),
    Column("cfx_target", Text),
    Column("cfx_request", Text),
    Column("digest", LargeBinary),
    # Lowest bit: the message has no insignificant white space. The rest: the dictionary with which it is packed, 0: it is
    # not (gateway/journal/bodies.py).
    Column("compact", Integer),
    Column("body_at", Integer),  # where the body starts in the compact text; -1: there is none
    Column("body_size", Integer),
    Column("raw", LargeBinary),
)

place = Table(
    "place",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text),
    Column("gateway", Text),
    Column("line", Text),
    Column("station", Text),
    Column("handle", Text),
)

message = Table("message", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
unit = Table("unit", metadata, Column("id", Integer, primary_key=True), Column("name", Text))
event_unit = Table(
    "event_unit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("unit", Integer, primary_key=True),
)

dedup = Table(
    "dedup",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("owner", Text),
    Column("digest", LargeBinary),
    Column("received", Integer),
    Column("repeats", Integer),
    Column("reused", Integer),
)

station_state = Table(
    "station_state",
    metadata,
    Column("station", Text, primary_key=True),
    Column("version", Integer),
    Column("at", Integer),
    Column("state", LargeBinary),
)

source_mark = Table(
    "source_mark",
    metadata,
    Column("source", Text, primary_key=True),
    Column("at", Integer),
)

source_position = Table(
    "source_position",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary),
)

gap = Table(
    "gap",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("station", Text),
    Column("source", Text),
    Column("cause", Text),
    Column("basis", Text),
    Column("recovered", Text),
    Column("start", Integer),
    Column("end", Integer),
    Column("opened_seq", Integer),
    Column("closed_seq", Integer),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text),
    Column("station", Text),
    Column("channel", Text),
    Column("reason", Text),
    Column("detail", Text),
    Column("digest", LargeBinary),
    Column("size", Integer),
    Column("first", Integer),
    Column("last", Integer),
    Column("count", Integer),
    Column("raw", LargeBinary),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station", Text),
    Column("signal", Text),
    Column("unit", Text),
    Column("removed", Integer),  # retention has removed samples of it up to this number
)

# Only ever appended to, in arrival order, and without an index: indexed, it takes in a sixth of the samples. A stretch of
# time is found by way of sample_block.
sample = Table(
    "sample",
    metadata,
    Column("n", Integer, primary_key=True),  # contiguous, given by the writer, never used again
    Column("series", Integer),
    Column("time", Integer),
    Column("received", Integer),
    Column("value", NullType),  # as it is, without affinity; a bool is a blob of one byte (gateway/journal/samples.py)
    Column("quality", Integer),
)

# One row for every thousand samples or so; the newest samples have none yet. What removes samples removes whole blocks
# and leaves the newest block's row, for numbering goes on from there.
sample_block = Table(
    "sample_block",
    metadata,
    Column("last", Integer, primary_key=True),
    Column("first", Integer),
    Column("earliest", Integer),
    Column("latest", Integer),
)

# The samples up to `samples_compacted` of meta, by series and by day of the machine's time; what of them is still in
# `sample` counts no more and is about to be deleted. See docs/samples.md.
sample_chunk = Table(
    "sample_chunk",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series", Integer),
    Column("day", Integer),  # since 1970, UTC, of all of its samples
    Column("first", Integer),
    Column("last", Integer),
    Column("earliest", Integer),
    Column("latest", Integer),
    Column("received", Integer),  # when the newest of them came in
    Column("count", Integer),
    Column("codec", Integer),
    Column("hours", LargeBinary),  # rollups, where they are worth it, made again whenever the chunk is
    Column("minutes", LargeBinary),
    Column("data", LargeBinary),
)

# When the samples of a station came that share their times; of a chunk that has none of its own.
sample_clock = Table(
    "sample_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station", Text),
    Column("first", Integer),
    Column("last", Integer),
    Column("codec", Integer),
    Column("data", LargeBinary),
)

_FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE place (id INTEGER PRIMARY KEY, site TEXT NOT NULL, gateway TEXT NOT NULL, line TEXT, station TEXT, handle TEXT);
CREATE TABLE message (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE event (
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL,
  place INTEGER NOT NULL, message INTEGER NOT NULL, origin INTEGER NOT NULL, quality INTEGER NOT NULL,
  offset_ms INTEGER, lane INTEGER, stage TEXT, work TEXT, revises BLOB, copy_of BLOB, units TEXT,
  cfx_version TEXT, cfx_timestamp TEXT, cfx_target TEXT, cfx_request TEXT, digest BLOB,
  compact INTEGER NOT NULL, body_at INTEGER NOT NULL, body_size INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE UNIQUE INDEX event_id ON event (id);
CREATE INDEX event_place ON event (place);
CREATE INDEX event_message ON event (message);
CREATE INDEX event_time ON event (time);
CREATE TABLE unit (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE event_unit (seq INTEGER NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY (seq, unit)) WITHOUT ROWID;
CREATE INDEX event_unit_unit ON event_unit (unit, seq);
CREATE TABLE dedup (id BLOB PRIMARY KEY, owner TEXT NOT NULL, digest BLOB, received INTEGER NOT NULL,
  repeats INTEGER NOT NULL, reused INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX dedup_received ON dedup (received);
CREATE TABLE station_state (station TEXT PRIMARY KEY, version INTEGER NOT NULL, at INTEGER NOT NULL, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE source_mark (source TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE source_position (source TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (source, key)) WITHOUT ROWID;
CREATE TABLE gap (id BLOB PRIMARY KEY, station TEXT, source TEXT NOT NULL, cause TEXT NOT NULL, basis TEXT NOT NULL,
  recovered TEXT, start INTEGER NOT NULL, "end" INTEGER, opened_seq INTEGER NOT NULL, closed_seq INTEGER) WITHOUT ROWID;
CREATE INDEX gap_opened ON gap (opened_seq);
CREATE TABLE quarantine (id INTEGER PRIMARY KEY, source TEXT NOT NULL, station TEXT, channel TEXT NOT NULL, reason TEXT NOT NULL,
  detail TEXT NOT NULL, digest BLOB NOT NULL, size INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  count INTEGER NOT NULL, raw BLOB NOT NULL);
CREATE INDEX quarantine_digest ON quarantine (digest);
"""

_SAMPLES = """
CREATE TABLE series (id INTEGER PRIMARY KEY, station TEXT NOT NULL, signal TEXT NOT NULL, unit TEXT, UNIQUE (station, signal, unit));
CREATE TABLE sample (n INTEGER PRIMARY KEY, series INTEGER NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL,
  value, quality INTEGER NOT NULL);
CREATE TABLE sample_block (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
"""

_CHUNKS = """
ALTER TABLE series ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE TABLE sample_chunk (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, day INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, earliest INTEGER NOT NULL, latest INTEGER NOT NULL,
  received INTEGER NOT NULL, count INTEGER NOT NULL, codec INTEGER NOT NULL, hours BLOB, minutes BLOB, data BLOB NOT NULL);
CREATE INDEX sample_chunk_series ON sample_chunk (series, day, first, last, earliest, latest, received, count);
CREATE INDEX sample_chunk_received ON sample_chunk (received);
CREATE INDEX sample_chunk_last ON sample_chunk (last, first);
CREATE TABLE sample_clock (id INTEGER PRIMARY KEY, station TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  codec INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX sample_clock_station ON sample_clock (station, last, first);
INSERT INTO meta SELECT 'samples_compacted', coalesce((SELECT min(n) - 1 FROM sample), (SELECT max(last) FROM sample_block), 0);
INSERT INTO meta SELECT 'samples_gone', value FROM meta WHERE key = 'samples_compacted';
"""

_PACKED = """
CREATE TABLE dictionary (number INTEGER PRIMARY KEY, learned INTEGER NOT NULL, ratio REAL NOT NULL, events INTEGER NOT NULL,
  before INTEGER NOT NULL, after INTEGER NOT NULL, first INTEGER, last INTEGER);
CREATE TABLE dictionary_copy (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE event_posting (place INTEGER NOT NULL, message INTEGER NOT NULL, origin INTEGER NOT NULL, block INTEGER NOT NULL,
  numbers BLOB NOT NULL, PRIMARY KEY (place, message, origin, block)) WITHOUT ROWID;
CREATE TABLE event_span (level INTEGER NOT NULL, number INTEGER NOT NULL, place INTEGER NOT NULL, earliest INTEGER NOT NULL,
  latest INTEGER NOT NULL, PRIMARY KEY (level, number, place)) WITHOUT ROWID;
INSERT INTO meta VALUES ('events_packed', '0');
INSERT INTO meta VALUES ('events_filed', '0');
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SAMPLES, _CHUNKS, _PACKED)
"""Migration n brings a file from `user_version` n to n + 1. Never edited once released, only added to."""

SUPERSEDED = ("event_place", "event_message", "event_time")
"""Indexes of migration 1 that `gateway.journal.postings` has taken the place of. A new journal does without; where there are
events already, dropping them would take too long, and they stay."""
