"""Serializers of API keys."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from ledger.bodies import Body, Moment
from ledger.models import ApiKey

_DAYS_DEFAULT = 90
_SCOPES_MAX = 200


def _default_expiry() -> Any:
    return timezone.now() + timedelta(days=_DAYS_DEFAULT)


class ApiKeyIn(Body):
    """Whose key it is, is not asked: it is the caller's."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=100), min_length=1, max_length=_SCOPES_MAX
    )
    expires_at = Moment(
        default=_default_expiry, help_text="Within a year; 90 days from now by default."
    )


class ApiKeyRotationIn(Body):
    overlap_seconds = serializers.IntegerField(
        default=24 * 3600,
        min_value=0,
        max_value=7 * 24 * 3600,
        help_text="How long the old key stays good.",
    )


class ApiKeyOut(serializers.ModelSerializer[ApiKey]):
    owner = serializers.CharField(source="owner.username", read_only=True)
    successor_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "prefix",
            "name",
            "owner",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
            "successor_id",
        ]
        read_only_fields = fields


class NewApiKeyOut(ApiKeyOut):
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The whole key, this once. Null when the request is repeated.",
    )

    class Meta(ApiKeyOut.Meta):
        fields = [*ApiKeyOut.Meta.fields, "secret"]
        read_only_fields = fields


class ScopeOut(serializers.Serializer[Any]):
    id = serializers.CharField()
    meaning = serializers.CharField()
    resource = serializers.CharField()
    action = serializers.CharField()
    risk = serializers.CharField()
    held = serializers.BooleanField(help_text="Whether the caller holds it over everything.")
