"""Say with one value which policies are in force, and index as amending only what amends.

Each entry asks whether the policies by which its action passed are still in force. To gather
their ids, in order, took PostgreSQL a sixth of what writing the entry takes.
"""

import django.db.models.deletion
from django.db import migrations, models


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
DROP FUNCTION ledger_demand_policies(uuid[]);
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
DEMAND_IDS = """
DROP FUNCTION ledger_demand_policies(uuid);
CREATE FUNCTION ledger_demand_policies(asked uuid[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  in_force uuid[] := (
    SELECT coalesce(array_agg(id ORDER BY name), '{}') FROM ledger_approvalpolicyversion
     WHERE status = 'active'
  );
BEGIN
  IF in_force <> asked THEN
    RAISE EXCEPTION 'other policies are in force than were asked' USING ERRCODE = 'DB004';
  END IF;
  RETURN true;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0111_lists_find_what_is_asked")]

    operations = [
        migrations.CreateModel(
            name="PoliciesInForce",
            fields=[
                (
                    "id",
                    models.SmallIntegerField(
                        db_default=1, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("mark", models.UUIDField(editable=False)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("id", 1)), name="ledger_policies_in_force_are_one"
                    )
                ],
            },
        ),
        migrations.RunSQL(MARK, UNMARK),
        migrations.RunSQL(DEMAND, DEMAND_IDS),
        migrations.AlterField(
            "entry",
            "amends",
            models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="amended_by",
                to="ledger.entry",
            ),
        ),
        migrations.AddIndex(
            "entry",
            models.Index(
                condition=models.Q(("amends__isnull", False)),
                fields=["amends"],
                name="ledger_entries_that_amend",
            ),
        ),
    ]
