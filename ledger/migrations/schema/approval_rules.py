"""What the services check of approvals, said again for whoever writes past them."""

from django.db import migrations

from events.tables.append_only import AppendOnly
from ledger.accountable import Accountable

KEEP_THEIR_WORD = """
CREATE FUNCTION ledger_check_approval() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER ledger_approval_keeps_its_word BEFORE INSERT OR UPDATE OR DELETE
  ON ledger_approval FOR EACH ROW EXECUTE FUNCTION ledger_check_approval();

CREATE FUNCTION ledger_check_vote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE about ledger_approval;
BEGIN
  SELECT * INTO about FROM ledger_approval WHERE id = NEW.approval_id;
  IF NEW.human = ANY (about.humans) OR NEW.principal = ANY (about.chain) THEN
    RAISE EXCEPTION 'nobody decides what they asked for: approval %', NEW.approval_id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_is_of_somebody_else';
  END IF;
  IF NEW.principal NOT LIKE 'user:%' AND NEW.principal NOT LIKE 'api_key:%' THEN
    RAISE EXCEPTION '% cannot decide an approval', NEW.principal
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_is_of_a_person';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER ledger_vote_is_of_somebody_else BEFORE INSERT ON ledger_approvalvote
  FOR EACH ROW EXECUTE FUNCTION ledger_check_vote();

-- Each step of an approval has an entry of its own, in the same transaction.
CREATE FUNCTION ledger_demand_entry_of_approval() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE CONSTRAINT TRIGGER ledger_approval_is_on_record AFTER INSERT OR UPDATE ON ledger_approval
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_demand_entry_of_approval();

CREATE FUNCTION ledger_check_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status = 'draft' THEN
      RETURN OLD;
    END IF;
  ELSIF OLD.status = 'draft'
     OR (OLD.status = 'active' AND NEW.status = 'retired'
         AND (to_jsonb(NEW) - '{status,retired_at}'::text[])
           = (to_jsonb(OLD) - '{status,retired_at}'::text[])) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'policy %@v% was in force: it is not changed any more', OLD.name, OLD.version
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER ledger_policy_in_force_is_fixed BEFORE UPDATE OR DELETE
  ON ledger_approvalpolicyversion FOR EACH ROW EXECUTE FUNCTION ledger_check_policy();
"""

UNDO = """
DROP TRIGGER ledger_policy_in_force_is_fixed ON ledger_approvalpolicyversion;
DROP FUNCTION ledger_check_policy();
DROP TRIGGER ledger_approval_is_on_record ON ledger_approval;
DROP FUNCTION ledger_demand_entry_of_approval();
DROP TRIGGER ledger_vote_is_of_somebody_else ON ledger_approvalvote;
DROP FUNCTION ledger_check_vote();
DROP TRIGGER ledger_approval_keeps_its_word ON ledger_approval;
DROP FUNCTION ledger_check_approval();
"""

RULES = [
    AppendOnly("ledger_approvalvote"),
    migrations.RunSQL(KEEP_THEIR_WORD, UNDO),
    Accountable(
        "ledger_approvalpolicyversion",
        target="approval_policy",
        on="INSERT OR UPDATE OR DELETE",
    ),
]
