"""Who may open a document, and for how long."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import events.ids
from ledger.accountable import Accountable

TABLES = [
    migrations.CreateModel(
        name="DocumentAccess",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("grantee", models.CharField(max_length=200)),
            ("purpose", models.TextField()),
            ("granted_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ("granted_by", models.CharField(max_length=200)),
            ("expires_at", models.DateTimeField()),
            ("lapsed_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ("revoked_by", models.CharField(blank=True, max_length=200)),
            ("revoke_reason", models.TextField(blank=True)),
            (
                "document",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="accesses",
                    to="commerce.rendition",
                ),
            ),
        ],
        options={
            "verbose_name_plural": "document accesses",
            "indexes": [
                models.Index(fields=["granted_at", "id"], name="commerce_accesses_by_age"),
                models.Index(fields=["grantee"], name="commerce_accesses_by_grantee"),
            ],
            "constraints": [
                models.UniqueConstraint(
                    condition=models.Q(("lapsed_at__isnull", True), ("revoked_at__isnull", True)),
                    fields=("document", "grantee"),
                    name="commerce_document_has_one_live_access_per_grantee",
                ),
                models.CheckConstraint(
                    condition=models.Q(("grantee__regex", "^(user|api_key):.")),
                    name="commerce_access_is_of_a_user_or_a_key",
                ),
                models.CheckConstraint(
                    condition=models.Q(("purpose", ""), _negated=True),
                    name="commerce_access_has_a_purpose",
                ),
                models.CheckConstraint(
                    condition=models.Q(("expires_at__gt", models.F("granted_at"))),
                    name="commerce_access_ends_after_it_began",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("lapsed_at__isnull", True),
                        ("lapsed_at__gte", models.F("expires_at")),
                        _connector="OR",
                    ),
                    name="commerce_access_lapses_when_it_is_over",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("revoked_at__isnull", True), ("lapsed_at__isnull", True), _connector="OR"
                    ),
                    name="commerce_access_ends_once",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("revoked_at__isnull", False),
                            models.Q(("revoked_by", ""), _negated=True),
                            models.Q(("revoke_reason", ""), _negated=True),
                        ),
                        models.Q(
                            models.Q(("revoked_at__isnull", False), _negated=True),
                            models.Q(
                                models.Q(("revoked_by", ""), _negated=True),
                                models.Q(("revoke_reason", ""), _negated=True),
                                _negated=True,
                            ),
                        ),
                        _connector="OR",
                    ),
                    name="commerce_access_revocation_says_who_and_why",
                ),
            ],
        },
    ),
]

RULES = [
    Accountable("commerce_documentaccess", target="document_access", on="INSERT OR UPDATE"),
]
