"""The invariants of work, for the doctor."""

from collections.abc import Mapping

from events.doctor import VIOLATIONS_SHOWN_MAX, check
from workflows.work import conf, registry, retention, samples, selectors, statements

OVERDUE_LEASE_S = 10
BACKLOG_S = 60

_WORK = samples.rows_of("work", "id, status, attempt, fence")

# As the view `work_every_attempt` says it, of a row that is read already: there may be 200,000,
# for which the view would read it and its attempts again.
_IN_ITS_WORK = "(w.status = 'done' AND w.fence = 1 AND a.successes = 0)::int"


@check("I6", "work ends at most once, and done work has exactly one success (of much: a sample)")
def work_ends_once() -> list[str]:
    return _of_a_sample(
        f"""
        SELECT format('work %%s is %%s and has %%s successes', w.id, w.status, a.successes)
          FROM {_WORK} w, LATERAL (
            SELECT count(*) AS successes FROM work_attempt
             WHERE work_id = w.id AND outcome = 'done' OFFSET 0) a
         WHERE w.attempt > 0 AND a.successes + {_IN_ITS_WORK} <> (w.status = 'done')::int
         LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )


@check(
    "I7",
    "attempts and fences only go up, and none is missing from the journal (of much: a sample)",
)
def attempts_increase() -> list[str]:
    disordered = _of_a_sample(
        f"""
        SELECT format('work %%s: attempt %%s has fence %%s after fence %%s',
                      w.id, a.attempt, a.fence, a.before)
          FROM {_WORK} w, LATERAL (
            SELECT attempt, fence, lag(fence) OVER (ORDER BY attempt) AS before
              FROM work_attempt WHERE work_id = w.id AND outcome <> 'stale' OFFSET 0) a
         WHERE a.fence <= a.before LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )
    missing = _of_a_sample(
        f"""
        SELECT format('work %%s is %%s, at attempt %%s, with %%s in the journal',
                      w.id, w.status, w.attempt, a.ended)
          FROM {_WORK} w, LATERAL (
            SELECT count(*) AS ended, count(*) FILTER (WHERE outcome = 'done') AS successes
              FROM work_attempt WHERE work_id = w.id AND outcome <> 'stale' OFFSET 0) a
         WHERE a.ended + {_IN_ITS_WORK} <> w.attempt - (w.status = 'leased')::int LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )
    return disordered + missing


@check("I8", "work was completed with the fence of its last claim (of much: a sample)")
def fences_hold() -> list[str]:
    return _of_a_sample(
        f"""
        SELECT format('work %%s was completed with fence %%s, its last is %%s',
                      w.id, a.fence, w.fence)
          FROM {_WORK} w, LATERAL (
            SELECT attempt, fence FROM work_attempt
             WHERE work_id = w.id AND outcome = 'done' OFFSET 0) a
         WHERE w.fence <> a.fence OR w.attempt <> a.attempt LIMIT %(limit)s
        """  # noqa: S608 (names of our own)
    )


@check("I11-work", "waiting work has a due time, running work a lease")
def work_has_a_wake_up() -> list[str]:
    return _sentences(
        """
        SELECT format('work %%s is %%s and nothing will wake it', id, status) FROM work
         WHERE (status IN ('ready', 'scheduled', 'retry') AND due_at IS NULL)
            OR (status = 'leased' AND (lease_until IS NULL OR leased_by = '')) LIMIT %(limit)s
        """
    )


@check("work-rules", "the triggers that enforce the rules of work are enabled")
def rules_are_enabled() -> list[str]:
    return _sentences(
        """
        SELECT format('%%s: the trigger %%s is disabled or missing', of, name)
          FROM unnest(ARRAY['work', 'work_attempt']) AS of, concat(of, '_keeps_its_rules') AS name
         WHERE NOT EXISTS (
           SELECT FROM pg_trigger
            WHERE tgrelid = of::regclass AND tgname = name AND tgenabled = 'O'
         ) LIMIT %(limit)s
        """
    )


@check(
    "work-leases",
    f"no lease is more than {OVERDUE_LEASE_S} s overdue: a sweeper is at work",
    is_of_work=True,
)
def leases_are_swept() -> list[str]:
    return _sentences(
        """
        SELECT format('work %%s of %%s: the lease of %%s ran out at %%s',
                      id, kind, leased_by, lease_until)
          FROM work WHERE status = 'leased'
           AND lease_until < statement_timestamp() - make_interval(secs => %(overdue_s)s)
         LIMIT %(limit)s
        """
    )


@check("work-backlog", f"no due work has waited for more than {BACKLOG_S} s", is_of_work=True)
def work_is_done_in_time() -> list[str]:
    rows = statements.run(
        """
        SELECT kind, count(*), min(due_at)::text
          FROM work WHERE status IN ('ready', 'scheduled', 'retry')
           AND due_at < statement_timestamp() - make_interval(secs => %(backlog_s)s)
         GROUP BY kind LIMIT %(limit)s
        """,
        {"limit": VIOLATIONS_SHOWN_MAX, "backlog_s": BACKLOG_S},
    )
    listeners = selectors.listeners(selectors.workers()) if rows else {}
    return [
        f"{count} pieces of {kind} wait, the oldest since {since}{_why(kind, listeners)}"
        for kind, count, since in rows
    ]


@check(
    "work-retention",
    "housekeeping that left nothing on record is forgotten when its time is over",
    is_of_work=True,
)
def housekeeping_is_forgotten() -> list[str]:
    count = retention.overdue()
    if not count:
        return []
    days = f"{conf.current().housekeeping_days:g}"
    return [f"{count} finished jobs or more are older than {days} days: does beat run?"]


def _why(kind: str, listeners: Mapping[str, int]) -> str:
    if not registry.is_known(kind):
        return "; there is no such kind in this release"
    queue = registry.get(kind).queue
    return "" if listeners[queue] else f"; no worker takes from its queue, {queue}"


def _of_a_sample(sql: str) -> list[str]:
    rows = statements.run(sql, {"limit": VIOLATIONS_SHOWN_MAX, **samples.of("work")})
    return [sentence for (sentence,) in rows]


def _sentences(sql: str) -> list[str]:
    limits = {"limit": VIOLATIONS_SHOWN_MAX, "overdue_s": OVERDUE_LEASE_S}
    return [sentence for (sentence,) in statements.run(sql, limits)]
