"""The events of this app. None of them, and no stream, ever holds a secret."""

from typing import Any
from uuid import UUID

from events.catalogue import declare, declare_stream
from events.domain.envelope import Stream
from ledger.domain.approval import ApprovalStatus
from ledger.domain.capability import Risk
from ledger.domain.policy import Execute
from ledger.models import ApiKey


def _api_key_of(stream: Stream) -> ApiKey | None:
    try:
        return ApiKey.objects.filter(pk=UUID(stream[1])).first()
    except (IndexError, ValueError):
        return None


_KEY = {
    "keyId": {"type": "string", "format": "uuid"},
    "prefix": {"type": "string", "pattern": "^[0-9a-z]{12}$"},
    "name": {"type": "string"},
}
_TIME = {"type": "string", "format": "date-time"}
# The hash of the digest that is stored of a secret: it tells another secret, and opens nothing.
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _about_a_key(**more: object) -> dict[str, object]:
    properties = {**_KEY, **more}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


declare_stream(
    "api_key",
    meaning="The life of one API key.",
    read="api_key.administer",
    object_resolver=_api_key_of,
)
declare(
    "api_key.issued",
    # Since the second version it says by id whose it is, and of which secret.
    version=2,
    category="domain",
    stream="api_key",
    meaning="An API key was issued. Its secret was shown once, to its issuer.",
    schema=_about_a_key(
        owner={"type": "string"},
        ownerId={"type": "string"},
        secretDigest=_DIGEST,
        scopes={"type": "array", "items": {"type": "string"}, "minItems": 1},
        expiresAt=_TIME,
    ),
)
declare(
    "api_key.rotated",
    category="domain",
    stream="api_key",
    meaning="An API key got a successor, and ends with the overlap.",
    schema=_about_a_key(successorId={"type": "string", "format": "uuid"}, endsAt=_TIME),
)
declare(
    "api_key.revoked",
    category="domain",
    stream="api_key",
    meaning="An API key was ended at once.",
    schema=_about_a_key(),
)


def _about(first: dict[str, object], **more: object) -> dict[str, Any]:
    properties = {**first, **more}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
_UUID = {"type": "string", "format": "uuid"}
_AGENT: dict[str, object] = {"agentId": _UUID, "name": _TEXT}
_DELEGATION: dict[str, object] = {"delegationId": _UUID, "agentId": _UUID, "rootId": _TEXT}
_AGENT_KEY: dict[str, object] = {
    "keyId": _UUID,
    "prefix": {"type": "string", "pattern": "^[0-9a-z]{12}$"},
    "delegationId": _UUID,
}

_COUNT = {"type": ["integer", "null"], "minimum": 0}
_TERMS: dict[str, object] = {
    "scopes": {"type": "array", "items": _TEXT},
    "parentId": {"type": ["string", "null"], "format": "uuid"},
    "resources": {"type": "object", "additionalProperties": {"type": "array", "items": _TEXT}},
    "actionsMax": _COUNT,
    "centsMax": _COUNT,
    "currency": _TEXT,
    "perMinuteMax": _COUNT,
    "startsAt": _TIME,
    "expiresAt": _TIME,
    "hourFrom": _COUNT,
    "hourUntil": _COUNT,
}
_VERSIONS = {"agent.created": 1, "agent_key.revoked": 1, "delegation.created": 3}
"""Of the first versions some had their reason in clear; of the second the entry has it. Since the
third a delegation says all its terms. A key of an agent says since the second which secret it is.
"""

declare_stream("agent", meaning="The life of one agent; `agent/all` of all.", read="agent.read")
declare_stream("delegation", meaning="The life of one delegation.", read="agent.read")

for _name, _stream, _schema, _meaning in (
    (
        "agent.created",
        "agent",
        _about(_AGENT, subtype=_TEXT, ownerId=_TEXT),
        "An agent was created.",
    ),
    ("agent.stopped", "agent", _about(_AGENT, entryId=_UUID), "An agent was stopped at once."),
    ("agent.resumed", "agent", _about(_AGENT, entryId=_UUID), "A stopped agent was resumed."),
    ("agent.all_stopped", "agent", _about({"entryId": _UUID}), "All agents were stopped at once."),
    ("agent.all_resumed", "agent", _about({"entryId": _UUID}), "The kill switch was switched off."),
    (
        "delegation.created",
        "delegation",
        _about(_DELEGATION, **_TERMS, entryId=_UUID),
        "A user delegated to an agent.",
    ),
    (
        "delegation.revoked",
        "delegation",
        _about(_DELEGATION, entryId=_UUID),
        "A delegation was revoked, by itself or with one above it.",
    ),
    (
        "agent_key.issued",
        "delegation",
        _about(_AGENT_KEY, expiresAt=_TIME, secretDigest=_DIGEST),
        "An agent got a key.",
    ),
    ("agent_key.revoked", "delegation", _about(_AGENT_KEY), "A key of an agent was ended."),
):
    declare(
        _name,
        version=_VERSIONS.get(_name, 2),
        category="domain",
        stream=_stream,
        meaning=_meaning,
        schema=_schema,
    )
