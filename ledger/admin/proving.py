"""Asks for the password again before a critical bulk action of the admin (step-up)."""

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from ledger.access import step_up
from ledger.admin_access import CapabilityAdmin


def page_before(
    admin: CapabilityAdmin[Any],
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    action: str,
    title: str,
) -> HttpResponse | None:
    """Return the page that asks for the password; None if it was given, now or lately.

    The page sends the same action for the same rows, with the password.
    """
    password = request.POST.get("password", "")
    if password and not step_up.prove(request, password):
        messages.error(request, "This is not your password.")
    elif step_up.is_fresh(request):
        return None
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "opts": admin.opts,
        "rows": rows,
        "action": action,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "ledger/prove.html", context)
