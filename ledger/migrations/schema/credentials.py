"""Keys, tickets, and what keeps a request from being answered twice."""

import datetime

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="Capability",
        fields=[
            (
                "id",
                models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                ),
            ),
        ],
        options={
            "verbose_name_plural": "capabilities",
            "managed": False,
            "default_permissions": (),
        },
    ),
    migrations.CreateModel(
        name="ApiKey",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("prefix", models.CharField(max_length=12, unique=True)),
            ("digest", models.CharField(max_length=64)),
            ("name", models.CharField(max_length=100)),
            (
                "scopes",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=100), size=None
                ),
            ),
            ("lineage", models.UUIDField(default=events.ids.new_id, editable=False)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("expires_at", models.DateTimeField()),
            ("last_used_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            (
                "owner",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="api_keys",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "successor",
                models.OneToOneField(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="predecessor",
                    to="ledger.apikey",
                ),
            ),
        ],
        options={
            "verbose_name": "API key",
            "indexes": [
                models.Index(fields=["owner", "-created_at"], name="ledger_api_keys_of_owner")
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")),
                    name="ledger_api_key_is_stored_hashed",
                ),
                models.CheckConstraint(
                    condition=models.Q(("prefix__regex", "^[0-9a-z]{12}$")),
                    name="ledger_api_key_has_a_prefix",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "expires_at__lte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("created_at"),
                                "+",
                                models.Value(datetime.timedelta(days=366)),
                            ),
                        )
                    ),
                    name="ledger_api_key_expires_within_a_year",
                ),
                models.CheckConstraint(
                    condition=models.Q(("scopes", []), _negated=True),
                    name="ledger_api_key_has_a_scope",
                ),
                models.CheckConstraint(
                    condition=models.Q(("successor", models.F("id")), _negated=True),
                    name="ledger_api_key_does_not_succeed_itself",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="IdempotencyKey",
        fields=[
            (
                "id",
                models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                ),
            ),
            ("scope", models.CharField(max_length=300)),
            ("key", models.CharField(max_length=255)),
            ("fingerprint", models.CharField(max_length=64)),
            ("reference", models.CharField(blank=True, max_length=200)),
            ("response_status", models.PositiveSmallIntegerField(null=True)),
            ("response_headers", models.JSONField(default=dict)),
            ("response_body", models.BinaryField(null=True)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("expires_at", models.DateTimeField()),
        ],
        options={
            "indexes": [models.Index(fields=["expires_at"], name="ledger_idempotency_expiry")],
            "constraints": [
                models.UniqueConstraint(
                    fields=("scope", "key"), name="ledger_idempotency_key_is_used_once"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("response_body", None), ("response_status", None)),
                        models.Q(
                            ("response_body__isnull", False), ("response_status__isnull", False)
                        ),
                        _connector="OR",
                    ),
                    name="ledger_idempotent_response_is_whole",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="SocketTicket",
        fields=[
            ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
            ("session_key", models.CharField(blank=True, max_length=40)),
            ("expires_at", models.DateTimeField()),
            (
                "key",
                models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to="ledger.apikey",
                ),
            ),
            (
                "user",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "indexes": [models.Index(fields=["expires_at"], name="ledger_ticket_expiry")],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("digest__regex", "^[0-9a-f]{64}$")),
                    name="ledger_ticket_is_stored_hashed",
                ),
                models.CheckConstraint(
                    condition=models.Q(("key", None), ("session_key", ""), _connector="OR"),
                    name="ledger_ticket_has_one_credential",
                ),
            ],
        },
    ),
]

RULES = [
    # Not of last_used_at: that somebody came in is not a change of the key.
    Accountable(
        "ledger_apikey",
        target="api_key",
        on="INSERT OR UPDATE OF digest, owner_id, scopes, expires_at, successor_id, revoked_at",
    ),
]
