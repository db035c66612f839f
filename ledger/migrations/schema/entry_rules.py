"""One trigger for all that a new entry, and the change in it, has to be: ADR 0019 says why.

And what triggers of accountable tables call: see ledger.accountable.
"""

from django.db import migrations

from events.tables.append_only import AppendOnly
from events.tables.row_rules import RulesOnInsert
from ledger.migrations.schema.changes import CHANGE

# A savepoint that is rolled back takes the note along, as it does the change.
ON_RECORD = """
CREATE FUNCTION ledger_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('daybook.changed',
    coalesce(nullif(current_setting('daybook.changed', true), ''), ',') || TG_ARGV[0] || ',', true);
  RETURN NULL;
END $$;

CREATE FUNCTION ledger_demand_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- By ledger_entries_of_transaction. The time tells this transaction from its namesake in
  -- a database that was restored from a dump.
  IF NOT EXISTS (
    SELECT FROM ledger_entry
     WHERE transaction_id = pg_current_xact_id()::text::bigint AND created_at = now()
       AND status IN ('succeeded', 'reversed', 'compensated') AND action_kind <> 'read'
  ) THEN
    RAISE EXCEPTION '% of a row of % is not on record in the ledger', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME,
            TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$;
"""

FORGET_ON_RECORD = """
DROP FUNCTION ledger_demand_entry();
DROP FUNCTION ledger_note_change();
"""

_OF_A_CHANGE = ", ".join(
    "NEW.id" if name == "entry_id" else f"NEW.{name}" for name in CHANGE.columns
)

# What is undone is there before the row is: so the graph of reversals has no cycle.
OF_A_CHANGE_THEN = f"""
  broken := ledger_mutation_broken_rule({_OF_A_CHANGE});
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'new row for relation "ledger_entry" violates check constraint "%"', broken
      USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'ledger_entry';
  END IF;
  IF NEW.reverses_id IS NOT NULL THEN
    IF NOT EXISTS (
      SELECT FROM ledger_entry WHERE id = NEW.reverses_id AND action_kind <> 'read'
    ) THEN
      RAISE EXCEPTION 'entry % undoes %, which records no change before it',
                      NEW.id, NEW.reverses_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_reversal_has_an_original';
    END IF;
    IF EXISTS (
      SELECT FROM ledger_entry WHERE id = NEW.reverses_id AND reversal_kind = 'none'
    ) THEN
      RAISE EXCEPTION 'entry % undoes %, which declares no way back', NEW.id, NEW.reverses_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_reversal_has_an_original';
    END IF;
  END IF;
"""

# The change comes before its entry, so that it can be looked for at once.
OF_ITS_TRUTH_THEN = """
  -- Before the row is there: so what undoes and what amends has no cycle.
  IF NEW.amends_id IS NOT NULL THEN
    IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.amends_id) THEN
      RAISE EXCEPTION 'entry % amends %, which is not there before it', NEW.id, NEW.amends_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_amendment_has_an_original';
    END IF;
  END IF;
  IF NEW.transaction_id <> pg_current_xact_id()::text::bigint OR NEW.created_at <> now() THEN
    RAISE EXCEPTION 'entry % claims another transaction than its own', NEW.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entry_is_true';
  END IF;
  IF NEW.approval_id IS NOT NULL OR NEW.evaluated_risk IN ('critical', 'high') THEN
    IF NEW.status = 'succeeded' AND NEW.action_kind IN ('create', 'update', 'delete')
       AND NEW.evaluated_risk IN ('critical', 'high')
       AND strpos(coalesce(current_setting('daybook.changed', true), ''),
                  ',' || NEW.target_type || ',') = 0
       -- The triggers themselves are the list of what is accountable.
       AND EXISTS (SELECT FROM pg_trigger
                    WHERE tgname = 'ledger_change_is_on_record'
                      AND tgargs = convert_to(NEW.target_type, 'UTF8') || '\\x00'::bytea)
    THEN
      RAISE EXCEPTION 'entry % records a change of a % that did not happen', NEW.id,
                      NEW.target_type
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_entry_is_true';
    END IF;
    -- What was done under an approval is what was approved, by whoever asked, in time.
    IF NEW.approval_id IS NOT NULL AND NEW.status IN ('succeeded', 'reversed', 'compensated')
       AND NEW.action_kind NOT IN ('approve', 'reject')
       AND NOT EXISTS (
         SELECT FROM ledger_approval a
          WHERE a.id = NEW.approval_id AND a.status = 'approved' AND a.expires_at > now()
            AND a.fingerprint <> '' AND a.fingerprint = NEW.idempotency_fingerprint
            AND a.action_name = NEW.action_name AND a.action_version = NEW.action_version
            AND a.target_type = NEW.target_type AND a.target_id IN (NEW.target_id, '*')
            AND split_part(a.requested_by, '@', 1) = NEW.principal_type || ':' || NEW.principal_id
       )
    THEN
      RAISE EXCEPTION 'entry % is not what approval % was given for', NEW.id, NEW.approval_id
        USING ERRCODE = 'integrity_constraint_violation',
              CONSTRAINT = 'ledger_execution_is_approved';
    END IF;
  END IF;
"""

