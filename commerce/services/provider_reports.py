"""Reports of payment providers: each is first enqueued, and then recorded by a job."""

from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone

from commerce.domain import horizon
from commerce.services.actions import action_on
from ledger import recording
from ledger.domain.action import Kind
from ledger.privacy import subjects
from workflows.work import queue
from workflows.work.domain.claim import WorkRef


class ProviderReport(Protocol):
    """What a provider says of a chargeback, under its own name for it."""

    @property
    def provider(self) -> str: ...

    @property
    def provider_ref(self) -> str: ...

    @property
    def occurred_at(self) -> datetime: ...

    def as_json(self) -> dict[str, Any]:
        """Return the input of the job that takes note of it."""


def terms_of(report: ProviderReport) -> dict[str, Any]:
    """Return what an approval is bound to, should a policy ask for one: what a provider writes
    may name somebody."""
    return {"report": subjects.fingerprint_of(report.as_json(), of=report.provider_ref)}


def note_later(*, report: ProviderReport, of: str, job: str, capability: str) -> WorkRef:
    """List the job that takes note of a report, and put on record who reported it.

    `of` tells the reports about one chargeback from each other. The same one reported again
    is listed already, and changes nothing.

    :raises StillToCome, BeyondHorizon: if it cannot have happened when the provider says.
    :raises JobKeyConflict: if the provider said something else before.
    """
    now = timezone.now()
    horizon.check_happened(report.occurred_at, now=now, pointer="/data/occurred_at")
    name = f"{report.provider}/{report.provider_ref}"
    terms = {"of": of, **terms_of(report)}
    action = action_on(
        "chargeback.report", name, kind=Kind.EXECUTE, capability=capability, asked=terms
    )
    with recording.recorded(action) as proof:
        work = queue.enqueue(
            job,
            subject=f"chargeback/{name}"[: queue.SUBJECT_CHARS_MAX],
            input=report.as_json(),
            idempotency_key=f"{of}:{name}",
        )
        proof.answers_with(work.id)
        proof.says(f"Job {work.id} takes note of it.")
        if not work.is_new:
            proof.changes_nothing()
    return work
