"""The two verbs of the log as functions, so that each is one round trip.

`events_append` is VOLATILE: under READ COMMITTED each statement in it sees what was
committed before that statement, so the head read right after the lock is the true head.
"""

from django.db import migrations

from events.append_only import AppendOnly

# Lock class 1 is events.locks.LockClass.STREAM. SQLSTATE DB001 is store.STREAM_MOVED.
# The ids come in as arrays of one length: the events of one append, in order.
APPEND = """
CREATE FUNCTION events_append(
  p_stream text, p_expected integer, p_once boolean,
  p_source text, p_principal text, p_correlation text, p_causation text, p_at timestamptz,
  p_event_ids text[], p_names text[], p_versions integer[], p_categories text[],
  p_data text[], p_payloads text[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  head integer;
BEGIN
  PERFORM pg_advisory_xact_lock(1, hashtext(p_stream));
  IF p_once AND EXISTS (SELECT FROM events_event WHERE event_id = ANY (p_event_ids)) THEN
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
  WITH written AS (
    INSERT INTO events_event (
      stream, sequence, event_id, name, version, category, source,
      principal, correlation_id, causation_id, data, payload_id, emitted_at
    )
    SELECT p_stream, head + e.ordinal, e.event_id, e.name, e.version, e.category, p_source,
      p_principal, p_correlation, p_causation, e.data, e.payload, p_at
    FROM unnest(p_event_ids, p_names, p_versions, p_categories, p_data, p_payloads)
      WITH ORDINALITY AS e (event_id, name, version, category, data, payload, ordinal)
    ORDER BY e.ordinal
    RETURNING id
  )
  INSERT INTO events_unsequenced (event) SELECT id FROM written;
  RETURN head + cardinality(p_event_ids);
END $$
"""

# Several streams at once, in the order given: store.lock sorts them.
LOCK = """
CREATE FUNCTION events_lock(p_streams text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  key text;
BEGIN
  FOREACH key IN ARRAY p_streams LOOP
    PERFORM pg_advisory_xact_lock(1, hashtext(key));
  END LOOP;
END $$
"""

# Lock class 2 is events.locks.LockClass.SEQUENCER. The lock is a statement of its own, so
# that the next one sees what the previous holder committed.
SEQUENCE = """
CREATE FUNCTION events_sequence(p_limit integer, OUT sequenced integer, OUT head bigint)
LANGUAGE plpgsql AS $$
BEGIN
  sequenced := 0;
  IF NOT pg_try_advisory_xact_lock(2, 0) THEN
    RETURN;
  END IF;
  SELECT coalesce(max(position), 0) INTO head FROM events_position;
  WITH due AS (
    DELETE FROM events_unsequenced WHERE event IN (
      SELECT event FROM events_unsequenced ORDER BY event LIMIT p_limit
    )
    RETURNING event
  )
  INSERT INTO events_position (position, event)
    SELECT head + row_number() OVER (ORDER BY event), event FROM due;
  GET DIAGNOSTICS sequenced = ROW_COUNT;
  head := head + sequenced;
END $$
"""

# A deleted row is gone only after vacuum, and this table is a queue.
QUEUE = """
ALTER TABLE events_unsequenced SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
)
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_tables_of_the_log")]

    operations = [
        migrations.RunSQL(APPEND, "DROP FUNCTION events_append"),
        migrations.RunSQL(LOCK, "DROP FUNCTION events_lock"),
        migrations.RunSQL(SEQUENCE, "DROP FUNCTION events_sequence"),
        migrations.RunSQL(
            QUEUE,
            "ALTER TABLE events_unsequenced RESET (autovacuum_vacuum_scale_factor, "
            "autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay)",
        ),
        AppendOnly("events_event"),
        AppendOnly("events_payload"),
        AppendOnly("events_position"),
    ]
