"""What the log does, as functions, so that each is one round trip.

Lock class 1 is events.locks.LockClass.STREAM, 2 is SEQUENCER. SQLSTATE DB001 is
store.STREAM_MOVED, DB003 is group_commit.STREAM_BUSY.

They are VOLATILE: under READ COMMITTED each statement in one sees what was committed before
that statement, so the head that is read right after the lock is the true head.

enable_seqscan is off because a function keeps its plans for the whole session: made while
the tables were empty, they would scan a log that has grown since (measured: 7 ms per append
at 3,000 events, instead of 0.06).
"""

from django.db import migrations

_SEVERAL = "string_to_table({}, chr(30)) WITH ORDINALITY AS lines (line, nth)"
_FIELDS = ("event_id", "name", "version", "category", "payload", "data")


def _field(name: str) -> str:
    return f"split_part(line, chr(31), {_FIELDS.index(name) + 1})"


# Several events come as one text, a line for each and in it a field for each value: `store.lines_of`.
# psycopg takes longer to write six arrays than PostgreSQL to append, and JSON is taken apart word
# by word, the data too, of which only the text is wanted. No name, no id and no JSON text has one of
# the two separators. `string_to_table` is taken to give a thousand rows, whatever it is given, so
# the plan is made once. What is appended by one statement waits for its positions in one row:
# `others` are the ids of all its events but the first.
#
# A condition without a look at a table is no statement: with one it was planned anew for every
# append, as the plan for a call that does not ask for `p_once` looks cheaper than that for all.
APPEND = f"""
CREATE FUNCTION events_append(
  p_stream text, p_expected integer, p_once boolean,
  p_source text, p_principal text, p_correlation text, p_causation text, p_at timestamptz,
  p_events text
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
      SELECT FROM events_event WHERE event_id = ANY (ARRAY(
        SELECT {_field("event_id")} FROM {_SEVERAL.format("p_events")}))
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
    SELECT p_stream, head + nth::int, {_field("event_id")}, {_field("name")},
      {_field("version")}::smallint, {_field("category")}, p_source,
      p_principal, p_correlation, p_causation,
      nullif({_field("data")}, ''), nullif({_field("payload")}, ''), p_at
    FROM {_SEVERAL.format("p_events")}
    RETURNING id
  )
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN head + appended;
END $$
"""

# Most appends are of one event, which needs no lines. The lock is
# taken in a condition: a PERFORM is a statement, with a plan to begin and to end.
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

# Several streams in one statement, without ever waiting for one of them: all or nothing.
# `p_appends` holds an object per stream: what `events_append` takes, by name. PostgreSQL reads all
# of a JSON text at each look, 10 microseconds per kilobyte, so what the locks and the heads are
# looked up by comes in a short list of its own.
APPEND_MANY = f"""
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
    SELECT one.stream, one.expected + nth::int, {_field("event_id")}, {_field("name")},
      {_field("version")}::smallint, {_field("category")}, one.source, one.principal,
      one.correlation_id, one.causation_id,
      nullif({_field("data")}, ''), nullif({_field("payload")}, ''), one.emitted_at
    FROM json_to_recordset(p_appends) AS one (
      stream text, expected integer, source text, principal text, correlation_id text,
      causation_id text, emitted_at timestamptz, events text
    )
    CROSS JOIN LATERAL {_SEVERAL.format("one.events")}
    ORDER BY one.stream, nth
    RETURNING id
  )
  INSERT INTO events_unsequenced (event, others)
    SELECT ids[1], ids[2:] FROM (SELECT array_agg(id) AS ids FROM written) every
    RETURNING 1 + cardinality(others) INTO appended;
  RETURN appended;
END $$
"""

# What is appended may depend on what was read of other streams: on their being where they were. A
# look at each of them before would be a round trip of its own. SQLSTATE DB005 is
# companions.PREMISE_MOVED, its detail the stream.
#
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

# Queue for a stream and read its tail: while the lock is held, others wait. The SELECT is a
# statement of its own after the lock, so it sees what the previous holder committed. Few events
# have a payload of their own, so it is looked up where there is one. The columns are store.Recorded.
LOCKED_HISTORY = """
CREATE FUNCTION events_locked_history(
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

# The lock is a statement of its own, so that the next one sees what the previous holder
# committed. It takes all of an append at once: of two appends, the one that could see the other has
# greater ids throughout.
SEQUENCE = """
CREATE FUNCTION events_sequence(p_limit integer, OUT sequenced integer, OUT head bigint)
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

RULES = [
    migrations.RunSQL(APPEND, "DROP FUNCTION events_append"),
    migrations.RunSQL(APPEND_ONE, "DROP FUNCTION events_append_one"),
    migrations.RunSQL(APPEND_MANY, "DROP FUNCTION events_append_many"),
    migrations.RunSQL(DEMAND_PREMISES, "DROP FUNCTION events_demand_premises"),
    migrations.RunSQL(LOCK, "DROP FUNCTION events_lock"),
    migrations.RunSQL(LOCKED_HISTORY, "DROP FUNCTION events_locked_history"),
    migrations.RunSQL(SEQUENCE, "DROP FUNCTION events_sequence"),
]
