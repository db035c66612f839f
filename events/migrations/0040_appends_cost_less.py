"""An append with fewer checks of the same thing, and one row in the queue of the sequencer.

The rules of an event are a trigger, as ADR 0019 has it for tables that only grow. Payloads are
never taken away: that an event has its payload is looked for as it comes in, and not again by a
foreign key at the end of the transaction.

What is appended by one statement waits for its positions in one row: `others` are the ids of
all its events but the first. Where there are none it is a row as it was before.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from events.migrations.schema import verbs
from events.migrations.schema.log import EVENT
from events.tables.row_rules import RulesOnInsert

# In two conditions: with the look at the table in it, the first would be a statement.
WITH_ITS_PAYLOAD = """
  IF NEW.payload_id IS NOT NULL THEN
    IF NOT EXISTS (SELECT FROM events_payload WHERE hash = NEW.payload_id) THEN
      RAISE EXCEPTION 'there is no payload %', NEW.payload_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'events_event_has_its_payload',
              TABLE = 'events_event';
    END IF;
  END IF;
"""

# A condition without a look at a table is no statement. With one it was planned anew for every
# append: if nobody asks for `p_once`, the plan for this very call looks cheaper than that for all.
# The events come in the order of their `nth`, so that nothing has to sort them.
APPEND = """
CREATE OR REPLACE FUNCTION events_append(
  p_stream text, p_expected integer, p_once boolean,
  p_source text, p_principal text, p_correlation text, p_causation text, p_at timestamptz,
  p_events json
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
      SELECT FROM json_array_elements(p_events) e
      JOIN events_event known ON known.event_id = e ->> 'event_id'
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
    FROM json_to_recordset(p_events) AS e (
      nth integer, event_id text, name text, version integer, category text,
      data text, payload text
    )
    RETURNING id
  )
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN head + appended;
END $$
"""

APPEND_ONE = """
CREATE OR REPLACE FUNCTION events_append_one(
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
  IF p_once THEN
    IF EXISTS (SELECT FROM events_event WHERE event_id = p_event_id) THEN
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

APPEND_MANY = """
CREATE OR REPLACE FUNCTION events_append_many(p_batch json) RETURNS integer
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
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN appended;
END $$
"""

# All of an append at once: of two, the one that could see the other has greater ids throughout.
SEQUENCE = """
CREATE OR REPLACE FUNCTION events_sequence(p_limit integer, OUT sequenced integer, OUT head bigint)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  sequenced := 0;
  IF NOT pg_try_advisory_xact_lock(2, 0) THEN
    RETURN;
  END IF;
  SELECT coalesce(max(position), 0) INTO head FROM events_position;
  WITH waiting AS (
    SELECT event, 1 + coalesce(cardinality(others), 0) AS events
      FROM events_unsequenced ORDER BY event LIMIT p_limit
  ), due AS (
    DELETE FROM events_unsequenced WHERE event IN (
      SELECT event FROM (
        SELECT event, sum(events) OVER (ORDER BY event) - events AS before FROM waiting
      ) counted WHERE before < p_limit
    )
    RETURNING event, others
  )
  INSERT INTO events_position (position, event)
    SELECT head + row_number() OVER (ORDER BY id), id
    FROM (SELECT unnest(event || others) AS id FROM due) every;
  GET DIAGNOSTICS sequenced = ROW_COUNT;
  head := head + sequenced;
END $$
"""

SPREAD_OUT = """
INSERT INTO events_unsequenced (event) SELECT unnest(others) FROM events_unsequenced;
UPDATE events_unsequenced SET others = NULL WHERE others IS NOT NULL;
"""


def _replaced(sql: str, before: str) -> migrations.RunSQL:
    return migrations.RunSQL(sql, before.replace("CREATE", "CREATE OR REPLACE", 1))


class Migration(migrations.Migration):
    dependencies = [("events", "0002_events_are_found_by_name")]

    operations = [
        migrations.AddField(
            "unsequenced",
            "others",
            django.contrib.postgres.fields.ArrayField(models.BigIntegerField(), null=True),
        ),
        # Backwards: no row of an append of several is left, and then no function that writes one.
        migrations.RunSQL(migrations.RunSQL.noop, SPREAD_OUT),
        _replaced(SEQUENCE, verbs.SEQUENCE),
        _replaced(APPEND, verbs.APPEND),
        _replaced(APPEND_ONE, verbs.APPEND_ONE),
        _replaced(APPEND_MANY, verbs.APPEND_MANY),
        RulesOnInsert(
            "events_event", columns=EVENT.columns, rules=EVENT.rules, then=WITH_ITS_PAYLOAD
        ),
        migrations.AlterField(
            "storedevent",
            "payload",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="events.payload",
            ),
        ),
    ]