TO_BE_SEALED_THEN = """  INSERT INTO ledger_unsealed (entry_id) VALUES (NEW.id);
"""

ENTRY_THEN = f"{OF_A_CHANGE_THEN}{OF_ITS_TRUTH_THEN}{TO_BE_SEALED_THEN}"

ENTRY = RulesOnInsert(
    "ledger_entry",
    columns={
        "id": "uuid", "action_kind": "text", "status": "text", "evaluated_risk": "text",
        "principal_type": "text", "principal_id": "text", "target_type": "text",
        "target_id": "text", "idempotency_key": "text", "idempotency_scope": "text",
        "delegated_by_type": "text", "delegated_by_id": "text", "delegation_id": "uuid",
        "amends_id": "uuid", "body": "bytea", "digest": "text", "action_version": "int",
        "capability_version": "int",
    },
    rules={
        "ledger_entry_kind_is_known": "action_kind IN ('approve', 'compensate', 'create', "
        "'delete', 'duplicate', 'execute', 'read', 'reject', 'reverse', 'update')",
        "ledger_entry_status_is_known": "status IN ('approved', 'awaiting_approval', 'cancelled', "
        "'compensated', 'denied', 'expired', 'failed', 'requested', 'reversed', 'succeeded', "
        "'superseded')",
        "ledger_entry_risk_is_known": "evaluated_risk IN ('critical', 'high', 'low', 'medium')",
        "ledger_entry_principal_is_known": "principal_type IN ('agent', 'api_key', 'system', "
        "'user', 'workflow')",
        # The database counts it out itself: a digest of something else is no digest.
        "ledger_entry_is_digested": "digest = encode(sha256(body), 'hex')",
        "ledger_entry_says_who_and_what": "target_id <> '' AND target_type <> '' "
        "AND principal_id <> ''",
        "ledger_entry_key_has_a_scope": "(idempotency_key IS NULL) = (idempotency_scope IS NULL)",
        "ledger_entry_delegation_is_whole": "delegated_by_type = '' AND delegated_by_id = '' "
        "AND delegation_id IS NULL OR delegated_by_type <> '' AND delegated_by_id <> ''",
        "ledger_entry_does_not_amend_itself": "amends_id <> id",
        "ledger_entry_versions_start_at_one": "action_version >= 1 AND capability_version >= 1",
    },
    then=ENTRY_THEN,
)  # fmt: skip

RULES = [
    migrations.RunSQL(ON_RECORD, FORGET_ON_RECORD),
    ENTRY,
    AppendOnly("ledger_entry"),
    AppendOnly("ledger_disclosure"),
]
