"""The standing of reversals: a projection of entries, and nothing else."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from ledger.domain.reversals import Outcome, State
from ledger.models.entries import Entry, choices

_OPEN = Q(state__in=[State.AVAILABLE.value, State.FAILED.value, State.REQUESTED.value])


class ReversalStanding(models.Model):
    """How far an entry is undone. `manage.py ledger_rebuild_reversals` makes the rows anew."""

    # Without constraint, like the detail of an entry.
    entry = models.OneToOneField(
        Entry,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="standing",
        db_constraint=False,
    )
    state = models.CharField(max_length=14, choices=choices(State))
    outcome = models.CharField(max_length=7, choices=choices(Outcome), blank=True, db_default="")
    amount_cents = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, db_default="")
    done_cents = models.BigIntegerField(db_default=0)
    running = models.PositiveIntegerField(db_default=0)
    running_cents = models.BigIntegerField(db_default=0)
    until = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    reversed_by = models.ForeignKey(
        Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The approvals under which it may yet be undone: open, or approved and not used.
    requests = ArrayField(models.UUIDField(), blank=True, db_default=[])
    steps = models.PositiveIntegerField(db_default=0)

    class Meta:
        # The rules of a row are in its trigger, by name in migrations/schema/reversals.py.
        indexes = [
            models.Index(
                fields=["until"],
                condition=_OPEN & Q(until__isnull=False, expired_at=None),
                name="ledger_standings_by_end",
            ),
            models.Index(fields=["state", "-entry"], name="ledger_standings_by_state"),
            models.Index(
                fields=["entry"], condition=~Q(requests=[]), name="ledger_standings_with_requests"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.state}"
