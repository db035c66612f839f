"""Append one event without JSON around it, which most appends do.

As `events_append` does in all else. Reading JSON of one event, and putting it in order, took
a quarter of the statement. enable_seqscan is off as in 0003.
"""

from django.db import migrations

# Lock class 1 is events.locks.LockClass.STREAM. SQLSTATE DB001 is store.STREAM_MOVED.
# The lock is taken in a condition: a PERFORM is a statement, with a plan to begin and to end.
APPEND_ONE = """
CREATE FUNCTION events_append_one(
  p_stream text, p_expected integer, p_once boolean,
  p_source text, p_principal text, p_correlation text, p_causation text, p_at timestamptz,
  p_event_id text, p_name text, p_version integer, p_category text, p_data text, p_payload text
) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  head integer;
  appended bigint;
BEGIN
  IF pg_advisory_xact_lock(1, hashtext(p_stream)) IS NULL THEN
    RAISE EXCEPTION 'no lock on stream %', p_stream;
  END IF;
  IF p_once AND EXISTS (SELECT FROM events_event WHERE event_id = p_event_id) THEN
    RETURN NULL;
  END IF;
  -- Backward scan of events_one_event_per_sequence.
  SELECT sequence INTO head FROM events_event
    WHERE stream = p_stream ORDER BY sequence DESC LIMIT 1;
  head := coalesce(head, 0);
  IF p_expected <> head THEN
    RAISE EXCEPTION 'stream % is at %, not at %', p_stream, head, p_expected
      USING ERRCODE = 'DB001', DETAIL = head::text;
  END IF;
  INSERT INTO events_event (
    stream, sequence, event_id, name, version, category, source,
    principal, correlation_id, causation_id, data, payload_id, emitted_at
  ) VALUES (
    p_stream, head + 1, p_event_id, p_name, p_version, p_category, p_source,
    p_principal, p_correlation, p_causation, p_data, p_payload, p_at
  ) RETURNING id INTO appended;
  INSERT INTO events_unsequenced (event) VALUES (appended);
  RETURN head + 1;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0006_append_to_several_streams")]

    operations = [migrations.RunSQL(APPEND_ONE, "DROP FUNCTION events_append_one")]
