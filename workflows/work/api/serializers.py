"""Serializers of jobs and schedules."""

from datetime import UTC, datetime, timedelta
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.bodies import Body, Moment
from workflows.work import selectors
from workflows.work.domain.retry import ATTEMPTS_MAX
from workflows.work.domain.timing import Missed, Overlap
from workflows.work.models import EveryAttempt, Schedule, Work
from workflows.work.queue import KEY_CHARS_MAX, SUBJECT_CHARS_MAX

PRIORITY_MAX = 100
DELAY_S_MAX = 366 * 86_400
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class JobIn(Body):
    name = serializers.CharField(max_length=120, help_text="A kind of job that is public.")
    input = serializers.JSONField(default=dict)
    subject = serializers.CharField(max_length=SUBJECT_CHARS_MAX, default="", allow_blank=True)
    delay_s = serializers.FloatField(default=0, min_value=0, max_value=DELAY_S_MAX)
    due_at = Moment(default=None, allow_null=True)
    priority = serializers.IntegerField(
        default=0, min_value=-PRIORITY_MAX, max_value=PRIORITY_MAX, help_text="Higher goes first."
    )
    max_attempts = serializers.IntegerField(
        default=None, allow_null=True, min_value=1, max_value=ATTEMPTS_MAX
    )
    idempotency_key = serializers.CharField(
        default=None,
        allow_null=True,
        max_length=KEY_CHARS_MAX,
        trim_whitespace=False,
        help_text="The same key with the same input is the same job, for ever.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        due_at, delay = attrs["due_at"], timedelta(seconds=attrs["delay_s"])
        if due_at is not None and due_at > _END_OF_TIME - delay:
            says = "With `delay_s` that is after the year 9999."
            raise serializers.ValidationError({"due_at": [says]})
        return attrs


class AttemptOut(serializers.ModelSerializer[EveryAttempt]):
    class Meta:
        model = EveryAttempt
        fields = [*selectors.ATTEMPT_FIELDS, "stack"]
        read_only_fields = fields


class JobOut(serializers.ModelSerializer[Work]):
    name = serializers.CharField(source="kind", read_only=True)
    worker = serializers.CharField(source="leased_by", read_only=True)

    class Meta:
        model = Work
        fields = [
            "id",
            "name",
            "subject",
            "queue",
            "status",
            "due_at",
            "priority",
            "attempt",
            "failures",
            "max_attempts",
            "crashes",
            "crash_budget",
            "claimed_at",
            "lease_until",
            "worker",
            "cancel_requested_at",
            "reason",
            "last_error_class",
            "last_error",
            "idempotency_key",
            "principal",
            "correlation_id",
            "causation_id",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class JobDetailOut(JobOut):
    input = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()
    attempts = serializers.SerializerMethodField(
        help_text=f"The last {selectors.ATTEMPTS_SHOWN}; all are at /jobs/{{id}}/attempts."
    )

    class Meta(JobOut.Meta):
        fields = [*JobOut.Meta.fields, "input", "result", "attempts"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.ANY)
    def get_input(self, work: Work) -> Any:
        return selectors.input_of(work)

    @extend_schema_field(OpenApiTypes.ANY)
    def get_result(self, work: Work) -> Any:
        return selectors.result_of(work)

    @extend_schema_field(AttemptOut(many=True))
    def get_attempts(self, work: Work) -> Any:
        return AttemptOut(selectors.latest_attempts(work.pk), many=True).data


class ScheduleIn(Body):
    """Exactly one of `cron`, `every` and `at`."""

    job = serializers.CharField(max_length=120, help_text="A kind of job that is public.")
    cron = serializers.CharField(max_length=120, default="", allow_blank=True)
    every = serializers.CharField(
        max_length=20, default=None, allow_null=True, help_text="30s, 5m, 2h, 1d or PT10M."
    )
    at = Moment(default=None, allow_null=True)
    tz = serializers.CharField(max_length=60, default="UTC")
    input = serializers.JSONField(default=dict)
    missed = serializers.ChoiceField(choices=[str(policy) for policy in Missed], default="skip")
    overlap = serializers.ChoiceField(choices=[str(policy) for policy in Overlap], default="skip")
    enabled = serializers.BooleanField(default=True)


class ScheduleOut(serializers.ModelSerializer[Schedule]):
    job = serializers.CharField(source="kind", read_only=True)

    class Meta:
        model = Schedule
        fields = [
            "name",
            "job",
            "cron",
            "every_s",
            "at",
            "tz",
            "missed",
            "overlap",
            "enabled",
            "next_at",
            "principal",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
