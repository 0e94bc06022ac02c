"""What version 2 of the history adds: who waits for events is told, gaps and states are found at once, samples are read by
time and by arrival, a journal that was put back brings nothing twice, and old months can be dropped."""

from __future__ import annotations

from gateway.sinks.postgres.schema_1 import LOCK_POSITION

CHANNEL = "lineside_events"
"""What is notified with every commit that adds events."""

_COLUMNS = """
ALTER TABLE lineside.station ADD COLUMN state_position bigint;
ALTER TABLE lineside.journal ADD COLUMN sample_base bigint;
UPDATE lineside.journal SET sample_base = 0;

CREATE TABLE lineside.gap (
  opened bigint PRIMARY KEY,
  site text NOT NULL,
  gateway text NOT NULL,
  id text NOT NULL,
  source text NOT NULL,
  station text,
  cause text NOT NULL,
  basis text,
  recovered text,
  start timestamptz NOT NULL,
  "end" timestamptz,
  closed bigint);
CREATE INDEX gap_id ON lineside.gap (id);
"""

# With what a plot needs in the index itself: the samples of one signal are far apart in the table, one to a page.
_SAMPLE_INDEXES = """
CREATE INDEX sample_time ON lineside.sample (series, time) INCLUDE (n, kind, quality, value);
CREATE INDEX sample_arrival ON lineside.sample (series, n);
DROP INDEX lineside.sample_series;
"""

# One that cannot be read is left out: it must not keep its events from being stored.
_NOTE_GAPS = """
CREATE FUNCTION lineside.note_gaps(p_after bigint) RETURNS void LANGUAGE plpgsql AS $note$
DECLARE
  e record;
  said json;
BEGIN
  FOR e IN
    SELECT v.position, v.site, v.gateway, coalesce(v.long->>'station', v.station) AS station, v.time, v.body
    FROM lineside.event v
    WHERE v.message = 'Lineside.ObservationGap' AND v.origin = 'gateway' AND v.position > p_after ORDER BY v.position
  LOOP
    BEGIN
      said := convert_from(e.body, 'UTF8')::json;
      IF said->>'State' = 'opened' THEN
        INSERT INTO lineside.gap (opened, site, gateway, id, source, station, cause, basis, start)
          VALUES (e.position, e.site, e.gateway, said->>'GapId', said->>'Source', e.station, said->>'Cause',
            said->>'Basis', coalesce((said->>'From')::timestamptz, e.time));
      ELSE
        UPDATE lineside.gap g SET "end" = coalesce((said->>'To')::timestamptz, e.time), closed = e.position,
            recovered = said->>'Recovered'
          WHERE g.id = said->>'GapId' AND g.site = e.site AND g.gateway = e.gateway AND g.closed IS NULL;
      END IF;
    EXCEPTION WHEN data_exception OR not_null_violation THEN NULL;
    END;
  END LOOP;
END $note$;
SELECT lineside.note_gaps(0);
"""

