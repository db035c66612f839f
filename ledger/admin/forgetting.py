"""The admin page that erases a person: preview, reason, certificate."""

from typing import Any
from urllib.parse import quote

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from events.domain.errors import DomainError
from ledger import admin_access
from ledger.access import authority
from ledger.access.authority import Caller
from ledger.admin_access import CapabilityAdmin, awaits
from ledger.approving import steps
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.approval import ApprovalStatus
from ledger.erasing import erasure
from ledger.models import Approval, LegalHold
from ledger.services import erasures

PAGE = "admin:ledger_erasure_subject"


class ForgetForm(forms.Form):
    """Why somebody is forgotten, and that it is meant."""

    reason = forms.CharField(
        max_length=REASON_CHARS_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="The number of the request, for example. It is kept, and may not name them.",
    )
    is_meant = forms.BooleanField(label="Erase the data permanently. It cannot be restored.")


def page(admin: CapabilityAdmin[Any], request: HttpRequest, subject: str) -> HttpResponse:
    """Show what forgetting a subject would do in each place; on POST, do it."""
    admin_access.demand_capability(request, erasure.CAPABILITY)
    # For just the reason for which it was given: it is there to be sent again.
    given = _given(authority.caller_of(request), subject)
    form = ForgetForm(request.POST or None, initial={"reason": given.reason if given else ""})
    if request.method == "POST" and form.is_valid():
        done = _forgotten(request, subject, form.cleaned_data["reason"])
        if done is not None:
            return done
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "title": f"Forget {subject}",
        "opts": admin.opts,
        "form": form,
        "given": given,
        **_shown(subject),
    }
    return TemplateResponse(request, "ledger/forget.html", context)


def _shown(subject: str) -> dict[str, Any]:
    try:
        certificate = erasures.preview_erasure(subject=subject)
    except DomainError as refusal:
        holds = LegalHold.objects.filter(lifted_at=None).order_by("placed_at")
        return {"refusal": refusal, "holds": holds.filter(subject=_held(refusal) or subject)}
    return {"certificate": certificate, "is_worth_it": erasure.is_worth_it(certificate)}


def _held(refusal: DomainError) -> str:
    # Who is held may be another subject of the same person.
    return str(refusal.facts.get("subject", ""))


def _forgotten(request: HttpRequest, subject: str, reason: str) -> HttpResponse | None:
    try:
        issued = erasures.erase_subject(subject=subject, reason=reason)
    except ApprovalRequired as required:
        messages.warning(request, awaits(required.approval))
        return HttpResponseRedirect(_url_of(subject))
    except DomainError as refusal:
        messages.error(request, f"{refusal} {refusal.hint}".strip())
        return None
    outcome = "Forgotten" if issued.is_new else "Nothing was left to forget"
    messages.success(request, f"{outcome}: this is the certificate.")
    return HttpResponseRedirect(reverse("admin:ledger_erasure_change", args=[issued.entry_id]))


def _given(caller: Caller, subject: str) -> Approval | None:
    """Return the approval that the caller was given and has not used yet."""
    rows = Approval.objects.filter(
        status=ApprovalStatus.APPROVED.value,
        action_name=erasure.CAPABILITY,
        target_id=subject,
        requested_by=str(caller.principal),
        expires_at__gt=timezone.now(),
    )
    return next((row for row in rows if steps.execution_of(row.pk) is None), None)


def _url_of(subject: str) -> str:
    return reverse(PAGE, args=[quote(subject, safe="/")])
