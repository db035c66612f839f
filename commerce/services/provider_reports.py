"""What a payment provider reports goes on the to-do list first: a job takes note of it."""

from typing import Any

from commerce.services.acts import act
from ledger import recording
from ledger.domain.action import Kind
from workflows.work import queue
from workflows.work.domain.claim import WorkRef


def note_later(
    *, reported: str, said: dict[str, Any], job: str, key: str, capability: str
) -> WorkRef:
    """List the job that takes note of a chargeback, and put on record who reported it.

    `reported` is the chargeback by the provider's own names, `provider/reference`; `said` is the
    input of the job. Reported again, with the same `key`, the job is there already, and nothing
    changes.

    :raises JobKeyConflict: if the provider said something else under that key before.
    """
    action = act("chargeback.report", reported, kind=Kind.EXECUTE, capability=capability)
    with recording.recorded(action) as proof:
        work = queue.enqueue(
            job,
            subject=f"chargeback/{reported}"[: queue.SUBJECT_CHARS_MAX],
            input=said,
            idempotency_key=key,
        )
        proof.answers_with(work.id)
        proof.says(f"Job {work.id} takes note of it.")
        if not work.is_new:
            proof.changes_nothing()
    return work
