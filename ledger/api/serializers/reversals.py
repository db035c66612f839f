"""Serializers of previews and reversals."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.approving.demands import NeededApproval
from ledger.bodies import Body, QueryIn
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.approval import ApprovalStatus
from ledger.domain.plans import EffectKind
from ledger.domain.policy import Execute
from ledger.domain.reversals import Outcome, ReversalKind, State, StepKind
from ledger.models import Approval, Mutation
from ledger.reversing.previews import Preview
from ledger.services.reversals import Reversed

_AMOUNT_MAX = 2**53 - 1
_COMMAND_CHARS_MAX = 100


class PreviewQuery(QueryIn):
    """What is asked of a preview."""

    command = serializers.CharField(
        required=False,
        default="",
        max_length=_COMMAND_CHARS_MAX,
        help_text="One of its follow_ups; without it, the command that the action declared.",
    )
    amount_cents = serializers.IntegerField(
        required=False,
        default=None,
        min_value=1,
        max_value=_AMOUNT_MAX,
        help_text="How much is to go back; without it, what the terms give or all that is left.",
    )


class ReversalIn(Body):
    """A reversal that is asked for."""

    token = serializers.CharField(max_length=64, help_text="Of the preview that was agreed to.")
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)
    command = serializers.CharField(required=False, default="", max_length=_COMMAND_CHARS_MAX)
    amount_cents = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, max_value=_AMOUNT_MAX
    )


class ReversalEffectOut(serializers.Serializer[Any]):
    """One thing that undoing would do; what follows from it is in `parts`."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in EffectKind])
    summary = serializers.CharField()
    target_type = serializers.CharField(allow_null=True)
    target_id = serializers.CharField(allow_null=True)
    amount_cents = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    entry_id = serializers.UUIDField(allow_null=True)
    parts = serializers.ListField(child=serializers.DictField())


class ReversalFollowUpOut(serializers.Serializer[Any]):
    """What can be done instead. `can_be_carried_out`: here, as the `command` of a reversal."""

    name = serializers.CharField()
    meaning = serializers.CharField()
    can_be_carried_out = serializers.SerializerMethodField()

    def get_can_be_carried_out(self, follow_up: Any) -> bool:
        return follow_up.command is not None


class ReversalCommandOut(serializers.Serializer[Any]):
    """What would undo the action."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in ReversalKind])
    capability = serializers.CharField()
    meaning = serializers.CharField()


class ReversalApprovalOut(serializers.Serializer[NeededApproval]):
    """Who has to agree first, if the caller undoes it. Asking for it is what executing does."""

    policy_name = serializers.CharField(source="policy.name")
    policy_version = serializers.IntegerField(source="policy.version")
    meaning = serializers.CharField(source="policy.meaning")
    quorum = serializers.IntegerField(help_text="So many different people.")
    assigned_group = serializers.CharField(
        source="policy.assigned_group.name", allow_null=True, default=None
    )
    who_may_decide = serializers.CharField(source="who")
    reason_code = serializers.CharField(source="demand.reason_code")
    execute = serializers.ChoiceField(
        choices=[mode.value for mode in Execute], source="policy.execute"
    )
    open_for_seconds = serializers.SerializerMethodField()

    def get_open_for_seconds(self, needed: NeededApproval) -> int:
        return int(needed.policy.ttl.total_seconds())


class ReversalRequestOut(serializers.Serializer[Approval]):
    """An approval to undo it that was asked for, and is open or not used yet."""

    approval_id = serializers.UUIDField(source="pk")
    status = serializers.ChoiceField(choices=[status.value for status in ApprovalStatus])
    requested_by = serializers.CharField()
    policy_name = serializers.CharField()
    policy_version = serializers.IntegerField()
    quorum = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    url = serializers.SerializerMethodField()

    def get_url(self, approval: Approval) -> str:
        return f"/api/v1/ledger/approvals/{approval.pk}"


class ReversalRefusalOut(serializers.Serializer[Any]):
    """Why it cannot be undone now: what carrying it out would be answered with."""

    code = serializers.CharField()
    detail = serializers.CharField(source="*")
    hint = serializers.CharField()


class ReversalStepOut(serializers.ModelSerializer[Mutation]):
    """What was done about undoing the entry."""

    entry_id = serializers.UUIDField(source="pk")
    at = serializers.DateTimeField(source="entry.occurred_at")
    step = serializers.ChoiceField(
        choices=[step.value for step in StepKind], source="reversal_step"
    )
    outcome = serializers.CharField(source="reversal_outcome")
    amount_cents = serializers.IntegerField(source="reversed_cents")
    summary = serializers.CharField()

    class Meta:
        model = Mutation
        fields = ["entry_id", "at", "step", "outcome", "amount_cents", "summary"]


class ReversalPreviewOut(serializers.Serializer[Preview]):
    """How it stands with undoing an entry, and what it would do. Without `token` it cannot be."""

    entry_id = serializers.UUIDField(source="entry.pk")
    action_name = serializers.CharField(source="entry.action_name")
    target_type = serializers.CharField(source="entry.target_type")
    target_id = serializers.CharField(source="entry.target_id")
    state = serializers.ChoiceField(
        choices=[state.value for state in State], source="standing.state"
    )
    outcome = serializers.ChoiceField(
        choices=[outcome.value for outcome in Outcome], source="standing.outcome", allow_null=True
    )
    amount_cents = serializers.IntegerField(source="standing.amount_cents", allow_null=True)
    done_cents = serializers.IntegerField(source="standing.done_cents")
    running_cents = serializers.IntegerField(source="standing.running_cents")
    left_cents = serializers.IntegerField(source="standing.left_cents", allow_null=True)
    currency = serializers.CharField()
    until = serializers.DateTimeField(source="standing.until", allow_null=True)
    reversed_by = serializers.UUIDField(source="standing.reversed_by", allow_null=True)
    steps = serializers.SerializerMethodField()
    command = ReversalCommandOut(allow_null=True)
    effects = serializers.SerializerMethodField()
    gives_back_cents = serializers.IntegerField(
        source="plan.amount_cents",
        default=None,
        allow_null=True,
        help_text="Null where there is no plan: `refusal` says why.",
    )
    makes_it = serializers.ChoiceField(
        choices=[outcome.value for outcome in Outcome],
        source="expected",
        allow_null=True,
        help_text="What the outcome would be.",
    )
    approvals = serializers.SerializerMethodField(
        help_text="Who has to agree first; empty if the caller may do it at once."
    )
    requests = ReversalRequestOut(many=True)
    refusal = ReversalRefusalOut(allow_null=True)
    follow_ups = ReversalFollowUpOut(many=True)
    token = serializers.CharField(allow_blank=True)

    @extend_schema_field(ReversalStepOut(many=True))
    def get_steps(self, preview: Preview) -> Any:
        steps = Mutation.objects.filter(reverses=preview.entry.pk).select_related("entry")
        return ReversalStepOut(steps.order_by("reversal_number"), many=True).data

    @extend_schema_field(ReversalEffectOut(many=True))
    def get_effects(self, preview: Preview) -> Any:
        return [effect.as_json() for effect in preview.effects]

    @extend_schema_field(ReversalApprovalOut(many=True))
    def get_approvals(self, preview: Preview) -> Any:
        return [ReversalApprovalOut(preview.needed).data] if preview.needed else []


class ReversedOut(serializers.Serializer[Reversed]):
    """What came of a reversal."""

    entry_id = serializers.UUIDField()
    reversal_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=[state.value for state in State])
    outcome = serializers.ChoiceField(
        choices=[outcome.value for outcome in Outcome], allow_null=True
    )
