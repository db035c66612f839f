"""The yes of who could not say it now counts for no quorum, in the database as in the service."""

from django.db import migrations

# The one rule: services, the inbox and the trigger below all ask it. Whoever an approval was
# handed on to needs no group; then `of_group` is null.
_MAY_DECIDE = """
CREATE FUNCTION ledger_may_decide(person text, of_group integer) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT EXISTS (
    SELECT FROM auth_user u
     -- By the primary key; a person is written as its number.
     WHERE u.id = CASE WHEN person ~ '^[0-9]{1,9}$' THEN person::integer END
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
_CHECK = """
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
     WHERE approval_id = NEW.id AND decision = 'approve' AND NOT human = ANY (NEW.humans){counts}
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
"""
_COUNTS = """
       AND ledger_may_decide(human, CASE WHEN NEW.delegated_from = '' THEN NEW.assigned_group_id END)
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0123_checkpoints_vouch_for_events"), ("auth", "__first__")]

    operations = [
        migrations.RunSQL(_MAY_DECIDE, "DROP FUNCTION ledger_may_decide(text, integer)"),
        migrations.RunSQL(
            _CHECK.replace("{counts}", _COUNTS.rstrip()), _CHECK.replace("{counts}", "")
        ),
    ]
