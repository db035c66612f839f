"""The admin page that corrects an entry: shows what it says, asks what is wrong about it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from events.domain.errors import DomainError
from ledger import admin_access, timelines
from ledger.admin_access import CapabilityAdmin, awaits
from ledger.approving.gate import ApprovalRequired
from ledger.disclosure import free_texts
from ledger.domain.action import REASON_CHARS_MAX
from ledger.models import Entry
from ledger.services import amendments

CAPABILITY = "ledger.amend"
_ENTRY = "admin:ledger_entry_change"


class AmendForm(forms.Form):
    """What the entry says wrongly, and how it was."""

    reason = forms.CharField(
        max_length=REASON_CHARS_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="What it says wrongly, and how it was. It is kept, and must not name a person.",
    )


def page(admin: CapabilityAdmin[Any], request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Show an entry and ask what is wrong about it; on POST, put that on record beside it."""
    admin_access.demand_capability(request, admin.reads)
    admin_access.demand_capability(request, CAPABILITY)
    entry = timelines.entries().filter(pk=entry_id).first()
    if entry is None:
        raise Http404
    form = AmendForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        done = _amended(request, entry, form.cleaned_data["reason"])
        if done is not None:
            return done
    context: dict[str, Any] = {
        **admin.admin_site.each_context(request),
        "title": "Correct an entry",
        "opts": admin.opts,
        "entry": entry,
        "said": free_texts.redacted_for(entry.reason, request),
        "corrections": corrections_of(entry, request),
        "form": form,
    }
    return TemplateResponse(request, "ledger/amend.html", context)


def corrections_of(entry: Entry, source: Any) -> list[tuple[Entry, str]]:
    """Return what corrects an entry, the first one first, each with its reason.

    The words are those that `source` may see; without anybody, those that all may.
    """
    made = timelines.amendments_of(entry)
    return [(each, free_texts.redacted_for(each.reason, source)) for each in made]


def _amended(request: HttpRequest, entry: Entry, reason: str) -> HttpResponse | None:
    try:
        made = amendments.amend_entry(entry_id=entry.pk, reason=reason)
    except ApprovalRequired as required:
        messages.warning(request, awaits(required.approval))
        return None  # The same reason has to be sent again.
    except DomainError as refusal:
        messages.error(request, f"{refusal} {refusal.hint}".strip())
        return None
    messages.success(request, f"The correction is on record: entry {made}.")
    return HttpResponseRedirect(reverse(_ENTRY, args=[entry.pk]))
