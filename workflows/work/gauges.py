"""Metrics of work, of workers, and of the doctor's findings."""

from collections.abc import Iterator

from django.utils import timezone

from events.metrics import Figure, gauge, reader
from workflows.work import selectors

UNFINISHED = gauge(
    "daybook_work", "Pieces of work that have not ended, dead letters among them.", label="status"
)
DUE = gauge("daybook_work_due", "Pieces of work that could be taken up now.")
WAIT = gauge(
    "daybook_work_oldest_due_seconds",
    "How long the oldest due piece of work of a kind has been waiting.",
    label="kind",
)
LETTERS = gauge(
    "daybook_work_dead_letters", "Pieces of work of a kind that wait for a person.", label="kind"
)
WORKERS = gauge(
    "daybook_workers", "Processes that take up work; stale is who fell silent.", label="state"
)
LISTENERS = gauge(
    "daybook_queue_workers",
    "Processes that were rung for from a queue lately; 0 where nobody takes from it.",
    label="queue",
)
QUEUE_WAIT = gauge(
    "daybook_queue_oldest_due_seconds",
    "How long the oldest due piece of work of a queue has been waiting.",
    label="queue",
)
VIOLATIONS = gauge(
    "daybook_doctor_violations",
    "What each check of the doctor found the last time; all but 0 wants a person.",
    label="check",
)
AGE = gauge("daybook_doctor_age_seconds", "How long ago the doctor came the last time.")


@reader
def read_work() -> Iterator[Figure]:
    found = selectors.overview()
    for state, count in found.by_state.items():
        yield UNFINISHED.is_now(count, state.value)
    yield DUE.is_now(found.overdue)
    yield WORKERS.is_now(found.workers_alive, "alive")
    yield WORKERS.is_now(found.workers_stale, "stale")
    for queue, count in found.listeners.items():
        yield LISTENERS.is_now(count, queue)


@reader
def read_kinds() -> Iterator[Figure]:
    waits = selectors.longest_waits()
    for kind, seconds in waits.items():
        yield WAIT.is_now(seconds, kind)
    for queue, seconds in selectors.longest_waits_by_queue(waits).items():
        yield QUEUE_WAIT.is_now(seconds, queue)
    for kind, count in selectors.dead_letters_by_kind().items():
        yield LETTERS.is_now(count, kind)


@reader
def read_checkup() -> Iterator[Figure]:
    checkup = selectors.latest_checkup()
    if checkup is None:
        return
    yield AGE.is_now((timezone.now() - checkup.checked_at).total_seconds())
    for id_, finding in checkup.findings.items():
        yield VIOLATIONS.is_now(finding["count"], id_)
