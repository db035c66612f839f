"""Complete claims and put what follows on the list in one call, after the append that is why.

`p_after` is there to be evaluated first: the append takes the lock of the stream before any
row is locked. SQLSTATE DB002 is handover.CLAIM_LOST, its detail says why. enable_seqscan is
off because a function keeps its plans for the whole session, also those made for a table
that was empty.

A row has a lease exactly while it is leased (work_is_leased_exactly_while_it_has_a_lease).
Asked for its status, a plan made for a small table looks for it among all that are leased,
the index of which is full of dead entries, and keeps that plan for the whole session.
"""

from django.db import migrations

# What has a taker is claimed as it is put on the list: attempt and fence are 1.
_PUT_ON_THE_LIST = """RETURN QUERY
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
           {by}, {story}, {cause}
      FROM {rows}"""

_WANTED = """one (
        id uuid, kind text, queue text, subject text, input text, input_hash text,
        due_at timestamptz, max_attempts int, crash_budget int, taker text, lease_s float8,
        idempotency_key text, fingerprint text)"""


def _listed(text: str, *, rows: str, by: str, story: str, cause: str) -> str:
    """Put `rows` on the list, which come in the JSON `text`.

    INSERT … ON CONFLICT first writes a row that others may refuse (speculative insertion): a lock,
    and one more record in PostgreSQL's log. So it is only for what has a key, the name of which
    stands in the text at least there. Without it a step takes a twentieth fewer instructions.
    """
    anew = _PUT_ON_THE_LIST.format(rows=rows, by=by, story=story, cause=cause)
    return f"""IF strpos({text}::text, '"idempotency_key"') > 0 THEN
    {anew}
    ON CONFLICT (kind, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, status, claimed_at, lease_until;
  ELSE
    {anew}
    RETURNING id, status, claimed_at, lease_until;
  END IF;"""


_OF_ONE = _listed(
    "p_wanted",
    rows=f"json_to_recordset(p_wanted) AS {_WANTED}",
    by="p_principal",
    story="p_correlation",
    cause="p_causation",
)

_OF_MANY = _listed(
    "p_following",
    rows=f"""json_to_recordset(p_following) AS worker (by text, story text, cause text, wanted json)
     CROSS JOIN LATERAL json_to_recordset(worker.wanted) AS {_WANTED}""",
    by="worker.by",
    story="worker.story",
    cause="worker.cause",
)

HAND_OVER = f"""
CREATE FUNCTION work_hand_over(
  p_after integer, p_claim uuid, p_fence integer, p_wanted json,
  p_principal text, p_correlation text, p_causation text
) RETURNS TABLE (id uuid, status varchar, claimed_at timestamptz, lease_until timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  done record;
BEGIN
  IF p_claim IS NOT NULL THEN
    UPDATE work SET status = 'done', lease_until = NULL, finished_at = statement_timestamp()
     WHERE id = p_claim AND fence = p_fence AND lease_until IS NOT NULL
       AND cancel_requested_at IS NULL
    RETURNING attempt, fence, leased_by, claimed_at, finished_at INTO done;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'fence % of work % is not the current one', p_fence, p_claim
        USING ERRCODE = 'DB002', DETAIL = CASE WHEN EXISTS (
          SELECT FROM work WHERE id = p_claim AND fence = p_fence AND lease_until IS NOT NULL
        ) THEN 'cancel_requested' ELSE 'lost' END;
    END IF;
    IF done.fence > 1 THEN
      INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at, outcome,
                                error_class, error, stack)
      VALUES (p_claim, done.attempt, p_fence, done.leased_by, done.claimed_at, done.finished_at,
              'done', '', '', '');
    END IF;
  END IF;
  IF p_wanted IS NULL THEN
    RETURN;
  END IF;
  {_OF_ONE}
END $$
"""

# For several workers of a process in one statement, set by set: all or nothing. `p_following` holds
# an object per worker: what `work_hand_over` takes, by name; `p_claims`, what they completed, is a
# short list of its own, as all of a JSON text is read at each look. The ids are a condition of
# their own, to which only the primary key answers: without statistics nearly nothing seems to
# have no `cancel_requested_at`, and a plan that begins there reads all of `work`.
HAND_OVER_MANY = f"""
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
       WHERE work.id = ANY (ARRAY(
               SELECT known.claim FROM json_to_recordset(p_claims) AS known (claim uuid)))
         AND work.id = one.claim AND work.fence = one.fence AND work.lease_until IS NOT NULL
         AND work.cancel_requested_at IS NULL
      RETURNING work.id, work.attempt, work.fence, work.leased_by, work.claimed_at,
                work.finished_at
    ), journal AS (
      INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at, outcome,
                                error_class, error, stack)
      SELECT id, attempt, fence, leased_by, claimed_at, finished_at, 'done', '', '', ''
        FROM completed WHERE fence > 1
    )
    SELECT count(*) INTO done FROM completed;
    IF done <> claims THEN
      RAISE EXCEPTION '% of % claims are not current', claims - done, claims
        USING ERRCODE = 'DB002', DETAIL = 'one of several';
    END IF;
  END IF;
  {_OF_MANY}
END $$
"""

RULES = [
    migrations.RunSQL(HAND_OVER, "DROP FUNCTION work_hand_over"),
    migrations.RunSQL(HAND_OVER_MANY, "DROP FUNCTION work_hand_over_many"),
]
