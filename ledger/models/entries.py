"""The ledger itself: who did what, why, and by what authority. These tables are append-only.

An entry is the spine; what a change or a look into private data adds has a table of its
own. `body` is what is sealed: the canonical bytes of all that was known when it was written.
"""

from collections.abc import Iterable
from enum import StrEnum

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import TransactionNow
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Func, Q, Value

from events.ids import new_id
from events.tables import append_only
from ledger.domain import sentences
from ledger.domain.action import (
    EXECUTED,
    NAME_CHARS_MAX,
    REASON_CHARS_MAX,
    SUMMARY_CHARS_MAX,
    TARGET_CHARS_MAX,
    Kind,
    Status,
)
from ledger.domain.capability import EVERY_PRINCIPAL, ID_CHARS_MAX, Risk
from ledger.domain.reversals import (
    FOLLOW_UP_CHARS_MAX,
    WHY_CHARS_MAX,
    Outcome,
    ReversalKind,
    StepKind,
)

_ID_CHARS_MAX = 255


def choices(values: Iterable[StrEnum]) -> list[tuple[str, str]]:
    """Return the values of an enum as people read them."""
    return [(value.value, value.value.replace("_", " ")) for value in values]


def _text(
    chars_max: int = _ID_CHARS_MAX, *, db_column: str | None = None
) -> "models.CharField[str, str]":
    """Return a column that is empty when there is nothing to say."""
    return models.CharField(max_length=chars_max, blank=True, db_default="", db_column=db_column)


class TransactionId(Func):
    """The transaction that writes the row, as the triggers of the ledger know it."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


FOUND_BY = (
    "action_name",
    "target_id",
    "principal_id",
    "api_token_id",
    "workflow_step_id",
    "route_or_tool_name",
    "idempotency_key",
    "delegated_by_id",
    "capability_id",
)
"""By what an entry is found where nothing more is known, beside its story, cause, session, run."""

UNUSUAL = sorted(each.value for each in Status if each is not Status.SUCCEEDED)
"""How few of them end: what asks for one of these alone would read through all others."""


@append_only.model
class Entry(models.Model):
    """One action of one principal on one target, as it went."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=TransactionNow())
    transaction_id = models.BigIntegerField(db_default=TransactionId())

    action_name = models.CharField(max_length=NAME_CHARS_MAX)
    action_version = models.SmallIntegerField(db_default=1)
    action_kind = models.CharField(max_length=10, choices=choices(Kind))
    status = models.CharField(max_length=17, choices=choices(Status))
    evaluated_risk = models.CharField(max_length=8, choices=choices(Risk))
    # Of entries from before reasons were kept beside them (ledger.models.remarks).
    old_reason = _text(REASON_CHARS_MAX, db_column="reason")

    actor_type = _text(40)
    principal_type = models.CharField(max_length=8, choices=choices(sorted(EVERY_PRINCIPAL)))
    principal_id = models.CharField(max_length=_ID_CHARS_MAX)
    principal_subtype = _text(40)
    session_id = _text(64)
    api_token_id = _text()
    internal_request = models.BooleanField(db_default=False)
    delegated_by_type = _text(8)
    delegated_by_id = _text()
    delegation_id = models.UUIDField(null=True, blank=True)
    caller_type = _text(20)
    organization_id = _text()
    route_or_tool_name = _text()
    workflow_run_id = _text()
    workflow_step_id = _text()
    correlation_id = models.CharField(max_length=_ID_CHARS_MAX)
    causation_id = _text()

    idempotency_scope = models.CharField(max_length=300, null=True, blank=True)  # noqa: DJ001
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001
    idempotency_fingerprint = _text(64)

    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=TARGET_CHARS_MAX)

    capability_id = models.CharField(max_length=ID_CHARS_MAX)
    capability_version = models.SmallIntegerField()
    authorization_source = models.CharField(max_length=40)
    approval_id = models.UUIDField(null=True, blank=True)
    # Without constraint, here and of a detail: entries are never taken away, and that they are
    # there when they are referred to is seen to by migrations/schema/entry_rules.py.
    amends = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="amended_by",
        db_constraint=False,
        db_index=False,
    )

    body = models.BinaryField()
    digest = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            # The rules of a row are in its trigger, by name in migrations/schema/entry_rules.py.
            models.UniqueConstraint(
                fields=[
                    "idempotency_scope",
                    "action_name",
                    "target_type",
                    "target_id",
                    "idempotency_key",
                ],
                condition=Q(idempotency_key__isnull=False),
                name="ledger_entry_is_written_once_per_key",
            ),
            models.UniqueConstraint(
                fields=["approval_id"],
                condition=Q(status__in=list(EXECUTED), approval_id__isnull=False)
                & ~Q(action_kind__in=[Kind.APPROVE.value, Kind.REJECT.value]),
                name="ledger_approval_is_used_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-occurred_at", "-id"], name="ledger_entries_by_time"),
            models.Index(fields=["transaction_id"], name="ledger_entries_of_transaction"),
            models.Index(
                fields=["principal_type", "principal_id", "occurred_at"],
                name="ledger_entries_of_principal",
            ),
            models.Index(
                fields=["target_type", "target_id", "occurred_at"], name="ledger_entries_of_target"
            ),
            models.Index(fields=["correlation_id", "occurred_at"], name="ledger_entries_of_story"),
            # Of the others there are so many that the latest are enough to find some.
            models.Index(
                fields=["evaluated_risk", "status", "occurred_at"],
                name="ledger_entries_of_grave_risk",
                condition=Q(evaluated_risk__in=[Risk.CRITICAL.value, Risk.HIGH.value]),
            ),
            models.Index(
                fields=["status", "occurred_at"],
                name="ledger_entries_of_unusual_end",
                condition=Q(status__in=UNUSUAL),
            ),
            models.Index(
                fields=["amends"],
                name="ledger_entries_that_amend",
                condition=Q(amends__isnull=False),
            ),
            models.Index(
                fields=["causation_id"],
                name="ledger_entries_of_cause",
                condition=~Q(causation_id=""),
            ),
            models.Index(
                fields=["session_id", "occurred_at"],
                name="ledger_entries_of_session",
                condition=~Q(session_id=""),
            ),
            models.Index(
                fields=["workflow_run_id", "workflow_step_id", "occurred_at"],
                name="ledger_entries_of_run",
                condition=~Q(workflow_run_id=""),
            ),
            models.Index(
                fields=["approval_id"],
                name="ledger_entries_of_approval",
                condition=Q(approval_id__isnull=False),
            ),
            # For what is looked for by one of these alone: in which pages there is none such, as
            # events_by_name. An entry does not write to it.
            BrinIndex(
                fields=list(FOUND_BY),
                opclasses=["text_bloom_ops(n_distinct_per_range=150)"] * len(FOUND_BY),
                pages_per_range=32,
                autosummarize=True,
                name="ledger_entries_by_word",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action_name} on {self.target_type} {self.target_id}: {self.status}"

    @property
    def title(self) -> str:
        """What it did, in a sentence: the one that it was given, or one of what it says."""
        sentence = getattr(getattr(self, "mutation", None), "summary", "")
        disclosure = getattr(self, "disclosure", None)
        if disclosure is not None:
            sentence = sentences.of_look(disclosure.disclosed_fields)
        return sentence or sentences.of_action(
            self.action_name,
            target_type=self.target_type,
            target_id=self.target_id,
            status=self.status,
        )

    @property
    def reason(self) -> str:
        """Why it was done, in the words of who did it; `[erased]` once they were taken away."""
        remark = getattr(self, "remark", None)
        return self.old_reason if remark is None else remark.shown


