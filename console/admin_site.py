"""Django's admin as a part of the console: same log-in, same look, links both ways."""

from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from console.text import visible_page

DESCRIPTIONS = {
    "commerce": "Products, bookings, invoices, payments.",
    "work": "The work queue: work rows, attempts, schedules, workers.",
    "flows": "Flows, callbacks, memoized results. Read-only.",
    "webhooks": "Subscriptions and their deliveries.",
    "events": "The event log: events, streams, snapshots and payloads. Read-only.",
    "ledger": "The ledger: entries, approvals, agents, API keys, seals.",
    "auth": "Users, and groups with their permissions.",
    "guardian": "Object permissions.",
}
"""The apps in reading order, with one line each. Others come after them, by name."""


class DaybookAdminSite(AdminSite):
    site_title = "Daybook admin"
    site_header = "Daybook admin"
    index_title = "Tables"
    site_url = None  # The header links to the console by its name.

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 (Django's signature)
        """Show what hides itself or turns a line around on every page, whichever field it is in."""
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def shown(request: HttpRequest, *args: Any, **options: Any) -> Any:
            answer = guarded(request, *args, **options)
            if isinstance(answer, SimpleTemplateResponse):
                answer.add_post_render_callback(_show_all)
            return answer

        return shown

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send visitors to the one log-in page.

        :raises PermissionDenied: if they are logged in already, as somebody without staff rights.
        """
        if request.user.is_authenticated:
            raise PermissionDenied("Your account may not open the admin; it needs the staff flag.")
        return redirect_to_login(request.GET.get("next", "/admin/"), settings.LOGIN_URL)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Let visitors change their own password, which is put on record."""
        # This module is read before there are models.
        from console.own_password import OwnPassword  # noqa: PLC0415

        shown = {**self.each_context(request), **(extra_context or {})}
        return OwnPassword.as_view(extra_context=shown)(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps in reading order, each with its description."""
        apps = super().get_app_list(request, app_label)
        order = list(DESCRIPTIONS)
        for app in apps:
            app["means"] = DESCRIPTIONS.get(app["app_label"], "")
        return sorted(
            apps,
            key=lambda app: (
                order.index(app["app_label"]) if app["app_label"] in DESCRIPTIONS else len(order),
                app["name"],
            ),
        )


def _show_all(page: SimpleTemplateResponse) -> None:
    page.content = visible_page(page.content.decode()).encode()
