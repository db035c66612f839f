"""Pages of the admin on which a reader of the ledger looks, and nobody changes anything."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest

from ledger import authority

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Base = ModelAdmin[Any]
else:
    _Base = object


class ReadOnly(_Base):
    """A ModelAdmin for what only grows. Stands first among its bases."""

    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, "ledger.read")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return authority.holds(request, "ledger.read")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
