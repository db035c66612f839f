"""Reasons and comments beside entries. Their text can be erased; the entry cannot."""

from django.db import models
from django.db.models import Q

from ledger.domain.erasure import ERASED
from ledger.models.entries import Entry


class Remark(models.Model):
    """The reason of one entry, or the comment of a decision. The body names its digest."""

    entry = models.OneToOneField(
        Entry, primary_key=True, on_delete=models.PROTECT, related_name="remark"
    )
    # Null once it was taken away.
    text = models.TextField(null=True)  # noqa: DJ001
    # Keys the digest, and goes with the text: what is left confirms no guess.
    salt = models.BinaryField(null=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    erased_by = models.ForeignKey(
        Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="remarks_erased"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(text__isnull=False, salt__isnull=False, erased_at=None, erased_by=None)
                | Q(text=None, salt=None, erased_at__isnull=False, erased_by__isnull=False),
                name="ledger_remark_that_is_gone_is_on_record",
            ),
        ]

    def __str__(self) -> str:
        return f"remark of entry {self.pk}"  # Its words may name somebody.

    @property
    def shown(self) -> str:
        """The words, or that there were some."""
        return ERASED if self.text is None else self.text
