"""The events of webhooks. None of them is ever sent by webhook."""

from typing import Any

from events.catalogue import declare, declare_stream
from events.domain.envelope import Category

STREAM = "webhook"

_ID = {"type": "string"}
_TEXT = {"type": "string"}


def _note(name: str, meaning: str, *, version: int = 1, **properties: dict[str, Any]) -> None:
    declare(
        name,
        version=version,
        category=Category.INTERNAL,
        meaning=meaning,
        stream=STREAM,
        schema={
            "type": "object",
            "properties": {"subscriptionId": _ID, **properties},
            "required": ["subscriptionId", *properties],
            "additionalProperties": False,
        },
    )


_EVENTS = {"type": "array", "items": _TEXT}

declare_stream(STREAM, meaning="One webhook subscription.", read="webhook.read")

# Many a receiver knows its callers by a secret in the path or the query, and the log is for
# ever: it has the origin, and a digest that tells one address from another.
_WHERE: dict[str, dict[str, Any]] = {"origin": _TEXT, "urlDigest": _TEXT, "events": _EVENTS}
_note("webhook.subscription.created", "A subscription was created.", version=2, **_WHERE)
_note("webhook.subscription.updated", "A subscription was changed.", version=2, **_WHERE)
_note("webhook.subscription.deleted", "A subscription ended, and its secrets with it.")
_note("webhook.subscription.enabled", "Messages are sent again.")
_note(
    "webhook.subscription.disabled",
    "No messages are sent any more: paused by an operator, gone (410), or failing.",
    reason={"enum": ["paused", "gone", "failing"]},
)
_note("webhook.secret.rotated", "A new signing secret is in force; the old one retires.")
_note(
    "webhook.delivery.failed",
    "A message was given up.",
    deliveryId=_ID,
    eventId=_ID,
    eventName=_TEXT,
    errorClass=_TEXT,
    error=_TEXT,
    attempts={"type": "integer"},
)
