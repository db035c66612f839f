"""The kind of work of webhooks. One call down."""

from typing import Any

from workflows.webhooks import delivery
from workflows.webhooks.outbox import KIND
from workflows.work import queues
from workflows.work.domain.claim import Claim
from workflows.work.registry import job

_INPUT = {
    "type": "object",
    "properties": {"delivery_id": {"type": "string", "format": "uuid"}},
    "required": ["delivery_id"],
    "additionalProperties": False,
}


@job(
    KIND,
    capability="webhook.manage",
    input_schema=_INPUT,
    timeout_s=60,
    queue=queues.WEBHOOKS,
)
def deliver(claim: Claim) -> dict[str, Any]:
    """Send one message to one subscription."""
    return delivery.attempt(claim)
