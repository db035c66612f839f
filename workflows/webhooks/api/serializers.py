"""Serializers of subscriptions and deliveries."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.access import authority
from ledger.bodies import Body, Moment
from workflows.egress import urls
from workflows.egress.urls import URL_CHARACTERS_MAX
from workflows.webhooks.models import EVENT_NAMES_MAX, Attempt, Delivery, Subscription


def _events(**options: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=120),
        min_length=1,
        max_length=EVENT_NAMES_MAX,
        help_text="Names from GET /api/v1/webhooks/subscriptions/events.",
        **options,
    )


class SubscriptionIn(Body):
    url = serializers.CharField(max_length=URL_CHARACTERS_MAX)
    events = _events()
    description = serializers.CharField(max_length=500, default="", allow_blank=True)


class SubscriptionChange(Body):
    url = serializers.CharField(max_length=URL_CHARACTERS_MAX, required=False)
    events = _events(required=False)
    description = serializers.CharField(max_length=500, required=False, allow_blank=True)


class _Address(serializers.CharField):
    """An address: whole for who may change it, its origin for who may only look."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            read_only=True,
            help_text="Without `webhook.manage` its origin: path and query may hold a secret.",
            **options,
        )

    def to_representation(self, value: str) -> str:
        request = self.context.get("request")
        # Without a request it is the answer to who has just changed it.
        may = request is None or authority.holds(request, "webhook.manage")
        return value if may else urls.shown(value)


class SubscriptionOut(serializers.ModelSerializer[Subscription]):
    url = _Address()
    active = serializers.SerializerMethodField(help_text="Whether messages are sent.")

    class Meta:
        model = Subscription
        fields = [
            "id",
            "url",
            "events",
            "description",
            "active",
            "standing",
            "failing_since",
            "version",
            "created_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def get_active(self, subscription: Subscription) -> bool:
        return subscription.is_active


class NewSubscriptionOut(SubscriptionOut):
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The signing secret, this once. Null when the request is repeated.",
    )

    class Meta(SubscriptionOut.Meta):
        fields = [*SubscriptionOut.Meta.fields, "secret"]
        read_only_fields = fields


class TestMessageIn(Body):
    event = serializers.CharField(
        max_length=120, required=False, help_text="The first one subscribed to by default."
    )


class ReplayIn(Body):
    since = Moment(help_text="What happened from this moment on.")
    until = Moment(help_text="What happened before this moment.")


class ReplayOut(serializers.Serializer[Any]):
    replayed = serializers.IntegerField(help_text="How many messages are sent again.")
    more = serializers.BooleanField(help_text="Whether some are left: ask again, just so.")


class ExternalEventOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    meaning = serializers.CharField()
    schema = serializers.JSONField(help_text="The contract: what is not named here is not sent.")
    redacted = serializers.ListField(child=serializers.CharField())


class DeliveryOut(serializers.ModelSerializer[Delivery]):
    job_id = serializers.UUIDField(
        source="id", read_only=True, help_text="The job that sends it: GET /api/v1/jobs/{id}."
    )

    class Meta:
        model = Delivery
        fields = [
            "id",
            "subscription_id",
            "purpose",
            "replay_of_id",
            "event_id",
            "event_name",
            "event_version",
            "message_id",
            "status",
            "attempts_made",
            "next_attempt_at",
            "error_class",
            "error",
            "job_id",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class DeliveryAttemptOut(serializers.ModelSerializer[Attempt]):
    url = _Address()

    class Meta:
        model = Attempt
        fields = [
            "number",
            "started_at",
            "duration_ms",
            "url",
            "request_headers",
            "body_hash",
            "request_excerpt",
            "response_status",
            "response_headers",
            "response_excerpt",
            "error_class",
            "error",
        ]
        read_only_fields = fields


class DeliveryDetailOut(DeliveryOut):
    payload = serializers.SerializerMethodField()
    attempts = DeliveryAttemptOut(many=True, read_only=True)

    class Meta(DeliveryOut.Meta):
        fields = [*DeliveryOut.Meta.fields, "body_hash", "payload", "attempts"]
        read_only_fields = fields

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_payload(self, delivery: Delivery) -> Any:
        """Null once it was let go."""
        return json.loads(delivery.body) if delivery.body else None
