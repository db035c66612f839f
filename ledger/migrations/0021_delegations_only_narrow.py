from django.db import migrations

from ledger.accountable import Accountable

# What the services check, said again. An agent acts for its owner and nobody else; a chain
# has one root; what was agreed stays as it was, and what is ended stays ended.
RULES = """
ALTER TABLE ledger_delegation
  ADD CONSTRAINT ledger_delegation_is_of_the_owner
      FOREIGN KEY (agent_id, root_id) REFERENCES ledger_agent (id, owner_id),
  ADD CONSTRAINT ledger_delegation_has_the_root_of_its_parent
      FOREIGN KEY (parent_id, root_id) REFERENCES ledger_delegation (id, root_id);

CREATE FUNCTION ledger_check_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE above ledger_delegation;
BEGIN
  IF NEW.parent_id IS NULL THEN
    RETURN NEW;
  END IF;
  -- Locked, so that it is not revoked while something is hung below it.
  SELECT * INTO above FROM ledger_delegation WHERE id = NEW.parent_id FOR SHARE;
  IF NEW.depth <> above.depth + 1 OR NEW.expires_at > above.expires_at
     OR above.revoked_at IS NOT NULL THEN
    RAISE EXCEPTION 'delegation % is wider than the one above it', NEW.id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_delegation_is_within_its_parent';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER ledger_delegation_is_within_its_parent BEFORE INSERT ON ledger_delegation
  FOR EACH ROW EXECUTE FUNCTION ledger_check_delegation();

CREATE FUNCTION ledger_refuse_other_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the terms of delegation % are fixed', OLD.id
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER ledger_delegation_terms_are_fixed
  BEFORE UPDATE OF root_id, parent_id, agent_id, depth, reason, scopes, resources, actions_max,
                   cents_max, currency, per_minute_max, starts_at, expires_at, hour_from,
                   hour_until, created_at
  ON ledger_delegation FOR EACH ROW EXECUTE FUNCTION ledger_refuse_other_terms();

CREATE TRIGGER ledger_delegation_stays_revoked BEFORE UPDATE OF revoked_at ON ledger_delegation
  FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL) EXECUTE FUNCTION ledger_refuse_other_terms();

CREATE TRIGGER ledger_delegation_is_not_unspent
  BEFORE UPDATE OF actions_used, cents_used ON ledger_delegation FOR EACH ROW
  WHEN (NEW.actions_used < OLD.actions_used OR NEW.cents_used < OLD.cents_used)
  EXECUTE FUNCTION ledger_refuse_other_terms();
"""

UNDO = """
DROP TRIGGER ledger_delegation_is_not_unspent ON ledger_delegation;
DROP TRIGGER ledger_delegation_stays_revoked ON ledger_delegation;
DROP TRIGGER ledger_delegation_terms_are_fixed ON ledger_delegation;
DROP TRIGGER ledger_delegation_is_within_its_parent ON ledger_delegation;
DROP FUNCTION ledger_refuse_other_terms();
DROP FUNCTION ledger_check_delegation();
ALTER TABLE ledger_delegation
  DROP CONSTRAINT ledger_delegation_has_the_root_of_its_parent,
  DROP CONSTRAINT ledger_delegation_is_of_the_owner;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0020_agents_and_delegations'),
    ]

    operations = [
        migrations.RunSQL(RULES, UNDO),
        Accountable('ledger_agent', target='agent', on='INSERT OR UPDATE OR DELETE'),
        Accountable('ledger_agentswitch', target='agent', on='INSERT OR UPDATE OR DELETE'),
        # Not of what is used up: spending has the entry of what was done.
        Accountable(
            'ledger_delegation', target='delegation', on='INSERT OR UPDATE OF revoked_at OR DELETE'
        ),
        Accountable(
            'ledger_agentkey',
            target='agent_key',
            on='INSERT OR UPDATE OF digest, delegation_id, expires_at, revoked_at OR DELETE',
        ),
    ]
