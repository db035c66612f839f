"""Accesses to documents: grants, uses and revocations."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count, Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from commerce import selectors
from commerce.domain.access import AccessStatus
from commerce.models import DocumentAccess
from commerce.services import document_access
from console import counting
from console.access import demand, signed_in
from console.forms import AccessFilters, ReasonForm
from console.notices import tell_refusal
from console.paging import page_of
from console.tabs import Tab, tab_of
from events.domain.errors import DomainError
from ledger import timelines
from ledger.access import authority
from ledger.access.people import names_of
from ledger.approving.gate import ApprovalRequired
from ledger.reversing import previews, standings
from ledger.reversing.previews import Preview
from ledger.services import reversals

LIST = "console:accesses"
READS = "document_access.read"
MANAGES = document_access.MANAGE
REVERSES = "ledger.reverse"
USES_SHOWN = 100


class UndoForm(ReasonForm):
    """Why a revocation is taken back, and the token of what was shown of that."""

    token = forms.CharField(max_length=64, widget=forms.HiddenInput)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An access as it stands now, with the names of who has to do with it and its uses."""

    access: DocumentAccess
    status: AccessStatus
    grantee: str
    granted_by: str
    revoked_by: str
    uses: int = 0
    used_at: datetime | None = None


@signed_in
def listing(request: HttpRequest) -> HttpResponse:
    """Show the newest accesses that fit the filters, with how often each was used."""
    demand(request, READS)
    form = AccessFilters(request.GET, states=list(AccessStatus))
    context: dict[str, Any] = {"form": form, "tabs": list(_tabs(request.GET))}
    if not form.is_valid():
        return render(request, "console/accesses/list.html", context, status=400)
    rows = _accesses()
    if status := form.cleaned_data["status"]:
        rows = selectors.accesses_in(AccessStatus(status), rows, at=timezone.now())
    found, links = page_of(request.GET, form.narrowed(rows).order_by("-id"))
    context |= {"rows": list(_rows(found)), **links}
    return render(request, "console/accesses/list.html", context)


@signed_in
def detail(request: HttpRequest, access_id: UUID) -> HttpResponse:
    """Show one access: each look under it, and how it ends or comes back."""
    demand(request, READS)
    return _page(request, _one(access_id))


@signed_in
@require_POST
def revoke(request: HttpRequest, access_id: UUID) -> HttpResponseBase:
    """End an access at once."""
    demand(request, MANAGES)
    access = _one(access_id)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, access, revoking=form, status=400)
    reason = form.cleaned_data["reason"]

    def act() -> object:
        return document_access.revoke_document_access(access_id=access.pk, reason=reason).pk

    message = "The access is revoked."
    return _done(request, access, act, message=message, refused={"revoking": form})


@signed_in
@require_POST
def undo(request: HttpRequest, access_id: UUID) -> HttpResponseBase:
    """Take a revocation back, exactly as it was shown, and show the access granted anew."""
    demand(request, REVERSES)
    access = _one(access_id)
    form = UndoForm(request.POST)
    if not form.is_valid():
        return _page(request, access, undoing=form, status=400)
    entry_id = standings.entry_of("document_access", str(access.pk))
    if entry_id is None:
        raise Http404
    asked = form.cleaned_data

    def act() -> object:
        done = reversals.execute_reversal(
            entry_id=entry_id,
            caller=authority.caller_of(request),
            token=asked["token"],
            reason=asked["reason"],
        )
        return timelines.target_of(done.reversal_id).id

    # Not the form itself: the token of what was shown may be what was refused.
    message = "The revocation is undone. This is the new access."
    return _done(request, access, act, message=message, refused={"reason": asked["reason"]})


def _done(
    request: HttpRequest,
    access: DocumentAccess,
    act: Callable[[], object],
    *,
    message: str,
    refused: dict[str, Any],
) -> HttpResponseBase:
    """Do it, and show the access whose id it returns; if not, its page with `refused`."""
    try:
        shown = act()
    except ApprovalRequired as required:
        messages.warning(request, "Somebody else has to agree first.")
        return redirect("console:approval", required.approval.pk)
    except DomainError as refusal:
        tell_refusal(request, refusal)
        return _page(request, _one(access.pk), status=409, **refused)
    messages.success(request, message)
    return redirect("console:access", shown)


