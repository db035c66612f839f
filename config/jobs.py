"""The one job of the platform: `up --check` sends it round the whole chain."""

from typing import Any

from django.db import transaction

from events import catalogue, recorder
from workflows.work import queue
from workflows.work.domain.claim import Claim
from workflows.work.registry import job

CHECK = "instance.check"
CHECKED = "instance.checked"
STREAM = ("instance", "check")

_NONCE: dict[str, Any] = {
    "type": "object",
    "properties": {"nonce": {"type": "string", "maxLength": 64}},
    "required": ["nonce"],
    "additionalProperties": False,
}

catalogue.declare_stream(
    "instance", meaning="Checks of the whole chain by its operator.", read="job.read"
)
catalogue.declare(
    CHECKED,
    category="internal",
    meaning="A worker did the job of a round trip: HTTP, commit, worker and feed are in order.",
    stream="instance",
    schema=_NONCE,
)


@job(CHECK, capability="job.enqueue", input_schema=_NONCE, public=True, timeout_s=10)
def check_instance(claim: Claim) -> None:
    """Record that the job arrived."""
    with transaction.atomic(durable=True):
        recorder.emit(CHECKED, claim.input, stream=STREAM, event_id=f"checked:{claim.token}")
        queue.complete(claim)
