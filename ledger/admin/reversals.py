"""Reversals in the admin: preview what undoing an action would do, then do it."""

from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from events.domain.errors import DomainError
from ledger import admin_access
from ledger.access import authority
from ledger.access.authority import Caller
from ledger.admin_access import CapabilityAdmin, awaits
from ledger.approving import reference
from ledger.approving.gate import ApprovalRequired
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.approval import ApprovalStatus
from ledger.models import Approval, ReversalStanding
from ledger.reversing import previews
from ledger.reversing.previews import Preview
from ledger.services import reversals

_PAGE = "admin:ledger_entry_reversal"


class ReversalForm(forms.Form):
    """The form of a reversal; the token is that of the preview beside it.

    `approval` is what it is done under, if an approval was asked for and given.
    """

    reason = forms.CharField(max_length=REASON_CHARS_MAX, widget=forms.Textarea({"rows": 3}))
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)
    approval = forms.UUIDField(widget=forms.HiddenInput, required=False)


@admin.register(ReversalStanding)
class ReversalStandingAdmin(CapabilityAdmin[ReversalStanding]):
    """What can be undone, and what is being undone. Each opens the preview of its entry."""

    reads = "ledger.read"
    list_display = ["entry", "state", "outcome", "amount_cents", "done_cents", "currency", "until"]
    list_filter = ["state", "outcome"]
    list_select_related = ["entry"]
    search_fields = ["=entry__target_id", "=entry__action_name"]
    ordering = ["-entry"]

    def get_urls(self) -> list[URLPattern]:
        """Add the page of any entry, also of one that cannot be undone."""
        page = self.admin_site.admin_view(self.reversal)
        own = path("entry/<uuid:entry_id>/", page, name="ledger_entry_reversal")
        return [own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Open the preview of the entry instead of a form of columns."""
        try:
            entry_id = UUID(object_id)
        except ValueError as error:
            raise Http404 from error
        return HttpResponseRedirect(reverse(_PAGE, args=[entry_id]))

    def reversal(self, request: HttpRequest, entry_id: UUID) -> HttpResponse:
        """Show what undoing an entry would do; on POST, do what was shown."""
        admin_access.demand_capability(request, "ledger.read")
        command = request.GET.get("command", "")
        asked = ReversalForm(request.POST) if request.method == "POST" else None
        if asked and asked.is_valid():
            if self._is_undone(request, entry_id, command, asked.cleaned_data):
                return HttpResponseRedirect(reverse(_PAGE, args=[entry_id]))
        elif asked:
            self._show_faults(request, asked)
        preview = previews.preview(entry_id, command=command)
        given = _given(preview, authority.caller_of(request))
        context = {
            **self.admin_site.each_context(request),
            "title": "Undo an action",
            "opts": self.opts,
            "preview": preview,
            "effects": [effect.as_json() for effect in preview.effects],
            "given": given,
            "form": ReversalForm(
                initial={
                    "token": preview.token,
                    "approval": given.pk if given else None,
                    "reason": asked["reason"].value() if asked else given.reason if given else "",
                }
            ),
            "may_undo": bool(preview.token) and authority.holds(request, "ledger.reverse"),
        }
        return TemplateResponse(request, "ledger/reversal.html", context)

    def _show_faults(self, request: HttpRequest, asked: ReversalForm) -> None:
        """Say above the form why it was refused: the one that is shown has a token of its own."""
        if "reason" in asked.errors:
            messages.error(request, f"Reason: {asked.errors['reason'][0]}")
        if {"token", "approval"} & set(asked.errors):
            messages.error(request, "It was sent without its preview. Look at it, and send again.")

    def _is_undone(
        self, request: HttpRequest, entry_id: UUID, command: str, asked: dict[str, Any]
    ) -> bool:
        caller, approval_id = authority.caller_of(request), asked["approval"]
        try:
            caller.demand("ledger.reverse")
            with reference.presenting(str(approval_id)) if approval_id else nullcontext():
                done = reversals.execute_reversal(
                    entry_id=entry_id,
                    command=command,
                    caller=caller,
                    token=asked["token"],
                    reason=asked["reason"],
                )
        except ApprovalRequired as required:
            messages.warning(request, awaits(required.approval))
            return True
        except DomainError as refusal:
            messages.error(request, f"{refusal} {refusal.hint}".strip())
            return False
        entry = reverse("admin:ledger_entry_change", args=[done.reversal_id])
        message = format_html('It is {}: see <a href="{}">its entry</a>.', done.state.value, entry)
        messages.success(request, message)
        return True


def _given(preview: Preview, caller: Caller) -> Approval | None:
    """Return the approval that the caller was given and has not used yet."""
    own = (
        each
        for each in preview.requests
        if each.requested_by == str(caller.principal)
        and each.status == ApprovalStatus.APPROVED
        and each.expires_at > timezone.now()
    )
    return next(own, None)
