"""What several threads append together comes in two lists: that of the streams, which is looked at
for their locks and their heads, is short, and that of the events is read once.

PostgreSQL reads all of a JSON text at each look, at 10 microseconds per kilobyte; of sixty flows it was
a hundred kilobytes, and eight looks with those of the function that hands over.
"""

from importlib import import_module

from django.db import migrations

APPEND_MANY = """
CREATE FUNCTION events_append_many(p_streams json, p_appends json) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  key text;
  moved record;
  appended integer;
BEGIN
  FOR key IN SELECT stream FROM json_to_recordset(p_streams) AS one (stream text) LOOP
    IF NOT pg_try_advisory_xact_lock(1, hashtext(key)) THEN
      RAISE EXCEPTION 'stream % is being written', key USING ERRCODE = 'DB003';
    END IF;
  END LOOP;
  -- Backward scans of events_one_event_per_sequence.
  SELECT one.stream, one.expected, head.sequence INTO moved
    FROM json_to_recordset(p_streams) AS one (stream text, expected integer)
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
    FROM json_to_recordset(p_appends) AS one (
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
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN appended;
END $$
"""

_BEFORE = import_module("events.migrations.0040_appends_cost_less").APPEND_MANY


class Migration(migrations.Migration):
    dependencies = [("events", "0111_lists_find_what_is_asked")]

    operations = [
        migrations.RunSQL("DROP FUNCTION events_append_many(json)", _BEFORE),
        migrations.RunSQL(APPEND_MANY, "DROP FUNCTION events_append_many(json, json)"),
    ]
