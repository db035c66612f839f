"""Shared by the admin pages of commerce: read-only inlines, and actions that call a service."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from commerce import selectors
from ledger import admin_access
from ledger.access import authority
from ledger.admin_access import CapabilityAdmin
from ledger.erasing import erasure
from ledger.models import Approval

M = TypeVar("M", bound=Model)


class ReadOnlyInline(admin.TabularInline[Any, Any]):
    """Rows of another table on a page; `reads` is the capability that shows them."""

    reads: ClassVar[str]
    extra = 0
    can_delete = False
    show_change_link = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return authority.holds(request, self.reads)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class SurplusAdmin(CapabilityAdmin[M]):
    """A page that leads to the requests to give back what a chargeback brought back too much."""

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        shown: tuple[Any, ...] = (*super().get_readonly_fields(request, obj),)
        may_look = obj is not None and authority.holds(request, "approval.read")
        return (*shown, "surplus_approvals") if may_look else shown

    @admin.display(description="Giving back a surplus")
    def surplus_approvals(self, row: M) -> SafeString:
        """Lead to what was asked for, the latest first."""
        asked = Approval.objects.in_bulk(selectors.surplus_approval_ids(row))
        links = [
            (reverse("admin:ledger_approval_change", args=[it.pk]), it) for it in asked.values()
        ]
        return format_html_join(SafeString("<br>"), '<a href="{}">{}</a>', links) or SafeString("-")


def row_action(
    needs: str, description: str, act: Callable[[Any], object]
) -> Callable[[Any, HttpRequest, QuerySet[Any]], None]:
    """Make an admin action that does `act` to each chosen row, and says what was refused."""

    @admin_access.needs_capability(needs)
    @admin.action(description=description)
    def action(self: Any, request: HttpRequest, rows: QuerySet[Any]) -> None:
        self.act_on(request, rows, act)

    return action


def forget_action(subject: str) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponse | None]:
    """Make an admin action that leads to the page on which a person is forgotten."""

    @admin_access.needs_capability(erasure.CAPABILITY)
    @admin.action(description="Forget this person…")
    def action(self: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        chosen = list(rows[:2])
        if len(chosen) != 1:
            messages.warning(request, "One at a time: each is looked at before it is forgotten.")
            return None
        page = reverse("admin:ledger_erasure_subject", args=[f"{subject}/{chosen[0].pk}"])
        return HttpResponseRedirect(page)

    return action
