"""An append of several events takes them as rows, not as JSON.

JSON was read twice, once to see that it is JSON: see ADR 0056 for what that took. Where
events are many, `json_populate_recordset` makes the rows.
"""

from django.db import migrations

from events.migrations.schema import verbs

DRAFT = """
CREATE TYPE events_draft AS (
  event_id text, name text, version integer, category text, data text, payload text
)
"""

APPEND = """
CREATE FUNCTION events_append(
  p_stream text, p_expected integer, p_once boolean,
  p_source text, p_principal text, p_correlation text, p_causation text, p_at timestamptz,
  p_events events_draft[]
) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  head integer;
  appended integer;
BEGIN
  IF pg_advisory_xact_lock(1, hashtext(p_stream)) IS NULL THEN
    RAISE EXCEPTION 'no lock on stream %', p_stream;
  END IF;
  IF p_once THEN
    IF EXISTS (
      SELECT FROM unnest(p_events) e JOIN events_event known ON known.event_id = e.event_id
    ) THEN
      RETURN NULL;
    END IF;
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
    SELECT p_stream, head + e.nth, e.event_id, e.name, e.version, e.category, p_source,
      p_principal, p_correlation, p_causation, e.data, e.payload, p_at
    FROM unnest(p_events) WITH ORDINALITY
      AS e (event_id, name, version, category, data, payload, nth)
    RETURNING id
  )
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN head + appended;
END $$
"""

_PARAMETERS = "text, integer, boolean, text, text, text, text, timestamptz"


class Migration(migrations.Migration):
    dependencies = [("events", "0112_appends_may_have_premises")]

    operations = [
        migrations.RunSQL(f"DROP FUNCTION events_append({_PARAMETERS}, json)", verbs.APPEND),
        migrations.RunSQL(DRAFT, "DROP TYPE events_draft"),
        migrations.RunSQL(APPEND, f"DROP FUNCTION events_append({_PARAMETERS}, events_draft[])"),
    ]
