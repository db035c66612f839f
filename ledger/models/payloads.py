"""What entries refer to, and the keys of those whom it is about. Content fades; rows stay."""

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
from ledger.models.entries import Entry, choices, one_of


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
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="payloads")
    kind = models.CharField(max_length=16, choices=choices(PayloadKind))
    schema_tag = models.CharField(max_length=SCHEMA_TAG_CHARS_MAX)
    retention = models.CharField(max_length=24, choices=[(name, name) for name in RETENTIONS])
    # HMAC-SHA256 of the canonical content, keyed with a salt that goes when the content goes.
    digest = models.CharField(max_length=64)
    # Salt and canonical JSON; sealed with the subject's key where there is a subject.
    content = models.BinaryField(null=True)
    key = models.ForeignKey(
        SubjectKey, null=True, blank=True, on_delete=models.PROTECT, related_name="payloads"
    )
    redaction = models.CharField(
        max_length=15, choices=choices(Redaction), db_default=Redaction.NONE.value
    )
    redacted_at = models.DateTimeField(null=True, blank=True)
    redacted_by = models.ForeignKey(
        Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="redactions"
    )
    created_at = models.DateTimeField(db_default=TransactionNow())
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            one_of("kind", PayloadKind, "ledger_payload_kind_is_known"),
            one_of("redaction", Redaction, "ledger_payload_redaction_is_known"),
            models.CheckConstraint(
                condition=Q(retention__in=sorted(RETENTIONS)),
                name="ledger_payload_retention_is_known",
            ),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="ledger_payload_is_digested"
            ),
            models.CheckConstraint(
                condition=~Q(
                    retention__in=[each.name for each in RETENTIONS.values() if each.is_personal]
                )
                | Q(key__isnull=False),
                name="ledger_personal_payload_has_a_subject",
            ),
            models.CheckConstraint(
                condition=Q(redaction="none", redacted_at=None, redacted_by=None)
                | (~Q(redaction="none") & Q(redacted_at__isnull=False, redacted_by__isnull=False)),
                name="ledger_payload_redaction_is_on_record",
            ),
            models.CheckConstraint(
                condition=Q(content__isnull=False, redaction__in=["none", "redacted"])
                | Q(content=None, redaction__in=["crypto_shredded", "tombstoned"]),
                name="ledger_payload_that_is_gone_is_empty",
            ),
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
        ]

    def __str__(self) -> str:
        return f"{self.kind} ({self.schema_tag})"

    @property
    def ref(self) -> str:
        """How columns of an entry refer to this row."""
        return f"payload:{self.pk}"
