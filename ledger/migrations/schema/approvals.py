"""Approvals: the policies that ask for them, the requests, and who said what."""

import datetime

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import events.ids
import ledger.domain.approval
import ledger.domain.policy

TABLES = [
    migrations.CreateModel(
        name="ApprovalPolicyVersion",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("name", models.CharField(max_length=100)),
            ("version", models.PositiveIntegerField()),
            (
                "status",
                models.CharField(
                    choices=[("draft", "draft"), ("active", "active"), ("retired", "retired")],
                    db_default="draft",
                    max_length=7,
                ),
            ),
            ("meaning", models.CharField(max_length=500)),
            (
                "capabilities",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=100), size=None
                ),
            ),
            (
                "principals",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=8), blank=True, default=list, size=None
                ),
            ),
            ("condition", models.CharField(blank=True, db_default="", max_length=2000)),
            ("quorum", models.PositiveSmallIntegerField(db_default=1)),
            ("escalate_when", models.CharField(blank=True, db_default="", max_length=2000)),
            ("escalated_quorum", models.PositiveSmallIntegerField(blank=True, null=True)),
            ("ttl", models.DurationField()),
            (
                "on_expiry",
                models.CharField(
                    choices=[("expired", "expired"), ("denied", "denied")],
                    db_default="expired",
                    max_length=7,
                ),
            ),
            (
                "execute",
                models.CharField(
                    choices=[("by_requester", "by requester"), ("on_approval", "on approval")],
                    db_default="by_requester",
                    max_length=12,
                ),
            ),
            ("reason_code", models.CharField(blank=True, db_default="", max_length=100)),
            ("created_by", models.CharField(max_length=255)),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            ("activated_at", models.DateTimeField(blank=True, null=True)),
            ("retired_at", models.DateTimeField(blank=True, null=True)),
            (
                "assigned_group",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="auth.group",
                ),
            ),
        ],
        options={
            "verbose_name": "approval policy",
            "verbose_name_plural": "approval policies",
            "constraints": [
                models.UniqueConstraint(
                    fields=("name", "version"), name="ledger_policy_version_is_one"
                ),
                models.UniqueConstraint(
                    condition=models.Q(("status", "active")),
                    fields=("name",),
                    name="ledger_policy_has_one_version_in_force",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "status__in",
                            [
                                ledger.domain.policy.PolicyStatus["ACTIVE"],
                                ledger.domain.policy.PolicyStatus["DRAFT"],
                                ledger.domain.policy.PolicyStatus["RETIRED"],
                            ],
                        )
                    ),
                    name="ledger_policy_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("quorum__gte", 1), ("quorum__lte", 10)),
                    name="ledger_policy_asks_somebody",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("escalate_when", ""), ("escalated_quorum", None)),
                        models.Q(
                            ("escalated_quorum__gt", models.F("quorum")),
                            ("escalated_quorum__lte", 10),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_policy_escalation_raises_the_bar",
                ),
                models.CheckConstraint(
                    condition=models.Q(("capabilities", []), _negated=True),
                    name="ledger_policy_is_about_something",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        ("ttl__gt", datetime.timedelta(0)),
                        ("ttl__lte", datetime.timedelta(days=90)),
                    ),
                    name="ledger_policy_has_an_end",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("activated_at", None), ("status", "draft")),
                        ("activated_at__isnull", False),
                        ("status", "retired"),
                        _connector="OR",
                    ),
                    name="ledger_policy_in_force_says_since_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "on_expiry__in",
                            [
                                ledger.domain.approval.OnExpiry["DENIED"],
                                ledger.domain.approval.OnExpiry["EXPIRED"],
                            ],
                        )
                    ),
                    name="ledger_policy_expiry_never_approves",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="Approval",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            (
                "status",
                models.CharField(
                    choices=[
                        ("pending", "pending"),
                        ("approved", "approved"),
                        ("denied", "denied"),
                        ("expired", "expired"),
                        ("cancelled", "cancelled"),
                        ("superseded", "superseded"),
                    ],
                    db_default="pending",
                    max_length=10,
                ),
            ),
            ("title", models.CharField(max_length=200)),
            ("action_name", models.CharField(max_length=120)),
            ("action_version", models.PositiveSmallIntegerField()),
            ("target_type", models.CharField(max_length=60)),
            ("target_id", models.CharField(max_length=200)),
            ("route_or_tool_name", models.CharField(blank=True, db_default="", max_length=255)),
            ("capability_id", models.CharField(max_length=100)),
            ("capability_version", models.PositiveSmallIntegerField()),
            ("organization_id", models.CharField(blank=True, db_default="", max_length=255)),
            ("command_fingerprint", models.CharField(blank=True, db_default="", max_length=64)),
            ("fingerprint", models.CharField(blank=True, db_default="", max_length=64)),
            ("is_repeatable", models.BooleanField(db_default=False)),
            ("idempotency_key", models.CharField(blank=True, db_default="", max_length=255)),
            ("reference", models.CharField(blank=True, db_default="", max_length=255)),
            ("requested_by", models.CharField(max_length=255)),
            ("requested_by_human", models.CharField(blank=True, db_default="", max_length=40)),
            (
                "chain",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=255), size=None
                ),
            ),
            (
                "humans",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.CharField(max_length=40), blank=True, default=list, size=None
                ),
            ),
            ("correlation_id", models.CharField(max_length=255)),
            ("policy_name", models.CharField(max_length=100)),
            ("policy_version", models.PositiveIntegerField()),
            (
                "risk",
                models.CharField(
                    choices=[
                        ("low", "low"),
                        ("medium", "medium"),
                        ("high", "high"),
                        ("critical", "critical"),
                    ],
                    max_length=8,
                ),
            ),
            (
                "old_reason",
                models.CharField(blank=True, db_column="reason", db_default="", max_length=500),
            ),
            ("reason_code", models.CharField(blank=True, db_default="", max_length=100)),
            ("quorum", models.PositiveSmallIntegerField()),
            (
                "on_expiry",
                models.CharField(
                    choices=[("expired", "expired"), ("denied", "denied")], max_length=7
                ),
            ),
            (
                "execute",
                models.CharField(
                    choices=[("by_requester", "by requester"), ("on_approval", "on approval")],
                    max_length=12,
                ),
            ),
            ("delegated_from", models.CharField(blank=True, db_default="", max_length=255)),
            ("requested_at", models.DateTimeField()),
            ("expires_at", models.DateTimeField()),
            ("decided_at", models.DateTimeField(blank=True, null=True)),
            (
                "assigned_group",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="auth.group",
                ),
            ),
            (
                "assigned_to",
                models.ForeignKey(
                    blank=True,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
            (
                "requested_entry",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="approval_requested",
                    to="ledger.entry",
                ),
            ),
            (
                "policy",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="approvals",
                    to="ledger.approvalpolicyversion",
                ),
            ),
        ],
        options={
            "indexes": [
                models.Index(fields=["-requested_at", "-id"], name="ledger_approvals_by_time"),
                models.Index(
                    condition=models.Q(("status", "pending")),
                    fields=["expires_at"],
                    name="ledger_approvals_to_expire",
                ),
                models.Index(
                    fields=["requested_by", "action_name", "target_type", "target_id"],
                    name="ledger_approvals_of_requester",
                ),
                models.Index(
                    fields=["target_type", "target_id", "-requested_at"],
                    name="ledger_approvals_of_target",
                ),
                models.Index(
                    condition=models.Q(("reference", ""), _negated=True),
                    fields=["reference", "requested_at"],
                    name="ledger_approvals_by_reference",
                ),
            ],
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "status__in",
                            [
                                ledger.domain.approval.ApprovalStatus["APPROVED"],
                                ledger.domain.approval.ApprovalStatus["CANCELLED"],
                                ledger.domain.approval.ApprovalStatus["DENIED"],
                                ledger.domain.approval.ApprovalStatus["EXPIRED"],
                                ledger.domain.approval.ApprovalStatus["PENDING"],
                                ledger.domain.approval.ApprovalStatus["SUPERSEDED"],
                            ],
                        )
                    ),
                    name="ledger_approval_status_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(("decided_at", None), ("status", "pending")),
                        models.Q(
                            models.Q(("status", "pending"), _negated=True),
                            ("decided_at__isnull", False),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_approval_that_ended_says_when",
                ),
                models.CheckConstraint(
                    condition=models.Q(("quorum__gte", 1), ("quorum__lte", 10)),
                    name="ledger_approval_asks_somebody",
                ),
                models.CheckConstraint(
                    condition=models.Q(("expires_at__gt", models.F("requested_at"))),
                    name="ledger_approval_has_an_end",
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        models.Q(
                            ("command_fingerprint", ""),
                            ("fingerprint", ""),
                            ("is_repeatable", False),
                        ),
                        models.Q(
                            models.Q(("fingerprint", ""), _negated=True),
                            models.Q(("command_fingerprint", ""), _negated=True),
                        ),
                        _connector="OR",
                    ),
                    name="ledger_approval_is_bound_or_is_of_a_subject",
                ),
                models.UniqueConstraint(
                    condition=models.Q(
                        ("status", "pending"), models.Q(("fingerprint", ""), _negated=True)
                    ),
                    fields=("requested_by", "fingerprint"),
                    name="ledger_approval_is_asked_for_once",
                ),
            ],
        },
    ),
    migrations.CreateModel(
        name="ApprovalVote",
        fields=[
            (
                "id",
                models.UUIDField(
                    default=events.ids.new_id, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("principal", models.CharField(max_length=255)),
            ("human", models.CharField(max_length=40)),
            (
                "decision",
                models.CharField(choices=[("approve", "approve"), ("deny", "deny")], max_length=7),
            ),
            (
                "old_comment",
                models.CharField(blank=True, db_column="comment", db_default="", max_length=500),
            ),
            (
                "created_at",
                models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
            ),
            (
                "approval",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="votes",
                    to="ledger.approval",
                ),
            ),
            (
                "entry",
                models.OneToOneField(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="vote",
                    to="ledger.entry",
                ),
            ),
            ("as_delegate", models.BooleanField(db_default=False)),
        ],
        options={
            "constraints": [
                models.UniqueConstraint(
                    fields=("approval", "human"), name="ledger_approval_hears_each_person_once"
                ),
                models.CheckConstraint(
                    condition=models.Q(
                        (
                            "decision__in",
                            [
                                ledger.domain.approval.Decision["APPROVE"],
                                ledger.domain.approval.Decision["DENY"],
                            ],
                        )
                    ),
                    name="ledger_vote_is_known",
                ),
                models.CheckConstraint(
                    condition=models.Q(("human", ""), _negated=True),
                    name="ledger_vote_is_of_a_person",
                ),
            ],
        },
    ),
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
            "verbose_name_plural": "policies in force",
            "constraints": [
                models.CheckConstraint(
                    condition=models.Q(("id", 1)), name="ledger_policies_in_force_are_one"
                )
            ],
        },
    ),
]
