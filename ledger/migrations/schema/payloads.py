"""What entries refer to, the keys of the persons that it is about, and who may not be forgotten."""

import django.contrib.postgres.functions
import django.db.models.deletion
from django.db import migrations, models

import events.ids
from events.tables.row_rules import RulesOnWrite
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="SubjectKey",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("subject", models.CharField(max_length=200)),
            ("wrapped", models.BinaryField(null=True)),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            ("destroyed_at", models.DateTimeField(blank=True, null=True)),
            (
                "destroyed_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="ledger.entry",
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["subject"], name="ledger_keys_of_subject")],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("destroyed_at", None)),
                    fields=("subject",),
                    name="ledger_subject_has_one_key_in_use",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("destroyed_at", None),
                            ("destroyed_by", None),
                            ("wrapped__isnull", False),
                        ),
                        models.Q(
                            ("destroyed_at__isnull", False),
                            ("destroyed_by__isnull", False),
                            ("wrapped", None),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_destroyed_key_is_gone",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Erasure",
        fields=[],
        options={
            "proxy": True,
            "indexes": [],
            "constraints": [],
        },
        bases=("ledger.entry",),
    ),
    migrations.CreateModel(
        name="LegalHold",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("subject", models.CharField(max_length=200)),
            ("reason", models.CharField(max_length=500)),
            (
                "placed_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            ("lifted_at", models.DateTimeField(blank=True, null=True)),
            (
                "lifted_by",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="ledger.entry",
                ),
            ),
            (
                "placed_by",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="+", to="ledger.entry"
                ),
            ),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("lifted_at", None)),
                    fields=("subject",),
                    name="ledger_subject_is_held_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("lifted_at", None), ("lifted_by", None)),
                        models.Q(("lifted_at__isnull", False), ("lifted_by__isnull", False)),
                        _connector="OR",
                    ),
                    name="ledger_lifting_of_a_hold_is_on_record",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Payload",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "kind",
                models.CharField(
                    choices=[
                        ("command_input", "command input"),
                        ("command_result", "command result"),
                        ("before", "before"),
                        ("after", "after"),
                        ("diff", "diff"),
                        ("reversal_args", "reversal args"),
                        ("target_snapshot", "target snapshot"),
                    ],
                    max_length=16,
                ),
            ),
            ("schema_tag", models.CharField(max_length=100)),
            (
                "retention",
                models.CharField(
                    choices=[
                        ("finance-10y", "finance-10y"),
                        ("approval-snapshot-2y", "approval-snapshot-2y"),
                        ("ops-400d", "ops-400d"),
                        ("pii-90d", "pii-90d"),
                    ],
                    max_length=24,
                ),
            ),
            ("digest", models.CharField(max_length=64)),
            ("content", models.BinaryField(null=True)),
            (
                "redaction",
                models.CharField(
                    choices=[
                        ("none", "none"),
                        ("redacted", "redacted"),
                        ("tombstoned", "tombstoned"),
                        ("crypto_shredded", "crypto shredded"),
                    ],
                    db_default="none",
                    max_length=15,
                ),
            ),
            ("redacted_at", models.DateTimeField(blank=True, null=True)),
            (
                "created_at",
                models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow()),
            ),
            ("expires_at", models.DateTimeField()),
            (
                "entry",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="payloads",
                    to="ledger.entry",
                ),
            ),
            (
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
            (
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
        ],
        options={
            "indexes": [
                models.Index(
                    condition=models.Q(("redaction", "none")),
                    fields=["expires_at"],
                    name="ledger_payloads_by_expiry",
                ),
                models.Index(
                    condition=models.Q(("schema_tag__startswith", "erasure_certificate/")),
                    fields=["entry"],
                    name="ledger_erasure_certificates",
                ),
                models.Index(
                    condition=models.Q(("key__isnull", False)),
                    fields=["key"],
                    name="ledger_payloads_of_key",
                ),
                models.Index(
                    condition=models.Q(("redacted_by__isnull", False)),
                    fields=["redacted_by"],
                    name="ledger_payloads_redacted_by",
                ),
            ],
            "constraints": [
                models.UniqueConstraint(
                    fields=("entry", "kind", "schema_tag"), name="ledger_payload_is_kept_once"
                ),
            ],
        },
    ),
]

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

# What an entry refers to can lose its content, step by step, and nothing else about it changes.
FADE = """
CREATE FUNCTION ledger_payload_only_fades() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  steps text[] := ARRAY['none', 'redacted', 'tombstoned', 'crypto_shredded'];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.entry_id, NEW.kind, NEW.schema_tag, NEW.retention, NEW.digest, NEW.created_at)
         IS NOT DISTINCT FROM
       (OLD.id, OLD.entry_id, OLD.kind, OLD.schema_tag, OLD.retention, OLD.digest, OLD.created_at)
       AND NEW.key_id IS NOT DISTINCT FROM OLD.key_id AND NEW.expires_at = OLD.expires_at
       AND array_position(steps, NEW.redaction::text) >= array_position(steps, OLD.redaction::text)
       AND NEW.redaction <> 'none' AND OLD.redaction NOT IN ('tombstoned', 'crypto_shredded')
    THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'a payload of the ledger can only lose its content: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_payload_only_fades BEFORE UPDATE OR DELETE ON ledger_payload
  FOR EACH ROW EXECUTE FUNCTION ledger_payload_only_fades();

CREATE FUNCTION ledger_subject_key_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    -- Sealing it anew with another master key is no change of the key.
    IF NEW.id = OLD.id AND NEW.subject = OLD.subject AND OLD.destroyed_at IS NULL THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'the key of a subject can only be destroyed: % refused', TG_OP
    USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_subject_key_only_ends BEFORE UPDATE OR DELETE ON ledger_subjectkey
  FOR EACH ROW EXECUTE FUNCTION ledger_subject_key_only_ends();
"""

UNDO = """
DROP TRIGGER ledger_payload_only_fades ON ledger_payload;
DROP FUNCTION ledger_payload_only_fades();
DROP TRIGGER ledger_subject_key_only_ends ON ledger_subjectkey;
DROP FUNCTION ledger_subject_key_only_ends();
"""

RULES = [
    PAYLOAD,
    migrations.RunSQL(FADE, UNDO),
    Accountable("ledger_payload", target="payload", on="UPDATE"),
    Accountable("ledger_subjectkey", target="subject", on="UPDATE OF destroyed_at"),
]
