"""A second book beside the ledger: the database notes by itself what changes, and when.

The triggers stand where those of the accountable tables stand, and know nothing of entries.
Both books are compared afterwards, by transaction: what one has, the other must have.
"""

from collections.abc import Collection
from typing import Final

import psycopg

_TABLE: Final = """
CREATE TABLE audit_change (
  id bigserial PRIMARY KEY, table_name text, target_type text, row_id text,
  transaction_id bigint DEFAULT pg_current_xact_id()::text::bigint,
  changed_at timestamptz DEFAULT now()
)
"""
_FUNCTION: Final = """
CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE changed jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
  INSERT INTO public.audit_change (table_name, target_type, row_id)
  VALUES (TG_TABLE_NAME, TG_ARGV[0], coalesce(changed ->> 'id', changed ->> 'traveller_id'));
  RETURN NULL;
END $$
"""
_TRIGGERS: Final = """
SELECT c.relname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE t.tgname = 'ledger_change_is_noted' ORDER BY c.relname
"""
_OFF_THE_RECORD: Final = """
SELECT c.table_name || ' ' || c.row_id FROM audit_change c
 WHERE NOT EXISTS (
   SELECT FROM ledger_entry e
    WHERE e.transaction_id = c.transaction_id AND e.created_at = c.changed_at
      AND e.status IN ('succeeded', 'reversed', 'compensated') AND e.action_kind <> 'read')
 ORDER BY c.id
"""
_NEVER_HAPPENED: Final = """
SELECT e.action_name || ' ' || e.target_id FROM ledger_entry e
 WHERE e.action_name = ANY (%s) AND e.status IN ('succeeded', 'reversed', 'compensated')
   AND e.created_at > %s
   AND NOT EXISTS (
     SELECT FROM audit_change c
      WHERE c.transaction_id = e.transaction_id AND c.changed_at = e.created_at
        AND c.target_type = e.target_type AND c.row_id = e.target_id)
 ORDER BY e.occurred_at
"""


def begin(connection: psycopg.Connection) -> tuple[list[str], object]:
    """Begin the second book; return the tables that it watches, and the moment."""
    connection.execute(_TABLE)
    connection.execute(_FUNCTION)
    watched = connection.execute(_TRIGGERS).fetchall()
    for _table, definition in watched:
        of_ours = definition.replace("ledger_change_is_noted", "audit_notes")
        # What the product looks at, the second book looks at; WHEN and OF included.
        connection.execute(of_ours.replace("ledger_note_change", "audit_note"))
    [(now,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    return [table for table, _ in watched], now


def changed_tables(connection: psycopg.Connection) -> set[str]:
    """Return the tables in which anything has changed since."""
    return {name for (name,) in connection.execute("SELECT table_name FROM audit_change")}


def off_the_record(connection: psycopg.Connection) -> list[str]:
    """Return the changes whose transaction left no entry."""
    return [what for (what,) in connection.execute(_OFF_THE_RECORD)]


def never_happened(
    connection: psycopg.Connection, acts: Collection[str], since: object
) -> list[str]:
    """Return the executed entries of these acts whose transaction did not change their target."""
    found = connection.execute(_NEVER_HAPPENED, (sorted(acts), since))
    return [what for (what,) in found]


def times_done(connection: psycopg.Connection) -> dict[str, int]:
    """Return how many entries say, under each idempotency key, that it was done."""
    return dict(
        connection.execute(
            "SELECT idempotency_key, count(*) FROM ledger_entry"
            " WHERE idempotency_key IS NOT NULL"
            " AND status IN ('succeeded', 'reversed', 'compensated') GROUP BY 1"
        ).fetchall()
    )
