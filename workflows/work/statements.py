"""The SQL statements of the work queue. Nothing else writes to `work` and `work_attempt`.

Every change of state is one conditional UPDATE that names the states it starts from
(domain/life.py). The clock is always the database's: `statement_timestamp()`, because it
stands still within a statement, so that indexes can be used.

What holds a lease is asked for its lease and not for its status, which is the same
(work_is_leased_exactly_while_it_has_a_lease): for its status PostgreSQL would look through all
that is leased, by whomever, for each row of a batch anew.
"""

from collections.abc import Mapping
from typing import LiteralString

from events import wire
from events.wire import Row
from workflows.work.domain.life import ABANDONED, DEAD_LETTERS, OPEN, WAITING, State


def _in(states: frozenset[State]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


_WAITING = _in(WAITING)
_DEAD_LETTERS = _in(DEAD_LETTERS)
_ABANDONED = _in(ABANDONED)
_IN_ITS_TIME = "status = 'cancelled' AND due_at > statement_timestamp()"

# The arbiter is the partial unique index work_happens_once_per_kind_and_key.
INSERT = """
INSERT INTO work (id, kind, queue, subject, input, input_hash, status, due_at, priority,
                  attempt, fence, failures, max_attempts, crashes, crash_budget, leased_by,
                  rung_at, rings, reason, last_error_class, last_error, idempotency_key,
                  fingerprint, principal, correlation_id, causation_id)
SELECT given.id, %(kind)s, %(queue)s, given.subject, given.input, given.input_hash,
       CASE WHEN due.at > statement_timestamp() THEN 'scheduled' ELSE 'ready' END, due.at,
       %(priority)s, 0, 0, 0, %(max_attempts)s, 0, %(crash_budget)s, '',
       CASE WHEN due.at > statement_timestamp() THEN NULL ELSE statement_timestamp() END,
       0, '', '', '', given.idempotency_key, given.fingerprint,
       %(principal)s, %(correlation_id)s, %(causation_id)s
  FROM unnest(%(ids)s::uuid[], %(subjects)s::text[], %(inputs)s::text[],
              %(input_hashes)s::text[], %(keys)s::text[], %(fingerprints)s::text[])
       WITH ORDINALITY
       AS given (id, subject, input, input_hash, idempotency_key, fingerprint, place),
       LATERAL (SELECT COALESCE(%(due_at)s::timestamptz, statement_timestamp())
                       + make_interval(secs => %(delay_s)s) AS at) AS due
 ORDER BY given.place
ON CONFLICT (kind, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id, status
"""

FIND_BY_KEY = "SELECT id, fingerprint FROM work WHERE kind = %(kind)s AND idempotency_key = %(key)s"

NOW = "SELECT statement_timestamp()"

STATE_OF = "SELECT status, kind FROM work WHERE id = %(id)s"

# By functions, which keep a plan that is right however few rows there were when it was made:
# migrations/schema/claiming.py. They take and return whole rows of `work`.
_CLAIMED = """
SELECT id, kind, subject, input, input_hash, fence, attempt, lease_until, claimed_at, leased_by,
       failures, max_attempts, crashes, crash_budget, principal, correlation_id, causation_id
"""
CLAIM = f"{_CLAIMED} FROM work_claim(%(ids)s, %(kinds)s, %(worker)s, %(lease_s)s)"
CLAIM_NEXT = f"{_CLAIMED} FROM work_claim_next(%(limit)s, %(kinds)s, %(worker)s, %(lease_s)s)"
HEARTBEAT = "SELECT * FROM work_heartbeat(%(ids)s, %(fences)s, %(lease_s)s)"
COMPLETE = "SELECT work_complete(%(ids)s, %(fences)s, %(results)s, %(result_hashes)s)"

DEFER_UNKNOWN = f"""
UPDATE work SET due_at = statement_timestamp() + make_interval(secs => %(delay_s)s),
       status = 'scheduled', rung_at = NULL, rings = 0
 WHERE id = ANY(%(ids)s) AND status IN {_WAITING} AND due_at <= statement_timestamp()
   AND NOT kind = ANY(%(kinds)s)
RETURNING id, kind
"""

_JOURNAL = (
    "INSERT INTO work_attempt (work_id, attempt, fence, worker, started_at, ended_at, outcome, "
    "error_class, error, stack)"
)

# Work that was asked to stop is cancelled, however it ended. Read from the row that is being
# updated, not from a subquery: after a wait for its lock only that row is read again.
_AFTER = "CASE WHEN work.cancel_requested_at IS NULL THEN mine.status ELSE 'cancelled' END"

# Every end but success. The fence moves when a lease is taken away from a worker that may
# still be alive. What lost its worker keeps its place in the queue: due only now, it would wait
# behind all of a backlog.
END = f"""
WITH ended AS (
    UPDATE work SET lease_until = NULL, rung_at = NULL, rings = 0, status = {_AFTER},
           fence = work.fence + mine.taken_away::int,
           failures = failures + mine.failed::int, crashes = crashes + mine.taken_away::int,
           due_at = CASE WHEN {_AFTER} IN {_in(OPEN)} AND NOT mine.taken_away
                              AND mine.delay_s IS NOT NULL
                         THEN statement_timestamp() + make_interval(secs => mine.delay_s)
                         ELSE due_at END,
           finished_at = CASE WHEN {_AFTER} IN {_in(OPEN)} THEN NULL
                              ELSE statement_timestamp() END,
           last_error_class = CASE WHEN mine.error_class = '' THEN last_error_class
                                   ELSE mine.error_class END,
           last_error = CASE WHEN mine.error_class = '' THEN last_error ELSE mine.error END
      FROM unnest(%(ids)s::uuid[], %(fences)s::int[], %(statuses)s::text[],
                  %(outcomes)s::text[], %(failed)s::bool[], %(taken_away)s::bool[],
                  %(delays_s)s::float8[], %(error_classes)s::text[], %(errors)s::text[],
                  %(stacks)s::text[])
           AS mine (id, fence, status, outcome, failed, taken_away, delay_s, error_class,
                    error, stack)
     WHERE work.id = mine.id AND work.fence = mine.fence AND work.lease_until IS NOT NULL
    RETURNING work.id, work.status, work.attempt, mine.fence, leased_by, claimed_at,
              mine.outcome, mine.error_class, mine.error, mine.stack),
journal AS (
    {_JOURNAL}
    SELECT id, attempt, fence, leased_by, claimed_at, statement_timestamp(),
           CASE WHEN status = 'cancelled' AND outcome <> 'crashed' THEN 'cancelled'
                ELSE outcome END,
           error_class, error, stack FROM ended)
SELECT id, status FROM ended
"""

# An attempt with an old fence is recorded, and changes nothing. Nothing is recorded if it was this
# very fence that completed the work: then the answer to its COMMIT was lost, not the commit.
RECORD_STALE = f"""
{_JOURNAL}
SELECT %(id)s, %(attempt)s, %(fence)s, %(worker)s, %(claimed_at)s, statement_timestamp(),
       'stale', %(error_class)s, %(error)s, %(stack)s
 WHERE NOT EXISTS (SELECT FROM work
                    WHERE id = %(id)s AND fence = %(fence)s AND status = 'done')
"""

# Walks the partial index work_leases. A lease that ends long after any could is of a worker that
# died before the clock was set back.
EXPIRED = """
SELECT id, kind, subject, fence, attempt, leased_by, failures, max_attempts, crashes,
       crash_budget, cancel_requested_at IS NOT NULL
  FROM work WHERE status = 'leased'
   AND (lease_until < statement_timestamp()
        OR lease_until > statement_timestamp() + make_interval(secs => %(longest_s)s))
 ORDER BY lease_until LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
"""

# What is wanted now became so before the clock was set back.
WANTED_NOW = """
UPDATE work SET due_at = statement_timestamp()
 WHERE status = 'ready' AND due_at > statement_timestamp()
"""

# Waiting work stops at once; running work is asked, and told by its heartbeat.
CANCEL = f"""
UPDATE work SET cancel_requested_at = COALESCE(cancel_requested_at, statement_timestamp()),
       reason = %(reason)s,
       status = CASE WHEN status = 'leased' THEN 'leased' ELSE 'cancelled' END,
       finished_at = CASE WHEN status = 'leased' THEN NULL ELSE statement_timestamp() END
 WHERE id = %(id)s AND status IN {_in(OPEN)}
RETURNING kind, subject, status
"""

# A part that was cancelled before its time is wanted at its time. Expressions of an UPDATE see the
# row as it was.
RE_DRIVE = f"""
UPDATE work SET failures = 0, crashes = 0, rings = 0, finished_at = NULL, reason = %(reason)s,
       cancel_requested_at = NULL,
       status = CASE WHEN {_IN_ITS_TIME} THEN 'scheduled' ELSE 'ready' END,
       due_at = CASE WHEN {_IN_ITS_TIME} THEN due_at ELSE statement_timestamp() END,
       rung_at = CASE WHEN {_IN_ITS_TIME} THEN NULL ELSE statement_timestamp() END
 WHERE id = %(id)s
   AND (status IN {_DEAD_LETTERS} OR status IN {_ABANDONED} AND kind = ANY(%(parts)s))
RETURNING kind, subject, status
"""

DISCARD = f"""
UPDATE work SET status = 'discarded', finished_at = statement_timestamp(), reason = %(reason)s
 WHERE id = %(id)s AND status IN {_DEAD_LETTERS}
RETURNING kind, subject, status
"""

_UNANSWERED = (
    "({work}.rung_at IS NULL OR {work}.rung_at < statement_timestamp() - make_interval("
    "secs => LEAST(%(patience_s)s * 2.0 ^ LEAST({work}.rings, 20), %(patience_max_s)s)))"
)

# Fair: the kinds take turns, and within a kind its subjects do. Only the front of each kind is
# looked at, a stretch of the index work_due, so that a herd costs no more than one pass.
#
# Of each kind only so much is rung for as the workers of its queue can soon answer: they go
# on by themselves, and what is new would stand behind every bell of the herd.
#
# A kind may have been given another queue since its rows were written: it is rung for where it
# waits now. A kind that is not known here, of a newer release, stays where that put it.
DISPATCH = f"""
WITH RECURSIVE kinds (kind, queue) AS (
    (SELECT kind, queue FROM work WHERE status IN {_WAITING} ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT next.* FROM kinds, LATERAL (
        SELECT kind, queue FROM work WHERE status IN {_WAITING} AND kind > kinds.kind
         ORDER BY kind LIMIT 1) AS next),
lanes AS (
    SELECT kinds.kind, COALESCE(known.queue, kinds.queue) AS queue
      FROM kinds LEFT JOIN unnest(%(kinds)s::text[], %(queues)s::text[]) AS known (kind, queue)
           ON known.kind = kinds.kind),
front AS (
    SELECT one.*, lanes.queue FROM lanes, LATERAL (
        SELECT id, kind, subject, priority, due_at, rung_at, rings FROM work
         WHERE kind = lanes.kind AND status IN {_WAITING} AND due_at <= statement_timestamp()
         ORDER BY priority DESC, due_at LIMIT %(limit)s * 4) AS one
     WHERE NOT lanes.queue = ANY(%(busy)s)),
workers AS (
    SELECT queue, count(*) AS alive FROM work_worker, unnest(queues) AS queue
     WHERE role = 'celery' AND stopped_at IS NULL
       AND seen_at > statement_timestamp() - make_interval(secs => %(stale_after_s)s)
     GROUP BY queue),
room AS (
    SELECT kind, %(bells_per_worker)s
           * GREATEST((SELECT alive FROM workers WHERE workers.queue = front.queue), 2)
           * CASE WHEN kind = ANY(%(light)s) THEN %(batch_max)s ELSE 1 END
           - count(*) FILTER (WHERE rung_at > statement_timestamp() - make_interval(
                secs => %(patience_s)s)) AS for_more
      FROM front GROUP BY kind, queue),
turns AS (
    SELECT *, row_number() OVER (PARTITION BY kind, subject ORDER BY priority DESC, due_at)
           AS turn_of_subject
      FROM front WHERE {_UNANSWERED.format(work="front")}),
waiting AS (
    SELECT id, kind, queue, priority, due_at, row_number() OVER (
           PARTITION BY kind ORDER BY priority DESC, turn_of_subject, due_at) AS turn_of_kind
      FROM turns),
picked AS (
    SELECT work.id, waiting.queue, waiting.priority, waiting.turn_of_kind, waiting.due_at
      FROM work JOIN waiting USING (id)
     WHERE work.id IN (SELECT id FROM waiting JOIN room USING (kind)
                        WHERE %(is_for_us)s OR turn_of_kind <= for_more
                        ORDER BY priority DESC, turn_of_kind, due_at LIMIT %(limit)s)
       FOR NO KEY UPDATE OF work SKIP LOCKED),
rung AS (
    UPDATE work SET rung_at = statement_timestamp(), rings = LEAST(rings + 1, 1000),
           queue = picked.queue
      FROM picked WHERE work.id = picked.id
       AND work.status IN {_WAITING} AND {_UNANSWERED.format(work="work")}
    RETURNING work.id, work.queue, work.kind, work.crashes, picked.priority,
              picked.turn_of_kind, picked.due_at)
SELECT id, queue, kind, crashes > 0 FROM rung ORDER BY priority DESC, turn_of_kind, due_at
"""

NOT_RUNG_AFTER_ALL = f"""
UPDATE work SET rung_at = NULL, rings = GREATEST(rings - 1, 0)
 WHERE id = ANY(%(ids)s) AND status IN {_WAITING}
"""

# Walks the partial indexes work_timers and work_schedules_by_next_slot. What became due since a
# pass began, and may have been too late for it, counts as due now.
NEXT_TIMER = """
SELECT EXTRACT(EPOCH FROM LEAST(
           (SELECT MIN(due_at) FROM work
             WHERE status IN ('retry', 'scheduled') AND due_at > %(since)s),
           (SELECT MIN(next_at) FROM work_schedule WHERE enabled AND next_at > %(since)s))
       - statement_timestamp())::float8
"""

# Walks the partial index work_schedules_by_next_slot. Slots of kinds that this process does
# not know are left to one that does.
SCHEDULES_DUE = """
SELECT name FROM work_schedule
 WHERE enabled AND next_at <= statement_timestamp() AND kind = ANY(%(kinds)s)
 ORDER BY next_at LIMIT %(limit)s
"""

SCHEDULES_WITH_QUEUED_SLOTS = """
SELECT DISTINCT schedule_id FROM work_slot JOIN work_schedule ON name = schedule_id
 WHERE fate = 'queued' AND enabled AND kind = ANY(%(kinds)s) LIMIT %(limit)s
"""

RECORD_SLOT = """
INSERT INTO work_slot (schedule_id, slot_at, fate, stands_for, work_id)
VALUES (%(schedule)s, %(slot_at)s, %(fate)s, %(stands_for)s, %(work_id)s)
ON CONFLICT (schedule_id, slot_at) DO NOTHING
RETURNING id
"""

_FORGOTTEN_IF = """work.kind = ANY(%(kinds)s)
   AND work.status = 'done' AND work.idempotency_key IS NULL
   AND work.finished_at < statement_timestamp() - make_interval(secs => %(days)s * 86400.0)"""

# By the primary keys of both. What does not go, for whatever reason, has no work in its row.
SLOTS_OF_HOUSEKEEPING = f"""
SELECT slot.id, slot_at < statement_timestamp() - make_interval(secs => %(days)s * 86400.0),
       work.id, work.correlation_id
  FROM (SELECT id, slot_at, work_id FROM work_slot
         WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) AS slot
  LEFT JOIN work ON work.id = slot.work_id AND {_FORGOTTEN_IF}
 ORDER BY slot.id
"""

# A slot that never fired has no work that it would go with. Of the slots that were looked at.
FORGET_IDLE_SLOTS = """
DELETE FROM work_slot USING work_schedule
 WHERE id > %(after)s AND id <= %(until)s AND fate IN ('missed', 'overlapped')
   AND work_schedule.name = schedule_id AND work_schedule.kind = ANY(%(kinds)s)
   AND slot_at < statement_timestamp() - make_interval(secs => %(days)s * 86400.0)
RETURNING id
"""

# Walks work_slot_fires_exactly_once along one day of each schedule.
HOUSEKEEPING_OF_A_DAY = f"""
SELECT work.id, work.correlation_id
  FROM work_schedule JOIN work_slot AS slot ON slot.schedule_id = work_schedule.name
   AND slot_at < statement_timestamp() - make_interval(secs => %(days)s * 86400.0)
   AND slot_at > statement_timestamp() - make_interval(secs => (%(days)s + 1) * 86400.0)
  JOIN work ON work.id = slot.work_id AND {_FORGOTTEN_IF}
 WHERE work_schedule.kind = ANY(%(kinds)s)
 LIMIT %(limit)s
"""

# Says once more what may go: migrations/schema/forgetting.py.
FORGET = "SELECT work_forget(%(ids)s::uuid[])"

WORKER_POLLED = """
INSERT INTO work_worker (name, role, queues, started_at, seen_at)
VALUES (%(name)s, %(role)s, %(queues)s::text[], statement_timestamp(), statement_timestamp())
ON CONFLICT (name) DO UPDATE SET seen_at = statement_timestamp(), stopped_at = NULL,
       started_at = CASE WHEN %(is_first)s::bool THEN statement_timestamp()
                         ELSE work_worker.started_at END,
       queues = CASE WHEN %(is_first)s::bool THEN excluded.queues
                     WHEN excluded.queues <@ work_worker.queues THEN work_worker.queues
                     ELSE ARRAY(SELECT DISTINCT unnest(work_worker.queues || excluded.queues))
                END
"""

WORKER_STOPPED = "UPDATE work_worker SET stopped_at = statement_timestamp() WHERE name = %(name)s"

WORKERS_FORGOTTEN = """
DELETE FROM work_worker WHERE seen_at < statement_timestamp() - make_interval(secs => %(after_s)s)
"""


def run(sql: LiteralString, params: Mapping[str, object] | None = None) -> list[Row]:
    """Run one statement of this module and return its rows."""
    cursor = wire.run(sql, params or {})
    return cursor.fetchall() if cursor.description else []
