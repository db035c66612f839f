"""Metrics of the ledger."""

from collections.abc import Iterator

from django.utils import timezone

from events.metrics import Figure, counter, gauge, reader
from ledger import selectors
from ledger.sealing import seals

SEALED = counter("daybook_ledger_entries_sealed_total", "Entries under the last seal.")
UNSEALED = gauge("daybook_ledger_entries_unsealed", "Entries that wait for their seal.")
LAG = gauge(
    "daybook_ledger_seal_lag_seconds", "How long the oldest entry without a seal waits for it."
)
APPROVALS = gauge("daybook_approvals_pending", "Requests for approval that wait for a decision.")


@reader
def read_ledger() -> Iterator[Figure]:
    progress = seals.progress(at=timezone.now())
    yield SEALED.is_now(progress.size)
    yield UNSEALED.is_now(progress.waiting)
    yield LAG.is_now(progress.lag_seconds)
    yield APPROVALS.is_now(selectors.count_pending_approvals())
