"""Seals: which entries wait for one, which have theirs, who signed, and who witnessed it."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from events.tables.append_only import AppendOnly

TABLES = [
    migrations.CreateModel(
        name="Unsealed",
        fields=[
            ("ticket", models.BigAutoField(primary_key=True, serialize=False)),
            (
                "entry",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="ledger.entry",
                ),
            ),
        ],
        options={
            "verbose_name": "entry without a seal",
            "verbose_name_plural": "entries without a seal",
        },
    ),
    migrations.CreateModel(
        name="Sealed",
        fields=[
            ("position", models.BigIntegerField(primary_key=True, serialize=False)),
            (
                "entry",
                models.OneToOneField(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="seal",
                    to="ledger.entry",
                ),
            ),
        ],
        options={
            "verbose_name": "place in the seals",
            "verbose_name_plural": "places in the seals",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("position__gte", 1)), name="ledger_position_starts_at_one"
                )
            ],
        },
    ),
    migrations.CreateModel(
        name="SigningKey",
        fields=[
            ("public", models.CharField(max_length=64, primary_key=True, serialize=False)),
            ("number", models.PositiveIntegerField(unique=True)),
            ("endorsement", models.CharField(blank=True, db_default="", max_length=128)),
            ("first_used_at", models.DateTimeField()),
            (
                "endorsed_by",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="successor",
                    to="ledger.signingkey",
                ),
            ),
        ],
        options={
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("public__regex", "^[0-9a-f]{64}$")),
                    name="ledger_signing_key_is_hex",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("endorsed_by", None), ("endorsement", "")),
                        models.Q(
                            ("endorsed_by__isnull", False),
                            models.Q(("endorsement", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_signing_key_endorsement_is_whole",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Checkpoint",
        fields=[
            ("number", models.BigIntegerField(primary_key=True, serialize=False)),
            ("size", models.BigIntegerField(unique=True)),
            ("root", models.CharField(max_length=64)),
            ("previous", models.CharField(max_length=64)),
            ("sealed_at", models.DateTimeField()),
            ("statement", models.BinaryField()),
            ("signature", models.CharField(max_length=128)),
            (
                "frontier",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=64), size=None
                ),
            ),
            (
                "key",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="checkpoints",
                    to="ledger.signingkey",
                ),
            ),
            ("events_through", models.BigIntegerField(null=True)),
            ("events_digest", models.CharField(max_length=64, null=True)),
        ],
        options={
            "indexes": [models.Index(fields=["sealed_at"], name="ledger_checkpoints_by_time")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("number__gte", 1), ("size__gte", models.F("number"))),
                    name="ledger_checkpoint_seals_something",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("previous__regex", "^[0-9a-f]{64}$"), ("root__regex", "^[0-9a-f]{64}$")
                    ),
                    name="ledger_checkpoint_is_hex",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("events_digest", None), ("events_through", None)),
                        models.Q(
                            ("events_digest__regex", "^[0-9a-f]{64}$"), ("events_through__gte", 0)
                        ),
                        _connector="OR",
                    ),
                    name="ledger_checkpoint_of_events_is_whole",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Witness",
        fields=[
            ("url", models.CharField(max_length=500, primary_key=True, serialize=False)),
            ("number", models.BigIntegerField(db_default=0)),
            ("succeeded_at", models.DateTimeField(blank=True, null=True)),
            ("failed_at", models.DateTimeField(blank=True, null=True)),
            ("error", models.CharField(blank=True, db_default="", max_length=200)),
        ],
        options={
            "verbose_name_plural": "witnesses",
        },
    ),
]

# A deleted row is gone only after vacuum, and this table is a queue.
QUEUE = """
ALTER TABLE ledger_unsealed SET (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
)
"""

RULES = [
    migrations.RunSQL(QUEUE, migrations.RunSQL.noop),
    AppendOnly("ledger_sealed"),
    AppendOnly("ledger_signingkey"),
    AppendOnly("ledger_checkpoint"),
]