_TAKE_EVENTS = f"""
CREATE OR REPLACE FUNCTION lineside.take_events(
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
  many bigint;
  others text[];
  copies bigint[] := '{{}}';
BEGIN
  SELECT j.seq INTO known FROM lineside.journal j WHERE j.id = p_journal FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RETURN known;
  END IF;
  -- Where this gateway had another journal before, this one was put back from a backup or salvaged: what the other one
  -- brought comes again, from the file and from brokers and files that are read anew.
  SELECT array_agg(o.id) INTO others FROM lineside.journal o JOIN lineside.journal j USING (site, gateway)
    WHERE j.id = p_journal AND o.id <> p_journal;
  IF others IS NOT NULL AND cardinality(p_seq) > 0 THEN
    SELECT coalesce(array_agg(t.seq), '{{}}') INTO copies
      FROM unnest(p_seq, p_id, p_time, p_message, p_body) AS t(seq, id, time, message, body)
      WHERE EXISTS (SELECT FROM lineside.event e WHERE e.id = t.id AND e.journal = ANY(others) AND e.time = t.time
        AND e.message = t.message AND e.body = t.body);
  END IF;
  many := cardinality(p_seq) - cardinality(copies);
  IF many > 0 THEN
    PERFORM pg_advisory_xact_lock({LOCK_POSITION});
    UPDATE lineside.history h SET head = h.head + many RETURNING h.head - many INTO base;
    WITH stored AS (
      INSERT INTO lineside.event
        SELECT base + row_number() OVER (ORDER BY t.place), p_journal, t.seq, t.id, t.time, t.received, t.time_quality,
          t.clock_offset_ms, t.site, t.gateway, t.line, t.station, t.lane, t.stage, t.handle, t.message, t.origin,
          t.transaction, t.revises, t.possible_copy_of, t.units::text[], t.unit_refs::json, t.cfx_version,
          t.cfx_timestamp, t.cfx_target, t.cfx_request, t.body, t.before, t.after_body, t.raw, t.long::json
        FROM unnest(p_seq, p_id, p_time, p_received, p_time_quality, p_clock_offset_ms, p_site, p_gateway, p_line,
          p_station, p_lane, p_stage, p_handle, p_message, p_origin, p_transaction, p_revises, p_possible_copy_of,
          p_units, p_unit_refs, p_cfx_version, p_cfx_timestamp, p_cfx_target, p_cfx_request, p_body, p_before,
          p_after_body, p_raw, p_long) WITH ORDINALITY
          AS t(seq, id, time, received, time_quality, clock_offset_ms, site, gateway, line, station, lane, stage,
            handle, message, origin, transaction, revises, possible_copy_of, units, unit_refs, cfx_version,
            cfx_timestamp, cfx_target, cfx_request, body, before, after_body, raw, long, place)
        WHERE t.seq <> ALL(copies)
        RETURNING position, site, gateway, station, line, message)
    INSERT INTO lineside.station AS s (site, gateway, station, line, last_position, state_position)
      SELECT n.site, n.gateway, n.station, (array_agg(n.line ORDER BY n.position DESC))[1], max(n.position),
        max(n.position) FILTER (WHERE n.message = 'CFX.ResourcePerformance.StationStateChanged')
      FROM stored n WHERE n.station IS NOT NULL GROUP BY n.site, n.gateway, n.station
      ON CONFLICT (site, gateway, station) DO UPDATE SET line = excluded.line, last_position = excluded.last_position,
        state_position = coalesce(excluded.state_position, s.state_position);
    IF 'Lineside.ObservationGap' = ANY(p_message) THEN
      PERFORM lineside.note_gaps(base);
    END IF;
    PERFORM pg_notify('{CHANNEL}', '');
  END IF;
  UPDATE lineside.journal SET seq = p_upto, last_at = now() WHERE id = p_journal;
  RETURN p_upto;
END $take$;
"""

# The numbers of a gateway's samples go on where those of its journal before ended: by them a signal is read as it arrived.
_TAKE_SAMPLES = """
CREATE OR REPLACE FUNCTION lineside.take_samples(
  p_journal text, p_after bigint, p_upto bigint,
  p_series integer[], p_time timestamptz[], p_received timestamptz[], p_n bigint[], p_kind smallint[],
  p_quality smallint[], p_value double precision[], p_text text[]) RETURNS bigint LANGUAGE plpgsql AS $take$
DECLARE
  known bigint;
  base bigint;
BEGIN
  SELECT j.sample, j.sample_base INTO known, base FROM lineside.journal j WHERE j.id = p_journal FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RETURN known;
  END IF;
  IF base IS NULL THEN
    SELECT coalesce(max(o.sample_base + o.sample), 0) INTO base
      FROM lineside.journal o JOIN lineside.journal j USING (site, gateway) WHERE j.id = p_journal AND o.id <> p_journal;
    UPDATE lineside.journal SET sample_base = base WHERE id = p_journal;
  END IF;
  INSERT INTO lineside.sample
    SELECT t.series, t.time, t.received, base + t.n, t.kind, t.quality, t.value, t.text
    FROM unnest(p_series, p_time, p_received, p_n, p_kind, p_quality, p_value, p_text)
      AS t(series, time, received, n, kind, quality, value, text)
    WHERE base = 0 OR NOT EXISTS (SELECT FROM lineside.sample s WHERE s.series = t.series AND s.time = t.time
      AND s.received = t.received AND s.n <= base);
  UPDATE lineside.journal SET sample = p_upto, last_at = now() WHERE id = p_journal;
  RETURN p_upto;
END $take$;
"""

_DROP_MONTHS = """
CREATE FUNCTION lineside.drop_before(p_before timestamptz) RETURNS SETOF text LANGUAGE plpgsql AS $drop$
DECLARE
  month text;
BEGIN
  FOR month IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('lineside.event'::regclass, 'lineside.sample'::regclass)
      AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= p_before
    ORDER BY 1
  LOOP
    EXECUTE format('DROP TABLE lineside.%I', month);
    RETURN NEXT month;
  END LOOP;
END $drop$;
"""

_DROP_CHUNKS = """
CREATE FUNCTION lineside.drop_before(p_before timestamptz) RETURNS SETOF text LANGUAGE sql AS $drop$
  SELECT drop_chunks('lineside.event', p_before)::text
  UNION ALL SELECT drop_chunks('lineside.sample', p_before)::text
$drop$;
"""

TEXT = _COLUMNS + _SAMPLE_INDEXES + _NOTE_GAPS + _TAKE_EVENTS + _TAKE_SAMPLES
NATIVE, TIMESCALEDB = _DROP_MONTHS, _DROP_CHUNKS
