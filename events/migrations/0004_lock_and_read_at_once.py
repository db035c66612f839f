"""Queue for a stream and read its tail in one round trip: while the lock is held, others wait.

The SELECT is a statement of its own after the lock, so it sees what the previous holder
committed.
"""

from django.db import migrations

# Lock class 1 is events.locks.LockClass.STREAM. The columns are store.Recorded.
LOCKED_HISTORY = """
CREATE FUNCTION events_locked_history(p_stream text, p_since integer, p_limit integer)
RETURNS TABLE (
  sequence integer, event_id varchar, name varchar, version smallint, data text,
  emitted_at timestamptz
)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(1, hashtext(p_stream));
  RETURN QUERY
    SELECT e.sequence, e.event_id, e.name, e.version, coalesce(e.data, l.body), e.emitted_at
    FROM events_event e LEFT JOIN events_payload l ON l.hash = e.payload_id
    WHERE e.stream = p_stream AND e.sequence >= p_since ORDER BY e.sequence LIMIT p_limit;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0003_append_takes_json")]

    operations = [migrations.RunSQL(LOCKED_HISTORY, "DROP FUNCTION events_locked_history")]
