"""API keys in the admin: read-only, and revocable."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ledger import admin_access
from ledger.access import authority
from ledger.admin_access import CapabilityAdmin
from ledger.models import ApiKey
from ledger.services import api_keys


@admin.register(ApiKey)
class ApiKeyAdmin(CapabilityAdmin[ApiKey]):
    reads = "api_key.administer"  # They are everybody's.
    list_display = ["name", "prefix", "owner", "scopes", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["owner", "revoked_at"]
    search_fields = ["name", "prefix", "owner__username"]
    list_select_related = ["owner"]
    exclude = ["digest"]
    actions = ["revoke"]
    ordering = ["-created_at"]

    def has_administer_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may end other people's keys."""
        return authority.holds(request, "api_key.administer")

    @admin_access.needs_capability("api_key.administer")
    @admin.action(description="Revoke at once", permissions=["administer"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self.act_on(
            request,
            queryset,
            lambda key: api_keys.revoke_api_key(key_id=key.pk),
            describe=lambda _: "revoked",
        )
