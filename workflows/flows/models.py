"""Tables beside the log: the list of flows, callback receipts, memoized results, waiters, starts.

The list row is a projection of the stream and may be dropped and rebuilt.
"""

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Case, F, IntegerField, Q, Value, When

from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.ids import FLOW_ID_BYTES_MAX
from workflows.work.domain.timing import Missed

ACTIVE_FIRST = Case(
    When(status="active", then=Value(0)), default=Value(1), output_field=IntegerField()
)


class FlowSummary(models.Model):
    """One flow in the list. `status` changes only when the flow is deactivated."""

    TARGET_TYPE: ClassVar = "flow"

    flow_id = models.CharField(max_length=1024, primary_key=True)
    status = models.CharField(max_length=10, choices=[(s.value, s.value) for s in FlowStatus])
    status_at = models.DateTimeField()
    outcome = models.CharField(max_length=10)
    error = models.TextField(blank=True)
    goals = models.JSONField(default=list)
    labels = models.JSONField(default=dict)
    parent_flow_id = models.CharField(max_length=1024, blank=True)
    forked_from = models.CharField(max_length=1024, blank=True)
    concurrency_key = models.CharField(max_length=200, blank=True)
    is_paused = models.BooleanField(default=False)
    is_undone = models.BooleanField(default=False, db_default=False)
    """Whether it has completed and its parent had it undone."""
    is_partly_undone = models.BooleanField(default=False, db_default=False)
    """Whether something that was to be undone, here or in its child flows, stays done."""
    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=255, db_default="", blank=True)
    """The principal who started it; of a child, the parent flow."""

    class Meta:
        verbose_name = "flow"
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[s.value for s in FlowStatus]),
                name="flows_status_is_one_of_three",
            ),
            models.UniqueConstraint(
                fields=["concurrency_key"],
                condition=Q(status="active") & ~Q(concurrency_key=""),
                name="flows_one_active_flow_per_concurrency_key",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-status_at", "flow_id"], name="flows_by_status"),
            models.Index(fields=["-started_at", "flow_id"], name="flows_by_start"),
            models.Index(fields=["parent_flow_id"], name="flows_by_parent"),
            models.Index(
                fields=["forked_from", "started_at"],
                name="flows_by_original",
                condition=~Q(forked_from=""),
            ),
            # As the list of /engine goes; it counts by it, too.
            models.Index(
                ACTIVE_FIRST,
                F("status_at").desc(),
                F("flow_id"),
                name="flows_active_first",
                condition=Q(parent_flow_id=""),
            ),
            models.Index(
                fields=["concurrency_key"],
                name="flows_by_concurrency_key",
                condition=~Q(concurrency_key=""),
            ),
            GinIndex(fields=["labels"], name="flows_by_label"),
            # Of those that somebody started: only they are looked for by what they are to reach.
            GinIndex(
                fields=["goals"],
                opclasses=["jsonb_path_ops"],
                condition=Q(parent_flow_id=""),
                name="flows_by_goal",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.flow_id} ({self.status})"


class Receipt(models.Model):
    """A callback that came in, whatever became of it. Written once, never changed."""

    class Verdict(models.TextChoices):
        FIRST = "first"
        DUPLICATE = "duplicate"
        CONFLICT = "conflict"
        LATE = "late"

    flow_id = models.CharField(max_length=1024)
    step_id = models.CharField(max_length=FLOW_ID_BYTES_MAX)
    token_hash = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    body_hash = models.CharField(max_length=64)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["token_hash"],
                condition=Q(verdict="first"),
                name="flows_the_first_callback_wins",
            )
        ]
        indexes = [models.Index(fields=["flow_id", "received_at"], name="flows_receipts")]

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.step_id} {self.verdict}"


class AwaitedCallback(models.Model):
    """An item whose step was called and will call back. Gone once the item has ended."""

    flow_id = models.CharField(max_length=1024, db_index=True)
    step_id = models.CharField(max_length=FLOW_ID_BYTES_MAX)
    token = models.UUIDField(primary_key=True)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.step_id} awaits its callback"


class Remembered(models.Model):
    """What a memoizable step once answered to these inputs. First writer wins, until it is
    forgotten (`execution.memoization`)."""

    key = models.CharField(max_length=64, primary_key=True)
    outputs = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = "remembered answer"
        indexes = [models.Index(fields=["made_at"], name="flows_remembered_by_age")]

    def __str__(self) -> str:
        return self.key


class AwaitedEvent(models.Model):
    """A wait step that ends with an event of this name."""

    flow_id = models.CharField(max_length=1024)
    step_id = models.CharField(max_length=FLOW_ID_BYTES_MAX)
    token = models.UUIDField(primary_key=True)
    event_name = models.CharField(max_length=200)
    language = models.CharField(max_length=10, blank=True)
    filter = models.TextField(blank=True)
    since = models.PositiveIntegerField(db_default=0)
    """The sequence at which its flow began to wait: only what happened later counts."""
    correlation_id = models.CharField(max_length=255, db_default="", blank=True)

    class Meta:
        indexes = [models.Index(fields=["event_name"], name="flows_by_awaited_event")]

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.step_id} waits for {self.event_name}"


class FeedCursor(models.Model):
    """How far the feed was read for those who wait for events. One row.

    Who begins to wait holds it in share, who reads on holds it alone: so nobody begins to
    wait for an event while it is being read past.
    """

    name = models.CharField(max_length=20, primary_key=True)
    position = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"


class FlowStart(models.Model):
    """When flows start by themselves: by a cron rule, or on every event of a name.

    The row is the definition; of a cron rule the times are a schedule's. Changed only on
    record.
    """

    name = models.CharField(max_length=100, primary_key=True)
    goals = models.JSONField(default=list)
    init = models.JSONField(default=dict)
    labels = models.JSONField(default=dict)
    options = models.JSONField(default=dict)
    cron = models.CharField(max_length=120, blank=True)
    tz = models.CharField(max_length=60, default="UTC")
    missed = models.CharField(max_length=5, default=Missed.SKIP.value)
    event = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=10, blank=True)
    filter = models.TextField(blank=True)
    takes = models.JSONField(default=dict)
    """Attribute to the JPath of its value in the event's data."""
    since = models.PositiveBigIntegerField(default=0)
    """The position after which events count."""
    enabled = models.BooleanField(default=True)
    declared_by = models.CharField(max_length=255)
    """The principal in whose name the flows start."""
    paused_because = models.TextField(blank=True, db_default="", default="")
    """Why it was switched off by itself: what its declarer may not do any more."""
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(~Q(cron="") & Q(event="")) | (Q(cron="") & ~Q(event="")),
                name="flows_start_has_one_cause",
            ),
            models.CheckConstraint(
                condition=Q(missed__in=[one.value for one in Missed]),
                name="flows_start_missed_is_known",
            ),
            models.CheckConstraint(
                condition=Q(paused_because="") | Q(enabled=False),
                name="flows_start_that_is_paused_is_off",
            ),
        ]
        indexes = [
            models.Index(
                fields=["event"],
                condition=Q(enabled=True) & ~Q(event=""),
                name="flows_starts_by_event",
            )
        ]

    def __str__(self) -> str:
        return self.name


class AwaitedApproval(models.Model):
    """An approval step whose approval was asked for. Gone once it has ended."""

    approval_id = models.UUIDField(primary_key=True)
    flow_id = models.CharField(max_length=1024, db_index=True)
    step_id = models.CharField(max_length=FLOW_ID_BYTES_MAX)
    token = models.UUIDField(unique=True)

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.step_id} awaits approval {self.approval_id}"
