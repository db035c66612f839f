"""Serializers of approvals. No identity is ever read from a body."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.api.serializers.words import WordsOut
from ledger.approving import asking, staleness, steps
from ledger.bodies import Body
from ledger.domain.approval import COMMENT_CHARS_MAX, TITLE_CHARS_MAX, Decision
from ledger.domain.capability import Risk
from ledger.domain.payload import PayloadKind
from ledger.models import Approval, ApprovalVote, Entry

_TEXT_CHARS_MAX = 200
_OF_A_COMMAND = frozenset({"command", "target_id", "input"})
_OF_A_SUBJECT = frozenset(
    {"subject_type", "subject_id", "title", "reference", "reason", "policy", "risk"}
)


class DecisionIn(Body):
    """Who decides is who asks: the caller."""

    decision = serializers.ChoiceField(choices=[(each.value, each.value) for each in Decision])
    comment = serializers.CharField(
        max_length=COMMENT_CHARS_MAX, allow_blank=True, default="", help_text="Why; it is kept."
    )


class CommentIn(Body):
    comment = serializers.CharField(max_length=COMMENT_CHARS_MAX, allow_blank=True, default="")


class ApprovalDelegationIn(Body):
    to = serializers.CharField(max_length=150, help_text="The username of who is to decide.")
    comment = serializers.CharField(max_length=COMMENT_CHARS_MAX, allow_blank=True, default="")


class ApprovalRequestIn(Body):
    """A command to ask approval for ahead, or a subject that is no command; one of the two."""

    command = serializers.CharField(max_length=120, required=False)
    target_id = serializers.CharField(max_length=_TEXT_CHARS_MAX, allow_blank=True, default="")
    input = serializers.DictField(required=False, help_text="With what the command is asked.")
    subject_type = serializers.CharField(max_length=60, required=False)
    subject_id = serializers.CharField(max_length=_TEXT_CHARS_MAX, required=False)
    title = serializers.CharField(max_length=TITLE_CHARS_MAX, required=False)
    reference = serializers.CharField(max_length=_TEXT_CHARS_MAX, allow_blank=True, default="")
    reason = serializers.CharField(max_length=COMMENT_CHARS_MAX, allow_blank=True, default="")
    policy = serializers.CharField(max_length=100, default="subject-approval")
    risk = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in Risk], default=Risk.MEDIUM.value
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        is_command = "command" in asked
        if is_command == ({"subject_type", "subject_id", "title"} <= asked.keys()):
            raise serializers.ValidationError(
                "Name a command, or a subject by type, id and title.", code="required"
            )
        # What a command is asked with is its input: beside it nothing else would be kept.
        foreign = sorted(set(self.initial_data) & (_OF_A_SUBJECT if is_command else _OF_A_COMMAND))
        if foreign:
            what = "subject" if is_command else "command"
            raise serializers.ValidationError(
                {name: [f"Say it of a {what} only."] for name in foreign}, code="unexpected"
            )
        return asked


class VoteOut(serializers.ModelSerializer[ApprovalVote]):
    comment = WordsOut()

    class Meta:
        model = ApprovalVote
        fields = ["principal", "human", "decision", "comment", "created_at"]
        read_only_fields = fields


class ApprovalOut(serializers.ModelSerializer[Approval]):
    assigned_to = serializers.CharField(
        source="assigned_to.username", read_only=True, allow_null=True, default=None
    )
    assigned_group = serializers.CharField(
        source="assigned_group.name", read_only=True, allow_null=True, default=None
    )
    requested_entry_id = serializers.UUIDField(read_only=True)
    reason = WordsOut()

    class Meta:
        model = Approval
        fields = [
            "id",
            "status",
            "title",
            "action_name",
            "action_version",
            "target_type",
            "target_id",
            "capability_id",
            "requested_entry_id",
            "requested_by",
            "idempotency_key",
            "reference",
            "policy_name",
            "policy_version",
            "risk",
            "reason",
            "reason_code",
            "quorum",
            "execute",
            "on_expiry",
            "assigned_to",
            "assigned_group",
            "delegated_from",
            "requested_at",
            "expires_at",
            "decided_at",
        ]
        read_only_fields = fields


class ApprovalDetailOut(ApprovalOut):
    votes = VoteOut(many=True, read_only=True)
    undoes_entry_id = serializers.SerializerMethodField(
        help_text="The entry that it was asked for to undo; null if it was not."
    )
    executed_entry_id = serializers.SerializerMethodField()
    snapshot = serializers.SerializerMethodField(
        help_text="How the target was found and what it weighed; null when it is kept no more."
    )
    input = serializers.SerializerMethodField(
        help_text="With what the command was asked; null if it cannot be asked by name."
    )
    is_policy_in_force = serializers.SerializerMethodField(
        help_text="Whether the version of the policy under which it was asked for still decides."
    )
    is_stale = serializers.SerializerMethodField(
        help_text="Whether the target has changed since; null if unknown."
    )

    class Meta(ApprovalOut.Meta):
        fields = [
            *ApprovalOut.Meta.fields,
            "votes",
            "undoes_entry_id",
            "executed_entry_id",
            "snapshot",
            "input",
            "is_stale",
            "is_policy_in_force",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_undoes_entry_id(self, row: Approval) -> str | None:
        undone = steps.undone_by(row)
        return str(undone) if undone else None

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_executed_entry_id(self, row: Approval) -> str | None:
        done = steps.execution_of(row.pk)
        return str(done.pk) if done else None

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_snapshot(self, row: Approval) -> Any:
        return asking.content_of(row.requested_entry_id, PayloadKind.TARGET_SNAPSHOT)

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_input(self, row: Approval) -> Any:
        return asking.content_of(row.requested_entry_id, PayloadKind.COMMAND_INPUT)

    @extend_schema_field(serializers.BooleanField(allow_null=True))
    def get_is_stale(self, row: Approval) -> bool | None:
        return staleness.is_stale(row)

    def get_is_policy_in_force(self, row: Approval) -> bool:
        return staleness.is_policy_in_force(row)


class RequestedActionOut(serializers.ModelSerializer[Entry]):
    class Meta:
        model = Entry
        fields = ["id", "status", "action_name", "action_version", "target_type", "target_id"]
        read_only_fields = fields


class ApprovalRequiredOut(serializers.Serializer[Any]):
    """What a request is answered with, by 202, when somebody else has to agree first."""

    approval_required = serializers.BooleanField()
    requested_action = RequestedActionOut()
    approval = ApprovalOut()
    replayed = serializers.BooleanField(help_text="Whether it was asked for before.")
