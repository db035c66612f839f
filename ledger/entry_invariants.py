"""The invariant that the columns of an entry agree with its sealed body."""

from django.db import connection

from events import doctor
from ledger.entries import FORMAT

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
