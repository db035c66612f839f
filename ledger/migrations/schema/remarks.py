"""What people write about an action, beside its entry, where it can be taken away again."""

import django.db.models.deletion
from django.db import migrations, models

from ledger.accountable import Accountable

TABLES = [
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
            ("text", models.TextField(null=True)),
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
                    condition=models.Q(
                        models.Q(
                            ("erased_at", None),
                            ("erased_by", None),
                            ("salt__isnull", False),
                            ("text__isnull", False),
                        ),
                        models.Q(
                            ("erased_at__isnull", False),
                            ("erased_by__isnull", False),
                            ("salt", None),
                            ("text", None),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_remark_that_is_gone_is_on_record",
                )
            ],
        },
    ),
]

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
"""

UNDO = """
DROP TRIGGER ledger_remark_only_fades ON ledger_remark;
DROP FUNCTION ledger_remark_only_fades();
"""

RULES = [
    migrations.RunSQL(FADE, UNDO),
    Accountable("ledger_remark", target="remark", on="UPDATE"),
]
