"""What the services check of approvals, said again for whoever writes past them."""

from django.db import migrations

from events.tables.append_only import AppendOnly
from ledger.accountable import Accountable

# The one rule of who may decide: services, the inbox and the trigger below all ask it. Whoever an
# approval was handed on to needs no group; then `of_group` is null.
MAY_DECIDE = """
CREATE FUNCTION ledger_may_decide(person text, of_group integer) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT EXISTS (
    SELECT FROM auth_user u
     -- By the primary key; a person is written as its number.
     WHERE u.id = CASE WHEN person ~ '^[0-9]{1,18}$' THEN person::bigint END
       AND u.is_active
       AND (of_group IS NULL OR EXISTS (
         SELECT FROM auth_user_groups m WHERE m.user_id = u.id AND m.group_id = of_group))
       AND (u.is_superuser OR EXISTS (
         SELECT FROM auth_permission p JOIN django_content_type t ON t.id = p.content_type_id
          WHERE t.app_label = 'ledger' AND p.codename = 'approval.decide'
            AND (EXISTS (SELECT FROM auth_user_user_permissions o
                          WHERE o.user_id = u.id AND o.permission_id = p.id)
              OR EXISTS (SELECT FROM auth_user_groups m
                           JOIN auth_group_permissions g ON g.group_id = m.group_id
                          WHERE m.user_id = u.id AND g.permission_id = p.id))))
  )
$$;
"""

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
       AND ledger_may_decide(human, CASE WHEN NOT as_delegate THEN NEW.assigned_group_id END)
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
  IF NEW.as_delegate AND about.assigned_to_id::text IS DISTINCT FROM NEW.human THEN
    RAISE EXCEPTION 'approval % was not handed on to %', NEW.approval_id, NEW.human
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_vote_as_delegate_was_handed_on';
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

# Each entry asks whether the policies by which its action passed are still in force. To gather their
# ids, in order, took PostgreSQL a sixth of what writing the entry takes.
# Not a counter: whoever saw a number in a transaction that is taken back would know it again
# when it means other policies.
MARK = """
CREATE FUNCTION ledger_mark_policies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_policiesinforce (mark) VALUES (gen_random_uuid())
  ON CONFLICT (id) DO UPDATE SET mark = EXCLUDED.mark;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_mark_policies
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ledger_approvalpolicyversion
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_mark_policies();
INSERT INTO ledger_policiesinforce (mark) VALUES (gen_random_uuid());
"""
UNMARK = """
DROP TRIGGER ledger_mark_policies ON ledger_approvalpolicyversion;
DROP FUNCTION ledger_mark_policies();
"""

# It raises, for whoever commits in the same breath.
DEMAND = """
CREATE FUNCTION ledger_demand_policies(asked uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF asked <> coalesce(
    (SELECT mark FROM ledger_policiesinforce), '00000000-0000-0000-0000-000000000000'
  ) THEN
    RAISE EXCEPTION 'other policies are in force than were asked' USING ERRCODE = 'DB004';
  END IF;
  RETURN true;
END $$;
"""

RULES = [
    migrations.RunSQL(MAY_DECIDE, "DROP FUNCTION ledger_may_decide"),
    AppendOnly("ledger_approvalvote"),
    migrations.RunSQL(KEEP_THEIR_WORD, UNDO),
    Accountable(
        "ledger_approvalpolicyversion",
        target="approval_policy",
        on="INSERT OR UPDATE OR DELETE",
    ),
    migrations.RunSQL(MARK, UNMARK),
    migrations.RunSQL(DEMAND, "DROP FUNCTION ledger_demand_policies"),
]
