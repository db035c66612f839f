"""What is handed over together comes in two lists: see the migration of events of that name."""

from django.db import migrations

from workflows.work.migrations.schema.handing_over import HAND_OVER_MANY as _BEFORE

HAND_OVER_MANY = """
CREATE FUNCTION work_hand_over_many(p_after integer, p_claims json, p_following json)
RETURNS TABLE (id uuid, status varchar, claimed_at timestamptz, lease_until timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  claims integer;
  done integer;
BEGIN
  claims := json_array_length(p_claims);
  IF claims > 0 THEN
    WITH completed AS (
      UPDATE work SET status = 'done', lease_until = NULL, finished_at = statement_timestamp()
        FROM json_to_recordset(p_claims) AS one (claim uuid, fence int)
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
      FROM json_to_recordset(p_following) AS worker (by text, story text, cause text, wanted json)
     CROSS JOIN LATERAL json_to_recordset(worker.wanted) AS one (
        id uuid, kind text, queue text, subject text, input text, input_hash text,
        due_at timestamptz, max_attempts int, crash_budget int, taker text, lease_s float8,
        idempotency_key text, fingerprint text)
    ON CONFLICT (kind, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, status, claimed_at, lease_until;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("work", "0002_finished_work_is_found_by_subject_and_story")]

    operations = [
        migrations.RunSQL("DROP FUNCTION work_hand_over_many(integer, json)", _BEFORE),
        migrations.RunSQL(HAND_OVER_MANY, "DROP FUNCTION work_hand_over_many(integer, json, json)"),
    ]
