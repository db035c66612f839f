"""A delegation is within every one above it, in the database as in the service.

Until now its trigger compared only when the two end, and with the parent alone.
"""

from django.db import migrations

# As `Terms.check_within` has it. What is null is no limit of its own, and exceeds none.
_WITHIN_ALL_ABOVE = """
CREATE OR REPLACE FUNCTION ledger_check_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  above ledger_delegation;
  is_wider boolean;
BEGIN
  IF NEW.parent_id IS NULL THEN
    RETURN NEW;
  END IF;
  -- Locked, so that it is not revoked while something is hung below it.
  SELECT * INTO above FROM ledger_delegation WHERE id = NEW.parent_id FOR SHARE;
  is_wider := NEW.depth <> above.depth + 1 OR above.revoked_at IS NOT NULL;
  LOOP
    is_wider := is_wider OR NEW.expires_at > above.expires_at OR NEW.starts_at < above.starts_at
      OR NEW.actions_max > above.actions_max OR NEW.cents_max > above.cents_max
      OR NEW.per_minute_max > above.per_minute_max
      OR NEW.currency <> above.currency AND NEW.currency <> '' AND above.currency <> ''
      OR NEW.hour_from < above.hour_from OR NEW.hour_until > above.hour_until
      OR EXISTS (SELECT FROM unnest(NEW.scopes) scope WHERE NOT EXISTS (
           SELECT FROM unnest(above.scopes) wider
            WHERE wider = '*' OR wider = scope
               OR right(wider, 2) = '.*' AND starts_with(scope, left(wider, -1))))
      OR above.resources <> '{}' AND (NEW.resources = '{}' OR EXISTS (
           SELECT FROM jsonb_each(NEW.resources) filter
            WHERE NOT coalesce(above.resources->filter.key, '[]') @> filter.value));
    EXIT WHEN is_wider IS TRUE OR above.parent_id IS NULL;
    SELECT * INTO above FROM ledger_delegation WHERE id = above.parent_id;
  END LOOP;
  IF is_wider IS TRUE THEN
    RAISE EXCEPTION 'delegation % is wider than one above it', NEW.id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_delegation_is_within_its_parent';
  END IF;
  RETURN NEW;
END $$;
"""
_WITHIN_ITS_PARENT = """
CREATE OR REPLACE FUNCTION ledger_check_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE above ledger_delegation;
BEGIN
  IF NEW.parent_id IS NULL THEN
    RETURN NEW;
  END IF;
  SELECT * INTO above FROM ledger_delegation WHERE id = NEW.parent_id FOR SHARE;
  IF NEW.depth <> above.depth + 1 OR NEW.expires_at > above.expires_at
     OR above.revoked_at IS NOT NULL THEN
    RAISE EXCEPTION 'delegation % is wider than the one above it', NEW.id
      USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'ledger_delegation_is_within_its_parent';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_schema")]

    operations = [migrations.RunSQL(_WITHIN_ALL_ABOVE, _WITHIN_ITS_PARENT)]
