"""The title of an approval may be erased, on record, and is fixed like all else otherwise."""

from django.db import migrations

FADE = """
CREATE OR REPLACE FUNCTION ledger_check_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    broken := 'is never deleted';
  ELSIF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'pending' THEN
      broken := 'begins as pending';
    ELSIF NOT NEW.requested_by = ANY (NEW.chain)
       OR (NEW.requested_by_human <> '' AND NOT NEW.requested_by_human = ANY (NEW.humans)) THEN
      broken := 'knows who asked';
    END IF;
  ELSIF NEW.title <> OLD.title AND strpos(NEW.title, '[erased]') > 0
    AND (to_jsonb(NEW) - 'title') = (to_jsonb(OLD) - 'title') THEN
    -- What names somebody may be taken away at any time; ledger_approval_is_on_record looks on.
    broken := NULL;
  ELSIF OLD.status <> 'pending' THEN
    broken := 'is ' || OLD.status || ', and that is final';
  ELSIF (to_jsonb(NEW) - '{status,decided_at,assigned_to_id,assigned_group_id,delegated_from}'::text[])
     <> (to_jsonb(OLD) - '{status,decided_at,assigned_to_id,assigned_group_id,delegated_from}'::text[])
  THEN
    broken := 'is about what it was asked for';
  ELSIF NEW.assigned_to_id IS NOT NULL AND NEW.assigned_to_id::text = ANY (NEW.humans) THEN
    broken := 'is not for whoever asked to decide';
  ELSIF NEW.status = 'approved' AND (
    -- By ledger_approval_hears_each_person_once; a person is counted once, whatever their keys.
    SELECT count(DISTINCT human) FROM ledger_approvalvote
     WHERE approval_id = NEW.id AND decision = 'approve' AND NOT human = ANY (NEW.humans)
  ) < NEW.quorum THEN
    broken := 'takes more people to approve';
  ELSIF NEW.status = 'approved' AND NEW.expires_at <= now() THEN
    broken := 'is over, and nobody can approve it any more';
  END IF;
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'approval % %', coalesce(NEW.id, OLD.id), broken
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION ledger_demand_entry_of_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM ledger_entry
     WHERE transaction_id = pg_current_xact_id()::text::bigint AND created_at = now()
       AND (approval_id = NEW.id
            -- Whose words are taken away is on record as the erasure of a person.
            OR TG_OP = 'UPDATE' AND NEW.title <> OLD.title
               AND status IN ('succeeded', 'reversed', 'compensated') AND action_kind <> 'read')
  ) THEN
    RAISE EXCEPTION '% of approval % is not on record in the ledger', TG_OP, NEW.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
"""

UNDO = """
CREATE OR REPLACE FUNCTION ledger_check_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    broken := 'is never deleted';
  ELSIF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'pending' THEN
      broken := 'begins as pending';
    ELSIF NOT NEW.requested_by = ANY (NEW.chain)
       OR (NEW.requested_by_human <> '' AND NOT NEW.requested_by_human = ANY (NEW.humans)) THEN
      broken := 'knows who asked';
    END IF;
  ELSIF OLD.status <> 'pending' THEN
    broken := 'is ' || OLD.status || ', and that is final';
  ELSIF (to_jsonb(NEW) - '{status,decided_at,assigned_to_id,assigned_group_id,delegated_from}'::text[])
     <> (to_jsonb(OLD) - '{status,decided_at,assigned_to_id,assigned_group_id,delegated_from}'::text[])
  THEN
    broken := 'is about what it was asked for';
  ELSIF NEW.assigned_to_id IS NOT NULL AND NEW.assigned_to_id::text = ANY (NEW.humans) THEN
    broken := 'is not for whoever asked to decide';
  ELSIF NEW.status = 'approved' AND (
    -- By ledger_approval_hears_each_person_once; a person is counted once, whatever their keys.
    SELECT count(DISTINCT human) FROM ledger_approvalvote
     WHERE approval_id = NEW.id AND decision = 'approve' AND NOT human = ANY (NEW.humans)
  ) < NEW.quorum THEN
    broken := 'takes more people to approve';
  ELSIF NEW.status = 'approved' AND NEW.expires_at <= now() THEN
    broken := 'is over, and nobody can approve it any more';
  END IF;
  IF broken IS NOT NULL THEN
    RAISE EXCEPTION 'approval % %', coalesce(NEW.id, OLD.id), broken
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN coalesce(NEW, OLD);
END $$;

CREATE OR REPLACE FUNCTION ledger_demand_entry_of_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM ledger_entry
     WHERE transaction_id = pg_current_xact_id()::text::bigint AND created_at = now()
       AND approval_id = NEW.id
  ) THEN
    RAISE EXCEPTION '% of approval % is not on record in the ledger', TG_OP, NEW.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0080_entries_cost_less")]

    operations = [migrations.RunSQL(FADE, UNDO)]
