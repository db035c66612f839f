"""Seals in the admin: checkpoints, signing keys, and witnesses with their copies."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ledger.admin_access import CapabilityAdmin
from ledger.models import Checkpoint, Payload, SigningKey, Witness
from ledger.sealing import seals


@admin.register(Checkpoint)
class CheckpointAdmin(CapabilityAdmin[Checkpoint]):
    """What is sealed. The title says up to where, and how long the rest has waited."""

    reads = "ledger.read"
    list_display = ["number", "size", "sealed_at", "key", "root"]
    list_filter = ["key", "sealed_at"]
    search_fields = ["=root", "=number", "=size"]
    exclude = ["statement", "frontier"]
    ordering = ["-number"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Show the list under the standing."""
        standing = seals.progress(at=timezone.now())
        title = (
            f"{standing.size} entries are sealed; {standing.waiting} wait, "
            f"the oldest for {standing.lag_seconds:.0f} s"
        )
        return super().changelist_view(request, {"title": title, **(extra_context or {})})


@admin.register(SigningKey)
class SigningKeyAdmin(CapabilityAdmin[SigningKey]):
    """Public keys, each vouched for by the one before it."""

    reads = "ledger.read"
    list_display = ["number", "public", "endorsed_by", "first_used_at"]
    list_select_related = ["endorsed_by"]
    ordering = ["-number"]


@admin.register(Witness)
class WitnessAdmin(CapabilityAdmin[Witness]):
    """How far each witness has come."""

    reads = "ledger.read"
    list_display = ["url", "number", "succeeded_at", "failed_at", "error"]


@admin.register(Payload)
class PayloadAdmin(CapabilityAdmin[Payload]):
    """What entries refer to, without its content: to see that is on record, over REST."""

    reads = "ledger.read"
    list_display = ["created_at", "kind", "schema_tag", "retention", "redaction", "expires_at"]
    list_filter = ["kind", "retention", "redaction", "schema_tag", "expires_at"]
    search_fields = ["=entry__id", "=key__subject"]
    exclude = ["content"]
    raw_id_fields = ["entry", "redacted_by"]
    list_select_related = ["key"]
    ordering = ["-created_at", "-id"]
