"""A claim of the next piece of work looks up what it takes, not all that it chooses from.

The rows of the front of the queue come in order, so the walk to their rows by id ends with the
first that nobody has locked. As a condition `id = ANY (…)` all 44 were looked up, and sorted once
more: 0.41 ms of CPU instead of 0.30 per claim from 20,000 waiting rows.
"""

from django.db import migrations

_ONE_PLAN = "SET plan_cache_mode = force_generic_plan SET enable_seqscan = off"
# The walk is a nested loop, whatever the planner takes the length of the front to be.
_WALK = f"{_ONE_PLAN} SET enable_hashjoin = off SET enable_mergejoin = off"

_TAKE = """
  UPDATE work
     SET status = 'leased', attempt = attempt + 1, fence = fence + 1, leased_by = p_worker,
         claimed_at = statement_timestamp(),
         lease_until = statement_timestamp() + make_interval(secs => p_lease_s)
"""

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
      ORDER BY front.priority DESC, front.due_at LIMIT p_limit
        FOR NO KEY UPDATE OF work SKIP LOCKED
"""

_CHOSEN_BEFORE = f"""
     SELECT id FROM work
      WHERE id = ANY (ARRAY(SELECT front.id FROM ({_FRONT}) AS front))
        AND lease_until IS NULL AND finished_at IS NULL
      ORDER BY priority DESC, due_at LIMIT p_limit
        FOR NO KEY UPDATE SKIP LOCKED
"""


def _claim_next(chosen: str, settings: str) -> str:
    return f"""
CREATE OR REPLACE FUNCTION work_claim_next(
  p_limit integer, p_kinds text[], p_worker text, p_lease_s float8)
RETURNS SETOF work LANGUAGE plpgsql {settings} AS $$
DECLARE
  stretch integer := p_limit * 4 + 40;
BEGIN
  RETURN QUERY {_TAKE}
   WHERE id = ANY (ARRAY({chosen}))
  RETURNING work.*;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("work", "0043_workers_say_their_queues")]

    operations = [
        migrations.RunSQL(
            _claim_next(_CHOSEN, _WALK), _claim_next(_CHOSEN_BEFORE, _ONE_PLAN)
        ),
    ]
