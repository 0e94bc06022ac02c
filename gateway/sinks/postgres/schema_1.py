"""The tables of the first version of the history, and the functions that fill them."""

from __future__ import annotations

LOCK_SCHEMA = 0x4C53_0001
"""Advisory lock: who changes tables."""
LOCK_POSITION = 0x4C53_0002
"""Advisory lock: who gives positions. Held until the commit is visible, so positions become visible in their order."""


_TABLES = """
CREATE TABLE lineside.history (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id text NOT NULL,
  head bigint NOT NULL,
  version integer NOT NULL,
  needs integer NOT NULL,
  layout text NOT NULL);

CREATE TABLE lineside.journal (
  id text PRIMARY KEY,
  site text NOT NULL,
  gateway text NOT NULL,
  seq bigint NOT NULL,
  sample bigint NOT NULL,
  first_at timestamptz NOT NULL DEFAULT now(),
  last_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE lineside.event (
  position bigint NOT NULL,
  journal text NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  time timestamptz NOT NULL,
  received timestamptz NOT NULL,
  time_quality text NOT NULL,
  clock_offset_ms bigint,
  site text NOT NULL,
  gateway text NOT NULL,
  line text,
  station text,
  lane bigint,
  stage text,
  handle text,
  message text NOT NULL,
  origin text NOT NULL,
  transaction text,
  revises uuid,
  possible_copy_of uuid,
  units text[],
  unit_refs json,
  cfx_version text,
  cfx_timestamp text,
  cfx_target text,
  cfx_request text,
  body bytea NOT NULL,
  before bytea,
  after bytea,
  raw bytea,
  long json)/* by time */;

CREATE TABLE lineside.station (
  site text NOT NULL,
  gateway text NOT NULL,
  station text NOT NULL,
  line text,
  last_position bigint NOT NULL,
  PRIMARY KEY (site, gateway, station));

CREATE TABLE lineside.refused (
  journal text NOT NULL,
  seq bigint NOT NULL,
  reason text NOT NULL,
  event bytea NOT NULL,
  PRIMARY KEY (journal, seq));

CREATE TABLE lineside.series (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  site text NOT NULL,
  gateway text NOT NULL,
  station text NOT NULL,
  signal text NOT NULL,
  unit text);
CREATE UNIQUE INDEX series_name ON lineside.series (site, gateway, station, signal, coalesce(unit, ''));

CREATE TABLE lineside.sample (
  series integer NOT NULL,
  time timestamptz NOT NULL,
  received timestamptz NOT NULL,
  n bigint NOT NULL,
  kind smallint NOT NULL,
  quality smallint NOT NULL,
  value double precision,
  text text)/* by time */;
"""

_HYPERTABLES = """
SELECT create_hypertable('lineside.event', 'received', chunk_time_interval => INTERVAL '1 month', create_default_indexes => false);
SELECT create_hypertable('lineside.sample', 'received', chunk_time_interval => INTERVAL '7 days', create_default_indexes => false);
"""

_INDEXES = """
CREATE UNIQUE INDEX event_journal_seq ON lineside.event (journal, seq, received);
CREATE INDEX event_position ON lineside.event (position);
CREATE INDEX event_id ON lineside.event (id);
CREATE INDEX event_station ON lineside.event (station, position);
CREATE INDEX event_message ON lineside.event (message, position);
CREATE INDEX event_units ON lineside.event USING gin (units);
CREATE INDEX event_time ON lineside.event USING brin (time);
CREATE INDEX sample_series ON lineside.sample (series, time);
"""

