"""Seals over the ledger: the order of entries, and signed checkpoints of their tree.

`Unsealed` is a queue that the database fills with every entry; the other tables only grow.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from events.tables import append_only
from ledger.models.entries import Entry

_HEX_32 = r"^[0-9a-f]{64}$"


class Unsealed(models.Model):
    """A committed entry that has no position yet: the queue of the sealer."""

    ticket = models.BigAutoField(primary_key=True)
    # Without constraint: the check would lock a row of the ledger for every entry.
    entry = models.ForeignKey(
        Entry, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )

    class Meta:
        verbose_name = "entry without a seal"
        verbose_name_plural = "entries without a seal"

    def __str__(self) -> str:
        return f"entry {self.entry_id}"


@append_only.model
class Sealed(models.Model):
    """The place of an entry among all entries: dense, from 1, given after commit."""

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(
        Entry, on_delete=models.PROTECT, db_constraint=False, related_name="seal"
    )

    class Meta:
        verbose_name = "place in the seals"
        verbose_name_plural = "places in the seals"
        constraints = [
            models.CheckConstraint(
                condition=Q(position__gte=1), name="ledger_position_starts_at_one"
            )
        ]

    def __str__(self) -> str:
        return str(self.position)


@append_only.model
class SigningKey(models.Model):
    """A public key under which checkpoints were signed. The private one is never here."""

    public = models.CharField(max_length=64, primary_key=True)
    number = models.PositiveIntegerField(unique=True)
    # The key before it, and its signature over this one; none vouches for the first.
    endorsed_by = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="successor"
    )
    endorsement = models.CharField(max_length=128, blank=True, db_default="")
    first_used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(public__regex=_HEX_32), name="ledger_signing_key_is_hex"
            ),
            models.CheckConstraint(
                condition=Q(endorsed_by=None, endorsement="")
                | (Q(endorsed_by__isnull=False) & ~Q(endorsement="")),
                name="ledger_signing_key_endorsement_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.public


@append_only.model
class Checkpoint(models.Model):
    """The tree of the first `size` entries, signed. Chained to the one before it.

    It vouches for the log of events too: `events_digest` is of those from where the one before
    ended to the position `events_through`. Both are null where it was signed without.
    """

    number = models.BigIntegerField(primary_key=True)
    size = models.BigIntegerField(unique=True)
    root = models.CharField(max_length=64)
    previous = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()
    key = models.ForeignKey(SigningKey, on_delete=models.PROTECT, related_name="checkpoints")
    # The canonical bytes that are signed.
    statement = models.BinaryField()
    signature = models.CharField(max_length=128)
    # Roots of the complete subtrees, from the largest: what the tree grows from.
    frontier = ArrayField(models.CharField(max_length=64))
    events_through = models.BigIntegerField(null=True)
    events_digest = models.CharField(max_length=64, null=True)  # noqa: DJ001

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(number__gte=1, size__gte=F("number")),
                name="ledger_checkpoint_seals_something",
            ),
            models.CheckConstraint(
                condition=Q(root__regex=_HEX_32, previous__regex=_HEX_32),
                name="ledger_checkpoint_is_hex",
            ),
            models.CheckConstraint(
                condition=Q(events_through=None, events_digest=None)
                | Q(events_through__gte=0, events_digest__regex=_HEX_32),
                name="ledger_checkpoint_of_events_is_whole",
            ),
        ]
        indexes = [models.Index(fields=["sealed_at"], name="ledger_checkpoints_by_time")]

    def __str__(self) -> str:
        return f"checkpoint {self.number}: {self.size} entries"


class Witness(models.Model):
    """Where checkpoints are copied to, and how far that went."""

    url = models.CharField(max_length=500, primary_key=True)
    number = models.BigIntegerField(db_default=0)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True, db_default="")

    class Meta:
        verbose_name_plural = "witnesses"

    def __str__(self) -> str:
        return self.url
