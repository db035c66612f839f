"""Temporary access of a user or an API key to one document."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from commerce.models import constraints
from commerce.models.invoices import Rendition
from events.ids import new_id

_STANDING = Q(revoked_at__isnull=True, lapsed_at__isnull=True)


class DocumentAccess(models.Model):
    """One grant. It ends by its time or by a revocation, for good; a new one is another row.

    `grantee` is a principal (`user:7`). `lapsed_at` says that it was over when another one
    took its place.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    document = models.ForeignKey(Rendition, on_delete=models.PROTECT, related_name="accesses")
    grantee = models.CharField(max_length=200)
    purpose = models.TextField()
    granted_at = models.DateTimeField(default=timezone.now, editable=False)
    granted_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField()
    lapsed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    revoke_reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "document accesses"
        constraints = [
            models.UniqueConstraint(
                fields=["document", "grantee"],
                condition=_STANDING,
                name="commerce_document_has_one_live_access_per_grantee",
            ),
            models.CheckConstraint(
                condition=Q(grantee__regex=r"^(user|api_key):."),
                name="commerce_access_is_of_a_user_or_a_key",
            ),
            models.CheckConstraint(condition=~Q(purpose=""), name="commerce_access_has_a_purpose"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("granted_at")),
                name="commerce_access_ends_after_it_began",
            ),
            models.CheckConstraint(
                condition=Q(lapsed_at__isnull=True) | Q(lapsed_at__gte=F("expires_at")),
                name="commerce_access_lapses_when_it_is_over",
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True) | Q(lapsed_at__isnull=True),
                name="commerce_access_ends_once",
            ),
            constraints.exactly_when(
                Q(revoked_at__isnull=False),
                ~Q(revoked_by="") & ~Q(revoke_reason=""),
                name="commerce_access_revocation_says_who_and_why",
            ),
        ]
        indexes = [
            models.Index(fields=["granted_at", "id"], name="commerce_accesses_by_age"),
            models.Index(fields=["grantee"], name="commerce_accesses_by_grantee"),
        ]

    def __str__(self) -> str:
        return f"{self.grantee} to {self.document}"
