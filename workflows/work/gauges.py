"""Metrics of work, of workers, and of the doctor's findings."""

from collections.abc import Iterator

from django.utils import timezone

from events.metrics import Figure, gauge, reader
from workflows.work import selectors

UNFINISHED = gauge("daybook_work", "Work that has not ended, with dead letters.", label="status")
DUE = gauge("daybook_work_due", "Work that is due.")
WAIT = gauge(
    "daybook_work_oldest_due_seconds",
    "How long the oldest due work of a kind has been waiting.",
    label="kind",
)
LETTERS = gauge("daybook_work_dead_letters", "Dead letters by kind.", label="kind")
WORKERS = gauge(
    "daybook_workers", "Worker processes; stale are those that no longer report.", label="state"
)
LISTENERS = gauge(
    "daybook_queue_workers",
    "Processes that took a wake-up from a queue lately; 0 if no worker serves it.",
    label="queue",
)
QUEUE_WAIT = gauge(
    "daybook_queue_oldest_due_seconds",
    "How long the oldest due work of a queue has been waiting.",
    label="queue",
)
VIOLATIONS = gauge(
    "daybook_doctor_violations",
    "Violations that each check of the doctor found when it last ran.",
    label="check",
)
AGE = gauge("daybook_doctor_age_seconds", "Seconds since the doctor last ran.")


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
