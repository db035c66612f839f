"""Serializers of entries: who did what, to what, by what authority. Never values."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from ledger.api.serializers.words import WordsOut
from ledger.bodies import Moment, QueryIn, WholeNumber
from ledger.domain.action import TARGET_CHARS_MAX, Target
from ledger.models import Checkpoint, Disclosure, Entry, Mutation, Payload, ReversalStanding
from ledger.timelines import RELATED_MAX

TAIL_ENTRIES_MAX = 500
TARGETS_MAX = 50
POSITION_MAX = 2**63 - 1

_TITLE = "What it did, in a sentence: never values."


class MutationOut(serializers.ModelSerializer[Mutation]):
    class Meta:
        model = Mutation
        exclude = ["entry"]


class DisclosureOut(serializers.ModelSerializer[Disclosure]):
    reason_code = WordsOut()

    class Meta:
        model = Disclosure
        exclude = ["entry", "old_reason_code"]


class StandingOut(serializers.ModelSerializer[ReversalStanding]):
    class Meta:
        model = ReversalStanding
        fields = [
            "state",
            "outcome",
            "amount_cents",
            "currency",
            "done_cents",
            "until",
            "reversed_by",
        ]


class PayloadOut(serializers.ModelSerializer[Payload]):
    """What an entry refers to. Its content is asked for separately, and that is on record."""

    subject = serializers.CharField(source="key.subject", default=None, allow_null=True)

    class Meta:
        model = Payload
        fields = [
            "id",
            "kind",
            "schema_tag",
            "retention",
            "digest",
            "subject",
            "redaction",
            "redacted_at",
            "redacted_by",
            "expires_at",
        ]


class ContentOut(PayloadOut):
    content = serializers.JSONField(read_only=True)

    class Meta(PayloadOut.Meta):
        fields = [*PayloadOut.Meta.fields, "content"]


class EntryOut(serializers.ModelSerializer[Entry]):
    mutation = MutationOut(read_only=True, allow_null=True, default=None)
    disclosure = DisclosureOut(read_only=True, allow_null=True, default=None)
    reversal = StandingOut(source="standing", read_only=True, allow_null=True, default=None)
    position = serializers.IntegerField(
        source="seal.position", allow_null=True, default=None, help_text="null until it is sealed"
    )

    title = serializers.CharField(read_only=True, help_text=_TITLE)
    reason = WordsOut(help_text="In the words of who did it; [erased] once they were taken away.")

    class Meta:
        model = Entry
        exclude = ["body", "transaction_id", "old_reason"]


class LinkOut(serializers.ModelSerializer[Entry]):
    """An entry as others name it."""

    title = serializers.CharField(read_only=True, help_text=_TITLE)

    class Meta:
        model = Entry
        fields = [
            "id",
            "occurred_at",
            "title",
            "action_name",
            "action_kind",
            "status",
            "evaluated_risk",
            "target_type",
            "target_id",
            "principal_type",
            "principal_id",
        ]


class ChainOut(serializers.Serializer[Any]):
    caused_by = LinkOut(many=True)
    causes = LinkOut(many=True)
    approval = LinkOut(many=True, help_text="The other entries of the same approval.")
    reverses = LinkOut(many=True)
    reversals = LinkOut(many=True)
    amends = LinkOut(many=True)
    amended_by = LinkOut(many=True)


class EntryDetailOut(EntryOut):
    payloads = PayloadOut(many=True, read_only=True)
    chain = ChainOut(read_only=True)


class TargetIn(serializers.CharField):
    """`booking:0190…`: the type of a target and its id."""

    def to_internal_value(self, data: Any) -> Target:  # type: ignore[override]
        type_, colon, id_ = super().to_internal_value(data).partition(":")
        if not (type_ and colon and id_) or len(id_) > TARGET_CHARS_MAX:
            raise serializers.ValidationError("Say TYPE:ID, such as booking:0190….", code="target")
        return Target(type=type_, id=id_)


class TimelineIn(QueryIn):
    target = serializers.ListField(
        child=TargetIn(),
        min_length=1,
        max_length=TARGETS_MAX,
        help_text="TYPE:ID. May be repeated.",
    )
    related = serializers.BooleanField(
        default=True, help_text="With what belongs to it: a booking's travellers and invoices."
    )
    cursor = serializers.CharField(required=False, help_text="From `next` or `previous`.")
    page_size = WholeNumber(required=False)


@extend_schema_serializer(many=False)
class TimelineOut(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = EntryOut(many=True)
    is_complete = serializers.BooleanField(
        help_text=f"False if more than {RELATED_MAX} things belong to a target: what was done to "
        "the others is in no page."
    )


class TailIn(QueryIn):
    after = WholeNumber(
        default=0, max_value=POSITION_MAX, help_text="What came up to here is not wanted again."
    )
    limit = WholeNumber(default=100, min_value=1, max_value=TAIL_ENTRIES_MAX)


class TailOut(serializers.Serializer[Any]):
    results = EntryOut(many=True)
    next_after = serializers.IntegerField(help_text="Ask on from here.")
    head = serializers.IntegerField(help_text="The last position that was given.")


class CheckpointOut(serializers.ModelSerializer[Checkpoint]):
    key = serializers.CharField(source="key_id", help_text="The public key, in hex.")

    class Meta:
        model = Checkpoint
        fields = ["number", "size", "root", "previous", "sealed_at", "key", "signature"]


class SealStandingOut(serializers.Serializer[Any]):
    """How far sealing has come."""

    size = serializers.IntegerField(help_text="Entries under the last checkpoint.")
    waiting = serializers.IntegerField()
    lag_seconds = serializers.FloatField(help_text="How long the oldest of those waits.")
    checkpoint = CheckpointOut(allow_null=True)


class ExportIn(QueryIn):
    since = Moment(required=False)
    target = TargetIn(required=False)
    entry = serializers.UUIDField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(super().validate(attrs)) > 1:
            raise serializers.ValidationError(
                {name: ["Say one of since, target and entry."] for name in attrs}, code="both"
            )
        return attrs
