"""What is appended may depend on what was read of other streams: on their being where they were.

A look at each of them before would be a round trip of its own; in the statement of the append it
is an index lookup. SQLSTATE DB005 is companions.PREMISE_MOVED, its detail the stream.
"""

from django.db import migrations

# A backward scan of events_one_event_per_sequence. The id tells the event from one that took its
# place when the database was restored.
DEMAND_PREMISES = """
CREATE FUNCTION events_demand_premises(p_premises json, p_after integer) RETURNS integer
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
  moved text;
BEGIN
  SELECT one.stream INTO moved
    FROM json_to_recordset(p_premises) AS one (stream text, sequence integer, event_id text)
    LEFT JOIN LATERAL (
     SELECT e.sequence, e.event_id FROM events_event e WHERE e.stream = one.stream
      ORDER BY e.sequence DESC LIMIT 1
   ) head ON true
   WHERE head.sequence IS DISTINCT FROM one.sequence
      OR head.event_id IS DISTINCT FROM one.event_id LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'stream % is not where it was read', moved
      USING ERRCODE = 'DB005', DETAIL = moved;
  END IF;
  RETURN p_after;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0001_schema")]

    operations = [
        migrations.RunSQL(
            DEMAND_PREMISES, "DROP FUNCTION events_demand_premises(json, integer)"
        ),
    ]
