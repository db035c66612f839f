"""Serializers of steps, plans and flows in our own API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from events.domain.subscription import POSITION_MAX
from events.selectors import FEED_EVENTS_MAX
from ledger.bodies import Body, OptionalReasonIn, QueryIn, ReasonIn, WholeNumber
from workflows.flows.domain.ids import FLOW_ID_BYTES_MAX
from workflows.flows.domain.limits import CONCURRENCY_KEY_CHARS_MAX, TIMEOUT_MS_MAX
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.triggers import starts
from workflows.flows.triggers.occasions import Occasion, start_states
from workflows.work.domain.timing import Missed

EVENTS_SHOWN = 100
"""Of one answer, as of the log's own pages."""


class InitField(serializers.DictField):
    """Values by attribute; each a list, for an attribute may have several. Null is a value."""

    child = serializers.ListField()


class LabelsField(serializers.DictField):
    """Labels by key."""

    child = serializers.CharField()

    def to_internal_value(self, data: Any) -> Any:
        """Return them.

        :raises ValidationError: also if a key says nothing: no filter could name it.
        """
        labels = super().to_internal_value(data)
        if not all(key.strip() for key in labels):
            raise serializers.ValidationError("The key of a label must not be empty.", code="blank")
        return labels


class StepOut(serializers.Serializer[Any]):
    step = serializers.DictField(help_text="The definition, with the defaults filled in.")
    health = serializers.DictField(help_text="status and error: the worst that any node reports.")
    unregistered = serializers.ListField(
        child=serializers.CharField(),
        help_text="Python functions that it calls and that are not registered here.",
    )


@extend_schema_serializer(many=False)
class StepsOut(serializers.Serializer[Any]):
    results = StepOut(many=True)


class PlanIn(Body):
    goals = serializers.ListField(child=serializers.CharField(), min_length=1)
    init = InitField(default=dict)


class PlanOut(serializers.Serializer[Any]):
    plan = serializers.DictField()
    runs = serializers.ListField(child=serializers.CharField(), help_text="Steps, in plan order.")
    missing = serializers.ListField(
        child=serializers.CharField(), help_text="What init must have before it can start."
    )
    can_start = serializers.BooleanField()
    unhealthy = serializers.ListField(
        child=serializers.CharField(), help_text="Steps of it that no worker may run now."
    )
    child_lacks = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What child flows require and their steps do not give them, by step: it fails.",
    )
    approvals = serializers.ListField(
        child=serializers.CharField(), help_text="Steps that somebody must decide."
    )
    unaskable = serializers.DictField(
        child=serializers.CharField(),
        help_text="Those of them that would fail now, for no policy says who decides; and why.",
    )
    unregistered = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="Python functions that are not registered here, by the step that calls them:"
        " a flow waits there until somebody has.",
    )
    estimated_duration_ms = serializers.IntegerField(
        allow_null=True, help_text="The slowest way through, by what steps took lately."
    )


class OptionsIn(Body):
    timeout_ms = serializers.IntegerField(required=False, min_value=1, max_value=TIMEOUT_MS_MAX)
    compensate = serializers.BooleanField(required=False)
    concurrency_key = serializers.CharField(required=False, max_length=CONCURRENCY_KEY_CHARS_MAX)


class FlowIn(Body):
    id = serializers.CharField(max_length=FLOW_ID_BYTES_MAX)
    goals = serializers.ListField(child=serializers.CharField(), min_length=1)
    init = InitField(default=dict)
    labels = LabelsField(default=dict)
    options = OptionsIn(default=dict)


class ForkIn(OptionalReasonIn):
    id = serializers.CharField(max_length=FLOW_ID_BYTES_MAX, help_text="Of the new flow.")
    from_step = serializers.CharField()
    init = InitField(default=dict, help_text="Replaces values of the original.")


class CancelIn(ReasonIn):
    compensate = serializers.BooleanField(
        allow_null=True,
        default=None,
        help_text="Undo what its steps did, the last first; if null, as it was started to.",
    )


