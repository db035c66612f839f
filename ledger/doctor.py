"""What must be true of the ledger on a healthy system."""

from django.db import connection

from events import doctor

# The database checks the digest of every row it takes; this finds rows that came past it.
_FORGED = """
SELECT id FROM ledger_entry WHERE digest <> encode(sha256(body), 'hex') ORDER BY occurred_at, id
"""

_WITHOUT_DETAIL = """
SELECT e.id FROM ledger_entry e
 WHERE NOT EXISTS (SELECT FROM ledger_mutation m WHERE m.entry_id = e.id)
   AND NOT EXISTS (SELECT FROM ledger_disclosure d WHERE d.entry_id = e.id)
 ORDER BY e.occurred_at, e.id
"""

_ASLEEP = """
SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE t.tgname IN ('ledger_change_is_noted', 'ledger_change_is_on_record', 'ledger_entry_is_true')
   AND t.tgenabled <> 'O'
 ORDER BY c.relname, t.tgname
"""


@doctor.check("I12", "every entry is whole, and nothing accountable can change without one")
def entries_and_changes_go_together() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGED)
        found = [f"entry {id_} is not what its digest says" for (id_,) in cursor.fetchall()]
        cursor.execute(_WITHOUT_DETAIL)
        found += [f"entry {id_} has no detail" for (id_,) in cursor.fetchall()]
        cursor.execute(_ASLEEP)
        found += [f"{table}: the trigger {name} sleeps" for table, name in cursor.fetchall()]
    return found
