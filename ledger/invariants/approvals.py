"""Approvals: given by others, and used once, for what was approved."""

from django.db import connection

from events import doctor

# Computed otherwise than by the triggers: what was written while they were disabled shows here.
_NOT_FOUR_EYES = """
SELECT v.approval_id FROM ledger_approvalvote v JOIN ledger_approval a ON a.id = v.approval_id
 WHERE v.human = ANY (a.humans) OR v.principal = ANY (a.chain)
"""
_WITHOUT_QUORUM = """
SELECT a.id FROM ledger_approval a
 WHERE a.status = 'approved' AND a.quorum > (
   SELECT count(DISTINCT v.human) FROM ledger_approvalvote v
    WHERE v.approval_id = a.id AND v.decision = 'approve')
"""
_NOT_WHAT_WAS_APPROVED = """
SELECT e.id, e.approval_id FROM ledger_entry e LEFT JOIN ledger_approval a ON a.id = e.approval_id
 WHERE e.approval_id IS NOT NULL AND e.status IN ('succeeded', 'reversed', 'compensated')
   AND e.action_kind NOT IN ('approve', 'reject') AND e.action_name <> 'approval.decide'
   AND (a.id IS NULL OR a.status <> 'approved' OR a.fingerprint <> e.idempotency_fingerprint
        OR e.occurred_at > a.expires_at OR e.occurred_at < a.decided_at)
"""
_USED_TWICE = """
SELECT approval_id FROM ledger_entry
 WHERE approval_id IS NOT NULL AND status IN ('succeeded', 'reversed', 'compensated')
   AND action_kind NOT IN ('approve', 'reject') AND action_name <> 'approval.decide'
 GROUP BY approval_id HAVING count(*) > 1
"""
_OVERDUE = """
SELECT id FROM ledger_approval
 WHERE status = 'pending' AND expires_at < now() - interval '10 minutes'
"""


@doctor.check(
    "I14",
    "nobody approves their own request; an approval covers one execution, of what was approved",
)
def approvals_are_of_others_and_used_once() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_NOT_FOUR_EYES)
        found = [f"approval {id_} was decided by who asked for it" for (id_,) in cursor.fetchall()]
        cursor.execute(_WITHOUT_QUORUM)
        found += [f"approval {id_} was approved by too few" for (id_,) in cursor.fetchall()]
        cursor.execute(_NOT_WHAT_WAS_APPROVED)
        found += [
            f"entry {id_} is not what approval {approval_id} was given for"
            for id_, approval_id in cursor.fetchall()
        ]
        cursor.execute(_USED_TWICE)
        found += [f"approval {id_} was used more than once" for (id_,) in cursor.fetchall()]
        cursor.execute(_OVERDUE)
        found += [f"approval {id_} should have expired" for (id_,) in cursor.fetchall()]
    return found
