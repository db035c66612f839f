"""Payloads of entries, and the keys of their subjects. Content can be erased; the rows stay."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

from events.ids import new_id
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.payload import (
    RETENTIONS,
    SCHEMA_TAG_CHARS_MAX,
    SUBJECT_CHARS_MAX,
    PayloadKind,
    Redaction,
)
from ledger.models.entries import Entry, choices


class SubjectKey(models.Model):
    """The key under which everything about one subject is sealed. Without it, it is gone."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.CharField(max_length=SUBJECT_CHARS_MAX)
    # Itself sealed with the first of LEDGER_DATA_KEYS.
    wrapped = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=TransactionNow())
    destroyed_at = models.DateTimeField(null=True, blank=True)
    destroyed_by = models.ForeignKey(
        Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=Q(destroyed_at=None),
                name="ledger_subject_has_one_key_in_use",
            ),
            models.CheckConstraint(
                condition=Q(wrapped__isnull=False, destroyed_at=None, destroyed_by=None)
                | Q(wrapped=None, destroyed_at__isnull=False, destroyed_by__isnull=False),
                name="ledger_destroyed_key_is_gone",
            ),
        ]
        indexes = [models.Index(fields=["subject"], name="ledger_keys_of_subject")]

    def __str__(self) -> str:
        return self.subject


class Erasure(Entry):
    """An entry that carries a certificate: somebody was forgotten. A page, not a table."""

    class Meta:
        proxy = True

    def __str__(self) -> str:
        return f"erasure of {self.target_id}"


class LegalHold(models.Model):
    """What is about a subject is kept for a court: nothing of it is taken away until lifted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.CharField(max_length=SUBJECT_CHARS_MAX)
    reason = models.CharField(max_length=REASON_CHARS_MAX)
    placed_at = models.DateTimeField(db_default=TransactionNow())
    placed_by = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="+")
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(
        Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=Q(lifted_at=None),
                name="ledger_subject_is_held_once",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at=None, lifted_by=None)
                | Q(lifted_at__isnull=False, lifted_by__isnull=False),
                name="ledger_lifting_of_a_hold_is_on_record",
            ),
        ]

    def __str__(self) -> str:
        return f"hold on {self.subject}"


class Payload(models.Model):
    """Content of one kind that one entry refers to. The entry's body names its digest."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Found by ledger_payload_is_kept_once; that it is there is seen to by the trigger.
    entry = models.ForeignKey(
        Entry,
        on_delete=models.PROTECT,
        related_name="payloads",
        db_constraint=False,
        db_index=False,
    )
    kind = models.CharField(max_length=16, choices=choices(PayloadKind))
    schema_tag = models.CharField(max_length=SCHEMA_TAG_CHARS_MAX)
    retention = models.CharField(max_length=24, choices=[(name, name) for name in RETENTIONS])
    # HMAC-SHA256 of the canonical content, keyed with a salt that goes when the content goes.
    digest = models.CharField(max_length=64)
    # Salt and canonical JSON; sealed with the subject's key where there is a subject.
    content = models.BinaryField(null=True)
    key = models.ForeignKey(
        SubjectKey,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="payloads",
        db_index=False,
    )
    redaction = models.CharField(
        max_length=15, choices=choices(Redaction), db_default=Redaction.NONE.value
    )
    redacted_at = models.DateTimeField(null=True, blank=True)
    redacted_by = models.ForeignKey(
        Entry,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="redactions",
        db_index=False,
    )
    created_at = models.DateTimeField(db_default=TransactionNow())
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The rules of a row are in its trigger, by name in migration 0120.
            models.UniqueConstraint(
                fields=["entry", "kind", "schema_tag"], name="ledger_payload_is_kept_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="ledger_payloads_by_expiry",
                condition=Q(redaction="none"),
            ),
            models.Index(
                fields=["entry"],
                name="ledger_erasure_certificates",
                condition=Q(schema_tag__startswith="erasure_certificate/"),
            ),
            models.Index(
                fields=["key"], name="ledger_payloads_of_key", condition=Q(key__isnull=False)
            ),
            models.Index(
                fields=["redacted_by"],
                name="ledger_payloads_redacted_by",
                condition=Q(redacted_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.schema_tag})"

    @property
    def ref(self) -> str:
        """How columns of an entry refer to this row."""
        return f"payload:{self.pk}"