def _page(
    request: HttpRequest,
    access: DocumentAccess,
    *,
    revoking: ReasonForm | None = None,
    undoing: UndoForm | None = None,
    reason: str = "",
    status: int = 200,
) -> HttpResponse:
    [row] = _rows([access])
    looks = list(_looks_under(access)[:USES_SHOWN])
    names = names_of(f"{each.principal_type}:{each.principal_id}" for each in looks)
    preview = _preview(request, row)
    context = {
        "row": row,
        "access": access,
        "looks": [(each, names[f"{each.principal_type}:{each.principal_id}"]) for each in looks],
        "revoking": revoking or ReasonForm(),
        "may_revoke": row.status is AccessStatus.LIVE and authority.holds(request, MANAGES),
        "preview": preview,
        "undoing": undoing
        or UndoForm(initial={"token": preview.token if preview else "", "reason": reason}),
        "may_undo": bool(preview and preview.token),
        "entry_url": _entry_url(request, access),
    }
    return render(request, "console/accesses/detail.html", context, status=status)


def _preview(request: HttpRequest, row: Row) -> Preview | None:
    """Return what taking the revocation back would do; of what is live, revoking is the way."""
    if row.status is not AccessStatus.REVOKED or not authority.holds(request, REVERSES):
        return None
    entry_id = standings.entry_of("document_access", str(row.access.pk))
    return None if entry_id is None else previews.preview(entry_id)


def _entry_url(request: HttpRequest, access: DocumentAccess) -> str:
    entry_id = standings.entry_of("document_access", str(access.pk))
    if entry_id is None or not request.user.is_staff or not authority.holds(request, "ledger.read"):
        return ""
    return reverse("admin:ledger_entry_change", args=[entry_id])


def _rows(accesses: Iterable[DocumentAccess]) -> Iterator[Row]:
    accesses = list(accesses)
    now = timezone.now()
    uses = _uses(accesses)
    names = names_of(
        name
        for each in accesses
        for name in (each.grantee, each.granted_by, each.revoked_by)
        if name
    )
    for each in accesses:
        count, last = uses.get(selectors.policy_of(each), (0, None))
        yield Row(
            access=each,
            status=selectors.access_status(each, at=now),
            grantee=names[each.grantee],
            granted_by=names[each.granted_by],
            revoked_by=names.get(each.revoked_by, ""),
            uses=count,
            used_at=last,
        )


def _uses(accesses: list[DocumentAccess]) -> dict[str, tuple[int, datetime | None]]:
    targets = {selectors.disclosed_target(each.document) for each in accesses}
    counted = (
        timelines.reads_of(targets, [selectors.policy_of(each) for each in accesses])
        .order_by()
        .values_list("disclosure__decision_policy")
        .annotate(Count("pk"), Max("occurred_at"))
    )
    return {policy: (count, last) for policy, count, last in counted}


def _looks_under(access: DocumentAccess) -> Any:
    of, policy = selectors.disclosed_target(access.document), selectors.policy_of(access)
    return timelines.reads_of([of], [policy]).order_by("-occurred_at", "-pk")


def _accesses() -> Any:
    return DocumentAccess.objects.select_related("document__invoice").defer(
        "document__content_sealed"
    )


def _one(access_id: UUID) -> DocumentAccess:
    found: DocumentAccess | None = _accesses().filter(pk=access_id).first()
    if found is None:
        raise Http404
    return found


def _tabs(query: QueryDict) -> Iterator[Tab]:
    now = timezone.now()
    every = DocumentAccess.objects.all()
    rows = {each.value: selectors.accesses_in(each, every, at=now) for each in AccessStatus}
    yield tab_of(LIST, query, "")
    for status, count in counting.count_each(rows).items():
        yield tab_of(LIST, query, status, count=counting.shown(count))
