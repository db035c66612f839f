"""Serializers of approval policies."""

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from ledger.approving.what_if import DAYS_MAX, ENTRIES_MAX, SECONDS_MAX, Change, Cut
from ledger.bodies import Body
from ledger.domain.approval import QUORUM_MAX, OnExpiry
from ledger.domain.capability import EVERY_PRINCIPAL
from ledger.domain.policy import Execute
from ledger.models import ApprovalPolicyVersion
from ledger.models.approvals import CONDITION_CHARS_MAX, TTL_MAX
from ledger.services.approval_policies import Terms

_SCOPES_MAX = 50


class ApprovalPolicyIn(Body):
    """The next version of a policy. Conditions are CEL over the facts of an action."""

    name = serializers.RegexField(
        r"^[a-z][a-z0-9-]{2,99}$",
        error_messages={"invalid": "Say 3 to 100 small letters, digits and hyphens."},
    )
    meaning = serializers.CharField(max_length=500)
    capabilities = serializers.ListField(
        child=serializers.CharField(max_length=100), min_length=1, max_length=_SCOPES_MAX
    )
    principals = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(EVERY_PRINCIPAL)),
        default=list,
        max_length=len(EVERY_PRINCIPAL),
        help_text="Kinds of principals that it is for; none is all.",
    )
    condition = serializers.CharField(
        max_length=CONDITION_CHARS_MAX, allow_blank=True, default="", help_text="Empty is always."
    )
    quorum = serializers.IntegerField(min_value=1, max_value=QUORUM_MAX, default=1)
    escalate_when = serializers.CharField(
        max_length=CONDITION_CHARS_MAX, allow_blank=True, default=""
    )
    escalated_quorum = serializers.IntegerField(
        min_value=2, max_value=QUORUM_MAX, allow_null=True, default=None
    )
    ttl_seconds = serializers.IntegerField(min_value=60, max_value=int(TTL_MAX.total_seconds()))
    on_expiry = serializers.ChoiceField(
        choices=[each.value for each in OnExpiry], default=OnExpiry.EXPIRED.value
    )
    execute = serializers.ChoiceField(
        choices=[each.value for each in Execute], default=Execute.BY_REQUESTER.value
    )
    assigned_group = serializers.CharField(max_length=150, allow_blank=True, default="")
    reason_code = serializers.CharField(max_length=100, allow_blank=True, default="")

    def terms(self) -> Terms:
        """Return what was asked for, as the service takes it."""
        values: dict[str, Any] = dict(self.validated_data)
        ttl = timedelta(seconds=values.pop("ttl_seconds"))
        for name in ("capabilities", "principals"):
            values[name] = tuple(values[name])
        return Terms(**values, ttl=ttl)


class ApprovalPolicyOut(serializers.ModelSerializer[ApprovalPolicyVersion]):
    ttl_seconds = serializers.SerializerMethodField()
    assigned_group = serializers.CharField(
        source="assigned_group.name", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = ApprovalPolicyVersion
        fields = [
            "id",
            "name",
            "version",
            "status",
            "meaning",
            "capabilities",
            "principals",
            "condition",
            "quorum",
            "escalate_when",
            "escalated_quorum",
            "ttl_seconds",
            "on_expiry",
            "execute",
            "assigned_group",
            "reason_code",
            "created_by",
            "created_at",
            "activated_at",
            "retired_at",
        ]
        read_only_fields = fields

    def get_ttl_seconds(self, row: ApprovalPolicyVersion) -> int:
        return int(row.ttl.total_seconds())


class WhatIfIn(Body):
    days = serializers.IntegerField(min_value=1, max_value=DAYS_MAX, default=30)
    condition = serializers.CharField(
        max_length=CONDITION_CHARS_MAX,
        allow_blank=True,
        required=False,
        trim_whitespace=False,
        help_text="CEL to be tried in place of the version's own; empty is always.",
    )


class DifferenceOut(serializers.Serializer[Any]):
    entry_id = serializers.UUIDField()
    occurred_at = serializers.DateTimeField()
    action = serializers.CharField()
    capability = serializers.CharField()
    change = serializers.ChoiceField(choices=[each.value for each in Change])
    target = serializers.CharField()
    principal = serializers.CharField()
    risk = serializers.CharField()
    before = serializers.IntegerField(help_text="People who have to agree today; 0 is none.")
    after = serializers.IntegerField(help_text="People who would have to agree.")


class WhatIfOut(serializers.Serializer[Any]):
    policy = serializers.CharField()
    condition = serializers.CharField(help_text="The one that was tried.")
    days = serializers.IntegerField()
    examined = serializers.IntegerField()
    is_complete = serializers.BooleanField(help_text="False if there were more than it looks at.")
    cut = serializers.ChoiceField(
        choices=[each.value for each in Cut],
        allow_null=True,
        help_text=f"What ended it early: {ENTRIES_MAX} entries, or {SECONDS_MAX:.0f} seconds.",
    )
    asked_before = serializers.IntegerField()
    asked_after = serializers.IntegerField()
    more_count = serializers.IntegerField()
    fewer_count = serializers.IntegerField()
    unanswered = serializers.IntegerField(
        help_text="Actions of which the version that is tried had no answer."
    )
    by_capability = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField())
    )
    more = DifferenceOut(many=True)
    fewer = DifferenceOut(many=True)
