"""The hook that runs before an event commits. One call down."""

from uuid import UUID

from events import bus
from events.domain.envelope import Envelope
from workflows.webhooks import outbox


def _record_deliveries(envelope: Envelope) -> None:
    outbox.record_deliveries(envelope)


def _abandon_delivery(envelope: Envelope) -> None:
    if envelope.data["kind"] == outbox.KIND:
        outbox.abandon_delivery(UUID(envelope.data["jobId"]))


bus.before_commit("*", _record_deliveries, only=outbox.may_be_sent)
bus.before_commit("job.cancelled", _abandon_delivery)
bus.before_commit("job.discarded", _abandon_delivery)