class Mutation(models.Model):
    """What a change adds to its entry, in whose row it stands: this is a view of that.

    Fields are named here, values are not.
    """

    entry = models.OneToOneField(
        Entry,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="mutation",
        db_constraint=False,
    )
    command_input_ref = _text()
    command_result_ref = _text()
    summary = _text(SUMMARY_CHARS_MAX)
    # What the risk was weighed by, so that a policy can be tried on what has happened.
    risk_facts = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    reversal_kind = models.CharField(
        max_length=14, choices=choices(ReversalKind), db_default=ReversalKind.NONE.value
    )
    reversal_command_id = _text()
    reversal_command_version = models.SmallIntegerField(null=True, blank=True)
    reversal_args_ref = _text()
    reversal_why = _text(WHY_CHARS_MAX)
    reversal_follow_ups = ArrayField(
        models.CharField(max_length=FOLLOW_UP_CHARS_MAX), blank=True, db_default=[]
    )
    reversal_until = models.DateTimeField(null=True, blank=True)
    reversal_amount_cents = models.BigIntegerField(null=True, blank=True)
    reversal_currency = _text(3)
    # By ledger_reversal_steps_are_counted it is found as well as by an index of its own.
    reverses = models.ForeignKey(
        Entry,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="reversals",
        db_constraint=False,
        db_index=False,
    )
    reversal_step = models.CharField(
        max_length=9, choices=choices(StepKind), blank=True, db_default=""
    )
    reversal_number = models.IntegerField(null=True, blank=True)
    reversal_outcome = models.CharField(
        max_length=7, choices=choices(Outcome), blank=True, db_default=""
    )
    reversed_cents = models.BigIntegerField(db_default=0)

    class Meta:
        # Its rules are in the trigger of the entry, its indexes in migrations/schema/changes.py.
        managed = False

    def __str__(self) -> str:
        return self.summary or str(self.pk)


@append_only.model
class Disclosure(models.Model):
    """What a look into private data adds to its entry: which fields, and why. Never values."""

    entry = models.OneToOneField(
        Entry, primary_key=True, on_delete=models.PROTECT, related_name="disclosure"
    )
    old_reason_code = _text(REASON_CHARS_MAX, db_column="reason_code")
    disclosed_fields = ArrayField(models.CharField(max_length=60))
    decision_policy = _text()

    def __str__(self) -> str:
        return ", ".join(self.disclosed_fields)

    @property
    def reason_code(self) -> str:
        """Why somebody looked, in their own words."""
        return self.old_reason_code or self.entry.reason
