"""Claim, keep and complete work, by functions that look it up by its id or in `work_due`.

Whatever is prepared keeps its plan until the table is analysed. Made while `work` has a few rows,
that of each of these statements reads all of it: two thousand rows for one claim. So no table is
read from its beginning (enable_seqscan), and ids are a condition of their own, to which only the
primary key answers: what waits is asked for its lease and its end and not for its status, which
is the same and for which there are partial indexes. There is one plan for a connection
(plan_cache_mode): PostgreSQL counts what is in an array, and would plan anew for each call.
"""

from django.db import migrations

_ONE_PLAN = "SET plan_cache_mode = force_generic_plan SET enable_seqscan = off"

_TAKE = """
  UPDATE work
     SET status = 'leased', attempt = attempt + 1, fence = fence + 1, leased_by = p_worker,
         claimed_at = statement_timestamp(),
         lease_until = statement_timestamp() + make_interval(secs => p_lease_s)
"""

# One row lock each. Whoever finds it taken leaves the row to the other: nobody waits here, so no
# two claims of the same rows in another order can wait for each other.
CLAIM = f"""
CREATE FUNCTION work_claim(p_ids uuid[], p_kinds text[], p_worker text, p_lease_s float8)
RETURNS SETOF work LANGUAGE plpgsql {_ONE_PLAN} AS $$
BEGIN
  RETURN QUERY {_TAKE}
   WHERE id = ANY (ARRAY(
     SELECT id FROM work
      WHERE id = ANY (p_ids) AND lease_until IS NULL AND finished_at IS NULL
        AND kind = ANY (p_kinds) AND due_at <= statement_timestamp()
        FOR NO KEY UPDATE SKIP LOCKED))
  RETURNING work.*;
END $$
"""

# Walks the partial index work_due of each kind, so far as to get past what those have locked who
# claim at the same moment. Only what is taken is locked: for a row that is locked and left a bell
# comes in vain. The rows of the front of the queue come in order, so the walk to their rows by id
# ends with the first that nobody has locked: as a condition `id = ANY (…)` all 44 would be looked
# up, and sorted once more.
#
# What has lost a worker is taken alone: every row of a batch is charged with the crash of its worker,
# so taken together again and again, all of them would be poisoned with the one that kills.
_FRONT = """
              SELECT one.id, one.priority, one.due_at
                FROM unnest(p_kinds) AS wanted (kind), LATERAL (
                SELECT id, priority, due_at FROM work
                 WHERE kind = wanted.kind AND status IN ('ready', 'retry', 'scheduled')
                   AND due_at <= statement_timestamp()
                 ORDER BY priority DESC, due_at LIMIT stretch) AS one
               ORDER BY one.priority DESC, one.due_at LIMIT stretch
"""

_CHOSEN = f"""
     SELECT work.id FROM ({_FRONT}) AS front
       JOIN work ON work.id = front.id
      WHERE work.lease_until IS NULL AND work.finished_at IS NULL
        AND (p_limit = 1 OR work.crashes = 0)
      ORDER BY front.priority DESC, front.due_at LIMIT p_limit
        FOR NO KEY UPDATE OF work SKIP LOCKED
"""

# The walk is a nested loop, whatever the planner takes the length of the front to be.
_WALK = f"{_ONE_PLAN} SET enable_hashjoin = off SET enable_mergejoin = off"

CLAIM_NEXT = f"""
CREATE FUNCTION work_claim_next(
  p_limit integer, p_kinds text[], p_worker text, p_lease_s float8)
RETURNS SETOF work LANGUAGE plpgsql {_WALK} AS $$
DECLARE
  stretch integer := p_limit * 4 + 40;
BEGIN
  RETURN QUERY {_TAKE}
   WHERE id = ANY (ARRAY({_CHOSEN}))
  RETURNING work.*;
END $$
"""

# What was given is found by a hash of the ids, not by all that was given for each row.
_TOGETHER = f"{_ONE_PLAN} SET enable_nestloop = off"

# Counts only with the fence of the last claim, and never after a cancellation. A success at the first
# claim has no row in the journal of attempts: see journal.py.
COMPLETE = f"""
CREATE FUNCTION work_complete(p_ids uuid[], p_fences int[], p_results text[], p_hashes text[])
RETURNS SETOF uuid LANGUAGE plpgsql {_TOGETHER} AS $$
BEGIN
  RETURN QUERY
  WITH done AS (
    UPDATE work SET status = 'done', lease_until = NULL, finished_at = statement_timestamp(),
           result = mine.result, result_hash = mine.result_hash
      FROM unnest(p_ids, p_fences, p_results, p_hashes) AS mine (id, fence, result, result_hash)
     WHERE work.id = ANY (p_ids) AND work.id = mine.id AND work.fence = mine.fence
       AND lease_until IS NOT NULL AND cancel_requested_at IS NULL
    RETURNING work.id, attempt, work.fence, leased_by, claimed_at, finished_at),
  journal AS (
    INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at, outcome,
                              error_class, error, stack)
    SELECT id, attempt, fence, leased_by, claimed_at, finished_at, 'done', '', '', '' FROM done
     WHERE fence > 1)
  SELECT id FROM done;
END $$
"""

# Does not wait either: what is locked now is being completed, cancelled or taken away, and
# its next beat comes in time.
HEARTBEAT = f"""
CREATE FUNCTION work_heartbeat(p_ids uuid[], p_fences int[], p_lease_s float8)
RETURNS TABLE (id uuid, is_to_stop boolean) LANGUAGE plpgsql {_TOGETHER} AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH mine AS (
    SELECT work.id, work.cancel_requested_at IS NOT NULL AS is_to_stop
      FROM work JOIN unnest(p_ids, p_fences) AS mine (id, fence) USING (id, fence)
     WHERE work.id = ANY (p_ids) AND work.lease_until IS NOT NULL),
  renewed AS (
    UPDATE work SET lease_until = statement_timestamp() + make_interval(secs => p_lease_s)
     WHERE work.id = ANY (ARRAY(
       SELECT work.id FROM work JOIN unnest(p_ids, p_fences) AS held (id, fence) USING (id, fence)
        WHERE work.id = ANY (p_ids) AND work.lease_until IS NOT NULL
          FOR NO KEY UPDATE OF work SKIP LOCKED)))
  SELECT mine.id, mine.is_to_stop FROM mine;
END $$
"""

RULES = [
    migrations.RunSQL(CLAIM, "DROP FUNCTION work_claim"),
    migrations.RunSQL(CLAIM_NEXT, "DROP FUNCTION work_claim_next"),
    migrations.RunSQL(COMPLETE, "DROP FUNCTION work_complete"),
    migrations.RunSQL(HEARTBEAT, "DROP FUNCTION work_heartbeat"),
]
