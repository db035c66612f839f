"""The entries of the ledger in the admin, to be looked at."""

from django.contrib import admin
from django.http import HttpRequest

from ledger import authority
from ledger.models import Entry


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
