"""No row belongs to two owners, and none to another tenant."""

from django.db import connection

from events import doctor
from ledger import boundaries

# The one tenant: entries name no other organisation, and a key of a user none but theirs.
_OTHER_TENANTS = """
SELECT e.id, e.organization_id FROM ledger_entry e
 WHERE e.organization_id <> (SELECT organization_id FROM ledger_entry
                              ORDER BY occurred_at, id LIMIT 1)
 ORDER BY e.occurred_at, e.id
"""
_KEYS_OF_OTHERS = """
SELECT e.id, split_part(e.idempotency_scope, ' ', 1) FROM ledger_entry e
 WHERE e.idempotency_scope LIKE 'user:%'
   AND split_part(e.idempotency_scope, ' ', 1) <> e.principal_type || ':' || e.principal_id
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I18", "no row refers to a row of another owner; there is one tenant")
def boundaries_hold() -> list[str]:
    """Return what is broken, as sentences. What has an owner says so: `ledger.boundaries`."""
    found = [
        f"{key}: refers to an owned model, and says no owner" for key in boundaries.undeclared()
    ]
    for crossing in boundaries.crossings():
        ids = boundaries.crossed(crossing).values_list("pk", flat=True)[: boundaries.SAMPLE_IDS]
        found += [f"{crossing}: {id_} crosses to another {crossing.owner}" for id_ in ids]
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_TENANTS)
        found += [f"entry {id_} is of another tenant: {name}" for id_, name in cursor.fetchall()]
        cursor.execute(_KEYS_OF_OTHERS)
        found += [f"entry {id_} has a key of {name}" for id_, name in cursor.fetchall()]
    return found
