"""Reversals: in order, once, within the amount, and with the standing that follows from them."""

from django.db import connection

from events import doctor
from ledger.reversing import rebuilding

# What is undone or amended was there before. Numbers and amounts: as the constraints say.
_OUT_OF_ORDER = """
SELECT m.entry_id, 'undoes', m.reverses_id FROM ledger_mutation m
  JOIN ledger_entry e ON e.id = m.entry_id JOIN ledger_entry o ON o.id = m.reverses_id
 WHERE o.created_at > e.created_at
 UNION ALL
SELECT e.id, 'amends', o.id FROM ledger_entry e JOIN ledger_entry o ON o.id = e.amends_id
 WHERE o.created_at > e.created_at ORDER BY 1
"""

# Within one transaction all were made at once, so the order says nothing: walk. Only from what
# both refers and is referred to, which is little.
_IN_A_CIRCLE = """
WITH RECURSIVE edge (later, earlier) AS (
  SELECT entry_id, reverses_id FROM ledger_mutation WHERE reverses_id IS NOT NULL
   UNION ALL
  SELECT id, amends_id FROM ledger_entry WHERE amends_id IS NOT NULL
), between AS (
  SELECT later, earlier FROM edge WHERE later IN (SELECT earlier FROM edge)
), walk (start, at) AS (
  SELECT later, earlier FROM between
   UNION
  SELECT walk.start, between.earlier FROM walk JOIN between ON between.later = walk.at
)
SELECT start FROM walk WHERE at = start ORDER BY start
"""

_UNDONE_TWICE = """
SELECT reverses_id, count(*) FROM ledger_mutation WHERE reversal_outcome = 'full'
 GROUP BY reverses_id HAVING count(*) > 1 ORDER BY reverses_id
"""

_TOO_MUCH = """
SELECT o.entry_id, o.reversal_amount_cents, sum(m.reversed_cents) FROM ledger_mutation o
  JOIN ledger_mutation m ON m.reverses_id = o.entry_id
   AND m.reversal_step IN ('settled', 'completed')
 WHERE o.reversal_amount_cents IS NOT NULL GROUP BY 1, 2
HAVING sum(m.reversed_cents) > o.reversal_amount_cents ORDER BY o.entry_id
"""


@doctor.check(
    "I15", "nothing is reversed twice, before it was done, in a cycle, or beyond its amount"
)
def reversals_are_sound() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_OUT_OF_ORDER)
        found = [
            f"entry {id_} {does} {of}, which came later" for id_, does, of in cursor.fetchall()
        ]
        cursor.execute(_IN_A_CIRCLE)
        found += [
            f"entry {id_} undoes or amends itself, by a circle" for (id_,) in cursor.fetchall()
        ]
        cursor.execute(_UNDONE_TWICE)
        found += [f"entry {id_} is wholly undone {n} times" for id_, n in cursor.fetchall()]
        cursor.execute(_TOO_MUCH)
        found += [f"entry {id_}: {n} undone of {of}" for id_, of, n in cursor.fetchall()]
    return found


@doctor.check("I15-standings", "the reversal state of every action follows from the entries")
def standings_follow_from_entries() -> list[str]:
    """Return what is broken, as sentences."""
    return rebuilding.rebuild(repairs=False, only_stepped=True)


# Whether something was done under an approval: by ledger_approval_is_used_once it is one row.
_WAITS_IN_VAIN = """
SELECT s.entry_id, r.id FROM ledger_reversalstanding s, unnest(s.requests) r(id)
  LEFT JOIN ledger_approval a ON a.id = r.id
 WHERE s.requests <> '{}'
   AND (a.id IS NULL OR a.status NOT IN ('pending', 'approved')
        OR a.status = 'approved' AND a.expires_at < now() - interval '10 minutes'
        OR EXISTS (SELECT FROM ledger_entry e
                    WHERE e.approval_id = a.id
                      AND e.status IN ('succeeded', 'reversed', 'compensated')
                      AND e.action_kind NOT IN ('approve', 'reject')
                      AND e.action_name <> 'approval.decide'))
 ORDER BY s.entry_id, r.id
"""
_WITHDRAWN_TOO_SOON = """
SELECT m.reverses_id, a.id FROM ledger_mutation m
  JOIN ledger_entry e ON e.id = m.entry_id JOIN ledger_approval a ON a.id = e.approval_id
 WHERE m.reversal_step = 'withdrawn'
   AND (a.status = 'pending' OR a.status = 'approved' AND a.expires_at > e.occurred_at)
 ORDER BY m.reverses_id, a.id
"""


@doctor.check("I15-requests", "every reversal that waits for approval has an open approval")
def requests_to_undo_are_open() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITS_IN_VAIN)
        found = [
            f"entry {id_} waits for approval {approval_id}, which is over or used"
            for id_, approval_id in cursor.fetchall()
        ]
        cursor.execute(_WITHDRAWN_TOO_SOON)
        found += [
            f"entry {id_} waits no more for approval {approval_id}, which is open"
            for id_, approval_id in cursor.fetchall()
        ]
    return found
