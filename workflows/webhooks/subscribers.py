"""The hook that runs before an event commits. One call down."""

from uuid import UUID

from events import bus
from events.domain.envelope import Envelope
from events.wire import Row
from workflows.webhooks import outbox


def _record_deliveries(envelope: Envelope, listening: list[Row]) -> None:
    outbox.record_deliveries(envelope, [id_ for (id_,) in listening])


def _abandon_delivery(envelope: Envelope) -> None:
    if envelope.data["kind"] == outbox.KIND:
        outbox.abandon_delivery(UUID(envelope.data["jobId"]))


bus.before_commit_asking("*", _record_deliveries, asks=outbox.listeners_to, only=outbox.may_be_sent)
bus.before_commit("job.cancelled", _abandon_delivery)
bus.before_commit("job.discarded", _abandon_delivery)
