"""Queue for a stream and read its tail: a payload is looked up where there is one.

A join with all payloads was begun and ended for every tail, and few events have one.
"""

from django.db import migrations

from events.migrations.schema import verbs

LOCKED_HISTORY = """
CREATE OR REPLACE FUNCTION events_locked_history(
  p_stream text, p_since integer, p_limit integer
)
RETURNS TABLE (
  sequence integer, event_id varchar, name varchar, version smallint, data text,
  emitted_at timestamptz
)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  IF pg_advisory_xact_lock(1, hashtext(p_stream)) IS NULL THEN
    RAISE EXCEPTION 'no lock on stream %', p_stream;
  END IF;
  RETURN QUERY
    SELECT e.sequence, e.event_id, e.name, e.version,
      coalesce(e.data, (SELECT l.body FROM events_payload l WHERE l.hash = e.payload_id)),
      e.emitted_at
    FROM events_event e
    WHERE e.stream = p_stream AND e.sequence >= p_since ORDER BY e.sequence LIMIT p_limit;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0110_names_for_people")]

    operations = [
        migrations.RunSQL(
            LOCKED_HISTORY, verbs.LOCKED_HISTORY.replace("CREATE", "CREATE OR REPLACE", 1)
        ),
    ]