declare_stream(
    "reversal",
    meaning="The reversal of one entry of the ledger.",
    read="ledger.read",
)
_ABOUT_A_REVERSAL = {
    "type": "object",
    "properties": {
        "entryId": {"type": "string", "format": "uuid"},
        "reversalId": {"type": "string", "format": "uuid"},
        "state": {"type": "string"},
        "outcome": {"type": ["string", "null"]},
        "amountCents": {"type": ["integer", "null"], "minimum": 0},
        "currency": {"type": ["string", "null"]},
    },
    "required": ["entryId", "reversalId", "state", "outcome", "amountCents", "currency"],
    "additionalProperties": False,
}
for _what, _meaning in {
    "requested": "Undoing an action was asked for, and waits for an approval.",
    "withdrawn": "The request to undo an action came to nothing.",
    "begun": "Undoing an action is under way: something outside has to happen first.",
    "completed": "An action was undone, wholly or in part.",
    "failed": "An attempt to undo an action failed; it may be tried again.",
    "expired": "The time in which an action could be undone is over.",
}.items():
    declare(
        f"ledger.reversal.{_what}",
        category="internal",
        stream="reversal",
        meaning=_meaning,
        schema=_ABOUT_A_REVERSAL,
    )


def _about_an_approval(**more: object) -> dict[str, object]:
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    properties = {
        "approvalId": {"type": "string", "format": "uuid"},
        "status": {"enum": [status.value for status in ApprovalStatus]},
        "title": text,
        "actionName": text,
        "targetType": text,
        "targetId": text,
        "reference": text,
        "requestedBy": text,
        "risk": {"enum": [risk.value for risk in Risk]},
        "policy": text,
        "quorum": {"type": "integer", "minimum": 1},
        "assignedTo": maybe,
        "assignedGroup": maybe,
        "execute": {"enum": [mode.value for mode in Execute]},
        "expiresAt": _TIME,
        **more,
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


declare_stream(
    "approval",
    meaning="The life of one approval: asked for, voted on, decided or over.",
    read="approval.read",
)
for _what, _meaning in (
    ("requested", "Somebody asks for approval; the inbox has one more."),
    ("decided", "An approval was approved or denied; `status` says which."),
    ("expired", "It was not decided in time; `status` is `expired` or, by policy, `denied`."),
    ("cancelled", "The requester has withdrawn it."),
    ("superseded", "A newer request of the same requester takes its place."),
):
    declare(
        f"ledger.approval.{_what}",
        category="domain",
        stream="approval",
        external=True,
        meaning=_meaning,
        schema=_about_an_approval(),
    )
declare(
    "ledger.approval.voted",
    category="domain",
    stream="approval",
    external=True,
    meaning="One of several people who have to agree has agreed.",
    schema=_about_an_approval(voices={"type": "integer", "minimum": 1}),
)
declare(
    "ledger.approval.delegated",
    category="domain",
    stream="approval",
    external=True,
    meaning="The decision was delegated to another user.",
    schema=_about_an_approval(delegatedBy={"type": "string"}),
)
declare(
    "ledger.approval.returned",
    category="domain",
    stream="approval",
    external=True,
    meaning="Who was to decide instead cannot any more: it is for all who may again.",
    schema=_about_an_approval(returnedFrom={"type": "string"}),
)
declare_stream(
    "approval_policy",
    meaning="The versions of one policy of approvals.",
    read="approval_policy.read",
)
for _what, _meaning in (
    ("drafted", "A version of a policy of approvals was drafted."),
    ("activated", "A version of a policy is in force; the one before it is not any more."),
    ("retired", "A version of a policy is no longer in force."),
):
    declare(
        f"ledger.approval_policy.{_what}",
        category="domain",
        stream="approval_policy",
        meaning=_meaning,
        schema={
            "type": "object",
            "properties": {
                "policyId": {"type": "string", "format": "uuid"},
                "name": {"type": "string"},
                "version": {"type": "integer", "minimum": 1},
            },
            "required": ["policyId", "name", "version"],
            "additionalProperties": False,
        },
    )
