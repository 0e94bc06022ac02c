"""What version 3 of the history adds: batches that come by COPY. The functions that take arrays stay, for older gateways."""

from __future__ import annotations

from gateway.sinks.postgres.schema_1 import LOCK_POSITION
from gateway.sinks.postgres.schema_2 import CHANNEL

_EVENT = (
    "seq, id, time, received, time_quality, clock_offset_ms, site, gateway, line, station, lane, stage, handle, message, "
    "origin, transaction, revises, possible_copy_of, units, unit_refs, cfx_version, cfx_timestamp, cfx_target, "
    "cfx_request, body, before, after, raw, long"
)
_SAMPLE = "series, time, received, n, kind, quality, value, text"

# Tables of the session alone: nothing of them is in the write-ahead log, and every commit empties them. The journal is
# kept as a setting of the session because the calls below are sent together with their COMMIT, as bare text. Events of up
# to a page stay whole, neither compressed nor cut up for the short time that they are there.
_OPEN_BATCHES = f"""
CREATE FUNCTION lineside.open_batches(p_journal text) RETURNS void LANGUAGE plpgsql AS $open$
BEGIN
  PERFORM set_config('lineside.journal', p_journal, false);
  CREATE TEMP TABLE batch_event WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS
    AS SELECT {_EVENT} FROM lineside.event WITH NO DATA;
  CREATE TEMP TABLE batch_sample ON COMMIT DELETE ROWS AS SELECT {_SAMPLE} FROM lineside.sample WITH NO DATA;
END $open$;
"""

_TAKE_EVENTS = f"""
CREATE FUNCTION lineside.take_copied_events(p_after bigint, p_upto bigint) RETURNS void LANGUAGE plpgsql AS $take$
DECLARE
  own constant text := current_setting('lineside.journal');
  known bigint;
  base bigint;
  many bigint;
  others text[];
BEGIN
  SELECT j.seq INTO known FROM lineside.journal j WHERE j.id = own FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RAISE EXCEPTION 'another connection writes journal % too, and has it at % by now', own, known;
  END IF;
  -- Where this gateway had another journal before, this one was put back from a backup or salvaged: what the other one
  -- brought comes again, from the file and from brokers and files that are read anew.
  SELECT array_agg(o.id) INTO others FROM lineside.journal o JOIN lineside.journal j USING (site, gateway)
    WHERE j.id = own AND o.id <> own;
  IF others IS NOT NULL THEN
    DELETE FROM pg_temp.batch_event t WHERE EXISTS (SELECT FROM lineside.event e WHERE e.id = t.id
      AND e.journal = ANY(others) AND e.time = t.time AND e.message = t.message AND e.body = t.body);
  END IF;
  SELECT count(*) INTO many FROM pg_temp.batch_event;
  IF many > 0 THEN
    PERFORM pg_advisory_xact_lock({LOCK_POSITION});
    UPDATE lineside.history h SET head = h.head + many RETURNING h.head - many INTO base;
    WITH stored AS (
      INSERT INTO lineside.event (position, journal, {_EVENT})
        SELECT base + row_number() OVER (ORDER BY seq), own, {_EVENT} FROM pg_temp.batch_event
        RETURNING position, site, gateway, station, line, message)
    INSERT INTO lineside.station AS s (site, gateway, station, line, last_position, state_position)
      SELECT n.site, n.gateway, n.station, (array_agg(n.line ORDER BY n.position DESC))[1], max(n.position),
        max(n.position) FILTER (WHERE n.message = 'CFX.ResourcePerformance.StationStateChanged')
      FROM stored n WHERE n.station IS NOT NULL GROUP BY n.site, n.gateway, n.station
      ON CONFLICT (site, gateway, station) DO UPDATE SET line = excluded.line, last_position = excluded.last_position,
        state_position = coalesce(excluded.state_position, s.state_position);
    IF EXISTS (SELECT FROM pg_temp.batch_event t WHERE t.message = 'Lineside.ObservationGap') THEN
      PERFORM lineside.note_gaps(base);
    END IF;
    PERFORM pg_notify('{CHANNEL}', '');
  END IF;
  UPDATE lineside.journal SET seq = p_upto, last_at = now() WHERE id = own;
END $take$;
"""

# The numbers of a gateway's samples go on where those of its journal before ended: by them a signal is read as it arrived.
_TAKE_SAMPLES = f"""
CREATE FUNCTION lineside.take_copied_samples(p_after bigint, p_upto bigint) RETURNS void LANGUAGE plpgsql AS $take$
DECLARE
  own constant text := current_setting('lineside.journal');
  known bigint;
  base bigint;
BEGIN
  SELECT j.sample, j.sample_base INTO known, base FROM lineside.journal j WHERE j.id = own FOR UPDATE;
  IF known IS DISTINCT FROM p_after THEN
    RAISE EXCEPTION 'another connection writes journal % too, and has it at % by now', own, known;
  END IF;
  IF base IS NULL THEN
    SELECT coalesce(max(o.sample_base + o.sample), 0) INTO base
      FROM lineside.journal o JOIN lineside.journal j USING (site, gateway) WHERE j.id = own AND o.id <> own;
    UPDATE lineside.journal SET sample_base = base WHERE id = own;
  END IF;
  INSERT INTO lineside.sample ({_SAMPLE})
    SELECT t.series, t.time, t.received, base + t.n, t.kind, t.quality, t.value, t.text
    FROM pg_temp.batch_sample t
    WHERE base = 0 OR NOT EXISTS (SELECT FROM lineside.sample s WHERE s.series = t.series AND s.time = t.time
      AND s.received = t.received AND s.n <= base);
  UPDATE lineside.journal SET sample = p_upto, last_at = now() WHERE id = own;
END $take$;
"""

TEXT = _OPEN_BATCHES + _TAKE_EVENTS + _TAKE_SAMPLES
