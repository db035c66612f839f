"""Queries of work, for pages and the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, Min, Q, QuerySet

from workflows.work import conf, documents, registry
from workflows.work.domain.claim import Claim
from workflows.work.domain.life import DEAD_LETTERS, OPEN, WAITING, State
from workflows.work.models import (
    Checkup,
    EveryAttempt,
    StatementNow,
    Work,
    Worker,
    WorkQuerySet,
)
from workflows.work.registry import JSON

ATTEMPTS_SHOWN: Final = 50
ATTEMPT_FIELDS: Final = (
    "attempt",
    "fence",
    "worker",
    "started_at",
    "ended_at",
    "outcome",
    "error_class",
    "error",
)
"""The fields of an attempt that lists show. Its stack is shown on request only."""

_IS_OVERDUE = Q(status__in=[state.value for state in WAITING], due_at__lte=StatementNow())


# From one kind to the next through the index work_finished_by_kind, whatever lies between.
_KINDS_DONE = """
WITH RECURSIVE each (kind) AS (
  (SELECT kind FROM work WHERE status = 'done' ORDER BY kind LIMIT 1)
  UNION ALL
  SELECT (SELECT kind FROM work WHERE status = 'done' AND kind > each.kind ORDER BY kind LIMIT 1)
    FROM each WHERE each.kind IS NOT NULL
)
SELECT kind FROM each WHERE kind IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How much there is to do, and who does it."""

    by_state: dict[State, int]
    overdue: int
    workers_alive: int
    workers_stale: int
    listeners: dict[str, int]
    """Of each queue, how many of those that are alive take from it."""

    @property
    def unheard(self) -> list[str]:
        """The queues that nobody takes from."""
        return [queue for queue, count in self.listeners.items() if not count]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    name: str
    role: str
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None
    is_stale: bool
    queues: list[str]

    @property
    def is_alive(self) -> bool:
        """Whether it polled lately, and did not say goodbye since."""
        return not self.is_stale and self.stopped_at is None


def jobs() -> WorkQuerySet:
    """Every piece of work, newest first when ordered by `-id`."""
    return Work.objects.all()


def without_housekeeping(jobs: WorkQuerySet) -> WorkQuerySet:
    """Leave out of `jobs` the housekeeping that went well."""
    return jobs.done_only_if(_kinds_done() - set(registry.housekeeping()))


def _kinds_done() -> set[str]:
    """Return of which kinds anything is done, also such as nobody declares any more."""
    with connection.cursor() as cursor:
        cursor.execute(_KINDS_DONE)
        return {kind for (kind,) in cursor.fetchall()}


def attempts_of(work_id: UUID) -> "QuerySet[EveryAttempt]":
    """What was tried of a piece of work. What is taken up again and again has no last attempt."""
    # Index work_attempts_of_one, and the primary key of work.
    return EveryAttempt.objects.filter(work_id=work_id)


def latest_attempts(
    work_id: UUID, *, before: int | None = None, limit: int = ATTEMPTS_SHOWN
) -> list[EveryAttempt]:
    """The last attempts (of those `before` one), in the order in which they ended."""
    attempts = attempts_of(work_id)
    if before is not None:
        attempts = attempts.filter(id__lt=before)
    return list(reversed(attempts.order_by("-id")[:limit]))


def input_of(work: Work) -> JSON:
    """The input, wherever it is kept."""
    return documents.load(work.input, work.input_hash)


def result_of(work: Work) -> JSON:
    """The result, wherever it is kept; None while there is none."""
    return documents.load(work.result, work.result_hash)


def claimed_before(claim: Claim) -> dict[UUID, timedelta]:
    """Work of the same kind that was claimed before `claim` and is under way, and for how long."""
    # Index work_leases: there is as much of it as workers.
    under_way = Work.objects.filter(status=State.LEASED.value, kind=claim.kind)
    earlier = Q(claimed_at__lt=claim.claimed_at) | Q(claimed_at=claim.claimed_at, id__lt=claim.id)
    rows = under_way.filter(earlier).values_list("id")
    return dict(rows.annotate(since=StatementNow() - F("claimed_at")))


def overview() -> Overview:
    """Counts for a dashboard. Finished work that went well is not counted: it only grows."""
    waiting, leased, letters = (
        Work.objects.filter(status__in=[state.value for state in states])
        .values_list("status")
        .annotate(
            count=Count("id"),
            overdue=Count("id", filter=_IS_OVERDUE),
        )
        # Each has its index; what is finished, and is in none, is not read.
        for states in (WAITING, {State.LEASED}, DEAD_LETTERS)
    )
    rows = list(waiting.union(leased, letters, all=True))
    counts = {State(status): count for status, count, _ in rows}
    known = workers()
    return Overview(
        by_state={state: counts.get(state, 0) for state in sorted(OPEN | DEAD_LETTERS)},
        overdue=sum(overdue for _, _, overdue in rows),
        workers_alive=sum(worker.is_alive for worker in known),
        workers_stale=sum(worker.is_stale for worker in known),
        listeners=listeners(known),
    )


def longest_waits() -> dict[str, float]:
    """Return by kind for how many seconds its oldest due piece of work has been waiting."""
    # Index work_due.
    rows = Work.objects.filter(_IS_OVERDUE).order_by().values_list("kind")
    waits = rows.annotate(wait=StatementNow() - Min("due_at"))
    return {kind: wait.total_seconds() for kind, wait in waits}


def longest_waits_by_queue(waits: Mapping[str, float]) -> dict[str, float]:
    """Return of each queue the longest of `waits`, which are by kind; 0 if none waits in it."""
    longest = dict.fromkeys(registry.all_queues(), 0.0)
    for kind, seconds in waits.items():
        if registry.is_known(kind):
            queue = registry.get(kind).queue
            longest[queue] = max(longest[queue], seconds)
    return longest


def dead_letters_by_kind() -> dict[str, int]:
    """Return by kind how much work waits for a person."""
    # Index work_letters.
    letters = Work.objects.filter(status__in=[state.value for state in DEAD_LETTERS])
    return dict(letters.order_by().values_list("kind").annotate(Count("id")))


def workers() -> list[WorkerState]:
    """Every worker that was seen lately; stale is who neither polled nor said goodbye."""
    stale_before = StatementNow() - timedelta(seconds=conf.current().stale_after_s)
    rows = Worker.objects.annotate(
        is_silent=Q(seen_at__lt=stale_before) & Q(stopped_at__isnull=True)
    )
    return [
        WorkerState(
            name=row.name,
            role=row.role,
            started_at=row.started_at,
            seen_at=row.seen_at,
            stopped_at=row.stopped_at,
            is_stale=row.is_silent,
            queues=sorted(row.queues),
        )
        for row in rows.order_by("name")
    ]


def listeners(known: Sequence[WorkerState]) -> dict[str, int]:
    """Return of each queue how many of the workers `known` are alive and take from it."""
    return {
        queue: sum(worker.is_alive and queue in worker.queues for worker in known)
        for queue in registry.all_queues()
    }


def latest_checkup() -> Checkup | None:
    """What the doctor found last, None if it was never here."""
    return Checkup.objects.order_by("-id").first()
