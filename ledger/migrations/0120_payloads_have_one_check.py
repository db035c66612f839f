"""Hold what an entry refers to to its rules by one trigger, as the entry is: ADR 0019.

Seven CHECKs were read and planned anew for each, the key that refers to the entry was looked up
a second time when the transaction ended, and three of seven indexes found what another finds, or
mostly nothing: half of what PostgreSQL spends on a payload.
"""

import django.db.models.deletion
from django.db import migrations, models

from events.tables.row_rules import RulesOnWrite

# The entry comes first, and is never taken away; ledger_payload_only_fades lets none change.
OF_AN_ENTRY = """
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM ledger_entry WHERE id = NEW.entry_id) THEN
      RAISE EXCEPTION 'there is no entry %, which refers to this', NEW.entry_id
        USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'ledger_payload_is_of_an_entry',
              TABLE = 'ledger_payload';
    END IF;
  END IF;
"""

PAYLOAD = RulesOnWrite(
    "ledger_payload",
    columns={
        "kind": "text", "retention": "text", "digest": "text", "content": "bytea",
        "key_id": "uuid", "redaction": "text", "redacted_at": "timestamptz",
        "redacted_by_id": "uuid",
    },
    rules={
        "ledger_payload_kind_is_known": "kind IN ('after', 'before', 'command_input', "
        "'command_result', 'diff', 'reversal_args', 'target_snapshot')",
        "ledger_payload_redaction_is_known": "redaction IN ('crypto_shredded', 'none', "
        "'redacted', 'tombstoned')",
        "ledger_payload_retention_is_known": "retention IN ('approval-snapshot-2y', "
        "'finance-10y', 'ops-400d', 'pii-90d')",
        "ledger_payload_is_digested": "digest ~ '^[0-9a-f]{64}$'",
        "ledger_personal_payload_has_a_subject": "retention <> 'pii-90d' OR key_id IS NOT NULL",
        "ledger_payload_redaction_is_on_record": "CASE WHEN redaction = 'none' "
        "THEN redacted_at IS NULL AND redacted_by_id IS NULL "
        "ELSE redacted_at IS NOT NULL AND redacted_by_id IS NOT NULL END",
        "ledger_payload_that_is_gone_is_empty": "(content IS NULL) = "
        "(redaction IN ('crypto_shredded', 'tombstoned'))",
    },
    then=OF_AN_ENTRY,
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("ledger", "0101_standings_have_one_check")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [],
            [
                migrations.RemoveConstraint("payload", name)
                for name in PAYLOAD.rules
            ],
        ),
        PAYLOAD,
        migrations.AlterField(
            "payload",
            "entry",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payloads",
                to="ledger.entry",
            ),
        ),
        migrations.AlterField(
            "payload",
            "key",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payloads",
                to="ledger.subjectkey",
            ),
        ),
        migrations.AlterField(
            "payload",
            "redacted_by",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="redactions",
                to="ledger.entry",
            ),
        ),
        migrations.AddIndex(
            "payload",
            models.Index(
                condition=models.Q(("key__isnull", False)),
                fields=["key"],
                name="ledger_payloads_of_key",
            ),
        ),
        migrations.AddIndex(
            "payload",
            models.Index(
                condition=models.Q(("redacted_by__isnull", False)),
                fields=["redacted_by"],
                name="ledger_payloads_redacted_by",
            ),
        ),
    ]
