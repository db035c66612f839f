"""Entries are whole and agree with the rows that they speak of."""

from django.db import connection

from events import doctor
from events.tables import triggers
from ledger import drift
from ledger.entries import FORMAT

# The database checks the digest of every row it takes; this finds rows that came past it.
_FORGED = """
SELECT id FROM ledger_entry WHERE digest <> encode(sha256(body), 'hex') ORDER BY occurred_at, id
"""

# What a change adds stands in the row of its entry.
_WITHOUT_DETAIL = """
SELECT e.id FROM ledger_entry e
 WHERE e.action_kind = 'read'
   AND NOT EXISTS (SELECT FROM ledger_disclosure d WHERE d.entry_id = e.id)
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I12", "every entry is complete, and no accountable table can change without one")
def entries_and_changes_go_together() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGED)
        found = [f"entry {id_} is not what its digest says" for (id_,) in cursor.fetchall()]
        cursor.execute(_WITHOUT_DETAIL)
        found += [f"entry {id_} has no detail" for (id_,) in cursor.fetchall()]
    lost = triggers.missing_or_disabled("ledger_")
    return found + [f"{table}: the trigger {name} sleeps, or is gone" for table, name in lost]


ENTRIES_REREAD = 500

# A body leaves out what is empty, and older shapes of it lack columns of today.
_OTHERWISE = """
WITH newest AS (SELECT * FROM ledger_entry ORDER BY id DESC LIMIT %(limit)s),
place AS MATERIALIZED (SELECT random() * max(position) AS drawn FROM ledger_sealed),
drawn AS (
  SELECT e.* FROM ledger_sealed s JOIN ledger_entry e ON e.id = s.entry_id
   WHERE s.position > (SELECT drawn FROM place) ORDER BY s.position LIMIT %(limit)s),
looked_at AS MATERIALIZED (
  SELECT e.id, convert_from(e.body, 'UTF8')::jsonb AS body,
         to_jsonb(e) - ARRAY['body', 'digest', 'created_at', 'transaction_id'] AS row
    FROM (TABLE newest UNION TABLE drawn) e)
SELECT id, column_.key FROM looked_at, jsonb_each(row) column_
 WHERE body->>'format' = %(format)s AND CASE
   WHEN NOT body ? column_.key THEN column_.value NOT IN (
     'null', '""', '"none"', 'false', '0', '[]', '{}')
   WHEN column_.key IN ('occurred_at', 'reversal_until') THEN
     (column_.value#>>'{}')::timestamptz IS DISTINCT FROM (body->>column_.key)::timestamptz
   ELSE column_.value <> body->column_.key END
 ORDER BY id, column_.key
"""


@doctor.check("I12-columns", "the columns of entries match their sealed bodies")
def columns_are_those_of_the_body() -> list[str]:
    """Return what is broken, as sentences.

    The newest are looked at, and as many that are sealed from a drawn place on.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OTHERWISE, {"limit": ENTRIES_REREAD, "format": FORMAT})
        return [
            f"entry {id_} shows another {column} than was sealed"
            for id_, column in cursor.fetchall()
        ]


@doctor.check("I12-drift", "rows and entries agree on what was done")
def rows_and_entries_agree() -> list[str]:
    """Return what is broken, as sentences."""
    found = [
        f"{name}: no drift check answers for it; its app has to call ledger.drift.declare_check"
        for name in drift.tables_without_a_check()
    ]
    for each in drift.find_drift():
        found += [
            f"{each.check.name}: {id_} has no entry that says who did it" for id_ in each.sample_ids
        ]
        found += [
            f"{each.check.name}: entry {id_} says so, and its row does not show it"
            for id_ in each.unseen_sample_ids
        ]
    return found


_DISCLOSED_NOTHING = """
SELECT e.id FROM ledger_entry e LEFT JOIN ledger_disclosure d ON d.entry_id = e.id
 WHERE e.action_kind = 'read' AND e.status = 'succeeded'
   AND coalesce(cardinality(d.disclosed_fields), 0) = 0
 ORDER BY e.occurred_at, e.id
"""


@doctor.check("I16", "every disclosure of private data names its fields")
def disclosures_name_fields() -> list[str]:
    """Return what is broken, as sentences."""
    with connection.cursor() as cursor:
        cursor.execute(_DISCLOSED_NOTHING)
        return [f"entry {id_} showed something and names no field" for (id_,) in cursor.fetchall()]