class ForceIn(OptionalReasonIn):
    outputs = serializers.DictField()


class RetryIn(OptionalReasonIn):
    token = serializers.UUIDField(help_text="Of the item that waits for its retry.")


class AtIn(QueryIn):
    at = serializers.IntegerField(
        required=False, min_value=1, help_text="Show the flow as it was after this sequence."
    )


class FlowOut(serializers.ModelSerializer[FlowSummary]):
    id = serializers.CharField(source="flow_id", read_only=True)

    class Meta:
        model = FlowSummary
        fields = [
            "id",
            "status",
            "status_at",
            "outcome",
            "error",
            "goals",
            "labels",
            "parent_flow_id",
            "forked_from",
            "concurrency_key",
            "is_paused",
            "is_undone",
            "is_partly_undone",
            "started_at",
            "started_by",
        ]
        read_only_fields = fields


class ConditionIn(Body):
    language = serializers.ChoiceField(choices=["jpath", "ale", "cel", "lua"])
    script = serializers.CharField(help_text="Sees the event's data as `value`.")


class StartIn(Body):
    """Exactly one of `cron` and `event`."""

    goals = serializers.ListField(child=serializers.CharField(), min_length=1)
    init = InitField(default=dict)
    labels = LabelsField(default=dict)
    options = OptionsIn(default=dict)
    cron = serializers.CharField(max_length=120, default="", allow_blank=True)
    tz = serializers.CharField(max_length=60, default="UTC")
    missed = serializers.ChoiceField(choices=[one.value for one in Missed], default="skip")
    event = serializers.CharField(max_length=120, default="", allow_blank=True)
    filter = ConditionIn(default=None, allow_null=True)
    takes = serializers.DictField(
        child=serializers.CharField(),
        default=dict,
        help_text="Attribute to the JPath of its value in the event's data.",
    )
    enabled = serializers.BooleanField(default=True)


class StartsOut(serializers.ListSerializer[FlowStart]):
    """A page of them: how all of them stand is asked at once."""

    def to_representation(self, data: Any) -> list[dict[str, Any]]:
        starts = list(data)
        found = start_states(starts)
        for start in starts:
            start.current = found[start.name]
        return super().to_representation(starts)


