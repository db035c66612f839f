"""Hand over for several workers of a process in one statement, set by set.

`p_batch` holds an object per worker: what `work_hand_over` takes, by name. `p_after` is there
to be evaluated first, as in 0004. All or nothing: SQLSTATE DB002 when a claim is lost.

A row has a lease exactly while it is leased (work_is_leased_exactly_while_it_has_a_lease).
Asked for its status, a plan made for a small table looks for it among all that are leased,
the index of which is full of dead entries, and keeps that plan for the whole session.
"""

from importlib import import_module

from django.db import migrations

HAND_OVER_MANY = """
CREATE FUNCTION work_hand_over_many(p_after integer, p_batch json)
RETURNS TABLE (id uuid, status varchar, claimed_at timestamptz, lease_until timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  claims integer;
  done integer;
BEGIN
  SELECT count(claim) INTO claims FROM json_to_recordset(p_batch) AS one (claim uuid);
  IF claims > 0 THEN
    WITH completed AS (
      UPDATE work SET status = 'done', lease_until = NULL, finished_at = statement_timestamp()
        FROM json_to_recordset(p_batch) AS one (claim uuid, fence int)
       WHERE work.id = one.claim AND work.fence = one.fence AND work.lease_until IS NOT NULL
         AND work.cancel_requested_at IS NULL
      RETURNING work.id, work.attempt, work.fence, work.leased_by, work.claimed_at,
                work.finished_at
    )
    INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at, outcome,
                              error_class, error, stack)
    SELECT id, attempt, fence, leased_by, claimed_at, finished_at, 'done', '', '', ''
      FROM completed;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> claims THEN
      RAISE EXCEPTION '% of % claims are not current', claims - done, claims
        USING ERRCODE = 'DB002', DETAIL = 'one of several';
    END IF;
  END IF;
  RETURN QUERY
    INSERT INTO work (id, kind, queue, subject, input, input_hash, status, due_at, priority,
                      attempt, fence, failures, max_attempts, crashes, crash_budget, leased_by,
                      claimed_at, lease_until, rung_at, rings, reason, last_error_class,
                      last_error, idempotency_key, fingerprint, principal, correlation_id,
                      causation_id)
    SELECT one.id, one.kind, one.queue, one.subject, one.input, one.input_hash,
           CASE WHEN one.taker IS NOT NULL THEN 'leased'
                WHEN one.due_at > statement_timestamp() THEN 'scheduled' ELSE 'ready' END,
           coalesce(one.due_at, statement_timestamp()), 0,
           (one.taker IS NOT NULL)::int, (one.taker IS NOT NULL)::int, 0, one.max_attempts, 0,
           one.crash_budget, coalesce(one.taker, ''),
           CASE WHEN one.taker IS NOT NULL THEN statement_timestamp() END,
           statement_timestamp() + make_interval(secs => one.lease_s),
           CASE WHEN one.taker IS NULL AND one.due_at IS NULL THEN statement_timestamp() END, 0,
           '', '', '', one.idempotency_key, one.fingerprint,
           worker.by, worker.story, worker.cause
      FROM json_to_recordset(p_batch) AS worker (by text, story text, cause text, wanted json)
     CROSS JOIN LATERAL json_to_recordset(worker.wanted) AS one (
        id uuid, kind text, queue text, subject text, input text, input_hash text,
        due_at timestamptz, max_attempts int, crash_budget int, taker text, lease_s float8,
        idempotency_key text, fingerprint text)
    ON CONFLICT (kind, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, status, claimed_at, lease_until;
END $$
"""


before = import_module("workflows.work.migrations.0004_hand_over_in_one_statement").HAND_OVER
_BY_STATUS = "WHERE id = p_claim AND fence = p_fence AND status = 'leased'"
_BY_LEASE = "WHERE id = p_claim AND fence = p_fence AND lease_until IS NOT NULL"


def _anew(definition: str) -> str:
    return definition.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("work", "0005_one_check_for_all_rules_of_a_row")]

    operations = [
        migrations.RunSQL(_anew(before.replace(_BY_STATUS, _BY_LEASE)), _anew(before)),
        migrations.RunSQL(HAND_OVER_MANY, "DROP FUNCTION work_hand_over_many"),
    ]
