"""The invariants of agents and delegations, for the doctor."""

from dataclasses import replace

from django.db import connection

from events import doctor
from ledger.access.delegations import Chain
from ledger.domain.delegation import DelegationTooWide
from ledger.models import Delegation

_OVERDRAWN = """
SELECT p.id FROM ledger_delegation p JOIN ledger_delegation c ON c.parent_id = p.id
 GROUP BY p.id HAVING p.actions_used < sum(c.actions_used)
    OR p.cents_max IS NOT NULL AND p.cents_used < sum(c.cents_used)
 ORDER BY p.id
"""

_WITHOUT_LEAVE = """
SELECT e.id FROM ledger_entry e
 WHERE e.principal_type = 'agent' AND e.delegation_id IS NULL
 ORDER BY e.occurred_at, e.id
"""

# Whatever began after the end and was done all the same. What was under way is stopped by locks.
_TOO_LATE = """
SELECT e.id FROM ledger_entry e JOIN ledger_delegation d ON d.id = e.delegation_id
 WHERE e.status IN ('succeeded', 'reversed', 'compensated')
   AND e.created_at > least(d.expires_at, coalesce(d.revoked_at, d.expires_at))
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I21", "no agent exceeds the scope, the budget or the time of its delegation")
def agents_keep_within_their_delegations() -> list[str]:
    """Return what is broken, as sentences."""
    found = [
        f"delegation {link.pk}: {why}"
        for link in Delegation.objects.exclude(parent=None)
        .select_related("parent__parent")
        .order_by("pk")
        .iterator()
        if (why := _why_too_wide(link))
    ]
    with connection.cursor() as cursor:
        cursor.execute(_OVERDRAWN)
        found += [
            f"delegation {id_} has used less than those below it" for (id_,) in cursor.fetchall()
        ]
        cursor.execute(_WITHOUT_LEAVE)
        found += [
            f"entry {id_} is an agent's, and of no delegation" for (id_,) in cursor.fetchall()
        ]
        cursor.execute(_TOO_LATE)
        found += [
            f"entry {id_} was made under a delegation that had ended"
            for (id_,) in cursor.fetchall()
        ]
    return found


def _why_too_wide(link: Delegation) -> str:
    terms = link.terms
    if link.starts_at == link.created_at:
        # No start was asked for: it may be of a time when it was not that of those above.
        terms = replace(terms, starts_at=None)
    try:
        for above in Chain.of(link).links[:-1]:
            terms.check_within(above.terms)
    except DelegationTooWide as why:
        return str(why)
    return ""
