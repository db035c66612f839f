"""Append to several streams in one statement, without ever waiting for one of them.

`p_batch` holds an object per stream: what `events_append` takes, by name. All or nothing:
SQLSTATE DB001 when a stream has moved, DB003 (group_commit.STREAM_BUSY) when another
transaction is writing one. enable_seqscan is off as in 0003.
"""

from django.db import migrations

# Lock class 1 is events.locks.LockClass.STREAM.
APPEND_MANY = """
CREATE FUNCTION events_append_many(p_batch json) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  key text;
  moved record;
  appended integer;
BEGIN
  FOR key IN SELECT stream FROM json_to_recordset(p_batch) AS one (stream text) LOOP
    IF NOT pg_try_advisory_xact_lock(1, hashtext(key)) THEN
      RAISE EXCEPTION 'stream % is being written', key USING ERRCODE = 'DB003';
    END IF;
  END LOOP;
  -- Backward scans of events_one_event_per_sequence.
  SELECT one.stream, one.expected, head.sequence INTO moved
    FROM json_to_recordset(p_batch) AS one (stream text, expected integer)
   CROSS JOIN LATERAL (
     SELECT coalesce((SELECT e.sequence FROM events_event e WHERE e.stream = one.stream
                      ORDER BY e.sequence DESC LIMIT 1), 0) AS sequence
   ) head
   WHERE head.sequence <> one.expected LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'stream % is at %, not at %', moved.stream, moved.sequence, moved.expected
      USING ERRCODE = 'DB001', DETAIL = moved.sequence::text;
  END IF;
  WITH written AS (
    INSERT INTO events_event (
      stream, sequence, event_id, name, version, category, source,
      principal, correlation_id, causation_id, data, payload_id, emitted_at
    )
    SELECT one.stream, one.expected + e.nth, e.event_id, e.name, e.version, e.category,
      one.source, one.principal, one.correlation_id, one.causation_id, e.data, e.payload,
      one.emitted_at
    FROM json_to_recordset(p_batch) AS one (
      stream text, expected integer, source text, principal text, correlation_id text,
      causation_id text, emitted_at timestamptz, events json
    )
    CROSS JOIN LATERAL json_to_recordset(one.events) AS e (
      nth integer, event_id text, name text, version integer, category text,
      data text, payload text
    )
    ORDER BY one.stream, e.nth
    RETURNING id
  )
  INSERT INTO events_unsequenced (event) SELECT id FROM written;
  GET DIAGNOSTICS appended = ROW_COUNT;
  RETURN appended;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0005_one_check_for_all_rules_of_a_row")]

    operations = [migrations.RunSQL(APPEND_MANY, "DROP FUNCTION events_append_many")]
