"""Serializers of agents and delegations."""

from typing import Any

from rest_framework import serializers

from ledger.api.serializers.words import WordsOut
from ledger.bodies import Body, Moment
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.delegation import DEPTH_MAX, HOURS, Terms
from ledger.models import Agent, AgentKey, AgentSwitch, Delegation
from ledger.models.delegations import SUBTYPES

_SCOPES_MAX = 200
_COUNT_MAX = 2**31 - 1
_CENTS_MAX = 10**15
_IDS_MAX = 1_000


class AgentIn(Body):
    """Whose agent it is, is not asked: it is the caller's."""

    name = serializers.CharField(max_length=100)
    subtype = serializers.ChoiceField(choices=SUBTYPES, default="tool_runner")


class AgentOut(serializers.ModelSerializer[Agent]):
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Agent
        fields = ["id", "name", "subtype", "owner", "created_at", "stopped_at"]
        read_only_fields = fields


class SwitchOut(serializers.Serializer[AgentSwitch | None]):
    """The kill switch."""

    stopped = serializers.BooleanField()
    stopped_at = serializers.DateTimeField(allow_null=True)
    reason = WordsOut()


class DelegationIn(Body):
    """In whose name, is not asked: it is the caller's. What is left out, is not limited here."""

    agent_id = serializers.UUIDField()
    parent_id = serializers.UUIDField(
        default=None, allow_null=True, help_text="The delegation that this one narrows."
    )
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)
    scopes = serializers.ListField(
        child=serializers.CharField(max_length=100), min_length=1, max_length=_SCOPES_MAX
    )
    resources = serializers.DictField(
        child=serializers.ListField(
            child=serializers.CharField(max_length=200), max_length=_IDS_MAX
        ),
        default=dict,
        help_text="Type of target → ids. With a filter nothing else is within reach.",
    )
    actions_max = serializers.IntegerField(
        min_value=0, max_value=_COUNT_MAX, default=None, allow_null=True
    )
    cents_max = serializers.IntegerField(
        min_value=0, max_value=_CENTS_MAX, default=None, allow_null=True
    )
    currency = serializers.RegexField(
        r"^[A-Z]{3}$",
        default="",
        allow_blank=True,
        error_messages={"invalid": "Say a currency as ISO 4217 does, such as EUR."},
    )
    per_minute_max = serializers.IntegerField(
        min_value=1, max_value=_COUNT_MAX, default=None, allow_null=True
    )
    starts_at = Moment(default=None, allow_null=True)
    expires_at = Moment(help_text="Within a year.")
    hour_from = serializers.IntegerField(
        min_value=0, max_value=HOURS, default=None, allow_null=True, help_text="Of the day, in UTC."
    )
    hour_until = serializers.IntegerField(
        min_value=1, max_value=HOURS, default=None, allow_null=True, help_text="Excluded."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["hour_from"], attrs["hour_until"]
        if (start is None) != (end is None) or (start is not None and start >= end):
            raise serializers.ValidationError(
                {"hour_until": "Say both hours, the first before the second, or none."}
            )
        if (attrs["cents_max"] is None) != (attrs["currency"] == ""):
            raise serializers.ValidationError({"currency": "Money and its currency go together."})
        return attrs


def terms_of(asked: dict[str, Any]) -> Terms:
    """Return what a valid body says may be done."""
    start, end = asked["hour_from"], asked["hour_until"]
    return Terms(
        scopes=tuple(asked["scopes"]),
        resources={type_: tuple(ids) for type_, ids in asked["resources"].items()},
        actions_max=asked["actions_max"],
        cents_max=asked["cents_max"],
        currency=asked["currency"],
        per_minute_max=asked["per_minute_max"],
        starts_at=asked["starts_at"],
        expires_at=asked["expires_at"],
        hours=None if start is None else (start, end),
    )


class DelegationOut(serializers.ModelSerializer[Delegation]):
    root_user = serializers.CharField(source="root.username", read_only=True)
    agent = serializers.CharField(source="agent.name", read_only=True)
    agent_id = serializers.UUIDField(read_only=True)
    parent_id = serializers.UUIDField(read_only=True, allow_null=True)
    depth = serializers.IntegerField(read_only=True, min_value=1, max_value=DEPTH_MAX)
    reason = WordsOut()

    class Meta:
        model = Delegation
        fields = [
            "id",
            "root_user",
            "agent",
            "agent_id",
            "parent_id",
            "depth",
            "reason",
            "scopes",
            "resources",
            "actions_max",
            "actions_used",
            "cents_max",
            "cents_used",
            "currency",
            "per_minute_max",
            "starts_at",
            "expires_at",
            "hour_from",
            "hour_until",
            "created_at",
            "revoked_at",
        ]
        read_only_fields = fields


class AgentKeyIn(Body):
    expires_at = Moment(
        default=None, allow_null=True, help_text="With the delegation by default, and never later."
    )


class AgentKeyOut(serializers.ModelSerializer[AgentKey]):
    delegation_id = serializers.UUIDField(read_only=True)

    class Meta:
        model = AgentKey
        fields = [
            "id",
            "delegation_id",
            "prefix",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ]
        read_only_fields = fields


class NewAgentKeyOut(AgentKeyOut):
    secret = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="The whole key, this once. Null when the request is repeated.",
    )

    class Meta(AgentKeyOut.Meta):
        fields = [*AgentKeyOut.Meta.fields, "secret"]
        read_only_fields = fields


class RevokeAgentKeyIn(Body):
    key_id = serializers.UUIDField()
