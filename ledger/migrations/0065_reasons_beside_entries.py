"""What people write stands beside entries and decisions, and can be taken away again.

Reasons and comments from before stay where they are: seals stand on them.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

from ledger.accountable import Accountable

FADE = """
CREATE FUNCTION ledger_remark_only_fades() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.entry_id = OLD.entry_id AND OLD.text IS NOT NULL AND NEW.text IS NULL THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'a reason can only be taken away: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_remark_only_fades BEFORE UPDATE OR DELETE ON ledger_remark
  FOR EACH ROW EXECUTE FUNCTION ledger_remark_only_fades();

-- The reason of a delegation may be erased, on record, and is fixed like all else otherwise.
CREATE FUNCTION ledger_delegation_reason_only_fades() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.reason <> OLD.reason AND strpos(NEW.reason, '[erased]') = 0 THEN
    RAISE EXCEPTION 'the terms of delegation % are fixed', OLD.id
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_delegation_reason_only_fades BEFORE UPDATE OF reason ON ledger_delegation
  FOR EACH ROW EXECUTE FUNCTION ledger_delegation_reason_only_fades();
CREATE CONSTRAINT TRIGGER ledger_delegation_fades_on_record AFTER UPDATE OF reason
  ON ledger_delegation DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION ledger_demand_entry('delegation');
DROP TRIGGER ledger_delegation_terms_are_fixed ON ledger_delegation;
CREATE TRIGGER ledger_delegation_terms_are_fixed
  BEFORE UPDATE OF root_id, parent_id, agent_id, depth, scopes, resources, actions_max,
                   cents_max, currency, per_minute_max, starts_at, expires_at, hour_from,
                   hour_until, created_at
  ON ledger_delegation FOR EACH ROW EXECUTE FUNCTION ledger_refuse_other_terms();
"""

UNDO = """
DROP TRIGGER ledger_delegation_terms_are_fixed ON ledger_delegation;
CREATE TRIGGER ledger_delegation_terms_are_fixed
  BEFORE UPDATE OF root_id, parent_id, agent_id, depth, reason, scopes, resources, actions_max,
                   cents_max, currency, per_minute_max, starts_at, expires_at, hour_from,
                   hour_until, created_at
  ON ledger_delegation FOR EACH ROW EXECUTE FUNCTION ledger_refuse_other_terms();
DROP TRIGGER ledger_delegation_fades_on_record ON ledger_delegation;
DROP TRIGGER ledger_delegation_reason_only_fades ON ledger_delegation;
DROP FUNCTION ledger_delegation_reason_only_fades();
DROP TRIGGER ledger_remark_only_fades ON ledger_remark;
DROP FUNCTION ledger_remark_only_fades();
"""


def _text(column: str) -> "models.CharField[str, str]":
    return models.CharField(blank=True, db_column=column, db_default="", max_length=500)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0047_one_trigger_for_a_new_entry")]

    operations = [
        migrations.AlterField("entry", "reason", _text("reason")),
        migrations.RenameField("entry", "reason", "old_reason"),
        migrations.AlterField("disclosure", "reason_code", _text("reason_code")),
        migrations.RenameField("disclosure", "reason_code", "old_reason_code"),
        migrations.AlterField("approval", "reason", _text("reason")),
        migrations.RenameField("approval", "reason", "old_reason"),
        migrations.AlterField("approvalvote", "comment", _text("comment")),
        migrations.RenameField("approvalvote", "comment", "old_comment"),
        migrations.AddField(
            "approvalvote",
            "entry",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="vote",
                to="ledger.entry",
            ),
        ),
        migrations.CreateModel(
            name="Remark",
            fields=[
                (
                    "entry",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="remark",
                        serialize=False,
                        to="ledger.entry",
                    ),
                ),
                ("text", models.CharField(max_length=500, null=True)),
                ("salt", models.BinaryField(null=True)),
                ("erased_at", models.DateTimeField(blank=True, null=True)),
                (
                    "erased_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="remarks_erased",
                        to="ledger.entry",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            erased_at=None, erased_by=None, salt__isnull=False, text__isnull=False
                        )
                        | Q(
                            erased_at__isnull=False, erased_by__isnull=False, salt=None, text=None
                        ),
                        name="ledger_remark_that_is_gone_is_on_record",
                    )
                ],
            },
        ),
        migrations.RunSQL(FADE, UNDO),
        Accountable("ledger_remark", target="remark", on="UPDATE"),
    ]
