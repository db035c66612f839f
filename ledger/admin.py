"""The ledger in the admin, to be looked at; API keys, also to be ended."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ledger import authority, services
from ledger.models import ApiKey, Entry


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin[ApiKey]):
    list_display = ["name", "prefix", "owner", "scopes", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["owner", "revoked_at"]
    search_fields = ["name", "prefix", "owner__username"]
    list_select_related = ["owner"]
    exclude = ["digest"]
    actions = ["revoke"]
    ordering = ["-created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return False

    def has_administer_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may end other people's keys."""
        return authority.holds(request, "api_key.administer")

    @admin.action(description="Revoke at once", permissions=["administer"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key_id in queryset.values_list("pk", flat=True):
            services.revoke_api_key(key_id=key_id)
        messages.success(request, "The keys are revoked.")


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin[Entry]):
    """Who did what. Nothing here changes a record; the database would refuse it."""

    list_display = [
        "occurred_at",
        "action_name",
        "target_type",
        "target_id",
        "status",
        "evaluated_risk",
        "principal_type",
        "principal_id",
    ]
    list_filter = ["evaluated_risk", "status", "action_kind", "principal_type", "target_type"]
    search_fields = ["=target_id", "=correlation_id", "=principal_id", "=action_name"]
    exclude = ["body"]
    ordering = ["-occurred_at", "-id"]
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, "ledger.read")

    def has_view_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return authority.holds(request, "ledger.read")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False