_TAKE_EVENTS = f"""
CREATE FUNCTION lineside.take_events(
  p_journal text, p_after bigint, p_upto bigint,
  p_seq bigint[], p_id uuid[], p_time timestamptz[], p_received timestamptz[], p_time_quality text[],
  p_clock_offset_ms bigint[], p_site text[], p_gateway text[], p_line text[], p_station text[], p_lane bigint[],
  p_stage text[], p_handle text[], p_message text[], p_origin text[], p_transaction text[], p_revises uuid[],
  p_possible_copy_of uuid[], p_units text[], p_unit_refs text[], p_cfx_version text[], p_cfx_timestamp text[],
  p_cfx_target text[], p_cfx_request text[], p_body bytea[], p_before bytea[], p_after_body bytea[], p_raw bytea[],
  p_long text[]) RETURNS bigint LANGUAGE plpgsql AS $take$
DECLARE
  known bigint;
  base bigint;
BEGIN
  SELECT j.seq INTO known FROM lineside.journal j WHERE j.id = p_journal FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RETURN known;
  END IF;
  IF cardinality(p_seq) > 0 THEN
    PERFORM pg_advisory_xact_lock({LOCK_POSITION});
    UPDATE lineside.history h SET head = h.head + cardinality(p_seq) RETURNING h.head - cardinality(p_seq) INTO base;
    INSERT INTO lineside.event
      SELECT base + t.place, p_journal, t.seq, t.id, t.time, t.received, t.time_quality, t.clock_offset_ms, t.site,
        t.gateway, t.line, t.station, t.lane, t.stage, t.handle, t.message, t.origin, t.transaction, t.revises,
        t.possible_copy_of, t.units::text[], t.unit_refs::json, t.cfx_version, t.cfx_timestamp, t.cfx_target,
        t.cfx_request, t.body, t.before, t.after_body, t.raw, t.long::json
      FROM unnest(p_seq, p_id, p_time, p_received, p_time_quality, p_clock_offset_ms, p_site, p_gateway, p_line,
        p_station, p_lane, p_stage, p_handle, p_message, p_origin, p_transaction, p_revises, p_possible_copy_of,
        p_units, p_unit_refs, p_cfx_version, p_cfx_timestamp, p_cfx_target, p_cfx_request, p_body, p_before,
        p_after_body, p_raw, p_long) WITH ORDINALITY
        AS t(seq, id, time, received, time_quality, clock_offset_ms, site, gateway, line, station, lane, stage, handle,
          message, origin, transaction, revises, possible_copy_of, units, unit_refs, cfx_version, cfx_timestamp,
          cfx_target, cfx_request, body, before, after_body, raw, long, place);
    INSERT INTO lineside.station
      SELECT DISTINCT ON (t.site, t.gateway, t.station) t.site, t.gateway, t.station, t.line, base + t.place
      FROM unnest(p_site, p_gateway, p_station, p_line) WITH ORDINALITY AS t(site, gateway, station, line, place)
      WHERE t.station IS NOT NULL ORDER BY t.site, t.gateway, t.station, t.place DESC
      ON CONFLICT (site, gateway, station) DO UPDATE SET line = excluded.line, last_position = excluded.last_position;
  END IF;
  UPDATE lineside.journal SET seq = p_upto, last_at = now() WHERE id = p_journal;
  RETURN p_upto;
END $take$;
"""

_TAKE_SAMPLES = """
CREATE FUNCTION lineside.take_samples(
  p_journal text, p_after bigint, p_upto bigint,
  p_series integer[], p_time timestamptz[], p_received timestamptz[], p_n bigint[], p_kind smallint[],
  p_quality smallint[], p_value double precision[], p_text text[]) RETURNS bigint LANGUAGE plpgsql AS $take$
DECLARE
  known bigint;
BEGIN
  SELECT j.sample INTO known FROM lineside.journal j WHERE j.id = p_journal FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RETURN known;
  END IF;
  INSERT INTO lineside.sample
    SELECT * FROM unnest(p_series, p_time, p_received, p_n, p_kind, p_quality, p_value, p_text);
  UPDATE lineside.journal SET sample = p_upto, last_at = now() WHERE id = p_journal;
  RETURN p_upto;
END $take$;
"""

TEXT = _TABLES
NATIVE = _INDEXES + _TAKE_EVENTS + _TAKE_SAMPLES
TIMESCALEDB = _HYPERTABLES + NATIVE
