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


@reader
def read_kinds() -> Iterator[Figure]:
    for kind, seconds in selectors.longest_waits().items():
        yield WAIT.is_now(seconds, kind)
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
