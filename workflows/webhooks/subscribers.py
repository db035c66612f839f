"""What this room hears of before it is committed. One call down."""

from uuid import UUID

from events import bus
from events.domain.envelope import Envelope
from workflows.webhooks import intake


def _take_in(envelope: Envelope) -> None:
    intake.take_in(envelope)


def _drop(envelope: Envelope) -> None:
    if envelope.data["kind"] == intake.KIND:
        intake.drop(UUID(envelope.data["jobId"]))


bus.before_commit("*", _take_in, only=intake.concerns)
bus.before_commit("job.cancelled", _drop)
bus.before_commit("job.discarded", _drop)
