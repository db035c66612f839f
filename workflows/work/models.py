"""The tables of work. Only `statements` writes Work and Attempt."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import F, Q

from events.ids import new_id
from events.tables import append_only
from workflows.work.domain.ends import Outcome
from workflows.work.domain.life import DEAD_LETTERS, FINISHED, WAITING, State
from workflows.work.domain.timing import Fate, Missed, Overlap


class StatementNow(models.Func):
    """The clock of the database, which is the only one that counts."""

    template = "statement_timestamp()"
    output_field = models.DateTimeField()


def _values(members: Iterable[StrEnum]) -> list[str]:
    return sorted(member.value for member in members)


def _choices(values: list[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in values]


class WorkQuerySet(models.QuerySet["Work"]):
    def waiting(self) -> "WorkQuerySet":
        return self.filter(status__in=_values(WAITING))

    def about(self, **facts: str) -> "WorkQuerySet":
        """Keep what has these facts. What is finished, and what is not, has an index each.

        One index for all of it would be written at each change of a row, and not only at its
        end: five times as dear.
        """
        return self.filter(
            Q(finished_at__isnull=False, **facts)
            | Q(status__in=_values(WAITING), **facts)
            | Q(status=State.LEASED.value, **facts)
        )

    def of_kind(self, kind: str) -> "WorkQuerySet":
        """Keep those of a kind: by their indexes if they are few, along the list if they are many.

        Said for each state, or PostgreSQL has no index to choose.
        """
        return self.filter(
            Q(status__in=_values(FINISHED), kind=kind)
            | Q(status__in=_values(WAITING), kind=kind)
            | Q(status=State.LEASED.value, kind=kind)
        )

    def done_only_if(self, kinds: Collection[str]) -> "WorkQuerySet":
        """Leave out what is done, but for these kinds; found as in `of_kind`."""
        return self.filter(
            Q(status=State.DONE.value, kind__in=kinds)
            | Q(status__in=_values(FINISHED - {State.DONE}))
            | Q(status__in=_values(WAITING))
            | Q(status=State.LEASED.value)
        )


class Work(models.Model):
    """One thing that must still happen, from the transaction that made it necessary on."""

    TARGET_TYPE: ClassVar = "job"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=120)
    queue = models.CharField(max_length=60, default="default")
    subject = models.CharField(max_length=200, default="", blank=True)
    # JSON as text: it is never searched, and jsonb would reorder keys and rewrite numbers.
    input = models.TextField(null=True)  # noqa: DJ001 (absent when it is kept by hash)
    input_hash = models.CharField(max_length=64, null=True)  # noqa: DJ001
    result = models.TextField(null=True)  # noqa: DJ001
    result_hash = models.CharField(max_length=64, null=True)  # noqa: DJ001

    status = models.CharField(max_length=10, choices=_choices(_values(State)))
    due_at = models.DateTimeField()
    priority = models.SmallIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField()
    crashes = models.PositiveSmallIntegerField(default=0)
    crash_budget = models.PositiveSmallIntegerField()
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=200, default="", blank=True)
    rung_at = models.DateTimeField(null=True)
    rings = models.PositiveSmallIntegerField(default=0)
    cancel_requested_at = models.DateTimeField(null=True)
    reason = models.TextField(default="", blank=True)
    last_error_class = models.CharField(max_length=200, default="", blank=True)
    last_error = models.TextField(default="", blank=True)

    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001
    fingerprint = models.CharField(max_length=64, null=True)  # noqa: DJ001
    principal = models.CharField(max_length=200)
    correlation_id = models.CharField(max_length=200)
    causation_id = models.CharField(max_length=200, null=True)  # noqa: DJ001
    created_at = models.DateTimeField(db_default=TransactionNow())
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[WorkQuerySet] = WorkQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = "work"
        verbose_name_plural = "work"
        # The rules of a row are one trigger, by name in migrations/schema/rules.py.
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="work_happens_once_per_kind_and_key",
            ),
        ]
        indexes = [
            models.Index(
                "kind",
                F("priority").desc(),
                "due_at",
                condition=Q(status__in=_values(WAITING)),
                name="work_due",
            ),
            models.Index(
                fields=["due_at"],
                condition=Q(status__in=["retry", "scheduled"]),
                name="work_timers",
            ),
            models.Index(fields=["lease_until"], condition=Q(status="leased"), name="work_leases"),
            models.Index(
                fields=["id"], condition=Q(status__in=_values(DEAD_LETTERS)), name="work_letters"
            ),
            models.Index(
                fields=["subject"],
                condition=Q(finished_at__isnull=False),
                name="work_finished_by_subject",
            ),
            models.Index(
                fields=["correlation_id"],
                condition=Q(finished_at__isnull=False),
                name="work_finished_by_story",
            ),
            # Its keys repeat, so it is a tenth of the others in size.
            models.Index(
                fields=["status", "kind"],
                condition=Q(status__in=_values(FINISHED)),
                name="work_finished_by_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"

    @property
    def has_succeeded_at_once(self) -> bool:
        """Whether it was claimed once, by who did it: then it has no other attempt."""
        return self.status == State.DONE.value and self.fence == 1


class _End(models.Model):
    """How one claim ended."""

    attempt = models.PositiveIntegerField()
    fence = models.PositiveIntegerField()
    worker = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=_choices(_values(Outcome)))
    error_class = models.CharField(max_length=200, default="", blank=True)
    error = models.TextField(default="", blank=True)
    stack = models.TextField(default="", blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.work_id} ({self.outcome})"  # type: ignore[attr-defined]


@append_only.model
class Attempt(_End):
    """How one claim ended. Append-only: written once, when it is over.

    What succeeded at its first claim has none: the row of its work says it. Read `EveryAttempt`.
    """

    id = models.BigAutoField(primary_key=True)
    work = models.ForeignKey(Work, on_delete=models.PROTECT, related_name="ends", db_index=False)

    class Meta:
        db_table = "work_attempt"
        constraints = [
            # A stale end is on record beside the one that counts, and changes nothing.
            models.UniqueConstraint(
                fields=["work", "attempt"],
                condition=~Q(outcome="stale"),
                name="work_attempt_ends_once",
            ),
        ]
        indexes = [models.Index(fields=["work", "id"], name="work_attempts_of_one")]


class EveryAttempt(_End):
    """The attempts, wherever they are: a view, to be read for one piece of work at a time.

    Ids grow as the attempts end. That of a success at the first claim is 0: it is the only one of
    its work.
    """

    id = models.BigIntegerField(primary_key=True)
    work = models.ForeignKey(Work, on_delete=models.DO_NOTHING, related_name="attempts")

    class Meta:
        managed = False
        db_table = "work_every_attempt"
        verbose_name = "attempt"


class Schedule(models.Model):
    """Work that is wanted again and again: the rule, and the next slot."""

    name = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=120)
    input = models.TextField(default="{}")
    cron = models.CharField(max_length=120, default="", blank=True)
    every_s = models.PositiveIntegerField(null=True)
    at = models.DateTimeField(null=True)
    tz = models.CharField(max_length=60, default="UTC")
    missed = models.CharField(max_length=5, choices=_choices(_values(Missed)))
    overlap = models.CharField(max_length=5, choices=_choices(_values(Overlap)))
    enabled = models.BooleanField(default=True)
    anchor_at = models.DateTimeField()
    next_at = models.DateTimeField(null=True)
    principal = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=TransactionNow())
    updated_at = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "work_schedule"
        constraints = [
            models.CheckConstraint(
                condition=(~Q(cron="") & Q(every_s__isnull=True, at__isnull=True))
                | Q(cron="", every_s__gte=1, at__isnull=True)
                | Q(cron="", every_s__isnull=True, at__isnull=False),
                name="work_schedule_has_one_rule",
            ),
            models.CheckConstraint(
                condition=Q(missed__in=_values(Missed), overlap__in=_values(Overlap)),
                name="work_schedule_policies_are_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"], condition=Q(enabled=True), name="work_schedules_by_next_slot"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Slot(models.Model):
    """One time at which a schedule was to fire, and what became of it."""

    id = models.BigAutoField(primary_key=True)
    # Index work_slot_fires_exactly_once.
    schedule = models.ForeignKey(
        Schedule, on_delete=models.PROTECT, related_name="slots", db_index=False
    )
    slot_at = models.DateTimeField()
    fate = models.CharField(max_length=10, choices=_choices(_values(Fate)))
    stands_for = models.PositiveIntegerField(default=1)
    """How many due slots this row settles: more than one after downtime."""
    work = models.ForeignKey(Work, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "work_slot"
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "slot_at"], name="work_slot_fires_exactly_once"
            ),
            models.CheckConstraint(
                condition=Q(fate__in=_values(Fate)), name="work_slot_fate_is_known"
            ),
            models.CheckConstraint(
                condition=Q(fate="fired", work__isnull=False)
                | (~Q(fate="fired") & Q(work__isnull=True)),
                name="work_slot_has_work_exactly_when_fired",
            ),
        ]
        indexes = [
            models.Index(
                fields=["schedule", "slot_at"],
                condition=Q(fate="queued"),
                name="work_slots_in_the_queue",
            )
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} at {self.slot_at:%Y-%m-%dT%H:%M:%S%z} ({self.fate})"


class Worker(models.Model):
    """A process that takes work. It writes `seen_at` itself, by polling: no poll, no life."""

    name = models.CharField(max_length=200, primary_key=True)
    role = models.CharField(max_length=10, choices=_choices(["celery", "sweeper"]))
    # What it was seen to take from. A worker of an earlier release does not say: there was one.
    queues = ArrayField(models.CharField(max_length=60), db_default=["default"])
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "work_worker"

    def __str__(self) -> str:
        return f"{self.role} {self.name}"


class Checkup(models.Model):
    """What `doctor` found at one time."""

    id = models.BigAutoField(primary_key=True)
    checked_at = models.DateTimeField(db_default=TransactionNow())
    is_healthy = models.BooleanField()
    findings = models.JSONField(default=dict)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        db_table = "work_checkup"
        indexes = [models.Index(fields=["-checked_at"], name="work_checkups_by_time")]

    def __str__(self) -> str:
        return f"{'healthy' if self.is_healthy else 'ill'} at {self.checked_at:%Y-%m-%d %H:%M}"