class StartOut(serializers.ModelSerializer[FlowStart]):
    filter = serializers.SerializerMethodField()
    state = serializers.ChoiceField(
        choices=["on", "off", "paused", "refused"],
        source="current.state",
        help_text="Refused: it is on, and the last flow could not start.",
    )
    next_at = serializers.DateTimeField(
        source="current.next_at", allow_null=True, help_text="Of a cron rule: the next slot."
    )

    class Meta:
        model = FlowStart
        fields = [
            "name",
            "goals",
            "init",
            "labels",
            "options",
            "cron",
            "tz",
            "missed",
            "event",
            "filter",
            "takes",
            "enabled",
            "state",
            "next_at",
            "declared_by",
            "paused_because",
            "version",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        list_serializer_class = StartsOut

    @extend_schema_field(ConditionIn(allow_null=True))
    def get_filter(self, start: FlowStart) -> dict[str, str] | None:
        return {"language": start.language, "script": start.filter} if start.filter else None


class RefusedOut(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    flow_id = serializers.CharField()
    reason = serializers.CharField()


class OccasionOut(serializers.Serializer[Any]):
    """One thing that happened to a start: an occasion that fired or did not, or a declaration."""

    at = serializers.DateTimeField()
    what = serializers.ChoiceField(
        choices=[
            "fired",
            "skipped",
            "refused",
            "paused",
            "missed",
            "overlapped",
            "queued",
            "declared",
            "removed",
        ],
        help_text="Skipped: another flow holds the concurrency key.",
    )
    reason = serializers.CharField(source="says")
    flow_id = serializers.CharField(help_text="Empty where there was to be none.")
    status = serializers.SerializerMethodField(help_text="Of the flow; null if there is none.")
    event_id = serializers.CharField(help_text="The occasion, if it was an event.")
    slot_at = serializers.DateTimeField(
        allow_null=True, help_text="The occasion, if it was a slot."
    )
    entry_id = serializers.CharField(help_text="Of the ledger; empty if there is none.")
    by = serializers.CharField(help_text="Who acted.")
    sequence = serializers.IntegerField(
        allow_null=True, help_text="In the stream of the start; null of a slot not fired."
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_status(self, line: Occasion) -> str | None:
        return line.flow.status if line.flow is not None else None


class OccasionsIn(QueryIn):
    before = serializers.IntegerField(
        required=False, min_value=1, help_text="Show what was before this sequence."
    )


class OccasionsOut(serializers.Serializer[Any]):
    results = OccasionOut(many=True)
    older = serializers.IntegerField(
        allow_null=True, help_text="The `before` of the next page; null if this is the last."
    )


class StartDetailOut(StartOut):
    fired = OccasionOut(
        source="current.fired", allow_null=True, help_text="The last flow that started so."
    )
    declarer_lacks = serializers.CharField(
        source="current.lacks",
        help_text="Why nothing may start now in the name of who declared it; empty if it may.",
    )
    refused = serializers.SerializerMethodField()

    class Meta(StartOut.Meta):
        fields = [
            *StartOut.Meta.fields,
            "fired",
            "declarer_lacks",
            "refused",
        ]
        read_only_fields = fields

    def to_representation(self, start: FlowStart) -> dict[str, Any]:
        """Look at how it stands, too."""
        start.current = start_states([start])[start.name]  # type: ignore[attr-defined]
        return super().to_representation(start)

    @extend_schema_field(
        RefusedOut(allow_null=True, help_text="The last flow that could not start so, and why.")
    )
    def get_refused(self, start: FlowStart) -> dict[str, Any] | None:
        event = starts.last_refusal(start.name)
        if event is None:
            return None
        return {
            "at": event.emitted_at,
            "flow_id": event.data["flow_id"],
            "reason": event.data["reason"],
        }


class WaitingOut(serializers.Serializer[Any]):
    sentence = serializers.CharField()
    next_at = serializers.DateTimeField(allow_null=True)


class RequestedOut(serializers.Serializer[Any]):
    step_id = serializers.CharField()
    token = serializers.UUIDField(help_text="Of the work item that is this approval.")
    approval_id = serializers.UUIDField(help_text="At /api/v1/ledger/approvals.")
    status = serializers.CharField()


class FlowDetailOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Of the last event in it; also its ETag.")
    state = serializers.DictField()
    options = serializers.DictField()
    waiting = WaitingOut(allow_null=True, help_text="Null when it is over, or in the past.")
    forks = serializers.ListField(
        child=serializers.CharField(), help_text="Flows that were forked from it, at most 200."
    )
    approvals = RequestedOut(many=True, help_text="What its steps asked people for.")


class PageIn(QueryIn):
    after = WholeNumber(
        default=0,
        max_value=POSITION_MAX,
        help_text="The sequence up to which events are not wanted again.",
    )
    limit = WholeNumber(default=EVENTS_SHOWN, min_value=1, max_value=FEED_EVENTS_MAX)


class FlowEventsOut(serializers.Serializer[Any]):
    results = serializers.ListField(child=serializers.DictField(), help_text="Envelopes.")
    next_after = serializers.IntegerField(help_text="Ask on from here.")
    head = serializers.IntegerField(help_text="The last sequence: you are there at next_after.")


class StepReasonOut(serializers.Serializer[Any]):
    status = serializers.CharField()
    decided_by = serializers.DictField(allow_null=True, help_text="The event that settled it.")
    causes = serializers.ListField(child=serializers.DictField(), help_text="Earlier events.")
    next_after = serializers.IntegerField(
        allow_null=True, help_text="Ask on from here for more of the causes; null with the last."
    )
    approvals = RequestedOut(many=True, help_text="Of an approval step: its requests.")
